//! skeleton
use crate::error::LogError;
use std::borrow::Cow;

/// The payload as it was before compression.
pub fn decompress(codec: u8, payload: &[u8]) -> Result<Cow<'_, [u8]>, LogError> {
    match codec {
        0 => Ok(Cow::Borrowed(payload)),
        _ => Err(LogError::UnsupportedCompression { codec }),
    }
}
