//! Access units in, fragmented MP4 out (ISO/IEC 14496-12 §8.8): what browsers' Media Source Extensions, ffmpeg and VLC
//! play while it grows.
//!
//! One fragment (`moof` and `mdat`) holds one picture, so that each can be sent the moment it is there. Times are in
//! microseconds ([`TIMESCALE`]), the unit of access units: nothing is rounded, nothing drifts. A fragment's decode time
//! is the access unit's dts; pts − dts is its composition offset (version 1, so it may be negative).
//!
//! A decode time in MP4 cannot be negative, and B-frames make the first dts negative. A muxer made from such an access
//! unit moves all its times forward by that much: [`Muxer::shift_us`] says by how much.
//!
//! Parameter sets stand in the init segment (`avc1`, `hvc1`); the same ones are left out of the samples.

pub(crate) mod boxes;
pub(crate) mod entry;
mod sound;

use bytes::Bytes;

use crate::{AccessUnit, Codec, MediaError, h264, h265, nal};
use boxes::Boxes;
use entry::Entry;

pub use sound::SoundMuxer;

/// Units of time a second in everything written here.
pub const TIMESCALE: u32 = 1_000_000;

/// `sample_depends_on = 2`: an I picture.
pub(crate) const SAMPLE_FLAGS_KEY: u32 = 0x0200_0000;
/// `sample_depends_on = 1`, `sample_is_non_sync_sample`.
pub(crate) const SAMPLE_FLAGS_DELTA: u32 = 0x0101_0000;

/// Packs access units of one codec and one set of parameters.
#[derive(Debug, Clone)]
pub struct Muxer {
    codec: Codec,
    entry: Entry,
    h264: h264::ParameterSets,
    h265: h265::ParameterSets,
    shift_us: i64,
    sequence_number: u32,
    created_s: u64,
}

/// Seconds from the beginning of 1904, from which MP4 counts (ISO/IEC 14496-12 §8.2.2.3), to that of 1970.
const SINCE_1904_S: i64 = 2_082_844_800;

impl Muxer {
    /// A muxer whose init segment is made from the parameter sets of a key frame, the first that will be packed.
    pub fn new(codec: Codec, first_key: &AccessUnit) -> Result<Muxer, MediaError> {
        let mut muxer = Muxer {
            codec,
            entry: Entry::of(codec, first_key)?,
            h264: h264::ParameterSets::default(),
            h265: h265::ParameterSets::default(),
            shift_us: first_key.dts_us.min(0).saturating_neg(),
            sequence_number: 0,
            created_s: 0,
        };
        match codec {
            Codec::H264 => muxer.h264 = h264::ParameterSets::of(&first_key.data),
            Codec::H265 => muxer.h265 = h265::ParameterSets::of(&first_key.data),
            _ => {}
        }
        Ok(muxer)
    }

    /// With the time its first picture was taken, in seconds since 1970 (UTC), in the init segment.
    #[must_use]
    pub fn created_at(mut self, unix_s: i64) -> Muxer {
        self.created_s = unix_s.saturating_add(SINCE_1904_S).max(0).unsigned_abs();
        self
    }

    /// The init segment: `ftyp` and `moov`.
    pub fn init(&self) -> Bytes {
        self.init_with(None)
    }

    /// The same with a track of sound beside that of the pictures.
    pub fn init_with(&self, sound: Option<&SoundMuxer>) -> Bytes {
        let mut boxes = Boxes::with_capacity(1024);
        boxes.wrap(*b"ftyp", |boxes| {
            boxes.bytes(b"iso5").u32(512).bytes(b"iso5iso6mp41");
        });
        boxes.wrap(*b"moov", |boxes| {
            write_mvhd(boxes, TIMESCALE, 0, self.created_s);
            boxes.wrap(*b"trak", |boxes| {
                write_tkhd(boxes, VIDEO_TRACK, 0, self.entry.width, self.entry.height);
                boxes.wrap(*b"mdia", |boxes| {
                    write_mdhd(boxes, TIMESCALE, 0);
                    write_hdlr(boxes);
                    boxes.wrap(*b"minf", |boxes| {
                        write_vmhd_dinf(boxes);
                        boxes.wrap(*b"stbl", |boxes| {
                            entry::write_stsd(std::slice::from_ref(&self.entry), boxes);
                            write_no_samples(boxes);
                        });
                    });
                });
            });
            if let Some(sound) = sound {
                sound.write_trak(boxes);
            }
            boxes.wrap(*b"mvex", |boxes| {
                write_trex(boxes, VIDEO_TRACK);
                if sound.is_some() {
                    write_trex(boxes, SOUND_TRACK);
                }
            });
        });
        Bytes::from(boxes.out)
    }

