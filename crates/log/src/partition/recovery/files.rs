//! The folder's files put in order: what an interruption left goes, the rest is listed, read or rebuilt.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::io;
use std::path::{Path, PathBuf};

use super::Recovery;
use crate::checkpoint;
use crate::error::LogError;
use crate::growth::Growth;
use crate::index::{Index, OffsetEntry, TimeEntry, read_file};
use crate::offset::{Offset, Position};
use crate::partition::append::{EPOCHS_NAME, write_file};
use crate::producers::Producers;
use crate::segment::{LARGEST_RELATIVE, Segment, file_path};
use crate::snapshot;

/// Producers of 46 bytes each: more than a million.
const LARGEST_SNAPSHOT_LEN: u64 = 64 << 20;

/// What a folder holds.
#[derive(Default)]
pub(super) struct Found {
    pub bases: Vec<Offset>,
    pub snapshots: Vec<Offset>,
}

impl Recovery<'_> {
    /// Removes what an interrupted compaction or deletion left, and lists the segments and snapshots.
    pub(super) fn tidy(&self) -> Result<Found, LogError> {
        self.finish_compaction()?;
        let mut found = Found::default();
        let mut companions = Vec::new();
        for name in self.names()? {
            let Some((stem, ending)) = name.split_once('.') else {
                continue;
            };
            if matches!(
                ending.rsplit('.').next(),
                Some("deleted" | "cleaned" | "swap" | "tmp")
            ) {
                self.remove(&self.dir.join(&name))?;
                continue;
            }
            let Some(base) = parse_base(stem) else {
                continue;
            };
            match ending {
                "log" => found.bases.push(base),
                "snapshot" => found.snapshots.push(base),
                "index" | "timeindex" | "txnindex" => companions.push((base, name)),
                _ => {}
            }
        }
        found.bases.sort_unstable();
        found.snapshots.sort_unstable();
        self.drop_leftovers(&mut found.bases)?;
        for (base, name) in companions {
            if found.bases.binary_search(&base).is_err() {
                self.remove(&self.dir.join(name))?;
            }
        }
        Ok(found)
    }

    /// A disk that was full when a segment was to be started may have kept its empty file, while the log went on in the segment
    /// before: such a file stands in the way of what is behind its offset.
    fn drop_leftovers(&self, bases: &mut Vec<Offset>) -> Result<(), LogError> {
        let mut kept: Vec<Offset> = Vec::with_capacity(bases.len());
        let mut leftovers = Vec::new();
        for base in bases.iter() {
            let log = file_path(self.dir, *base, "log");
            let len = self.fs.len(&log);
            let len = len.map_err(|error| LogError::io("cannot read", &log, error))?;
            match kept.last() {
                Some(before) if len == 0 && self.end_of(*before) > *base => leftovers.push(*base),
                _ => kept.push(*base),
            }
        }
        if !leftovers.is_empty() {
            self.remove_segments(&leftovers)?;
            *bases = kept;
        }
        Ok(())
    }

    /// Where a segment ends, as far as its headers can be followed.
    fn end_of(&self, base: Offset) -> Offset {
        let mut end = base;
        let log = file_path(self.dir, base, "log");
        let len = self.fs.len(&log).unwrap_or(0);
        let segment = Segment::in_file(self.fs, log, base, len);
        let index = Index::<OffsetEntry>::closed(&**self.fs, file_path(self.dir, base, "index"));
        let last = index.and_then(|index| index.last(&**self.fs).ok().flatten());
        let start = last.map_or(0, |entry| u64::from(entry.position));
        for start in [start, 0] {
            // A batch that cannot be read ends it; an index that points nowhere is done without.
            let _ = segment.scan(Position(start), |header, _| {
                end = end.max(header.next_offset());
                true
            });
            if end > base {
                break;
            }
        }
        end
    }

    /// `.swap` files are a compaction's result, complete and durable: they take their places, and what they replace goes.
    fn finish_compaction(&self) -> Result<(), LogError> {
        let names = self.names()?;
        let bases = |ending: &str| -> Vec<Offset> {
            let stems = names.iter().filter_map(|name| name.strip_suffix(ending));
            stems.filter_map(parse_base).collect()
        };
        for base in bases(".log.swap") {
            super::super::compact::finish_swap(self.fs, self.dir, base, &bases(".log"))?;
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, LogError> {
        let entries = self.fs.read_dir(self.dir);
        let entries = entries.map_err(|error| LogError::io("cannot list", self.dir, error))?;
        Ok(entries
            .into_iter()
            .filter(|(_, is_dir)| !is_dir)
            .filter_map(|(name, _)| name.to_str().map(str::to_owned))
            .collect())
    }

    fn remove(&self, path: &Path) -> Result<(), LogError> {
        match self.fs.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LogError::io("cannot remove", path, error))
            }
            _ => Ok(()),
        }
    }

    /// Removes segments for good: they must not come back behind what is written next.
    pub(super) fn remove_segments(&self, bases: &[Offset]) -> Result<(), LogError> {
        for base in bases {
            for ending in ["log", "index", "timeindex", "txnindex", "snapshot"] {
                self.remove(&file_path(self.dir, *base, ending))?;
            }
        }
        let synced = self.fs.sync_dir(self.dir);
        synced.map_err(|error| LogError::io("cannot sync", self.dir, error))
    }

    /// The newest sound snapshot at or before the recovery point; those behind it were not durable for certain and go.
    pub(super) fn load_snapshot(
        &self,
        snapshots: &[Offset],
        recovery_point: Offset,
    ) -> Result<(Producers, Offset), LogError> {
        for at in snapshots.iter().rev() {
            let path = file_path(self.dir, *at, "snapshot");
            if *at <= recovery_point {
                let bytes = read_file(&**self.fs, &path, LARGEST_SNAPSHOT_LEN);
                let bytes = bytes.map_err(|error| LogError::io("cannot read", &path, error))?;
                match snapshot::decode(&bytes) {
                    Ok(producers) => return Ok((producers, *at)),
                    Err(why) => {
                        tracing::warn!(path = %path.display(), why, "snapshot is damaged, doing without");
                    }
                }
            }
            self.remove(&path)?;
        }
        Ok((Producers::default(), Offset(0)))
    }

    /// A segment before the recovery point. Its indexes are rebuilt only if they cannot be what they should.
    pub(super) fn trusted(&self, base: Offset) -> Result<Segment, LogError> {
        let log = file_path(self.dir, base, "log");
        let len = self.fs.len(&log);
        let len = len.map_err(|error| LogError::io("cannot read", &log, error))?;
        let offsets = Index::<OffsetEntry>::closed(&**self.fs, file_path(self.dir, base, "index"));
        let times = Index::<TimeEntry>::closed(&**self.fs, file_path(self.dir, base, "timeindex"));
        if let (Some(offsets), Some(times)) = (offsets, times) {
            let last = offsets.last(&**self.fs).ok().flatten();
            if last.is_none_or(|last| u64::from(last.position) < len) {
                return Ok(Segment::new(self.fs, self.dir, base, len, offsets, times));
            }
        }
        tracing::warn!(path = %log.display(), "indexes are missing or damaged, building them anew");
        let segment = self.empty_indexes(base, len);
        let mut growth = Growth::new(self.now);
        let fs = &**self.fs;
        segment.scan(Position(0), |header, at| {
            let relative = header.last_offset().0 - base.0;
            if header.base_offset < base || relative > LARGEST_RELATIVE {
                return false;
            }
            growth.add(&segment, fs, header, at, self.config.index_interval_bytes);
            true
        })?;
        self.close_indexes(&segment, &growth)?;
        Ok(segment)
    }

    fn empty_indexes(&self, base: Offset, len: u64) -> Segment {
        Segment::new(
            self.fs,
            self.dir,
            base,
            len,
            Index::growing(file_path(self.dir, base, "index")),
            Index::growing(file_path(self.dir, base, "timeindex")),
        )
    }

    pub(super) fn close_indexes(&self, segment: &Segment, growth: &Growth) -> Result<(), LogError> {
        growth.note_time(segment, &**self.fs);
        let closed = segment
            .offsets
            .close(&**self.fs)
            .and_then(|()| segment.times.close(&**self.fs));
        closed.map_err(|error| LogError::io("cannot write the indexes of", segment.path(), error))
    }

    pub(super) fn read_epochs(&self) -> Result<Vec<(i32, Offset)>, LogError> {
        let path = self.dir.join(EPOCHS_NAME);
        let text = read_file(&**self.fs, &path, 1 << 20);
        let text = text.map_err(|error| LogError::io("cannot read", &path, error))?;
        Ok(checkpoint::parse_epochs(&text).unwrap_or_default())
    }

    /// Drops epochs that start behind the log's end, makes sure that there is one, and keeps the list.
    pub(super) fn settle_epochs(
        &self,
        epochs: &mut Vec<(i32, Offset)>,
        start: Offset,
        end: Offset,
    ) -> Result<(), LogError> {
        let newest = epochs.last().map_or(0, |(epoch, _)| *epoch);
        epochs.retain(|(_, at)| *at <= end);
        if epochs.is_empty() {
            epochs.push((newest, start));
        }
        let text = checkpoint::epochs_text(epochs);
        let path = self.dir.join(EPOCHS_NAME);
        let there = read_file(&**self.fs, &path, 1 << 20);
        if there.is_ok_and(|there| there == text) {
            return Ok(());
        }
        write_file(&**self.fs, &path, &text)
    }
}

/// `00000000000000000042` as an offset.
pub(in crate::partition) fn parse_base(stem: &str) -> Option<Offset> {
    let digits = stem.len() == 20 && stem.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| stem.parse().ok()).flatten().map(Offset)
}

/// The path of a file beside `path`, for renaming.
pub(in crate::partition) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
