//! Access units in, an MP4 file out as players and editors expect one (ISO/IEC 14496-12 §8.6, §8.7): all pictures, then one index.
//!
//! The file is written front to back ([`Movie::head`], then what [`Movie::add`] gives, then [`Movie::finish`]'s index), and one length
//! near its start is filled in at the end. In memory stay 20 bytes a picture and the parameter sets. Times are in microseconds, as in
//! fragments ([`TIMESCALE`]).
//!
//! Sound is a second track, between the pictures where it comes.
//!
//! An edit list (§8.6.6) says which pictures are shown: a film may begin between two key frames, and those in front of its beginning are
//! there only to decode it by. Parameters that change half-way get a sample entry of their own.

use bytes::Bytes;

use crate::fmp4::boxes::Boxes;
use crate::fmp4::entry::{self, Entry};
use crate::fmp4::{
    Muxer, SOUND_TRACK, SoundMuxer, TIMESCALE, VIDEO_TRACK, write_hdlr, write_mdhd, write_mvhd,
    write_tkhd, write_vmhd_dinf,
};
use crate::sound::SoundUnit;
use crate::{AccessUnit, MediaError};

/// Sample entries of one file: a publisher whose every key frame has other parameters is no reason to keep them all.
pub const MAX_ENTRIES: usize = 256;
/// The most pictures of one file: the index's boxes have lengths of 32 bits. Over a year of 25 a second.
pub const MAX_PICTURES: usize = 100_000_000;
/// Bytes in front of the first picture: `ftyp`, and the head of an `mdat` whose length has 64 bits.
const HEAD_BYTES: u64 = 28 + 16;

/// The index of a file that is being written.
#[derive(Debug, Default)]
pub struct Movie {
    entries: Vec<Entry>,
    samples: Vec<Sample>,
    chunks: Vec<Chunk>,
    len_bytes: u64,
    last_duration_us: i64,
    sound: Option<Sound>,
    /// Sound lies behind the last picture.
    parted: bool,
}

/// The track of sound: its access units lie one by one between the pictures.
#[derive(Debug)]
struct Sound {
    muxer: SoundMuxer,
    samples: Vec<SoundSample>,
}

#[derive(Debug, Clone, Copy)]
struct SoundSample {
    pts_us: i64,
    duration_us: i64,
    len_bytes: u32,
    position: u64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    dts_us: i64,
    /// pts − dts.
    composition_us: i32,
    len_bytes: u32,
    key: bool,
}

/// Samples that lie one behind the other and share an entry.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    position: u64,
    samples: u32,
    entry: u32,
}

/// What completes the file.
#[derive(Debug)]
pub struct Finish {
    /// What follows the last picture.
    pub index: Bytes,
    /// What belongs at [`Finish::AT`].
    pub length: [u8; 8],
}

impl Finish {
    /// Where in the file [`Finish::length`] belongs.
    pub const AT: u64 = HEAD_BYTES - 8;
}

impl Movie {
    /// What stands in front of the first picture.
    pub fn head() -> Bytes {
        let mut boxes = Boxes::with_capacity(64);
        boxes.wrap(*b"ftyp", |boxes| {
            boxes.bytes(b"isom").u32(512).bytes(b"isomiso4mp41");
        });
        boxes.u32(1).bytes(b"mdat").u64(0);
        Bytes::from(boxes.out)
    }

    /// Takes the next picture in decode order and gives its bytes in the file. `muxer` is one made from the key frame that it
    /// depends on; `duration_us` counts where no picture follows.
    pub fn add(
        &mut self,
        muxer: &Muxer,
        unit: &AccessUnit,
        duration_us: i64,
    ) -> Result<Vec<u8>, MediaError> {
        let full = |what: &'static str| MediaError::Full { what };
        // Counted from 1 in the file.
        let entry = 1 + match self.entries.iter().rposition(|e| e == muxer.entry()) {
            Some(at) => at,
            None if self.entries.len() >= MAX_ENTRIES => {
                return Err(full("its parameters change more than 256 times"));
            }
            None => {
                self.entries.push(muxer.entry().clone());
                self.entries.len() - 1
            }
        } as u32;
        if self.samples.len() >= MAX_PICTURES {
            return Err(full("it has more than 100,000,000 pictures"));
        }
        let mut bytes = Vec::with_capacity(unit.data.len() + 16);
        muxer.write_sample(&unit.data, &mut bytes);
        match self.chunks.last_mut() {
            Some(chunk) if chunk.entry == entry && !unit.key && !self.parted => chunk.samples += 1,
            _ => self.chunks.push(Chunk {
                position: HEAD_BYTES + self.len_bytes,
                samples: 1,
                entry,
            }),
        }
        self.parted = false;
        let composition = unit.pts_us.saturating_sub(unit.dts_us);
        self.samples.push(Sample {
            dts_us: unit.dts_us,
            composition_us: composition.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32,
            len_bytes: bytes.len() as u32,
            key: unit.key,
        });
        self.len_bytes += bytes.len() as u64;
        self.last_duration_us = duration_us.clamp(1, i64::from(u32::MAX));
        Ok(bytes)
    }

