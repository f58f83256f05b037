//! Records of a video topic in groups, each of a key frame and those that need it: what a file of video is made of.
//!
//! A file must play on its own, so it holds whole groups, and a range of offsets ends in front of a key frame alone. A group is whole
//! when the next key frame has come; until then it waits here, and where the program ends meanwhile it is read again. When a
//! publisher has been silent for a while the last group is taken for whole.
//!
//! Which records are in no file: those that are no picture, such as sound, pictures in front of the first key frame, and groups whose key frame says
//! nothing of its size and codec. They are counted. Refused is a topic whose first record is no picture, one of JPEG or PNG,
//! and one in which the pictures of several cameras (keys) alternate in a partition.

use bytes::Bytes;
use weir_base::time::Timestamp;
use weir_client::Record;
use weir_media::fmp4::Muxer;
use weir_media::record::{self, PictureMeta};
use weir_media::{AccessUnit, Codec};

/// Bytes of a key frame and those that need it, at most.
const MAX_GROUP_BYTES: usize = 64 << 20;

/// Why a topic cannot be kept as MP4.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoVideo {
    /// There is something else in it.
    #[error("its first record is no picture; use --format text, jsonl or parquet")]
    Other,
    /// Its pictures are files of their own.
    #[error(
        "its pictures are {0}, which MP4 files do not hold; use --format parquet, or publish them as H.264 (weir publish video … --codec h264)"
    )]
    Still(&'static str),
    /// There are too few key frames.
    #[error(
        "from offset {0} on there is no key frame for {limit} MiB, and a file holds all that one needs; publish with a key frame every few seconds, or use --format parquet",
        limit = MAX_GROUP_BYTES >> 20
    )]
    Endless(i64),
    /// Several cameras take turns in a partition.
    #[error(
        "pictures of {one:?} and of {other:?} alternate in it, and an MP4 file holds one camera's; give each camera a topic of its own, or use --format parquet or jsonl"
    )]
    Several {
        /// One camera's key.
        one: String,
        /// Another's.
        other: String,
    },
}

/// A key frame and those that need it.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) records: Vec<Record>,
    /// Whether no file can hold it together with the group in front of it.
    pub(crate) apart: bool,
    /// Records in front of it or in it that are in no file.
    pub(crate) passed_over: u64,
}

/// Puts records in groups.
#[derive(Default)]
pub(crate) struct Groups {
    open: Option<Group>,
    open_bytes: usize,
    /// What the open group's pictures have in common; the last one's where there is none.
    now: Option<Track>,
    passed_over: u64,
    /// Whether a picture has been seen.
    begun: bool,
}

struct Track {
    codec: Codec,
    key: Option<Bytes>,
    muxer: Muxer,
    dts_us: i64,
}

/// What a record's picture is, if it has one.
pub(crate) fn meta(record: &Record) -> Option<PictureMeta> {
    record::read(record.header_pairs(), record.value.as_deref()?)
}

/// When a picture is shown and when it is decoded, on the publisher's time line.
pub(crate) fn times(record: &Record, meta: &PictureMeta) -> (i64, i64) {
    // Times beyond ten thousand years are nobody's; so sums of them stay in range.
    const MOST_US: i64 = i64::MAX / 16;
    let taken_us = record
        .timestamp
        .map_or(0, |Timestamp(ms)| ms.saturating_mul(1000));
    let pts_us = meta.pts_us.or(meta.dts_us).unwrap_or(taken_us);
    let dts_us = meta.dts_us.unwrap_or(pts_us);
    (
        pts_us.clamp(-MOST_US, MOST_US),
        dts_us.clamp(-MOST_US, MOST_US),
    )
}

impl Groups {
    /// Those of a partition of which something is archived already, or nothing is.
    pub(crate) fn new(begun: bool) -> Self {
        Self {
            begun,
            ..Self::default()
        }
    }

    /// The next record: the group that is whole because of it.
    pub(crate) fn push(&mut self, record: Record) -> Result<Option<Group>, NoVideo> {
        let (Some(meta), Some(value)) = (meta(&record), record.value.clone()) else {
            // Sound may stand in front of the first picture that is still there.
            if !self.begun && record::read_sound(record.header_pairs()).is_none() {
                return Err(NoVideo::Other);
            }
            self.pass_over();
            return Ok(None);
        };
        if !meta.codec.is_inter() {
            return Err(NoVideo::Still(meta.codec.name()));
        }
        self.begun = true;
        let (pts_us, dts_us) = times(&record, &meta);
        if !meta.key {
            return self.delta(record, meta.codec, dts_us).map(|()| None);
        }
        let whole = self.close();
        let unit = AccessUnit {
            pts_us,
            dts_us,
            duration_us: 0,
            key: true,
            data: value,
        };
        let Ok(muxer) = Muxer::new(meta.codec, &unit) else {
            self.pass_over();
            return Ok(whole);
        };
        let apart = self.now.as_ref().is_none_or(|now| {
            (now.codec, &now.key) != (meta.codec, &record.key)
                || now.muxer.changed_by(&unit)
                // A publisher that was started anew.
                || dts_us <= now.dts_us
        });
        self.now = Some(Track {
            codec: meta.codec,
            key: record.key.clone(),
            muxer,
            dts_us,
        });
        self.open_bytes = record.len_bytes();
        self.open = Some(Group {
            records: vec![record],
            apart,
            passed_over: std::mem::take(&mut self.passed_over),
        });
        Ok(whole)
    }

