//! H.264 with `OpenH264`. It gives pictures in the order they are shown, without saying which is which: each takes the
//! earliest time that is still due.

use std::{cmp::Reverse, collections::BinaryHeap};

use openh264::{
    OpenH264API,
    decoder::{DecodeOptions, DecodedYUV, Decoder, DecoderConfig, Flush},
    formats::YUVSource,
};

use super::{PictureDecoder, check_headers, decode_error};
use crate::{AccessUnit, MediaError, Yuv420};

/// One stream's decoder.
pub(super) struct OpenH264 {
    decoder: Decoder,
    due: BinaryHeap<Reverse<i64>>,
    full_range: bool,
    needs_key: bool,
}

/// More pictures than this are never held back (ITU-T H.264 Annex A); times beyond are of pictures that never came.
const MAX_DUE: usize = 32;

impl OpenH264 {
    pub(super) fn new() -> Result<OpenH264, MediaError> {
        Ok(OpenH264 {
            decoder: new_decoder()?,
            due: BinaryHeap::new(),
            full_range: false,
            needs_key: true,
        })
    }

    fn flush_decoder(&mut self) -> Result<Vec<(i64, Yuv420)>, MediaError> {
        let decoded = self
            .decoder
            .flush_remaining()
            .map_err(|error| decode_error(&error))?;
        let pictures: Vec<_> = decoded.iter().filter_map(copy).collect();
        Ok(pictures
            .into_iter()
            .filter_map(|picture| self.timed(picture))
            .collect())
    }

    fn timed(&mut self, mut picture: Yuv420) -> Option<(i64, Yuv420)> {
        if self.full_range {
            picture.limit_range();
        }
        self.due.pop().map(|Reverse(pts_us)| (pts_us, picture))
    }
}

fn new_decoder() -> Result<Decoder, MediaError> {
    // Flushing after each picture would give B-frames' references too early.
    let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
    Decoder::with_api_config(OpenH264API::from_source(), config)
        .map_err(|error| decode_error(&error))
}

fn copy(decoded: &DecodedYUV<'_>) -> Option<Yuv420> {
    let (width, height) = decoded.dimensions();
    let (luma_stride, chroma_stride, _) = decoded.strides();
    let size = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    Yuv420::from_planes(
        size,
        (decoded.y(), decoded.u(), decoded.v()),
        (luma_stride, chroma_stride),
    )
}

impl PictureDecoder for OpenH264 {
    fn decode(&mut self, unit: &AccessUnit) -> Result<Vec<(i64, Yuv420)>, MediaError> {
        if self.needs_key && !unit.key {
            return Ok(Vec::new());
        }
        if let Some(sps) = check_headers(&unit.data)? {
            self.full_range = sps.full_range;
        }
        self.needs_key = false;
        self.due.push(Reverse(unit.pts_us));
        while self.due.len() > MAX_DUE {
            self.due.pop();
        }
        let options = DecodeOptions::new().flush_after_decode(Flush::NoFlush);
        match self.decoder.decode_with_options(&unit.data, options) {
            Ok(decoded) => {
                let picture = decoded.as_ref().and_then(copy);
                Ok(picture
                    .and_then(|picture| self.timed(picture))
                    .into_iter()
                    .collect())
            }
            Err(error) => {
                self.decoder = new_decoder()?;
                self.due.clear();
                self.needs_key = true;
                Err(decode_error(&error))
            }
        }
    }

    fn flush(&mut self) -> Result<Vec<(i64, Yuv420)>, MediaError> {
        let out = self.flush_decoder();
        self.due.clear();
        out
    }
}
