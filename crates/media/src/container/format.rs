//! From a container's sample to an access unit: the codec's configuration record says how.
//!
//! MP4 and Matroska hold the same configuration records (`avcC`, `hvcC`, `av1C`, `vpcC`) and the same samples.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use bytes::Bytes;

use crate::{Codec, av1, h264, h265, nal, record, vp9};

/// How a track's samples become access units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) codec: Codec,
    /// Bytes a NAL unit's length has; 0 if samples are byte streams already.
    length_size: usize,
    /// What goes in front of a key frame that does not bring its own parameter sets.
    prefix: Vec<u8>,
    /// RFC 6381, where the configuration says.
    pub(super) codec_string: Option<String>,
    /// Width and height, where the configuration says.
    pub(super) size: Option<(u32, u32)>,
    /// Pictures that may come before one that is shown earlier.
    pub(super) reorder_depth: u32,
}

/// Why a sample is no access unit.
type Unsound = &'static str;

impl Format {
    /// From a configuration record, where there is one. `None` if it is not sound.
    pub(super) fn new(codec: Codec, config: Option<&[u8]>) -> Option<Format> {
        let mut format = Format {
            codec,
            length_size: 0,
            prefix: Vec::new(),
            codec_string: None,
            size: None,
            reorder_depth: 0,
        };
        let Some(config) = config else {
            return Some(format);
        };
        match codec {
            Codec::H264 => {
                let (length_size, sets) = h264::ParameterSets::from_avcc(config)?;
                format.length_size = length_size;
                format.prefix = sets.to_annex_b();
                if let Some(sps) = sets.sps.iter().find_map(|unit| h264::Sps::parse(unit)) {
                    format.codec_string = Some(sps.codec_string());
                    format.size = Some((sps.width, sps.height));
                    format.reorder_depth = sps.reorder_depth();
                }
            }
            Codec::H265 => {
                let (length_size, sets) = h265::ParameterSets::from_hvcc(config)?;
                format.length_size = length_size;
                format.prefix = sets.to_annex_b();
                if let Some(sps) = sets.sps.iter().find_map(|unit| h265::Sps::parse(unit)) {
                    format.codec_string = Some(sps.codec_string());
                    format.size = Some((sps.width, sps.height));
                    format.reorder_depth = sps.num_reorder;
                }
            }
            Codec::Av1 => {
                // Four bytes, then the units that every key frame may leave out.
                if let Some((header, obu)) = config.get(4..).and_then(av1::find_sequence_header) {
                    obu.write(&mut format.prefix);
                    format.codec_string = Some(header.codec_string());
                    format.size = Some((header.width, header.height));
                }
            }
            Codec::Vp9 => {
                // Version and flags, then profile, level and bit depth.
                if let Some([1, _, _, _, profile, level, depth, ..]) = config.first_chunk::<7>() {
                    format.codec_string =
                        Some(format!("vp09.{profile:02}.{level:02}.{:02}", depth >> 4));
                }
            }
            Codec::Jpeg | Codec::Png => {}
        }
        Some(format)
    }

    /// How many bytes [`Format::unit`] wants left free in front of a sample.
    pub(super) fn room(&self) -> usize {
        match self.codec {
            Codec::Av1 => self.prefix.len() + av1::TEMPORAL_DELIMITER.len(),
            _ => self.prefix.len(),
        }
    }

    /// The access unit in a buffer that has [`Format::room`] bytes free and then a sample, and whether decoding can start
    /// with it, as its own headers say.
    pub(super) fn unit(
        &self,
        buffer: Vec<u8>,
        flagged_key: bool,
    ) -> Result<(Bytes, bool), Unsound> {
        match self.codec {
            Codec::H264 | Codec::H265 => self.byte_stream(buffer, flagged_key),
            Codec::Av1 => self.temporal_unit(&buffer, flagged_key),
            _ => {
                let frame = buffer.get(self.room()..).unwrap_or_default();
                if self.codec == Codec::Vp9 && frame.first().is_none_or(|byte| byte >> 6 != 2) {
                    return Err("it does not begin as a VP9 frame does");
                }
                let key = vp9::is_key(frame);
                Ok((Bytes::from(buffer).slice(self.room()..), key))
            }
        }
    }

