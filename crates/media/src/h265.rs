//! H.265 (ITU-T H.265 | ISO/IEC 23008-2): parameter sets, codec string, key frames, the `hvcC` box.
//!
//! Headers only, as much as carrying the pictures needs; no picture is decoded here.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use crate::{MAX_PIXELS, bits::Bits, nal};

/// `nal_unit_type` of a video parameter set.
pub const NAL_VPS: u8 = 32;
/// `nal_unit_type` of a sequence parameter set.
pub const NAL_SPS: u8 = 33;
/// `nal_unit_type` of a picture parameter set.
pub const NAL_PPS: u8 = 34;
/// `nal_unit_type` of an access unit delimiter.
pub const NAL_AUD: u8 = 35;

const MAX_HEADER_BYTES: usize = 4096;

/// `nal_unit_type` of a NAL unit.
pub fn nal_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |byte| byte >> 1 & 0x3f)
}

/// What a sequence parameter set says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sps {
    /// `general_profile_space`.
    pub profile_space: u8,
    /// Whether it is of the High tier.
    pub high_tier: bool,
    /// `general_profile_idc`.
    pub profile_idc: u8,
    /// `general_profile_compatibility_flag`s, the first one in the most significant bit.
    pub compatibility: u32,
    /// The six bytes of constraint flags.
    pub constraints: [u8; 6],
    /// `general_level_idc`.
    pub level_idc: u8,
    /// `sps_max_sub_layers`.
    pub sub_layers: u8,
    /// `sps_temporal_id_nesting_flag`.
    pub temporal_id_nesting: bool,
    /// `chroma_format_idc`: 1 is 4:2:0.
    pub chroma_format_idc: u32,
    /// Bits a luma sample has.
    pub bit_depth_luma: u32,
    /// Bits a chroma sample has.
    pub bit_depth_chroma: u32,
    /// Width in pixels after cropping.
    pub width: u32,
    /// Height in pixels after cropping.
    pub height: u32,
    /// How many pictures at most come before one that is shown earlier.
    pub num_reorder: u32,
}

impl Sps {
    /// Reads a NAL unit of type 33, header bytes included. `None` if it is not sound.
    pub fn parse(unit: &[u8]) -> Option<Sps> {
        if nal_type(unit) != NAL_SPS {
            return None;
        }
        let rbsp = nal::rbsp(unit.get(2..)?, MAX_HEADER_BYTES);
        let mut bits = Bits::new(&rbsp);
        bits.u(4)?;
        let max_sub_layers_minus1 = bits.u(3).filter(|layers| *layers <= 6)?;
        let temporal_id_nesting = bits.flag()?;
        let profile_space = bits.u(2)? as u8;
        let high_tier = bits.flag()?;
        let profile_idc = bits.u(5)? as u8;
        let compatibility = bits.u(32)?;
        let mut constraints = [0; 6];
        for byte in &mut constraints {
            *byte = bits.u(8)? as u8;
        }
        let level_idc = bits.u(8)? as u8;
        skip_sub_layer_levels(&mut bits, max_sub_layers_minus1)?;
        bits.ue().filter(|id| *id < 16)?;
        let chroma_format_idc = bits.ue().filter(|idc| *idc <= 3)?;
        let separate_planes = chroma_format_idc == 3 && bits.flag()?;
        let coded_width = u64::from(bits.ue()?);
        let coded_height = u64::from(bits.ue()?);
        let (mut width, mut height) = (coded_width, coded_height);
        if bits.flag()? {
            let (sub_width, sub_height) = match chroma_format_idc {
                1 if !separate_planes => (2, 2),
                2 if !separate_planes => (2, 1),
                _ => (1, 1),
            };
            let mut crop = [0u64; 4];
            for side in &mut crop {
                *side = u64::from(bits.ue()?);
            }
            let [left, right, top, bottom] = crop;
            width = width.checked_sub((left + right) * sub_width)?;
            height = height.checked_sub((top + bottom) * sub_height)?;
        }
        if width == 0 || height == 0 || coded_width.checked_mul(coded_height)? > MAX_PIXELS {
            return None;
        }
        let bit_depth_luma = 8 + bits.ue().filter(|depth| *depth <= 8)?;
        let bit_depth_chroma = 8 + bits.ue().filter(|depth| *depth <= 8)?;
        bits.ue()?;
        let first_layer = if bits.flag()? {
            0
        } else {
            max_sub_layers_minus1
        };
        let mut num_reorder = 0;
        for _ in first_layer..=max_sub_layers_minus1 {
            bits.ue()?;
            num_reorder = bits.ue()?.min(16);
            bits.ue()?;
        }
        Some(Sps {
            profile_space,
            high_tier,
            profile_idc,
            compatibility,
            constraints,
            level_idc,
            sub_layers: max_sub_layers_minus1 as u8 + 1,
            temporal_id_nesting,
            chroma_format_idc,
            bit_depth_luma,
            bit_depth_chroma,
            width: width as u32,
            height: height as u32,
            num_reorder,
        })
    }

