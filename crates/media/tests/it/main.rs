//! What the crate promises, seen from outside.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on may say so by panicking, in what it calls too"
)]

mod container;
mod live;
mod sound;