    /// Takes the next sound and gives its bytes in the file; `None` of what is not of the first one's track, or runs backwards. `muxer` is one
    /// of its track.
    pub fn add_sound(&mut self, muxer: &SoundMuxer, unit: &SoundUnit) -> Option<Vec<u8>> {
        let sound = self.sound.get_or_insert_with(|| Sound {
            muxer: muxer.clone(),
            samples: Vec::new(),
        });
        let last = sound.samples.last();
        let forward = last.is_none_or(|last| last.pts_us < unit.pts_us);
        if !forward || !sound.muxer.same_track(muxer) || sound.samples.len() >= MAX_PICTURES {
            return None;
        }
        let bytes = muxer.sample(&unit.data).to_vec();
        sound.samples.push(SoundSample {
            pts_us: unit.pts_us,
            duration_us: unit.duration_us,
            len_bytes: bytes.len() as u32,
            position: HEAD_BYTES + self.len_bytes,
        });
        self.len_bytes += bytes.len() as u64;
        self.parted = true;
        Some(bytes)
    }

    /// How many pictures it holds.
    pub fn pictures(&self) -> u64 {
        self.samples.len() as u64
    }

    /// The index. Shown is what lies from `from_us` up to `to_us` on the pictures' time line (pts).
    pub fn finish(&self, from_us: i64, to_us: i64) -> Finish {
        let first_dts_us = self.samples.first().map_or(0, |sample| sample.dts_us);
        let shown_us = to_us.saturating_sub(from_us).max(0).unsigned_abs();
        let begin_us = from_us.saturating_sub(first_dts_us).max(0).unsigned_abs();
        let (width, height) = self
            .entries
            .first()
            .map_or((0, 0), |entry| (entry.width, entry.height));
        let media_us = self.durations().map(u64::from).sum();
        let mut boxes = Boxes::with_capacity(self.samples.len() * 8 + 1024);
        boxes.wrap(*b"moov", |boxes| {
            write_mvhd(boxes, TIMESCALE, shown_us, 0);
            boxes.wrap(*b"trak", |boxes| {
                write_tkhd(boxes, VIDEO_TRACK, shown_us, width, height);
                boxes.wrap(*b"edts", |boxes| {
                    boxes.full(*b"elst", 1, 0, |boxes| {
                        boxes.u32(1).u64(shown_us).u64(begin_us).u32(0x0001_0000);
                    });
                });
                boxes.wrap(*b"mdia", |boxes| {
                    write_mdhd(boxes, TIMESCALE, media_us);
                    write_hdlr(boxes);
                    boxes.wrap(*b"minf", |boxes| {
                        write_vmhd_dinf(boxes);
                        boxes.wrap(*b"stbl", |boxes| self.write_tables(boxes));
                    });
                });
            });
            if let Some(sound) = &self.sound {
                sound.write_trak(boxes, from_us, to_us);
            }
        });
        Finish {
            index: Bytes::from(boxes.out),
            length: (self.len_bytes + 16).to_be_bytes(),
        }
    }