    /// The codec as ISO/IEC 14496-15 §E.3 writes it: `hvc1.1.6.L93.B0`.
    pub fn codec_string(&self) -> String {
        let space = ["", "A", "B", "C"]
            .get(usize::from(self.profile_space))
            .copied()
            .unwrap_or_default();
        let tier = if self.high_tier { 'H' } else { 'L' };
        let compatibility = self.compatibility.reverse_bits();
        let mut out = format!(
            "hvc1.{space}{}.{compatibility:X}.{tier}{}",
            self.profile_idc, self.level_idc
        );
        let said = self
            .constraints
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        for byte in self.constraints.iter().take(said) {
            out.push('.');
            out.push_str(&hex(*byte));
        }
        out
    }
}

fn hex(byte: u8) -> String {
    format!("{byte:X}")
}

/// The sub-layers' part of `profile_tier_level` (§7.3.3).
fn skip_sub_layer_levels(bits: &mut Bits<'_>, max_sub_layers_minus1: u32) -> Option<()> {
    let mut present = Vec::new();
    for _ in 0..max_sub_layers_minus1 {
        present.push((bits.flag()?, bits.flag()?));
    }
    if max_sub_layers_minus1 > 0 {
        bits.skip(2 * (8 - max_sub_layers_minus1 as usize))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(())
}

/// Whether an access unit is an intra random access point (IDR, CRA or BLA).
pub fn is_key(annex_b: &[u8]) -> bool {
    let first_slice = nal::units(annex_b).map(nal_type).find(|kind| *kind < 32);
    first_slice.is_some_and(|kind| (16..=23).contains(&kind))
}

/// The parameter sets of a stream, each as a NAL unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterSets {
    /// Video parameter sets.
    pub vps: Vec<Vec<u8>>,
    /// Sequence parameter sets.
    pub sps: Vec<Vec<u8>>,
    /// Picture parameter sets.
    pub pps: Vec<Vec<u8>>,
}

impl ParameterSets {
    /// Those that an access unit carries.
    pub fn of(annex_b: &[u8]) -> ParameterSets {
        let mut sets = ParameterSets::default();
        for unit in nal::units(annex_b) {
            sets.add(unit);
        }
        sets
    }

    /// Takes up a NAL unit if it is a parameter set not yet here.
    pub fn add(&mut self, unit: &[u8]) {
        let list = match nal_type(unit) {
            NAL_VPS => &mut self.vps,
            NAL_SPS => &mut self.sps,
            NAL_PPS => &mut self.pps,
            _ => return,
        };
        if list.len() < 64
            && u16::try_from(unit.len()).is_ok()
            && !list.iter().any(|known| known == unit)
        {
            list.push(unit.to_vec());
        }
    }

    /// Whether a NAL unit is one of these.
    pub fn contains(&self, unit: &[u8]) -> bool {
        let list = match nal_type(unit) {
            NAL_VPS => &self.vps,
            NAL_SPS => &self.sps,
            NAL_PPS => &self.pps,
            _ => return false,
        };
        list.iter().any(|known| known == unit)
    }

    /// Whether there is nothing here.
    pub fn is_empty(&self) -> bool {
        self.vps.is_empty() && self.sps.is_empty() && self.pps.is_empty()
    }

    /// All of them in Annex B form.
    pub fn to_annex_b(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for unit in self.vps.iter().chain(&self.sps).chain(&self.pps) {
            nal::push(&mut out, unit);
        }
        out
    }

