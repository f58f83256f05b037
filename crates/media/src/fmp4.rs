//! Access units in, fragmented MP4 out (ISO/IEC 14496-12).

use bytes::Bytes;

use crate::{AccessUnit, Codec, MediaError};

/// Packs access units of one codec and one set of parameters.
#[derive(Debug, Clone)]
pub struct Muxer {}

impl Muxer {
    /// A muxer whose init segment is made from the parameter sets of a key frame.
    pub fn new(codec: Codec, first_key: &AccessUnit) -> Result<Muxer, MediaError> {
        let _ = (codec, first_key);
        todo!()
    }

    /// The init segment: `ftyp` and `moov`.
    pub fn init(&self) -> Bytes {
        todo!()
    }

    /// The codec in RFC 6381 form.
    pub fn codec_string(&self) -> &str {
        todo!()
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        todo!()
    }

    /// One fragment (`moof` and `mdat`) with one access unit that is shown for `duration_us`.
    pub fn fragment(&mut self, unit: &AccessUnit, duration_us: i64) -> Bytes {
        let _ = (unit, duration_us);
        todo!()
    }

    /// Whether the access unit carries parameter sets other than this muxer's: a new [`Muxer`] is needed then.
    pub fn changed_by(&self, unit: &AccessUnit) -> bool {
        let _ = unit;
        todo!()
    }
}
