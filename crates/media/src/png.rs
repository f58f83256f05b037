//! PNG files.

use crate::{MediaError, Yuv420};

/// Encodes a picture.
pub fn encode(picture: &Yuv420) -> Result<Vec<u8>, MediaError> {
    let _ = picture;
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
