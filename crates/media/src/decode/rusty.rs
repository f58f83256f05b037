//! H.264 with `rusty_h264`, which is Rust throughout. It gives pictures in decode order; they are sorted here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusty_h264_decoder::Decoder;

use super::{PictureDecoder, Reorder, check_headers, decode_error};
use crate::{AccessUnit, MediaError, Yuv420};

/// One stream's decoder.
pub(super) struct Rusty {
    decoder: Decoder,
    reorder: Reorder,
    full_range: bool,
    /// Set until a key frame is decoded: what comes before cannot be.
    needs_key: bool,
}

impl Rusty {
    pub(super) fn new() -> Rusty {
        Rusty {
            decoder: Decoder::new(),
            reorder: Reorder::default(),
            full_range: false,
            needs_key: true,
        }
    }

    fn picture(&mut self, data: &[u8]) -> Result<Option<Yuv420>, MediaError> {
        let decoded = catch_unwind(AssertUnwindSafe(|| self.decoder.decode(data)));
        let frame = match decoded {
            Ok(Ok(frame)) => frame,
            Ok(Err(error)) => return Err(decode_error(&error)),
            Err(_) => return Err(decode_error(&"the decoder gave up on it")),
        };
        let Some(frame) = frame else {
            return Ok(None);
        };
        let size = (u32::try_from(frame.width), u32::try_from(frame.height));
        let (Ok(width), Ok(height)) = size else {
            return Err(decode_error(&"the decoder gave a picture of no sound size"));
        };
        let mut picture = Yuv420 {
            width,
            height,
            y: frame.y,
            u: frame.u,
            v: frame.v,
        };
        if !picture.planes_fit() {
            return Err(decode_error(&"the decoder gave a picture of no sound size"));
        }
        if self.full_range {
            picture.limit_range();
        }
        Ok(Some(picture))
    }
}

impl PictureDecoder for Rusty {
    fn decode(&mut self, unit: &AccessUnit) -> Result<Vec<(i64, Yuv420)>, MediaError> {
        if self.needs_key && !unit.key {
            return Ok(Vec::new());
        }
        let mut out = Vec::new();
        let result = check_headers(&unit.data).and_then(|sps| {
            if let Some(sps) = sps {
                // A new sequence: nothing held back can come after it.
                out = self.reorder.take(true);
                self.reorder.depth = sps.reorder_depth() as usize;
                self.full_range = sps.full_range;
            }
            self.picture(&unit.data)
        });
        match result {
            Ok(picture) => {
                self.needs_key = false;
                if let Some(picture) = picture {
                    self.reorder.push(unit.pts_us, picture);
                }
                out.extend(self.reorder.take(false));
                Ok(out)
            }
            Err(error) => {
                // Whatever state the decoder is left in, a new one has none of it.
                self.decoder = Decoder::new();
                self.needs_key = true;
                for (pts_us, picture) in out {
                    self.reorder.push(pts_us, picture);
                }
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> Result<Vec<(i64, Yuv420)>, MediaError> {
        Ok(self.reorder.take(true))
    }
}
