//! The page and the HTTP interface.

pub mod api;