    fn write_tables(&self, boxes: &mut Boxes) {
        entry::write_stsd(&self.entries, boxes);
        let samples = &self.samples;
        write_runs(boxes, *b"stts", 0, self.durations());
        if samples.iter().any(|sample| sample.composition_us != 0) {
            // Version 1: the offset may be negative.
            let offsets = samples.iter().map(|sample| sample.composition_us as u32);
            write_runs(boxes, *b"ctts", 1, offsets);
        }
        if !samples.iter().all(|sample| sample.key) {
            let keys = samples.iter().zip(1_u32..).filter(|(sample, _)| sample.key);
            write_list(boxes, *b"stss", keys.map(|(_, number)| [number]));
        }
        boxes.full(*b"stsz", 0, 0, |boxes| {
            boxes.u32(0).u32(samples.len() as u32);
            for sample in samples {
                boxes.u32(sample.len_bytes);
            }
        });
        let mut before = None;
        let runs = self
            .chunks
            .iter()
            .zip(1_u32..)
            .filter_map(|(chunk, number)| {
                let kind = (chunk.samples, chunk.entry);
                let begins = before.replace(kind) != Some(kind);
                begins.then_some([number, chunk.samples, chunk.entry])
            });
        write_list(boxes, *b"stsc", runs);
        let far = |chunk: &Chunk| u32::try_from(chunk.position).is_err();
        if self.chunks.last().is_some_and(far) {
            let positions = self.chunks.iter().map(|chunk| chunk.position);
            write_list(
                boxes,
                *b"co64",
                positions.map(|position| [(position >> 32) as u32, position as u32]),
            );
        } else {
            let positions = self.chunks.iter().map(|chunk| chunk.position as u32);
            write_list(boxes, *b"stco", positions.map(|position| [position]));
        }
    }

    /// How long each picture lasts until the next is decoded.
    fn durations(&self) -> impl Iterator<Item = u32> {
        let next = self.samples.iter().skip(1).map(|sample| sample.dts_us);
        let steps = self.samples.iter().zip(next).map(|(sample, next_us)| {
            let step_us = next_us.saturating_sub(sample.dts_us);
            step_us.clamp(0, i64::from(u32::MAX)) as u32
        });
        let last = self.samples.last().map(|_| self.last_duration_us as u32);
        steps.chain(last)
    }
}

impl Sound {
    /// Heard is what lies from `from_us` up to `to_us` on the pictures' line.
    fn write_trak(&self, boxes: &mut Boxes, from_us: i64, to_us: i64) {
        let (Some(first), Some(last)) = (self.samples.first(), self.samples.last()) else {
            return;
        };
        let ends_us = last.pts_us.saturating_add(last.duration_us);
        let begins_us = first.pts_us.max(from_us);
        let us = |from_us: i64, to_us: i64| to_us.saturating_sub(from_us).max(0).unsigned_abs();
        let heard_us = us(begins_us, ends_us.min(to_us));
        let late_us = us(from_us, begins_us);
        let skipped = self
            .ticks(begins_us)
            .saturating_sub(self.ticks(first.pts_us));
        boxes.wrap(*b"trak", |boxes| {
            write_tkhd(boxes, SOUND_TRACK, late_us + heard_us, 0, 0);
            boxes.wrap(*b"edts", |boxes| {
                boxes.full(*b"elst", 1, 0, |boxes| {
                    boxes.u32(if late_us > 0 { 2 } else { 1 });
                    if late_us > 0 {
                        // An empty edit: the sound begins later than the film.
                        boxes.u64(late_us).u64(u64::MAX).u32(0x0001_0000);
                    }
                    boxes.u64(heard_us).u64(skipped.max(0).unsigned_abs());
                    boxes.u32(0x0001_0000);
                });
            });
            boxes.wrap(*b"mdia", |boxes| {
                let media = self.ticks(ends_us).saturating_sub(self.ticks(first.pts_us));
                let rate_hz = self.muxer.track().rate_hz;
                self.muxer
                    .write_mdia(boxes, rate_hz, media.max(0).unsigned_abs(), |boxes| {
                        self.write_tables(boxes);
                    });
            });
        });
    }

    /// A time in samples, for ffmpeg takes what an edit list skips of sound for that, whatever the track counts in.
    fn ticks(&self, us: i64) -> i64 {
        let ticks = i128::from(us) * i128::from(self.muxer.track().rate_hz);
        ((ticks + 500_000).div_euclid(1_000_000)) as i64
    }

