//! AV1: open bitstream units, sequence header, codec string, key frames, the `av1C` box.
//!
//! Section numbers are those of the AV1 bitstream specification; “ISOBMFF” is the AV1 codec's binding to MP4.
//! Headers only; no picture is decoded here.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use crate::{MAX_PIXELS, bits::Bits};

/// `obu_type` of a sequence header.
pub const OBU_SEQUENCE_HEADER: u8 = 1;
/// `obu_type` of a temporal delimiter.
pub const OBU_TEMPORAL_DELIMITER: u8 = 2;
/// `obu_type` of a frame header.
pub const OBU_FRAME_HEADER: u8 = 3;
/// `obu_type` of a frame: header and tiles.
pub const OBU_FRAME: u8 = 6;

/// A temporal delimiter, which begins every temporal unit of a byte stream (§7.5).
pub const TEMPORAL_DELIMITER: [u8; 2] = [0x12, 0];

/// One open bitstream unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obu<'a> {
    /// `obu_type`.
    pub kind: u8,
    /// The header's extension byte, where there is one.
    pub extension: Option<u8>,
    /// What follows header and size.
    pub payload: &'a [u8],
}

impl Obu<'_> {
    /// Appends the unit with its size in it, whether or not it had one.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.kind << 3 | u8::from(self.extension.is_some()) << 2 | 2);
        out.extend(self.extension);
        let mut len = self.payload.len();
        while len >= 0x80 {
            out.push(len as u8 | 0x80);
            len >>= 7;
        }
        out.push(len as u8);
        out.extend_from_slice(self.payload);
    }
}

/// The open bitstream units of a temporal unit; ends early at one that does not fit.
pub fn obus(data: &[u8]) -> Obus<'_> {
    Obus { rest: data }
}

/// Iterator of [`obus`].
#[derive(Debug, Clone)]
pub struct Obus<'a> {
    rest: &'a [u8],
}

impl<'a> Obus<'a> {
    /// What was not read: empty if all of it was sound.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn take(&mut self) -> Option<Obu<'a>> {
        let (&header, mut rest) = self.rest.split_first()?;
        if header & 0x80 != 0 {
            return None;
        }
        let mut extension = None;
        if header & 4 != 0 {
            let (&byte, after) = rest.split_first()?;
            extension = Some(byte);
            rest = after;
        }
        let mut len_bytes = rest.len();
        if header & 2 != 0 {
            let mut value = 0u64;
            for at in 0..8 {
                let (&byte, after) = rest.split_first()?;
                rest = after;
                value |= u64::from(byte & 0x7f) << (7 * at);
                if byte & 0x80 == 0 {
                    break;
                }
            }
            len_bytes = usize::try_from(value).ok()?;
        }
        let (payload, after) = rest.split_at_checked(len_bytes)?;
        self.rest = after;
        Some(Obu {
            kind: header >> 3 & 15,
            extension,
            payload,
        })
    }
}

impl<'a> Iterator for Obus<'a> {
    type Item = Obu<'a>;

    fn next(&mut self) -> Option<Obu<'a>> {
        self.take()
    }
}

/// What a sequence header says (§5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceHeader {
    /// `seq_profile`.
    pub profile: u8,
    /// `seq_level_idx` of the first operating point.
    pub level: u8,
    /// Whether the first operating point is of the High tier.
    pub high_tier: bool,
    /// Bits a sample has.
    pub bit_depth: u8,
    /// Whether there is no chroma.
    pub monochrome: bool,
    /// Whether chroma has half the width, half the height.
    pub subsampling: (bool, bool),
    /// `chroma_sample_position`.
    pub chroma_position: u8,
    /// `max_frame_width`.
    pub width: u32,
    /// `max_frame_height`.
    pub height: u32,
    reduced: bool,
}

impl SequenceHeader {
    /// Reads the payload of a sequence header. `None` if it is not sound.
    pub fn parse(payload: &[u8]) -> Option<SequenceHeader> {
        let mut bits = Bits::new(payload);
        let profile = bits.u(3).filter(|profile| *profile <= 2)? as u8;
        bits.flag()?;
        let reduced = bits.flag()?;
        let (level, high_tier) = if reduced {
            (bits.u(5)? as u8, false)
        } else {
            operating_points(&mut bits)?
        };
        let width_bits = bits.u(4)? + 1;
        let height_bits = bits.u(4)? + 1;
        let width = bits.u(width_bits)? + 1;
        let height = bits.u(height_bits)? + 1;
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            return None;
        }
        if !reduced && bits.flag()? {
            bits.skip(7)?;
        }
        bits.skip(3)?;
        if !reduced {
            bits.skip(4)?;
            let order_hint = bits.flag()?;
            if order_hint {
                bits.skip(2)?;
            }
            let screen_content = if bits.flag()? { true } else { bits.flag()? };
            if screen_content && !bits.flag()? {
                bits.flag()?;
            }
            if order_hint {
                bits.skip(3)?;
            }
        }
        bits.skip(3)?;
        let mut header = SequenceHeader {
            profile,
            level,
            high_tier,
            bit_depth: 8,
            monochrome: false,
            subsampling: (true, true),
            chroma_position: 0,
            width,
            height,
            reduced,
        };
        header.read_colour(&mut bits)?;
        Some(header)
    }

    /// §5.5.2.
    fn read_colour(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let high = bits.flag()?;
        self.bit_depth = match (high, self.profile) {
            (true, 2) if bits.flag()? => 12,
            (true, _) => 10,
            (false, _) => 8,
        };
        self.monochrome = self.profile != 1 && bits.flag()?;
        let described = if bits.flag()? {
            Some((bits.u(8)?, bits.u(8)?, bits.u(8)?))
        } else {
            None
        };
        if self.monochrome {
            return Some(());
        }
        // BT.709 primaries with the sRGB curve and no matrix is RGB.
        if described == Some((1, 13, 0)) {
            self.subsampling = (false, false);
            return Some(());
        }
        bits.flag()?;
        self.subsampling = match (self.profile, self.bit_depth) {
            (0, _) => (true, true),
            (1, _) => (false, false),
            (_, 12) => {
                let horizontal = bits.flag()?;
                (horizontal, horizontal && bits.flag()?)
            }
            _ => (true, false),
        };
        if self.subsampling == (true, true) {
            self.chroma_position = bits.u(2)? as u8;
        }
        Some(())
    }

    /// The codec in RFC 6381 form (ISOBMFF §5): `av01.0.05M.08`.
    pub fn codec_string(&self) -> String {
        let tier = if self.high_tier { 'H' } else { 'M' };
        format!(
            "av01.{}.{:02}{tier}.{:02}",
            self.profile, self.level, self.bit_depth
        )
    }

    /// The body of an `av1C` box (ISOBMFF §2.3.3) with this header's own unit in it.
    pub fn to_av1c(&self, unit: Obu<'_>) -> Vec<u8> {
        let flags = u8::from(self.high_tier) << 7
            | u8::from(self.bit_depth > 8) << 6
            | u8::from(self.bit_depth == 12) << 5
            | u8::from(self.monochrome) << 4
            | u8::from(self.subsampling.0) << 3
            | u8::from(self.subsampling.1) << 2
            | self.chroma_position & 3;
        let mut out = vec![0x81, self.profile << 5 | self.level, flags, 0];
        unit.write(&mut out);
        out
    }
}

