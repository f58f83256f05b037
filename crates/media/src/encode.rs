//! Pictures in, H.264 access units out.

use crate::{AccessUnit, MediaError, Yuv420};

/// Encodes pictures as H.264 without B-frames: each access unit can be shown as soon as it is made.
pub struct H264Encoder {}

impl H264Encoder {
    /// An encoder for pictures of one size.
    pub fn new(
        width: u32,
        height: u32,
        fps: f64,
        bitrate_bps: u32,
    ) -> Result<H264Encoder, MediaError> {
        let _ = (width, height, fps, bitrate_bps);
        todo!()
    }

    /// Encodes the next picture. `force_key` makes it a key frame.
    pub fn encode(
        &mut self,
        picture: &Yuv420,
        pts_us: i64,
        force_key: bool,
    ) -> Result<AccessUnit, MediaError> {
        let _ = (picture, pts_us, force_key);
        todo!()
    }
}