    fn write_tables(&self, boxes: &mut Boxes) {
        let samples = &self.samples;
        let step = |from_us: i64, to_us: i64| {
            let step = self.ticks(to_us).saturating_sub(self.ticks(from_us));
            step.clamp(0, i64::from(u32::MAX)) as u32
        };
        let steps = samples
            .windows(2)
            .map(|two| step(two[0].pts_us, two[1].pts_us));
        let last = samples.last().map(|last| step(0, last.duration_us));
        write_runs(boxes, *b"stts", 0, steps.chain(last));
        boxes.full(*b"stsz", 0, 0, |boxes| {
            boxes.u32(0).u32(samples.len() as u32);
            for sample in samples {
                boxes.u32(sample.len_bytes);
            }
        });
        write_list(boxes, *b"stsc", std::iter::once([1, 1, 1]));
        let positions = samples.iter().map(|sample| sample.position);
        write_list(
            boxes,
            *b"co64",
            positions.map(|position| [(position >> 32) as u32, position as u32]),
        );
    }
}

/// A table of how often each value comes in a row.
fn write_runs(boxes: &mut Boxes, kind: [u8; 4], version: u8, values: impl Iterator<Item = u32>) {
    boxes.full(kind, version, 0, |boxes| {
        let count_at = boxes.out.len();
        boxes.u32(0);
        let (mut runs, mut run) = (0_u32, None::<(u32, u32)>);
        for value in values {
            run = match run {
                Some((count, same)) if same == value => Some((count + 1, same)),
                Some((count, other)) => {
                    boxes.u32(count).u32(other);
                    runs += 1;
                    Some((1, value))
                }
                None => Some((1, value)),
            };
        }
        if let Some((count, value)) = run {
            boxes.u32(count).u32(value);
            runs += 1;
        }
        boxes.out[count_at..count_at + 4].copy_from_slice(&runs.to_be_bytes());
    });
}