/// The part of §5.5.1 from `timing_info_present_flag` to the last operating point: level and tier of the first.
fn operating_points(bits: &mut Bits<'_>) -> Option<(u8, bool)> {
    let mut decoder_model = None;
    if bits.flag()? {
        bits.skip(64)?;
        if bits.flag()? {
            bits.ue()?;
        }
        if bits.flag()? {
            decoder_model = Some(bits.u(5)? as usize + 1);
            bits.skip(42)?;
        }
    }
    let display_delay = bits.flag()?;
    let mut first = None;
    for _ in 0..=bits.u(5)? {
        bits.skip(12)?;
        let level = bits.u(5)? as u8;
        let high_tier = level > 7 && bits.flag()?;
        if let Some(delay_bits) = decoder_model
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if display_delay && bits.flag()? {
            bits.skip(4)?;
        }
        first.get_or_insert((level, high_tier));
    }
    first
}

/// The first sound sequence header of a temporal unit, and the unit it stands in.
pub fn find_sequence_header(data: &[u8]) -> Option<(SequenceHeader, Obu<'_>)> {
    obus(data)
        .filter(|obu| obu.kind == OBU_SEQUENCE_HEADER)
        .find_map(|obu| Some((SequenceHeader::parse(obu.payload)?, obu)))
}

/// Whether a temporal unit begins with a shown key frame (§5.9.2) and carries the sequence header it needs.
pub fn is_key(data: &[u8]) -> bool {
    find_sequence_header(data)
        .is_some_and(|(header, _)| header.reduced || begins_with_key_frame(data))
}

/// Whether the first frame of a temporal unit is a key frame.
pub fn begins_with_key_frame(data: &[u8]) -> bool {
    let frame = obus(data).find(|obu| matches!(obu.kind, OBU_FRAME | OBU_FRAME_HEADER));
    // show_existing_frame, then frame_type of two bits: 0 is a key frame.
    frame
        .and_then(|obu| obu.payload.first().copied())
        .is_some_and(|byte| byte & 0b1110_0000 == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_written_and_read_back() {
        let payload = [7; 300];
        let unit = Obu {
            kind: OBU_FRAME,
            extension: Some(8),
            payload: &payload,
        };
        let mut out = TEMPORAL_DELIMITER.to_vec();
        unit.write(&mut out);
        let found: Vec<_> = obus(&out).collect();
        assert_eq!(
            found,
            [
                Obu {
                    kind: 2,
                    extension: None,
                    payload: &[]
                },
                unit
            ]
        );
        let mut cut = obus(&out[..200]);
        assert_eq!(cut.by_ref().count(), 1);
        assert!(!cut.rest().is_empty());
    }

    #[test]
    fn a_sequence_header_of_an_encoder_is_read() {
        // SVT-AV1, 320x240, Main profile, 8 bits, as an MP4 has it in `av1C`.
        let payload = [
            0x00, 0x00, 0x00, 0x04, 0x3c, 0xff, 0xbc, 0x02, 0xf8, 0x00, 0x40,
        ];
        let header = SequenceHeader::parse(&payload).unwrap();
        assert_eq!((header.width, header.height), (320, 240));
        assert_eq!(header.codec_string(), "av01.0.00M.08");
        let unit = Obu {
            kind: OBU_SEQUENCE_HEADER,
            extension: None,
            payload: &payload,
        };
        let av1c = [&[0x81, 0x00, 0x0c, 0x00, 0x0a, 0x0b][..], &payload].concat();
        assert_eq!(header.to_av1c(unit), av1c);
        for len in 0..payload.len() {
            let _ = SequenceHeader::parse(&payload[..len]);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            for obu in obus(&bytes) {
                if let Some(header) = SequenceHeader::parse(obu.payload) {
                    prop_assert!(!header.codec_string().is_empty());
                    prop_assert!(!header.to_av1c(obu).is_empty());
                }
            }
            let _ = SequenceHeader::parse(&bytes);
            let _ = is_key(&bytes);
        }
    }
}
