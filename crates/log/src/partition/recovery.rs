//! Opening: what a crash left is made sound again.
//!
//! Before the recovery point everything is durable, indexes included, and is taken as it is. From there on each batch is checked; at
//! the first that is not sound the log ends. Indexes and producer state are rebuilt on the way, from the newest snapshot before it.
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
use std::sync::Arc;

use bytes::Bytes;
use weir_base::fs::{File, Fs};
use weir_base::time::Timestamp;

use super::Writer;
use super::append::{EPOCHS_NAME, write_file};
use crate::batch::{self, BatchHeader, HEADER_LEN};
use crate::checkpoint;
use crate::config::LogConfig;
use crate::error::LogError;
use crate::growth::Growth;
use crate::index::{Index, OffsetEntry, TimeEntry, read_file};
use crate::marks::Marks;
use crate::offset::{AbortedTxn, Offset, Position};
use crate::producers::Producers;
use crate::record;
use crate::segment::{LARGEST_RELATIVE, Segment, file_path};
use crate::snapshot;
use crate::volume::Volume;

/// How much is read at a time.
const CHUNK_LEN: usize = 1 << 20;
/// An index file of Kafka's largest size, twice.
const LARGEST_INDEX_LEN: u64 = 64 << 20;
/// Producers of 46 bytes each: more than a million.
const LARGEST_SNAPSHOT_LEN: u64 = 64 << 20;

/// A partition as it was found, or made sound.
pub(super) struct Recovered {
    pub segments: Vec<Arc<Segment>>,
    pub writer: Writer,
    pub marks: Marks,
}

/// What is rebuilt on the way through the log.
struct Rebuilt {
    producers: Producers,
    marks: Marks,
    epochs: Vec<(i32, Offset)>,
    next_offset: Offset,
    /// Batches before this are in the producer state already.
    applied_up_to: Offset,
    /// The recovery point.
    durable_up_to: Offset,
}

struct Recovery<'a> {
    fs: &'a Arc<dyn Fs>,
    dir: &'a Path,
    config: &'a LogConfig,
    now: Timestamp,
}

/// The segment that is being read through.
struct Scanned {
    segment: Segment,
    file: Arc<dyn File>,
    growth: Growth,
    /// Whether all of the file was sound, and reaches to the next.
    whole: bool,
}

/// Opens the partition in `dir`.
pub(super) fn recover(
    volume: &Volume,
    dir: &Path,
    topic: &str,
    partition: i32,
    config: &LogConfig,
) -> Result<Recovered, LogError> {
    let recovery = Recovery {
        fs: &volume.fs,
        dir,
        config,
        now: volume.clock.now(),
    };
    let log_start = volume.log_start(topic, partition).unwrap_or_default();
    let recovery_point = volume.recovery_point(topic, partition);
    let recovered = recovery.run(log_start, recovery_point)?;
    volume.names_changed();
    Ok(recovered)
}