    /// The body of an `hvcC` box (ISO/IEC 14496-15 §8.3.3.1) with lengths of four bytes. `None` without a sound SPS.
    pub fn to_hvcc(&self) -> Option<Vec<u8>> {
        let sps = Sps::parse(self.sps.first()?)?;
        let mut out = vec![
            1,
            sps.profile_space << 6 | u8::from(sps.high_tier) << 5 | sps.profile_idc,
        ];
        out.extend_from_slice(&sps.compatibility.to_be_bytes());
        out.extend_from_slice(&sps.constraints);
        out.extend_from_slice(&[
            sps.level_idc,
            0xf0,
            0,
            0xfc,
            0xfc | sps.chroma_format_idc as u8,
        ]);
        out.extend_from_slice(&[
            0xf8 | (sps.bit_depth_luma - 8) as u8,
            0xf8 | (sps.bit_depth_chroma - 8) as u8,
        ]);
        out.extend_from_slice(&[
            0,
            0,
            sps.sub_layers << 3 | u8::from(sps.temporal_id_nesting) << 2 | 3,
            3,
        ]);
        for (kind, units) in [
            (NAL_VPS, &self.vps),
            (NAL_SPS, &self.sps),
            (NAL_PPS, &self.pps),
        ] {
            out.push(0x80 | kind);
            out.extend_from_slice(&(units.len() as u16).to_be_bytes());
            for unit in units {
                out.extend_from_slice(&(unit.len() as u16).to_be_bytes());
                out.extend_from_slice(unit);
            }
        }
        Some(out)
    }

    /// Reads the body of an `hvcC` box: how many bytes a length has, and the parameter sets.
    pub fn from_hvcc(hvcc: &[u8]) -> Option<(usize, ParameterSets)> {
        let (head, mut rest) = hvcc.split_first_chunk::<23>()?;
        let [1, .., lengths, arrays] = *head else {
            return None;
        };
        let mut sets = ParameterSets::default();
        for _ in 0..arrays {
            let (array, after) = rest.split_first_chunk::<3>()?;
            rest = after;
            for _ in 0..u16::from_be_bytes([array[1], array[2]]) {
                let (length, after) = rest.split_first_chunk::<2>()?;
                let (unit, after) =
                    after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
                sets.add(unit);
                rest = after;
            }
        }
        Some((usize::from(lengths & 3) + 1, sets))
    }
}

/// The first sound sequence parameter set of a byte stream.
pub fn find_sps(annex_b: &[u8]) -> Option<Sps> {
    nal::units(annex_b).find_map(Sps::parse)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// x265, Main, level 3.1, 1280x720.
    const X265_720P: &[u8] = &[
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00,
        0x03, 0x00, 0x5d, 0xa0, 0x02, 0x80, 0x80, 0x2d, 0x16, 0x59, 0x59, 0xa4, 0x93, 0x2b, 0xc0,
        0x40, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x06, 0x42,
    ];

    #[test]
    fn a_parameter_set_of_x265_is_read() {
        let sps = Sps::parse(X265_720P).unwrap();
        assert_eq!((sps.width, sps.height), (1280, 720));
        assert_eq!(sps.codec_string(), "hvc1.1.6.L93.90");
    }

    #[test]
    fn hvcc_is_read_back_as_it_was_written() {
        let mut sets = ParameterSets::default();
        sets.add(&[0x40, 1, 2, 3]);
        sets.add(X265_720P);
        sets.add(&[0x44, 1, 2]);
        let hvcc = sets.to_hvcc().unwrap();
        assert_eq!(ParameterSets::from_hvcc(&hvcc), Some((4, sets)));
        for len in 0..hvcc.len() {
            assert_eq!(ParameterSets::from_hvcc(&hvcc[..len]), None, "cut to {len}");
        }
    }

    #[test]
    fn key_frames_are_told_by_their_first_slice() {
        assert!(is_key(&[0, 0, 1, 0x40, 1, 0, 0, 1, 0x26, 1]));
        assert!(is_key(&[0, 0, 1, 0x2a, 1]));
        assert!(!is_key(&[0, 0, 1, 0x02, 1, 0, 0, 1, 0x26, 1]));
        assert!(!is_key(&[]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 2..41usize, byte in any::<u8>()) {
            let mut unit = vec![0x42, 1];
            unit.extend(&bytes);
            let _ = Sps::parse(&unit);
            let _ = ParameterSets::from_hvcc(&bytes);
            let mut unit = X265_720P.to_vec();
            unit[at] = byte;
            let _ = Sps::parse(&unit).map(|sps| sps.codec_string());
        }
    }
}
