//! The page, built by Vite and embedded.
