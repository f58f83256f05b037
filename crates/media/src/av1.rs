//! av1 headers.