/// A table of so many words an entry.
fn write_list<const N: usize>(
    boxes: &mut Boxes,
    kind: [u8; 4],
    entries: impl Iterator<Item = [u32; N]>,
) {
    boxes.full(kind, 0, 0, |boxes| {
        let count_at = boxes.out.len();
        boxes.u32(0);
        let mut count = 0_u32;
        for entry in entries {
            count += 1;
            for word in entry {
                boxes.u32(word);
            }
        }
        boxes.out[count_at..count_at + 4].copy_from_slice(&count.to_be_bytes());
    });
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::synthetic::{Clip, with_b_frame_times};
    use crate::{Codec, container};

    /// The file of these pictures, each with the muxer of its key frame, shown from one time to another.
    fn file(units: &[AccessUnit], from_us: i64, to_us: i64) -> Vec<u8> {
        let mut movie = Movie::default();
        let mut out = Movie::head().to_vec();
        let mut muxer = None;
        for unit in units {
            if unit.key {
                muxer = Some(Muxer::new(Codec::H264, unit).unwrap());
            }
            let bytes = movie.add(muxer.as_ref().unwrap(), unit, unit.duration_us);
            out.extend(bytes.unwrap());
        }
        let finish = movie.finish(from_us, to_us);
        out[Finish::AT as usize..][..8].copy_from_slice(&finish.length);
        out.extend(&finish.index);
        out
    }

    fn read(file: Vec<u8>) -> Vec<AccessUnit> {
        let mut demuxer = container::open(Cursor::new(file)).unwrap();
        let mut units = Vec::new();
        while let Some(unit) = demuxer.next().unwrap() {
            units.push(unit);
        }
        assert_eq!(demuxer.damage(), []);
        units
    }

    #[test]
    fn what_is_put_in_comes_out_with_its_times() {
        let units = Clip::default().h264();
        let read = read(file(&units, 0, 2_000_000));
        assert_eq!(read.len(), units.len());
        for (read, unit) in read.iter().zip(&units) {
            assert_eq!((read.pts_us, read.key), (unit.pts_us, unit.key));
            assert_eq!(read.data, unit.data);
        }
    }

    #[test]
    fn a_film_that_begins_between_key_frames_and_shows_in_another_order_than_it_decodes_keeps_its_times()
     {
        let mut units = Clip::default().h264();
        with_b_frame_times(&mut units);
        let moved = units.iter().map(|unit| AccessUnit {
            pts_us: unit.pts_us + 5_000_000,
            dts_us: unit.dts_us + 5_000_000,
            ..unit.clone()
        });
        let moved: Vec<_> = moved.collect();
        let read = read(file(&moved, 5_200_000, 6_000_000));
        let times: Vec<_> = read.iter().map(|unit| unit.pts_us).collect();
        let wanted: Vec<_> = units.iter().map(|unit| unit.pts_us - 200_000).collect();
        // The reader gives what is in front of the beginning with negative times, and nothing behind the end is promised.
        assert_eq!(times[..20], wanted[..20]);
    }

    #[test]
    fn sound_comes_out_in_sync_wherever_the_film_begins() {
        use crate::sound::SoundCodec;
        let units = Clip::default().h264();
        for (codec, first_us, from_us) in [
            (SoundCodec::Aac, 0, 0),
            (SoundCodec::Opus, 300_000, 0),
            (SoundCodec::Opus, 0, 600_000),
            (SoundCodec::Aac, 700_000, 600_000),
        ] {
            let sounds = crate::synthetic::sound(codec, first_us, 60);
            let sound_muxer = SoundMuxer::new(codec, &sounds[0].data, Some(2), None).unwrap();
            let mut movie = Movie::default();
            let mut out = Movie::head().to_vec();
            let muxer = Muxer::new(Codec::H264, &units[0]).unwrap();
            let mut sound = sounds.iter().peekable();
            for unit in &units {
                out.extend(movie.add(&muxer, unit, unit.duration_us).unwrap());
                while let Some(next) = sound.next_if(|next| next.pts_us < unit.dts_us) {
                    out.extend(movie.add_sound(&sound_muxer, next).unwrap());
                }
            }
            assert_eq!(movie.add_sound(&sound_muxer, &sounds[0]), None);
            let finish = movie.finish(from_us, 2_000_000);
            out[Finish::AT as usize..][..8].copy_from_slice(&finish.length);
            out.extend(&finish.index);
            let mut read = container::open(Cursor::new(out)).unwrap();
            let mut pictures = 0;
            while let Some(unit) = read.next().unwrap() {
                assert_eq!(unit.data, units[pictures].data);
                pictures += 1;
            }
            assert_eq!(pictures, units.len());
            let first = read.next_sound(i64::MAX).unwrap().unwrap();
            // The reader counts from the first picture shown.
            let at = sounds
                .iter()
                .position(|unit| unit.data == first.data)
                .unwrap();
            assert_eq!(
                first.pts_us,
                sounds[at].pts_us - from_us,
                "{codec:?} {first_us}"
            );
            assert_eq!(read.damage(), []);
        }
    }

    #[test]
    fn parameters_that_change_get_an_entry_of_their_own_and_those_that_come_back_do_not() {
        let small = Clip {
            width: 96,
            height: 64,
            pictures: 10,
            ..Clip::default()
        };
        let later = |units: Vec<AccessUnit>, by_us: i64| {
            units.into_iter().map(move |unit| AccessUnit {
                pts_us: unit.pts_us + by_us,
                dts_us: unit.dts_us + by_us,
                ..unit
            })
        };
        let large = Clip {
            pictures: 10,
            ..Clip::default()
        };
        let units: Vec<_> = large
            .h264()
            .into_iter()
            .chain(later(small.h264(), 400_000))
            .chain(later(large.h264(), 800_000))
            .collect();
        let file = file(&units, 0, 1_200_000);
        let entries = file.windows(4).filter(|four| *four == b"avcC").count();
        assert_eq!(entries, 2);
        assert_eq!(read(file).len(), 30);
    }

    #[test]
    fn parameters_without_end_are_refused() {
        let unit = Clip::default().h264().remove(0);
        let muxer = Muxer::new(Codec::H264, &unit).unwrap();
        let other = |width| Entry {
            width,
            ..muxer.entry().clone()
        };
        let mut movie = Movie {
            entries: (10_000..).take(MAX_ENTRIES).map(other).collect(),
            ..Movie::default()
        };
        let refused = movie.add(&muxer, &unit, 40_000).unwrap_err().to_string();
        assert!(refused.contains("256"), "{refused}");
    }

    #[test]
    fn places_beyond_4_gib_have_64_bits() {
        let unit = Clip::default().h264().remove(0);
        let muxer = Muxer::new(Codec::H264, &unit).unwrap();
        let mut movie = Movie {
            len_bytes: 5 << 30,
            ..Movie::default()
        };
        movie.add(&muxer, &unit, 40_000).unwrap();
        let finish = movie.finish(0, 40_000);
        let at = finish.index.windows(4).position(|four| four == b"co64");
        let at = at.unwrap() + 12;
        let position = finish.index[at..at + 8].try_into().unwrap();
        assert_eq!(u64::from_be_bytes(position), (5 << 30) + HEAD_BYTES);
        assert!(u64::from_be_bytes(finish.length) > 5 << 30);
    }
}