    /// The codec in RFC 6381 form.
    pub fn codec_string(&self) -> &str {
        &self.entry.codec_string
    }

    /// What `MediaSource.isTypeSupported` takes: `video/mp4; codecs="avc1.64001f"`.
    pub fn mime(&self) -> String {
        format!("video/mp4; codecs=\"{}\"", self.entry.codec_string)
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.entry.width, self.entry.height)
    }

    /// How much later than their pts this muxer's pictures are on the player's time line: 0 unless it began with a
    /// negative dts.
    pub fn shift_us(&self) -> i64 {
        self.shift_us
    }

    /// One fragment (`moof` and `mdat`) with one access unit that is shown for `duration_us`.
    pub fn fragment(&mut self, unit: &AccessUnit, duration_us: i64) -> Bytes {
        self.sequence_number = self.sequence_number.wrapping_add(1);
        let decode_time = unit.dts_us.saturating_add(self.shift_us).max(0);
        let composition = unit
            .pts_us
            .saturating_add(self.shift_us)
            .saturating_sub(decode_time);
        let sample = Sample {
            track: VIDEO_TRACK,
            decode_time: decode_time as u64,
            duration: duration_us.clamp(0, i64::from(u32::MAX)) as u32,
            composition: composition.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32,
            key: unit.key,
        };
        let mut boxes = Boxes::with_capacity(unit.data.len() + 160);
        let size_at = write_moof(&mut boxes, self.sequence_number, &sample);
        let mut len_bytes = 0;
        boxes.wrap(*b"mdat", |boxes| {
            let start = boxes.out.len();
            self.write_sample(&unit.data, &mut boxes.out);
            len_bytes = boxes.out.len() - start;
        });
        boxes.out[size_at..size_at + 4].copy_from_slice(&(len_bytes as u32).to_be_bytes());
        Bytes::from(boxes.out)
    }

    /// The access unit as MP4 holds it: lengths in place of start codes, without the init segment's parameter sets and
    /// without delimiters.
    pub(crate) fn write_sample(&self, data: &[u8], out: &mut Vec<u8>) {
        match self.codec {
            Codec::H264 => {
                for unit in nal::units(data) {
                    if !self.h264.contains(unit) && h264::nal_type(unit) != h264::NAL_AUD {
                        push_with_length(out, unit);
                    }
                }
            }
            Codec::H265 => {
                for unit in nal::units(data) {
                    if !self.h265.contains(unit) && h265::nal_type(unit) != h265::NAL_AUD {
                        push_with_length(out, unit);
                    }
                }
            }
            _ => out.extend_from_slice(data),
        }
    }

    /// What stands in the file's sample description.
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Whether the access unit is a key frame with parameter sets other than this muxer's: a new [`Muxer`] is needed then.
    pub fn changed_by(&self, unit: &AccessUnit) -> bool {
        if !unit.key {
            return false;
        }
        match self.codec {
            Codec::H264 => {
                let sets = h264::ParameterSets::of(&unit.data);
                !sets.sps.is_empty() && sets != self.h264
            }
            Codec::H265 => {
                let sets = h265::ParameterSets::of(&unit.data);
                !sets.sps.is_empty() && sets != self.h265
            }
            _ => Entry::of(self.codec, unit).is_ok_and(|entry| entry != self.entry),
        }
    }
}

fn push_with_length(out: &mut Vec<u8>, unit: &[u8]) {
    out.extend_from_slice(&(unit.len() as u32).to_be_bytes());
    out.extend_from_slice(unit);
}

/// The pictures' track.
pub(crate) const VIDEO_TRACK: u32 = 1;
/// The sound's track, whether there are pictures in the file or not.
pub(crate) const SOUND_TRACK: u32 = 2;

/// The times of a fragment's one sample.
pub(crate) struct Sample {
    pub(crate) track: u32,
    pub(crate) decode_time: u64,
    pub(crate) duration: u32,
    pub(crate) composition: i32,
    pub(crate) key: bool,
}