    fn byte_stream(
        &self,
        mut buffer: Vec<u8>,
        flagged_key: bool,
    ) -> Result<(Bytes, bool), Unsound> {
        let room = self.room();
        let sample = buffer.get_mut(room..).unwrap_or_default();
        let mut found = Found::default();
        if self.length_size == 4 {
            // A length and a start code are as long as each other: only those four bytes change.
            let mut rest = sample;
            while !rest.is_empty() {
                let (length, after) = rest
                    .split_first_chunk_mut::<4>()
                    .ok_or("a NAL unit is cut")?;
                let len_bytes = u32::from_be_bytes(*length) as usize;
                let (unit, after) = after
                    .split_at_mut_checked(len_bytes)
                    .ok_or("a NAL unit is longer than the picture")?;
                *length = nal::START_CODE;
                self.look_at(unit, &mut found)?;
                rest = after;
            }
        } else if self.length_size > 0 {
            let units = nal::split_lengths(sample, self.length_size)
                .ok_or("a NAL unit is longer than the picture")?;
            let mut out = vec![0; room];
            for unit in units {
                self.look_at(unit, &mut found)?;
                nal::push(&mut out, unit);
            }
            buffer = out;
        } else {
            for unit in nal::units(sample) {
                self.look_at(unit, &mut found)?;
            }
        }
        if !found.slice {
            return Err("there is no picture in it");
        }
        let key = flagged_key || found.key;
        if !key || found.parameter_sets || room == 0 {
            return Ok((Bytes::from(buffer).slice(room..), found.key));
        }
        if found.begins_with_delimiter {
            // The delimiter comes first (ITU-T H.264 §7.4.1.2.3): rebuild, which few files need.
            let mut out = Vec::with_capacity(buffer.len());
            let mut units = nal::units(buffer.get(room..).unwrap_or_default());
            units
                .by_ref()
                .take(1)
                .for_each(|unit| nal::push(&mut out, unit));
            out.extend_from_slice(&self.prefix);
            units.for_each(|unit| nal::push(&mut out, unit));
            return Ok((Bytes::from(out), found.key));
        }
        if let Some(front) = buffer.get_mut(..room) {
            front.copy_from_slice(&self.prefix);
        }
        Ok((Bytes::from(buffer), found.key))
    }

    fn look_at(&self, unit: &[u8], found: &mut Found) -> Result<(), Unsound> {
        let Some(first) = unit.first() else {
            return Ok(());
        };
        if first & 0x80 != 0 {
            return Err("a NAL unit's first bit says that it is damaged");
        }
        let (slice, key, parameter_set, delimiter) = if self.codec == Codec::H264 {
            let kind = h264::nal_type(unit);
            (
                matches!(kind, 1..=5),
                kind == h264::NAL_IDR,
                kind == h264::NAL_SPS,
                kind == h264::NAL_AUD,
            )
        } else {
            let kind = h265::nal_type(unit);
            (
                kind < 32,
                (16..=23).contains(&kind),
                kind == h265::NAL_SPS,
                kind == h265::NAL_AUD,
            )
        };
        if slice && !found.slice {
            found.key = key;
        }
        if !found.any {
            found.begins_with_delimiter = delimiter;
        }
        found.any = true;
        found.slice |= slice;
        found.parameter_sets |= parameter_set;
        Ok(())
    }

    /// A temporal unit as a byte stream has it: a delimiter in front, every unit with its size.
    fn temporal_unit(&self, buffer: &[u8], flagged_key: bool) -> Result<(Bytes, bool), Unsound> {
        let sample = buffer.get(self.room()..).unwrap_or_default();
        let mut key = av1::begins_with_key_frame(sample);
        let has_header = av1::obus(sample).any(|obu| obu.kind == av1::OBU_SEQUENCE_HEADER);
        let mut out = Vec::with_capacity(buffer.len() + 8);
        out.extend_from_slice(&av1::TEMPORAL_DELIMITER);
        if (key || flagged_key) && !has_header {
            out.extend_from_slice(&self.prefix);
        }
        key &= has_header || !self.prefix.is_empty();
        let mut units = av1::obus(sample);
        let mut any = false;
        for obu in units.by_ref() {
            any |= matches!(obu.kind, av1::OBU_FRAME | av1::OBU_FRAME_HEADER);
            if obu.kind != av1::OBU_TEMPORAL_DELIMITER {
                obu.write(&mut out);
            }
        }
        if !units.rest().is_empty() {
            return Err("an open bitstream unit is longer than the picture");
        }
        if !any {
            return Err("there is no picture in it");
        }
        Ok((Bytes::from(out), key))
    }

    /// Fills in what the configuration did not say from a key frame.
    pub(super) fn learn(&mut self, key_frame: &[u8]) {
        if self.codec_string.is_some() && self.size.is_some() {
            return;
        }
        if let Some((codec_string, size)) = record::describe(self.codec, key_frame) {
            self.codec_string.get_or_insert(codec_string);
            self.size.get_or_insert(size);
        }
        if let (Codec::H264, Some(sps)) = (self.codec, h264::find_sps(key_frame)) {
            self.reorder_depth = sps.reorder_depth();
        }
        if let (Codec::H265, Some(sps)) = (self.codec, h265::find_sps(key_frame)) {
            self.reorder_depth = sps.num_reorder;
        }
    }
}

/// What a walk over a sample's NAL units saw.
#[derive(Debug, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "five facts that go with one another in no way"
)]
struct Found {
    any: bool,
    slice: bool,
    key: bool,
    parameter_sets: bool,
    begins_with_delimiter: bool,
}
