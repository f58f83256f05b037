//! JPEG files.

use crate::{MediaError, Yuv420};

/// Encodes a picture; `quality` from 1 to 100.
pub fn encode(picture: &Yuv420, quality: u8) -> Result<Vec<u8>, MediaError> {
    let _ = (picture, quality);
    todo!()
}

/// Decodes a picture of at most [`crate::MAX_PIXELS`].
pub fn decode(file: &[u8]) -> Result<Yuv420, MediaError> {
    let _ = file;
    todo!()
}

/// Width and height, read from the file's headers alone.
pub fn size(file: &[u8]) -> Option<(u32, u32)> {
    let _ = file;
    todo!()
}
