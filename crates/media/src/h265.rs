//! h265 headers.