    fn delta(&mut self, record: Record, codec: Codec, dts_us: i64) -> Result<(), NoVideo> {
        let (Some(now), Some(open)) = (&mut self.now, &mut self.open) else {
            self.pass_over();
            return Ok(());
        };
        if now.key != record.key {
            let name = |key: &Option<Bytes>| {
                key.as_ref()
                    .map_or_else(String::new, |key| String::from_utf8_lossy(key).into_owned())
            };
            return Err(NoVideo::Several {
                one: name(&now.key),
                other: name(&record.key),
            });
        }
        if now.codec != codec {
            self.pass_over();
            return Ok(());
        }
        now.dts_us = now.dts_us.max(dts_us);
        self.open_bytes += record.len_bytes();
        open.records.push(record);
        match open.records.first() {
            Some(first) if self.open_bytes > MAX_GROUP_BYTES => Err(NoVideo::Endless(first.offset)),
            _ => Ok(()),
        }
    }

    /// When the newest record that waits was taken.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.open.as_ref()?.records.last()?.timestamp
    }

    /// Takes the last group for whole.
    pub(crate) fn close(&mut self) -> Option<Group> {
        self.open_bytes = 0;
        self.open.take()
    }

    fn pass_over(&mut self) {
        match &mut self.open {
            Some(open) => open.passed_over += 1,
            None => self.passed_over += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_media::synthetic::Clip;

    use super::*;
    use crate::formats::tests::record;
    use crate::tests::video::record_of;

    /// Two groups of three pictures of a camera.
    fn camera(key: &'static str, from: i64) -> Vec<Record> {
        let clip = Clip {
            pictures: 6,
            gop: 3,
            ..Clip::default()
        };
        let of = |(at, unit): (i64, &AccessUnit)| Record {
            key: Some(Bytes::from_static(key.as_bytes())),
            ..record_of(at, unit)
        };
        (from..).zip(&clip.h264()).map(of).collect()
    }

    /// The groups: their offsets, whether they stand apart, and how many records were passed over.
    fn groups(
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Vec<(Vec<i64>, bool, u64)>, NoVideo> {
        let mut groups = Groups::default();
        let mut found = Vec::new();
        for record in records {
            found.extend(groups.push(record)?);
        }
        found.extend(groups.close());
        Ok(found
            .into_iter()
            .map(|group| {
                let offsets = group.records.iter().map(|record| record.offset).collect();
                (offsets, group.apart, group.passed_over)
            })
            .collect())
    }

    #[test]
    fn a_group_is_a_key_frame_and_those_that_need_it() {
        assert_eq!(
            groups(camera("a", 5)),
            Ok(vec![(vec![5, 6, 7], true, 0), (vec![8, 9, 10], false, 0)])
        );
    }

    #[test]
    fn pictures_in_front_of_the_first_key_frame_and_records_that_are_none_are_counted() {
        let mut records = camera("a", 0);
        records.remove(0);
        records.insert(3, record(100, b"to be"));
        assert_eq!(groups(records), Ok(vec![(vec![3, 4, 5], true, 3)]));
    }

    #[test]
    fn sound_between_pictures_and_in_front_of_them_is_counted_and_harms_none() {
        let sound = |at| {
            let mut record = record(at, b"\xff\xf1\x50\x80");
            let kind = Some(Bytes::from_static(b"audio/aac"));
            record.headers = vec![("content-type".to_owned(), kind)];
            record
        };
        let pictures = camera("a", 0);
        let records = pictures.into_iter().flat_map(|record| {
            let at = 10 + record.offset;
            [sound(at), record, sound(at)]
        });
        let wanted = vec![(vec![0, 1, 2], true, 1 + 6), (vec![3, 4, 5], false, 5)];
        assert_eq!(groups(records), Ok(wanted));
    }

    #[test]
    fn a_key_frame_that_no_player_could_use_is_passed_over_with_its_group() {
        let mut records = camera("a", 0);
        records[0].value = Some(Bytes::from_static(b"\0\0\0\x01\x65\x88"));
        assert_eq!(groups(records), Ok(vec![(vec![3, 4, 5], true, 3)]));
    }

    #[test]
    fn another_camera_behind_the_first_and_a_publisher_started_anew_stand_apart() {
        for key in ["b", "a"] {
            let records = camera("a", 0).into_iter().chain(camera(key, 6));
            let apart: Vec<bool> = groups(records)
                .unwrap()
                .iter()
                .map(|group| group.1)
                .collect();
            assert_eq!(apart, [true, false, true, false], "{key}");
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_the_remedy() {
        let said = |records: Vec<Record>| groups(records).unwrap_err().to_string();
        assert!(said(vec![record(0, b"to be")]).contains("--format text"));
        assert!(said(vec![record(0, b"\xff\xd8\xff\xe0")]).contains("--codec h264"));
        let alternating = camera("a", 0).into_iter().zip(camera("b", 0));
        let alternating = alternating.flat_map(|(one, other)| [one, other]).collect();
        assert!(said(alternating).contains("\"b\" and of \"a\""));
    }
}