/// Writes a `moof` box for a sample whose size is not known yet; gives the place where the size belongs.
pub(crate) fn write_moof(boxes: &mut Boxes, sequence_number: u32, sample: &Sample) -> usize {
    let start = boxes.out.len();
    let mut offset_at = 0;
    let mut size_at = 0;
    boxes.wrap(*b"moof", |boxes| {
        boxes.full(*b"mfhd", 0, 0, |boxes| {
            boxes.u32(sequence_number);
        });
        boxes.wrap(*b"traf", |boxes| {
            // default-base-is-moof
            boxes.full(*b"tfhd", 0, 0x02_0000, |boxes| {
                boxes.u32(sample.track);
            });
            boxes.full(*b"tfdt", 1, 0, |boxes| {
                boxes.u64(sample.decode_time);
            });
            // data offset; duration, size, flags and composition offset a sample
            boxes.full(*b"trun", 1, 0x0f01, |boxes| {
                boxes.u32(1);
                offset_at = boxes.out.len();
                boxes.u32(0).u32(sample.duration);
                size_at = boxes.out.len();
                boxes.u32(0);
                boxes.u32(if sample.key {
                    SAMPLE_FLAGS_KEY
                } else {
                    SAMPLE_FLAGS_DELTA
                });
                boxes.i32(sample.composition);
            });
        });
    });
    // From the start of `moof` to the first byte after the header of `mdat`.
    let offset = (boxes.out.len() - start + 8) as u32;
    boxes.out[offset_at..offset_at + 4].copy_from_slice(&offset.to_be_bytes());
    size_at
}

pub(crate) fn write_mvhd(boxes: &mut Boxes, timescale: u32, duration: u64, created_s: u64) {
    boxes.full(*b"mvhd", 1, 0, |boxes| {
        boxes
            .u64(created_s)
            .u64(created_s)
            .u32(timescale)
            .u64(duration);
        boxes.u32(0x0001_0000).u16(0x0100).zeros(10);
        write_matrix(boxes);
        boxes.zeros(24).u32(SOUND_TRACK + 1);
    });
}

pub(crate) fn write_tkhd(boxes: &mut Boxes, track: u32, duration: u64, width: u32, height: u32) {
    // enabled, in the movie
    boxes.full(*b"tkhd", 1, 3, |boxes| {
        boxes.u64(0).u64(0).u32(track).u32(0).u64(duration);
        // Layer and group; volume, which only sound has.
        let volume = if track == SOUND_TRACK { 0x0100 } else { 0 };
        boxes.zeros(12).u16(volume).zeros(2);
        write_matrix(boxes);
        boxes
            .u32(u32::from(entry::clamp_u16(width)) << 16)
            .u32(u32::from(entry::clamp_u16(height)) << 16);
    });
}

fn write_matrix(boxes: &mut Boxes) {
    for value in [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000] {
        boxes.u32(value);
    }
}

pub(crate) fn write_mdhd(boxes: &mut Boxes, timescale: u32, duration: u64) {
    boxes.full(*b"mdhd", 1, 0, |boxes| {
        // The language is `und`.
        boxes
            .u64(0)
            .u64(0)
            .u32(timescale)
            .u64(duration)
            .u16(0x55c4)
            .u16(0);
    });
}

pub(crate) fn write_hdlr(boxes: &mut Boxes) {
    boxes.full(*b"hdlr", 0, 0, |boxes| {
        boxes.u32(0).bytes(b"vide").zeros(12).bytes(b"video\0");
    });
}

pub(crate) fn write_vmhd_dinf(boxes: &mut Boxes) {
    boxes.full(*b"vmhd", 0, 1, |boxes| {
        boxes.zeros(8);
    });
    write_dinf(boxes);
}

fn write_dinf(boxes: &mut Boxes) {
    boxes.wrap(*b"dinf", |boxes| {
        boxes.full(*b"dref", 0, 0, |boxes| {
            boxes.u32(1);
            // The samples are in this file.
            boxes.full(*b"url ", 0, 1, |_| {});
        });
    });
}

/// The samples are in the fragments; these four boxes must be there and are empty.
fn write_no_samples(boxes: &mut Boxes) {
    for kind in [*b"stts", *b"stsc", *b"stco"] {
        boxes.full(kind, 0, 0, |boxes| {
            boxes.u32(0);
        });
    }
    boxes.full(*b"stsz", 0, 0, |boxes| {
        boxes.u32(0).u32(0);
    });
}

pub(crate) fn write_trex(boxes: &mut Boxes, track: u32) {
    boxes.full(*b"trex", 0, 0, |boxes| {
        boxes.u32(track).u32(1).u32(0).u32(0).u32(0);
    });
}
