//! One uncompressed picture, and the way to and from RGB.
//!
//! BT.601 limited range, the one JPEG-less H.264 without colour information means to most players.

use crate::MediaError;

/// The most pixels a picture may have: 8K (7680 × 4320) and a little more.
pub const MAX_PIXELS: u64 = 40_000_000;

/// A picture in planar YUV with chroma at half width and height (rounded up), planes without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yuv420 {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Luma, `width * height` bytes.
    pub y: Vec<u8>,
    /// Blue difference, `ceil(width/2) * ceil(height/2)` bytes.
    pub u: Vec<u8>,
    /// Red difference, as `u`.
    pub v: Vec<u8>,
}

impl Yuv420 {
    /// A black picture.
    pub fn new(width: u32, height: u32) -> Result<Yuv420, MediaError> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 || pixels > MAX_PIXELS {
            return Err(MediaError::PictureSize {
                width: width.into(),
                height: height.into(),
            });
        }
        let chroma = width.div_ceil(2) as usize * height.div_ceil(2) as usize;
        Ok(Yuv420 {
            width,
            height,
            y: vec![16; pixels as usize],
            u: vec![128; chroma],
            v: vec![128; chroma],
        })
    }

    /// Bytes in a chroma row.
    pub fn chroma_width(&self) -> usize {
        self.width.div_ceil(2) as usize
    }

    /// Chroma rows.
    pub fn chroma_height(&self) -> usize {
        self.height.div_ceil(2) as usize
    }
}
