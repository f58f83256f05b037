//! JPEG and PNG: every access unit is a picture of its own.

use super::PictureDecoder;
use crate::{AccessUnit, Codec, MediaError, Yuv420, jpeg, png};

/// Decodes each unit on its own.
pub(super) struct Still {
    codec: Codec,
}

impl Still {
    pub(super) fn new(codec: Codec) -> Still {
        Still { codec }
    }
}

impl PictureDecoder for Still {
    fn decode(&mut self, unit: &AccessUnit) -> Result<Vec<(i64, Yuv420)>, MediaError> {
        let picture = if self.codec == Codec::Png {
            png::decode(&unit.data)
        } else {
            jpeg::decode(&unit.data)
        };
        Ok(vec![(unit.pts_us, picture?)])
    }

    fn flush(&mut self) -> Result<Vec<(i64, Yuv420)>, MediaError> {
        Ok(Vec::new())
    }
}
