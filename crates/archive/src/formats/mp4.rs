//! `mp4`: the pictures of a video topic as they are, in a fragmented MP4 file that plays on its own.
//!
//! It begins with a key frame, for it is given whole groups of pictures ([`crate::pictures`]). Times are those of the records: a picture
//! is shown when its `pts` says, counted from the file's first, or where there is none when its timestamp says; when the first was
//! taken is the file's creation time (ISO/IEC 14496-12 §8.2.2). Each picture is a fragment, so that a file may be written as it comes.

use bytes::{Bytes, BytesMut};
use weir_client::Record;
use weir_media::AccessUnit;
use weir_media::fmp4::Muxer;
use weir_media::record::PictureMeta;

use super::{EncodeError, Encoder};
use crate::pictures;

/// How long a file's only picture is shown, and the last one of a file where nothing else is known.
const STEP_US: i64 = 40_000;

#[derive(Default)]
pub(super) struct Mp4 {
    out: BytesMut,
    muxer: Option<Muxer>,
    /// The picture whose end is not known before the next one comes.
    held: Option<AccessUnit>,
    /// The time of the file's beginning on the publisher's time line.
    base_us: i64,
    step_us: i64,
    failed: Option<String>,
}

impl Mp4 {
    fn place(&mut self, record: &Record, meta: &PictureMeta, data: Bytes) -> AccessUnit {
        let (pts_us, dts_us) = pictures::times(record, meta);
        match &self.held {
            None => self.base_us = dts_us,
            // A clock that was set back in the middle of a group.
            Some(last) if dts_us - self.base_us <= last.dts_us => {
                let dts_us = last.dts_us + 1;
                return AccessUnit {
                    pts_us: (pts_us - self.base_us).max(dts_us),
                    dts_us,
                    duration_us: 0,
                    key: meta.key,
                    data,
                };
            }
            Some(_) => {}
        }
        AccessUnit {
            pts_us: pts_us - self.base_us,
            dts_us: dts_us - self.base_us,
            duration_us: 0,
            key: meta.key,
            data,
        }
    }

    fn write(&mut self, unit: &AccessUnit, duration_us: i64) {
        if let Some(muxer) = &mut self.muxer {
            self.out
                .extend_from_slice(&muxer.fragment(unit, duration_us));
        }
    }
}

impl Encoder for Mp4 {
    fn push(&mut self, record: &Record) {
        let (Some(meta), Some(value)) = (pictures::meta(record), &record.value) else {
            return;
        };
        let unit = self.place(record, &meta, value.clone());
        if self.muxer.is_none() {
            match Muxer::new(meta.codec, &unit) {
                Ok(muxer) => {
                    let muxer = muxer.created_at(record.timestamp.map_or(0, |time| time.0 / 1000));
                    self.out.extend_from_slice(&muxer.init());
                    self.muxer = Some(muxer);
                }
                Err(error) => self.failed = Some(error.to_string()),
            }
        }
        if let Some(last) = self.held.replace(unit) {
            let now_us = self.held.as_ref().map_or(0, |unit| unit.dts_us);
            self.step_us = now_us - last.dts_us;
            self.write(&last, self.step_us);
        }
    }

    fn ready_bytes(&self) -> usize {
        self.out.len()
    }

    fn held_bytes(&self) -> usize {
        self.out.len() + self.held.as_ref().map_or(0, |unit| unit.data.len())
    }

    fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    fn finish(&mut self) -> Result<Bytes, EncodeError> {
        if let Some(last) = self.held.take() {
            let step_us = if self.step_us > 0 {
                self.step_us
            } else {
                STEP_US
            };
            self.write(&last, step_us);
        }
        match self.failed.take() {
            None => Ok(self.take()),
            Some(why) => Err(EncodeError(why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use weir_base::time::Timestamp;
    use weir_media::container;
    use weir_media::synthetic::{Clip, with_b_frame_times};

    use super::*;
    use crate::formats::tests::encode;
    use crate::tests::video::record_of;

    fn read(file: Vec<u8>) -> Vec<AccessUnit> {
        let mut reader = container::open(Cursor::new(file)).unwrap();
        let mut units = Vec::new();
        while let Some(unit) = reader.next().unwrap() {
            units.push(unit);
        }
        assert_eq!(reader.damage(), []);
        units
    }

    #[test]
    fn a_file_has_its_records_pictures_at_the_distances_of_their_times() {
        let clip = Clip {
            pictures: 20,
            ..Clip::default()
        };
        let mut units = clip.h264();
        with_b_frame_times(&mut units);
        let records: Vec<Record> = (100..)
            .zip(&units)
            .map(|(at, unit)| record_of(at, unit))
            .collect();
        let found = read(encode(Box::<Mp4>::default(), &records));
        assert_eq!(found.len(), units.len());
        for (found, unit) in found.iter().zip(&units) {
            assert_eq!(
                (found.pts_us, &found.data, found.key),
                (unit.pts_us, &unit.data, unit.key)
            );
        }
    }

    #[test]
    fn records_without_times_of_their_own_are_shown_when_they_were_taken() {
        let units = Clip {
            pictures: 3,
            ..Clip::default()
        }
        .h264();
        let taken_ms = [1_769_850_000_000_i64, 1_769_850_000_100, 1_769_850_000_900];
        let records: Vec<Record> = (0..)
            .zip(&units)
            .zip(taken_ms)
            .map(|((at, unit), ms)| {
                let mut record = record_of(at, unit);
                record
                    .headers
                    .retain(|(name, _)| name != "pts" && name != "dts");
                record.timestamp = Some(Timestamp(ms));
                record
            })
            .collect();
        let file = encode(Box::<Mp4>::default(), &records);
        // Version 1 of `mvhd`: the creation time, in seconds since 1904.
        let at = file.windows(4).position(|word| word == b"mvhd").unwrap() + 8;
        let created = u64::from_be_bytes(file[at..at + 8].try_into().unwrap());
        assert_eq!(created, 1_769_850_000 + 2_082_844_800);
        let shown: Vec<i64> = read(file).iter().map(|unit| unit.pts_us).collect();
        assert_eq!(shown, [0, 100_000, 900_000]);
    }

    #[test]
    fn a_clock_that_is_set_back_and_times_of_no_age_do_no_harm() {
        let units = Clip {
            pictures: 5,
            ..Clip::default()
        }
        .h264();
        let times = [i64::MIN, i64::MAX, i64::MIN, 0, -1];
        let records: Vec<Record> = (0..)
            .zip(&units)
            .zip(times)
            .map(|((at, unit), us)| {
                record_of(
                    at,
                    &AccessUnit {
                        pts_us: us,
                        dts_us: us,
                        ..unit.clone()
                    },
                )
            })
            .collect();
        assert_eq!(read(encode(Box::<Mp4>::default(), &records)).len(), 5);
    }
}
