//! The sample entry of a video track: codec, size and the codec's own configuration box.
//!
//! Used for init segments and for the made-up files of [`crate::synthetic`].

use super::boxes::Boxes;
use crate::{AccessUnit, Codec, MediaError, av1, h264, h265, vp9};

/// What a player must know before the first picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: [u8; 4],
    pub(crate) config_kind: [u8; 4],
    pub(crate) config: Vec<u8>,
    pub(crate) codec_string: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Entry {
    /// From the headers a key frame carries.
    pub(crate) fn of(codec: Codec, key: &AccessUnit) -> Result<Entry, MediaError> {
        match codec {
            Codec::H264 => Self::h264(&key.data),
            Codec::H265 => Self::h265(&key.data),
            Codec::Av1 => Self::av1(&key.data),
            Codec::Vp9 => Self::vp9(&key.data),
            Codec::Jpeg | Codec::Png => {
                Err(headers(codec, "pictures of this kind do not go into MP4"))
            }
        }
    }

    fn h264(data: &[u8]) -> Result<Entry, MediaError> {
        let sets = h264::ParameterSets::of(data);
        let sps = sets.sps.first().and_then(|unit| h264::Sps::parse(unit));
        let (Some(sps), Some(config)) = (sps, sets.to_avcc()) else {
            return Err(headers(
                Codec::H264,
                "no sound sequence parameter set is in front of it",
            ));
        };
        if sets.pps.is_empty() {
            return Err(headers(
                Codec::H264,
                "no picture parameter set is in front of it",
            ));
        }
        Ok(Entry {
            kind: *b"avc1",
            config_kind: *b"avcC",
            config,
            codec_string: sps.codec_string(),
            width: sps.width,
            height: sps.height,
        })
    }

    fn h265(data: &[u8]) -> Result<Entry, MediaError> {
        let sets = h265::ParameterSets::of(data);
        let sps = sets.sps.first().and_then(|unit| h265::Sps::parse(unit));
        let (Some(sps), Some(config)) = (sps, sets.to_hvcc()) else {
            return Err(headers(
                Codec::H265,
                "no sound sequence parameter set is in front of it",
            ));
        };
        Ok(Entry {
            kind: *b"hvc1",
            config_kind: *b"hvcC",
            config,
            codec_string: sps.codec_string(),
            width: sps.width,
            height: sps.height,
        })
    }

    fn av1(data: &[u8]) -> Result<Entry, MediaError> {
        let Some((header, obu)) = av1::find_sequence_header(data) else {
            return Err(headers(Codec::Av1, "no sound sequence header is in it"));
        };
        Ok(Entry {
            kind: *b"av01",
            config_kind: *b"av1C",
            config: header.to_av1c(obu),
            codec_string: header.codec_string(),
            width: header.width,
            height: header.height,
        })
    }

    fn vp9(data: &[u8]) -> Result<Entry, MediaError> {
        let Some(header) = vp9::KeyHeader::parse(data) else {
            return Err(headers(
                Codec::Vp9,
                "it does not begin with a key frame's header",
            ));
        };
        Ok(Entry {
            kind: *b"vp09",
            config_kind: *b"vpcC",
            config: header.to_vpcc(),
            codec_string: header.codec_string(),
            width: header.width,
            height: header.height,
        })
    }
}

/// Writes the `stsd` box (ISO/IEC 14496-12 §8.5.2, §12.1.3).
pub(crate) fn write_stsd(entries: &[Entry], boxes: &mut Boxes) {
    boxes.full(*b"stsd", 0, 0, |boxes| {
        boxes.u32(entries.len() as u32);
        for entry in entries {
            boxes.wrap(entry.kind, |boxes| {
                boxes.zeros(6).u16(1).zeros(16);
                boxes
                    .u16(clamp_u16(entry.width))
                    .u16(clamp_u16(entry.height));
                boxes.u32(0x0048_0000).u32(0x0048_0000).u32(0).u16(1);
                boxes.zeros(32).u16(0x18).u16(0xffff);
                boxes.wrap(entry.config_kind, |boxes| {
                    boxes.bytes(&entry.config);
                });
            });
        }
    });
}

pub(crate) fn clamp_u16(value: u32) -> u16 {
    value.min(u32::from(u16::MAX)) as u16
}

fn headers(codec: Codec, why: &'static str) -> MediaError {
    MediaError::Headers { codec, why }
}
