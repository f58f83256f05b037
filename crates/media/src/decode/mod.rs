//! H.264, JPEG and PNG access units in, pictures out.

use crate::{AccessUnit, Codec, MediaError, Yuv420};

/// Turns access units into pictures.
pub trait PictureDecoder {
    /// Takes the next access unit in decode order; gives the pictures that are complete, in the order they are shown.
    fn decode(&mut self, unit: &AccessUnit) -> Result<Vec<(i64, Yuv420)>, MediaError>;
    /// Gives the pictures still held back.
    fn flush(&mut self) -> Result<Vec<(i64, Yuv420)>, MediaError>;
}

/// The decoder for a codec.
pub fn decoder_for(codec: Codec) -> Result<Box<dyn PictureDecoder + Send>, MediaError> {
    Err(MediaError::NoDecoder { codec })
}
