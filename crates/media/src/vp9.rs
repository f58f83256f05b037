//! VP9: the header of a key frame, codec string, the `vpcC` box.
//!
//! Section numbers are those of the VP9 bitstream specification. Headers only; no picture is decoded here.
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

/// What the uncompressed header of a key frame says (§6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHeader {
    /// 0 to 3.
    pub profile: u8,
    /// Bits a sample has.
    pub bit_depth: u8,
    /// Whether samples use the full range.
    pub full_range: bool,
    /// Whether chroma has half the width, half the height.
    pub subsampling: (bool, bool),
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Levels by how many luma samples a picture may have (Annex A); the rates go with 30 pictures a second.
const LEVELS: [(u64, u8); 9] = [
    (36_864, 10),
    (73_728, 11),
    (122_880, 20),
    (245_760, 21),
    (552_960, 30),
    (983_040, 31),
    (2_228_224, 40),
    (8_912_896, 50),
    (u64::MAX, 60),
];

impl KeyHeader {
    /// Reads a frame that begins with a key frame; `None` for any other.
    pub fn parse(frame: &[u8]) -> Option<KeyHeader> {
        let mut bits = Bits::new(frame);
        if bits.u(2)? != 2 {
            return None;
        }
        let profile = u8::from(bits.flag()?) | u8::from(bits.flag()?) << 1;
        if profile == 3 && bits.flag()? {
            return None;
        }
        let (show_existing, inter) = (bits.flag()?, bits.flag()?);
        if show_existing || inter {
            return None;
        }
        bits.skip(2)?;
        if bits.u(24)? != 0x49_8342 {
            return None;
        }
        let bit_depth = match (profile >= 2, profile >= 2 && bits.flag()?) {
            (true, true) => 12,
            (true, false) => 10,
            _ => 8,
        };
        let odd_profile = profile & 1 == 1;
        let mut subsampling = (true, true);
        let mut full_range = true;
        if bits.u(3)? == 7 {
            if !odd_profile {
                return None;
            }
            subsampling = (false, false);
            bits.flag()?;
        } else {
            full_range = bits.flag()?;
            if odd_profile {
                subsampling = (bits.flag()?, bits.flag()?);
                bits.flag()?;
            }
        }
        let (width, height) = (bits.u(16)? + 1, bits.u(16)? + 1);
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            return None;
        }
        Some(KeyHeader {
            profile,
            bit_depth,
            full_range,
            subsampling,
            width,
            height,
        })
    }

    /// The level the picture's size asks for, times ten.
    pub fn level(&self) -> u8 {
        let samples = u64::from(self.width) * u64::from(self.height);
        LEVELS
            .iter()
            .find(|(max, _)| samples <= *max)
            .map_or(60, |(_, level)| *level)
    }

    /// The codec in RFC 6381 form (VP codecs in ISOBMFF): `vp09.00.31.08`.
    pub fn codec_string(&self) -> String {
        format!(
            "vp09.{:02}.{:02}.{:02}",
            self.profile,
            self.level(),
            self.bit_depth
        )
    }

    /// The body of a `vpcC` box, version and flags included.
    pub fn to_vpcc(&self) -> Vec<u8> {
        let chroma = match self.subsampling {
            (true, true) => 1,
            (true, false) => 2,
            _ => 3,
        };
        let format = self.bit_depth << 4 | chroma << 1 | u8::from(self.full_range);
        // Colour primaries, transfer and matrix: 2 is “not said”.
        vec![
            1,
            0,
            0,
            0,
            self.profile,
            self.level(),
            format,
            2,
            2,
            2,
            0,
            0,
        ]
    }
}

/// Whether a frame (or the first of a superframe) is a key frame.
pub fn is_key(frame: &[u8]) -> bool {
    KeyHeader::parse(frame).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_frame_of_libvpx_is_read() {
        // Profile 0, 320x240.
        let frame = [0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0e, 0xf6];
        let header = KeyHeader::parse(&frame).unwrap();
        assert_eq!((header.width, header.height), (320, 240));
        assert_eq!(header.codec_string(), "vp09.00.20.08");
        assert!(!is_key(&[0x86, 0x49, 0x83, 0x42]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let mut frame = vec![0x82, 0x49, 0x83, 0x42];
            frame.extend(&bytes);
            for header in [KeyHeader::parse(&frame), KeyHeader::parse(&bytes)].into_iter().flatten() {
                prop_assert!(header.width > 0 && !header.to_vpcc().is_empty());
            }
        }
    }
}
