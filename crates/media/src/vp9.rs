//! vp9 headers.
