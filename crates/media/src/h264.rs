//! H.264 (ITU-T H.264 | ISO/IEC 14496-10): parameter sets, codec string, key frames, the `avcC` box.
//!
//! Headers only: what a decoder, a container or a player has to be told. No picture is decoded here.
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

/// `nal_unit_type` of a slice of a picture that decoding can start from.
pub const NAL_IDR: u8 = 5;
/// `nal_unit_type` of supplemental enhancement information.
pub const NAL_SEI: u8 = 6;
/// `nal_unit_type` of a sequence parameter set.
pub const NAL_SPS: u8 = 7;
/// `nal_unit_type` of a picture parameter set.
pub const NAL_PPS: u8 = 8;
/// `nal_unit_type` of an access unit delimiter.
pub const NAL_AUD: u8 = 9;
/// `nal_unit_type` of a sequence parameter set extension.
pub const NAL_SPS_EXT: u8 = 13;

/// A parameter set longer than this is not read further.
const MAX_HEADER_BYTES: usize = 4096;

/// `nal_unit_type` of a NAL unit.
pub fn nal_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |byte| byte & 0x1f)
}

/// What a sequence parameter set says.
#[derive(Debug, Clone, PartialEq)]
pub struct Sps {
    /// `profile_idc`.
    pub profile_idc: u8,
    /// The byte of `constraint_set` flags.
    pub constraint_flags: u8,
    /// `level_idc`.
    pub level_idc: u8,
    /// `seq_parameter_set_id`.
    pub id: u32,
    /// Width in pixels after cropping.
    pub width: u32,
    /// Height in pixels after cropping.
    pub height: u32,
    /// `chroma_format_idc`: 1 is 4:2:0.
    pub chroma_format_idc: u32,
    /// Bits a luma sample has.
    pub bit_depth: u32,
    /// `max_num_ref_frames`.
    pub max_ref_frames: u32,
    /// `pic_order_cnt_type`: with 2, pictures are shown in decode order.
    pub poc_type: u32,
    /// `max_num_reorder_frames`, where the stream says.
    pub num_reorder: Option<u32>,
    /// Pictures a second, where the stream says.
    pub fps: Option<f64>,
    /// `matrix_coefficients`, where the stream says.
    pub matrix_coefficients: Option<u8>,
    /// Whether luma uses 0–255 rather than 16–235.
    pub full_range: bool,
}

