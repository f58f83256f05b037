//! H.264, JPEG and PNG access units in, pictures out in the order they are shown.
//!
//! The decoders are other people's code fed with outside bytes: a picture's size is checked before they see it, and a
//! panic inside one costs the pictures up to the next key frame, not the process.

mod openh264;
mod rusty;
mod still;

use std::{cmp::Ordering, collections::BinaryHeap};

use crate::{AccessUnit, Codec, MediaError, Yuv420, h264, nal};

/// Turns access units into pictures.
pub trait PictureDecoder {
    /// Takes the next access unit in decode order; gives the pictures that are complete, in the order they are shown, each
    /// with its pts. After an error, units up to the next key frame give nothing.
    fn decode(&mut self, unit: &AccessUnit) -> Result<Vec<(i64, Yuv420)>, MediaError>;
    /// Gives the pictures still held back.
    fn flush(&mut self) -> Result<Vec<(i64, Yuv420)>, MediaError>;
}

/// The decoder for a codec.
pub fn decoder_for(codec: Codec) -> Result<Box<dyn PictureDecoder + Send>, MediaError> {
    match codec {
        Codec::H264 => Ok(Box::new(rusty::Rusty::new())),
        Codec::Jpeg | Codec::Png => Ok(Box::new(still::Still::new(codec))),
        Codec::H265 | Codec::Av1 | Codec::Vp9 => Err(MediaError::NoDecoder { codec }),
    }
}

/// The other decoder for H.264, `OpenH264`: to compare with, and to turn to where the first one refuses a stream.
pub fn second_h264_decoder() -> Result<Box<dyn PictureDecoder + Send>, MediaError> {
    Ok(Box::new(self::openh264::OpenH264::new()?))
}

fn decode_error(why: &dyn std::fmt::Display) -> MediaError {
    MediaError::Decode {
        codec: Codec::H264,
        why: why.to_string(),
    }
}

/// What the sequence parameter sets of a unit ask for: `Ok(None)` without any, an error if one is not sound or asks for
/// more pixels than are handled.
fn check_headers(data: &[u8]) -> Result<Option<h264::Sps>, MediaError> {
    let mut found = None;
    for unit in nal::units(data).filter(|unit| h264::nal_type(unit) == h264::NAL_SPS) {
        let sps = h264::Sps::parse(unit)
            .ok_or_else(|| decode_error(&"its sequence parameter set is not sound"))?;
        if sps.chroma_format_idc != 1 || sps.bit_depth != 8 {
            return Err(decode_error(
                &"it is not 8-bit 4:2:0, the only form that is decoded here",
            ));
        }
        found = Some(sps);
    }
    Ok(found)
}

/// Holds pictures back until those shown before them have come.
#[derive(Debug, Default)]
struct Reorder {
    depth: usize,
    waiting: BinaryHeap<Waiting>,
}

impl Reorder {
    fn push(&mut self, pts_us: i64, picture: Yuv420) {
        self.waiting.push(Waiting { pts_us, picture });
    }

    /// The pictures that none can come before any more, or all of them.
    fn take(&mut self, all: bool) -> Vec<(i64, Yuv420)> {
        let keep = if all { 0 } else { self.depth };
        let mut out = Vec::new();
        while self.waiting.len() > keep
            && let Some(next) = self.waiting.pop()
        {
            out.push((next.pts_us, next.picture));
        }
        out
    }
}

#[derive(Debug)]
struct Waiting {
    pts_us: i64,
    picture: Yuv420,
}

impl Ord for Waiting {
    /// The heap gives its greatest: that is the earliest.
    fn cmp(&self, other: &Waiting) -> Ordering {
        other.pts_us.cmp(&self.pts_us)
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}
