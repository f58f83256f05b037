//! h264 headers.