impl Recovery<'_> {
    fn run(
        &self,
        log_start: Offset,
        recovery_point: Option<Offset>,
    ) -> Result<Recovered, LogError> {
        let Found {
            mut bases,
            snapshots,
        } = self.tidy()?;
        let Some(&first) = bases.first() else {
            return self.start_empty(log_start, Producers::default(), self.read_epochs()?);
        };
        let recovery_point = recovery_point.unwrap_or(first).max(first);
        let (producers, snapshot_at) = self.load_snapshot(&snapshots, recovery_point)?;
        let scan_from = snapshot_at.max(first);
        let mut rebuilt = Rebuilt {
            producers,
            marks: Marks::default(),
            epochs: self.read_epochs()?,
            next_offset: first,
            applied_up_to: scan_from,
            durable_up_to: recovery_point,
        };
        for first in rebuilt.producers.ongoing() {
            rebuilt.marks.txn_started(first);
        }

        let scanned_from = bases
            .partition_point(|base| *base <= scan_from)
            .saturating_sub(1);
        let mut segments = Vec::with_capacity(bases.len());
        for base in bases.iter().take(scanned_from) {
            segments.push(Arc::new(self.trusted(*base)?));
        }
        let to_scan = bases.split_off(scanned_from.min(bases.len()));
        let mut newest: Option<Scanned> = None;
        let mut unchecked = Vec::new();
        for (number, base) in to_scan.iter().enumerate() {
            if let Some(closed) = newest.take() {
                let closed = Arc::new(self.close(closed, *base, &rebuilt)?);
                unchecked.push(Arc::clone(&closed));
                segments.push(closed);
            }
            let next_base = to_scan.get(number + 1).copied();
            let scanned = self.scan(*base, next_base, &mut rebuilt)?;
            let whole = scanned.whole;
            newest = Some(scanned);
            if !whole {
                self.remove_segments(to_scan.get(number + 1..).unwrap_or_default())?;
                break;
            }
        }
        let Some(newest) = newest else {
            return self.start_empty(log_start, rebuilt.producers, rebuilt.epochs);
        };
        if rebuilt.next_offset < log_start {
            // Records were deleted that a crash has taken back further than that: what is left is all before the start.
            drop(newest);
            self.remove_segments(
                &segments
                    .iter()
                    .map(|segment| segment.base)
                    .chain(to_scan)
                    .collect::<Vec<_>>(),
            )?;
            return self.start_empty(log_start, rebuilt.producers, rebuilt.epochs);
        }
        // What survived a crash by luck must be durable before anybody sees it.
        if rebuilt.next_offset > recovery_point || !newest.whole {
            let synced = newest
                .file
                .sync_data()
                .and_then(|()| self.fs.sync_dir(self.dir));
            synced.map_err(|error| LogError::io("cannot sync", newest.segment.path(), error))?;
            for segment in &unchecked {
                let synced = segment.writable()?.sync_data();
                synced.map_err(|error| LogError::io("cannot sync", segment.path(), error))?;
            }
        }
        let start = log_start.max(
            segments
                .first()
                .map_or(newest.segment.base, |segment| segment.base),
        );
        let read_bytes =
            newest.segment.len() + unchecked.iter().map(|segment| segment.len()).sum::<u64>();
        let segment = Arc::new(newest.segment);
        segments.push(Arc::clone(&segment));
        self.settle_epochs(&mut rebuilt.epochs, start, rebuilt.next_offset)?;
        let mut marks = rebuilt.marks;
        marks.log_start = start;
        marks.log_end = rebuilt.next_offset;
        marks.advance(rebuilt.next_offset);
        let moved = rebuilt.next_offset > recovery_point;
        Ok(Recovered {
            segments,
            writer: Writer {
                segment,
                file: newest.file,
                growth: newest.growth,
                next_offset: rebuilt.next_offset,
                producers: rebuilt.producers,
                epochs: rebuilt.epochs,
                unsynced: Vec::new(),
                names_unsynced: true,
                unchecked,
                bytes_since_checkpoint: if moved { read_bytes } else { 0 },
            },
            marks,
        })
    }

    fn start_empty(
        &self,
        base: Offset,
        producers: Producers,
        mut epochs: Vec<(i32, Offset)>,
    ) -> Result<Recovered, LogError> {
        let segment = Arc::new(Segment::create(self.fs, self.dir, base)?);
        let file = segment.writable()?;
        self.settle_epochs(&mut epochs, base, base)?;
        let mut marks = Marks::at(base);
        for first in producers.ongoing() {
            marks.txn_started(first);
        }
        Ok(Recovered {
            segments: vec![Arc::clone(&segment)],
            writer: Writer {
                segment,
                file,
                growth: Growth::new(self.now),
                next_offset: base,
                producers,
                epochs,
                unsynced: Vec::new(),
                names_unsynced: true,
                unchecked: Vec::new(),
                bytes_since_checkpoint: 0,
            },
            marks,
        })
    }

    /// Removes what an interrupted compaction or deletion left, and lists the segments and snapshots.
    fn tidy(&self) -> Result<Found, LogError> {
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
        for (base, name) in companions {
            if found.bases.binary_search(&base).is_err() {
                self.remove(&self.dir.join(name))?;
            }
        }
        Ok(found)
    }

    /// `.swap` files are a compaction's result, complete and durable: they take their places, and what they replace goes.
    fn finish_compaction(&self) -> Result<(), LogError> {
        let names = self.names()?;
        let bases = |ending: &str| -> Vec<Offset> {
            let stems = names.iter().filter_map(|name| name.strip_suffix(ending));
            stems.filter_map(parse_base).collect()
        };
        for base in bases(".log.swap") {
            super::compact::finish_swap(self.fs, self.dir, base, &bases(".log"))?;
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
    fn remove_segments(&self, bases: &[Offset]) -> Result<(), LogError> {
        for base in bases {
            for ending in ["log", "index", "timeindex", "txnindex", "snapshot"] {
                self.remove(&file_path(self.dir, *base, ending))?;
            }
        }
        let synced = self.fs.sync_dir(self.dir);
        synced.map_err(|error| LogError::io("cannot sync", self.dir, error))
    }

    /// The newest sound snapshot at or before the recovery point; those behind it were not durable for certain and go.
    fn load_snapshot(
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
                        tracing::warn!(path = %path.display(), why, "snapshot is damaged, doing without")
                    }
                }
            }
            self.remove(&path)?;
        }
        Ok((Producers::default(), Offset(0)))
    }

    /// A segment before the recovery point. Its indexes are rebuilt only if they cannot be what they should.
    fn trusted(&self, base: Offset) -> Result<Segment, LogError> {
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

    fn close_indexes(&self, segment: &Segment, growth: &Growth) -> Result<(), LogError> {
        growth.note_time(segment, &**self.fs);
        let closed = segment
            .offsets
            .close(&**self.fs)
            .and_then(|()| segment.times.close(&**self.fs));
        closed.map_err(|error| LogError::io("cannot write the indexes of", segment.path(), error))
    }

    /// A segment that was read through and has another behind it.
    fn close(
        &self,
        scanned: Scanned,
        next_base: Offset,
        rebuilt: &Rebuilt,
    ) -> Result<Segment, LogError> {
        self.close_indexes(&scanned.segment, &scanned.growth)?;
        let path = file_path(self.dir, next_base, "snapshot");
        if rebuilt.next_offset >= rebuilt.applied_up_to {
            write_file(&**self.fs, &path, &snapshot::encode(&rebuilt.producers))?;
        }
        Ok(scanned.segment)
    }

    /// Opens a segment as the newest, with those index entries that are known to be good: the ones before the snapshot.
    fn resume(
        &self,
        base: Offset,
        good_up_to: Offset,
    ) -> Result<(Segment, Arc<dyn File>), LogError> {
        let log = file_path(self.dir, base, "log");
        let len = self.fs.len(&log);
        let len = len.map_err(|error| LogError::io("cannot read", &log, error))?;
        let good = good_up_to.0.saturating_sub(base.0);
        let fs = &**self.fs;
        let offsets = Index::resume(
            fs,
            file_path(self.dir, base, "index"),
            LARGEST_INDEX_LEN,
            |entry: &OffsetEntry, last| {
                i64::from(entry.relative) < good
                    && u64::from(entry.position) < len
                    && last.is_none_or(|last| {
                        last.relative < entry.relative && last.position < entry.position
                    })
            },
        );
        let times = Index::resume(
            fs,
            file_path(self.dir, base, "timeindex"),
            LARGEST_INDEX_LEN,
            |entry: &TimeEntry, last| {
                i64::from(entry.relative) < good
                    && last.is_none_or(|last| {
                        last.relative <= entry.relative && last.timestamp_ms < entry.timestamp_ms
                    })
            },
        );
        let failed = |error| LogError::io("cannot read the indexes of", &log, error);
        let segment = Segment::new(
            self.fs,
            self.dir,
            base,
            len,
            offsets.map_err(failed)?,
            times.map_err(failed)?,
        );
        let file = segment.writable()?;
        Ok((segment, file))
    }

    fn scan(
        &self,
        base: Offset,
        next_base: Option<Offset>,
        rebuilt: &mut Rebuilt,
    ) -> Result<Scanned, LogError> {
        let (mut segment, mut file) = self.resume(base, rebuilt.applied_up_to)?;
        let last = segment.offsets.last(&**self.fs).ok().flatten();
        let mut start = Position(last.map_or(0, |entry| u64::from(entry.position)));
        if start.0 > 0
            && !segment
                .header_at(start)
                .is_ok_and(|header| header.is_some_and(|header| header.base_offset >= base))
        {
            // The index points nowhere, so none of it is to be relied on.
            (segment, file) = self.resume(base, base)?;
            start = Position(0);
        }
        segment
            .txns
            .cut_at(&**self.fs, rebuilt.applied_up_to)
            .map_err(|error| LogError::io("cannot write", segment.txns.path(), error))?;
        let first = segment.header_at(Position(0)).ok().flatten();
        let mut growth = Growth::resumed(
            self.now,
            segment.largest_time()?,
            first.map(|header| header.max_timestamp),
        );
        rebuilt.next_offset = rebuilt.next_offset.max(base);
        let mut expected = base;
        let mut chunks = Chunks {
            segment: &segment,
            bytes: Bytes::new(),
            start,
        };
        let mut at = start;
        while at.0 < segment.len() {
            let Some((header, bytes)) = chunks.batch(at)? else {
                break;
            };
            let last = header.last_offset();
            let in_order = header.base_offset >= expected
                && next_base.is_none_or(|next| last < next)
                && last.0 - base.0 <= LARGEST_RELATIVE;
            if !in_order {
                break;
            }
            growth.add(
                &segment,
                &**self.fs,
                &header,
                at,
                self.config.index_interval_bytes,
            );
            self.apply(&segment, &header, &bytes, rebuilt)?;
            expected = header.next_offset();
            at = Position(at.0 + header.size_bytes as u64);
        }
        rebuilt.next_offset = rebuilt.next_offset.max(expected);
        let whole = at.0 == segment.len();
        // Only compaction leaves gaps, and only in what is durable: elsewhere a gap is a write that was lost with the power.
        let gap = next_base.is_some_and(|next| next > rebuilt.durable_up_to && next != expected);
        if !whole {
            tracing::warn!(
                path = %segment.path().display(), position = at.0, len = segment.len(),
                "cut off what was not whole"
            );
            let cut = file.set_len(at.0).and_then(|()| file.sync_data());
            cut.map_err(|error| LogError::io("cannot cut", segment.path(), error))?;
            segment.publish(at.0);
        }
        Ok(Scanned {
            segment,
            file,
            growth,
            whole: whole && !gap,
        })
    }

    /// Takes a sound batch into producer state, open transactions and leader epochs.
    fn apply(
        &self,
        segment: &Segment,
        header: &BatchHeader,
        bytes: &[u8],
        rebuilt: &mut Rebuilt,
    ) -> Result<(), LogError> {
        if header.base_offset < rebuilt.applied_up_to {
            return Ok(());
        }
        if header.leader_epoch >= 0
            && rebuilt
                .epochs
                .last()
                .is_none_or(|(epoch, _)| *epoch < header.leader_epoch)
        {
            rebuilt
                .epochs
                .push((header.leader_epoch, header.base_offset));
        }
        if !header.has_producer() {
            return Ok(());
        }
        if !header.is_control() {
            // A batch that compaction emptied of records keeps its sequence numbers.
            if let Some(first) = rebuilt.producers.note(header) {
                rebuilt.marks.txn_started(first);
            }
            return Ok(());
        }
        let marker = record::marker(bytes.get(HEADER_LEN..).unwrap_or_default());
        let Some((committed, epoch)) = marker else {
            return Ok(());
        };
        if let Some(txn) = rebuilt.producers.note_marker(header, committed, epoch) {
            rebuilt.marks.txn_ended(&txn);
            if !committed {
                let aborted = AbortedTxn {
                    producer_id: txn.producer_id,
                    first_offset: txn.first_offset,
                    last_offset: txn.marker_offset,
                    last_stable: rebuilt
                        .marks
                        .first_ongoing()
                        .unwrap_or(txn.marker_offset.plus(1)),
                };
                let pushed = segment.txns.push(&**self.fs, aborted);
                pushed.map_err(|error| LogError::io("cannot write", segment.txns.path(), error))?;
            }
        }
        Ok(())
    }

    fn read_epochs(&self) -> Result<Vec<(i32, Offset)>, LogError> {
        let path = self.dir.join(EPOCHS_NAME);
        let text = read_file(&**self.fs, &path, 1 << 20);
        let text = text.map_err(|error| LogError::io("cannot read", &path, error))?;
        Ok(checkpoint::parse_epochs(&text).unwrap_or_default())
    }

    /// Drops epochs that start behind the log's end, makes sure that there is one, and keeps the list.
    fn settle_epochs(
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

/// What a folder holds.
#[derive(Default)]
struct Found {
    bases: Vec<Offset>,
    snapshots: Vec<Offset>,
}

/// Reads a segment forward in large pieces.
struct Chunks<'a> {
    segment: &'a Segment,
    bytes: Bytes,
    start: Position,
}

impl Chunks<'_> {
    /// The batch at `at`, if it is whole and sound.
    fn batch(&mut self, at: Position) -> Result<Option<(BatchHeader, Bytes)>, LogError> {
        let left = self.segment.len() - at.0;
        let mut wanted = HEADER_LEN;
        loop {
            let from = usize::try_from(at.0 - self.start.0).unwrap_or(usize::MAX);
            if self.bytes.len().saturating_sub(from) < wanted {
                self.bytes = self.segment.read_bytes(at, wanted.max(CHUNK_LEN))?;
                self.start = at;
            }
            let from = usize::try_from(at.0 - self.start.0).unwrap_or(usize::MAX);
            let Ok(header) = BatchHeader::parse(self.bytes.get(from..).unwrap_or_default()) else {
                return Ok(None);
            };
            // The length is bounded by the file's before anything of that size is read.
            if header.size_bytes as u64 > left {
                return Ok(None);
            }
            if let Some(bytes) = self.bytes.get(from..from + header.size_bytes) {
                if batch::check_crc(&header, bytes).is_err() {
                    return Ok(None);
                }
                return Ok(Some((
                    header,
                    self.bytes.slice(from..from + header.size_bytes),
                )));
            }
            if wanted >= header.size_bytes {
                // The file is shorter than it said.
                return Ok(None);
            }
            wanted = header.size_bytes;
        }
    }
}

/// `00000000000000000042` as an offset.
pub(super) fn parse_base(stem: &str) -> Option<Offset> {
    let digits = stem.len() == 20 && stem.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| stem.parse().ok()).flatten().map(Offset)
}

/// The path of a file beside `path`, for renaming.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