impl Sps {
    /// Reads a NAL unit of type 7, header byte included. `None` if it is not sound.
    pub fn parse(unit: &[u8]) -> Option<Sps> {
        if nal_type(unit) != NAL_SPS {
            return None;
        }
        let rbsp = nal::rbsp(unit.get(1..)?, MAX_HEADER_BYTES);
        let mut bits = Bits::new(&rbsp);
        let profile_idc = bits.u(8)? as u8;
        let constraint_flags = bits.u(8)? as u8;
        let level_idc = bits.u(8)? as u8;
        let id = bits.ue().filter(|id| *id < 32)?;
        let mut chroma_format_idc = 1;
        let mut bit_depth = 8;
        let mut separate_planes = false;
        // The profiles with chroma format and scaling matrices (§7.3.2.1.1).
        if matches!(
            profile_idc,
            100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
        ) {
            chroma_format_idc = bits.ue().filter(|idc| *idc <= 3)?;
            if chroma_format_idc == 3 {
                separate_planes = bits.flag()?;
            }
            bit_depth = 8 + bits.ue().filter(|depth| *depth <= 6)?;
            bits.ue().filter(|depth| *depth <= 6)?;
            bits.flag()?;
            if bits.flag()? {
                for list in 0..if chroma_format_idc == 3 { 12 } else { 8 } {
                    if bits.flag()? {
                        skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        bits.ue()?;
        let poc_type = bits.ue().filter(|kind| *kind <= 2)?;
        match poc_type {
            0 => {
                bits.ue()?;
            }
            1 => {
                bits.flag()?;
                bits.se()?;
                bits.se()?;
                for _ in 0..bits.ue().filter(|count| *count <= 255)? {
                    bits.se()?;
                }
            }
            _ => {}
        }
        let max_ref_frames = bits.ue().filter(|count| *count <= 16)?;
        bits.flag()?;
        let width_mbs = u64::from(bits.ue()?) + 1;
        let height_map_units = u64::from(bits.ue()?) + 1;
        let frame_mbs_only = bits.flag()?;
        if !frame_mbs_only {
            bits.flag()?;
        }
        bits.flag()?;
        let field_factor = if frame_mbs_only { 1 } else { 2 };
        let coded_width = width_mbs * 16;
        let coded_height = height_map_units * 16 * field_factor;
        let (mut width, mut height) = (coded_width, coded_height);
        if bits.flag()? {
            // Table 6-1, and equations 7-19 to 7-22.
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
            height = height.checked_sub((top + bottom) * sub_height * field_factor)?;
        }
        if width == 0 || height == 0 || coded_width.checked_mul(coded_height)? > MAX_PIXELS {
            return None;
        }
        let mut sps = Sps {
            profile_idc,
            constraint_flags,
            level_idc,
            id,
            width: width as u32,
            height: height as u32,
            chroma_format_idc,
            bit_depth,
            max_ref_frames,
            poc_type,
            num_reorder: None,
            fps: None,
            matrix_coefficients: None,
            full_range: false,
        };
        if bits.flag()? {
            // A cut VUI leaves a parameter set that is sound up to there.
            let _ = sps.read_vui(&mut bits);
        }
        Some(sps)
    }

    /// Annex E.1.1.
    fn read_vui(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        if bits.flag()? && bits.u(8)? == 255 {
            bits.skip(32)?;
        }
        if bits.flag()? {
            bits.flag()?;
        }
        if bits.flag()? {
            bits.u(3)?;
            self.full_range = bits.flag()?;
            if bits.flag()? {
                bits.skip(16)?;
                self.matrix_coefficients = Some(bits.u(8)? as u8);
            }
        }
        if bits.flag()? {
            bits.ue()?;
            bits.ue()?;
        }
        if bits.flag()? {
            let num_units_in_tick = bits.u(32)?;
            let time_scale = bits.u(32)?;
            bits.flag()?;
            if num_units_in_tick > 0 {
                self.fps = Some(f64::from(time_scale) / f64::from(num_units_in_tick) / 2.0);
            }
        }
        let nal_hrd = bits.flag()?;
        if nal_hrd {
            skip_hrd(bits)?;
        }
        let vcl_hrd = bits.flag()?;
        if vcl_hrd {
            skip_hrd(bits)?;
        }
        if nal_hrd || vcl_hrd {
            bits.flag()?;
        }
        bits.flag()?;
        if bits.flag()? {
            bits.flag()?;
            for _ in 0..4 {
                bits.ue()?;
            }
            self.num_reorder = Some(bits.ue()?.min(16));
        }
        Some(())
    }

    /// The codec in RFC 6381 form (§3.3): `avc1.` and profile, constraints and level in hexadecimal.
    pub fn codec_string(&self) -> String {
        format!(
            "avc1.{:02x}{:02x}{:02x}",
            self.profile_idc, self.constraint_flags, self.level_idc
        )
    }

    /// How many pictures at most come before one that is shown earlier.
    ///
    /// Without VUI the profile decides: Baseline has no B-frames; others may use as many as there are references.
    pub fn reorder_depth(&self) -> u32 {
        match self.num_reorder {
            Some(depth) => depth,
            None if self.poc_type == 2 || self.profile_idc == 66 => 0,
            None => self.max_ref_frames.min(4),
        }
    }
}

fn skip_scaling_list(bits: &mut Bits<'_>, count: usize) -> Option<()> {
    let (mut last, mut next) = (8i64, 8i64);
    for _ in 0..count {
        if next != 0 {
            next = (last + i64::from(bits.se()?)).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// Annex E.1.2.
fn skip_hrd(bits: &mut Bits<'_>) -> Option<()> {
    let count = bits.ue().filter(|count| *count <= 31)? + 1;
    bits.skip(8)?;
    for _ in 0..count {
        bits.ue()?;
        bits.ue()?;
        bits.flag()?;
    }
    bits.skip(20)
}

/// The first sound sequence parameter set of a byte stream.
pub fn find_sps(annex_b: &[u8]) -> Option<Sps> {
    nal::units(annex_b).find_map(Sps::parse)
}

/// Whether an access unit holds an IDR picture, and so can be decoded with its own parameter sets alone.
pub fn is_key(annex_b: &[u8]) -> bool {
    // The first slice decides; what follows it in the access unit is of the same picture.
    nal::units(annex_b)
        .map(nal_type)
        .find(|kind| (1..=5).contains(kind))
        == Some(NAL_IDR)
}

/// The parameter sets of a stream, each as a NAL unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterSets {
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
        // The counts are those `avcC` can say: 5 bits and 8 bits.
        let (list, max) = match nal_type(unit) {
            NAL_SPS => (&mut self.sps, 31),
            NAL_PPS => (&mut self.pps, 255),
            _ => return,
        };
        if list.len() < max
            && u16::try_from(unit.len()).is_ok()
            && !list.iter().any(|known| known == unit)
        {
            list.push(unit.to_vec());
        }
    }

    /// Whether a NAL unit is one of these.
    pub fn contains(&self, unit: &[u8]) -> bool {
        let list = match nal_type(unit) {
            NAL_SPS => &self.sps,
            NAL_PPS => &self.pps,
            _ => return false,
        };
        list.iter().any(|known| known == unit)
    }

    /// Whether there is nothing here.
    pub fn is_empty(&self) -> bool {
        self.sps.is_empty() && self.pps.is_empty()
    }

    /// All of them in Annex B form.
    pub fn to_annex_b(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for unit in self.sps.iter().chain(&self.pps) {
            nal::push(&mut out, unit);
        }
        out
    }

    /// The body of an `avcC` box (ISO/IEC 14496-15 §5.3.3.1) with lengths of four bytes. `None` without a sound SPS.
    pub fn to_avcc(&self) -> Option<Vec<u8>> {
        let first = self.sps.first()?;
        let sps = Sps::parse(first)?;
        let mut out = vec![
            1,
            sps.profile_idc,
            sps.constraint_flags,
            sps.level_idc,
            0xff,
        ];
        out.push(0xe0 | self.sps.len() as u8);
        for unit in &self.sps {
            out.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            out.extend_from_slice(unit);
        }
        out.push(self.pps.len() as u8);
        for unit in &self.pps {
            out.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            out.extend_from_slice(unit);
        }
        if matches!(sps.profile_idc, 100 | 110 | 122 | 144) {
            let depth = 0xf8 | (sps.bit_depth - 8) as u8;
            out.extend_from_slice(&[0xfc | sps.chroma_format_idc as u8, depth, depth, 0]);
        }
        Some(out)
    }

    /// Reads the body of an `avcC` box: how many bytes a length has, and the parameter sets.
    pub fn from_avcc(avcc: &[u8]) -> Option<(usize, ParameterSets)> {
        let [1, _, _, _, length_size, sps_count, rest @ ..] = avcc else {
            return None;
        };
        let mut sets = ParameterSets::default();
        let mut rest = rest;
        for _ in 0..sps_count & 0x1f {
            sets.add(take_unit(&mut rest)?);
        }
        let (pps_count, after) = rest.split_first()?;
        rest = after;
        for _ in 0..*pps_count {
            sets.add(take_unit(&mut rest)?);
        }
        Some((usize::from(length_size & 3) + 1, sets))
    }
}

fn take_unit<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<2>()?;
    let (unit, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *rest = after;
    Some(unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// x264, 1280x720, High, level 3.1, B-frames.
    const X264_HIGH_720P: &[u8] = &[
        0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03,
        0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60,
    ];

    #[test]
    fn a_parameter_set_of_x264_is_read() {
        let sps = Sps::parse(X264_HIGH_720P).unwrap();
        assert_eq!((sps.width, sps.height), (1280, 720));
        assert_eq!(sps.codec_string(), "avc1.64001f");
        assert_eq!(sps.reorder_depth(), 2);
        assert_eq!(sps.fps, Some(30.0));
    }

    #[test]
    fn a_cut_parameter_set_is_refused_or_sound_up_to_the_cut() {
        for len in 0..X264_HIGH_720P.len() {
            if let Some(sps) = Sps::parse(&X264_HIGH_720P[..len]) {
                assert_eq!((sps.width, sps.height), (1280, 720));
            }
        }
    }

    #[test]
    fn avcc_is_read_back_as_it_was_written() {
        let mut sets = ParameterSets::default();
        sets.add(X264_HIGH_720P);
        sets.add(&[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0]);
        sets.add(&[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0]);
        assert_eq!(sets.pps.len(), 1);
        let avcc = sets.to_avcc().unwrap();
        assert_eq!(ParameterSets::from_avcc(&avcc), Some((4, sets)));
        for len in 0..avcc.len() - 4 {
            assert_eq!(ParameterSets::from_avcc(&avcc[..len]), None, "cut to {len}");
        }
    }

    #[test]
    fn key_frames_are_told_by_their_first_slice() {
        assert!(is_key(&[0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 2]));
        assert!(!is_key(&[
            0, 0, 1, 0x67, 1, 0, 0, 1, 0x41, 2, 0, 0, 1, 0x65, 2
        ]));
        assert!(!is_key(&[0, 0, 1, 0x67, 1]));
        assert!(!is_key(&[]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut unit = vec![0x67];
            unit.extend(&bytes);
            if let Some(sps) = Sps::parse(&unit) {
                prop_assert!(u64::from(sps.width) * u64::from(sps.height) <= MAX_PIXELS);
            }
            let _ = ParameterSets::from_avcc(&bytes);
            let _ = is_key(&bytes);
        }

        #[test]
        fn a_changed_parameter_set_is_read_without_harm(at in 0..26usize, byte in any::<u8>()) {
            let mut unit = X264_HIGH_720P.to_vec();
            unit[at] = byte;
            let _ = Sps::parse(&unit);
        }
    }
}
