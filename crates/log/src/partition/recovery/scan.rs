//! Reading segments through: each batch is checked, and what indexes, producers and transactions need of it is noted.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::sync::Arc;

use bytes::Bytes;
use weir_base::fs::File;

use super::Recovery;
use crate::batch::{self, BatchHeader, HEADER_LEN};
use crate::error::LogError;
use crate::growth::Growth;
use crate::index::{Index, OffsetEntry, TimeEntry};
use crate::marks::Marks;
use crate::offset::{AbortedTxn, Offset, Position};
use crate::partition::append::write_file;
use crate::producers::Producers;
use crate::record;
use crate::segment::{LARGEST_RELATIVE, Segment, file_path};
use crate::snapshot;

/// How much is read at a time.
const CHUNK_LEN: usize = 1 << 20;
/// An index file of Kafka's largest size, and some.
const LARGEST_INDEX_LEN: u64 = 64 << 20;

/// What is rebuilt on the way through the log.
pub(super) struct Rebuilt {
    pub producers: Producers,
    pub marks: Marks,
    pub epochs: Vec<(i32, Offset)>,
    pub next_offset: Offset,
    /// Batches before this are in the producer state already.
    pub applied_up_to: Offset,
    /// The recovery point.
    pub durable_up_to: Offset,
}

/// The segment that is being read through.
pub(super) struct Scanned {
    pub segment: Segment,
    pub file: Arc<dyn File>,
    pub growth: Growth,
    /// Whether all of the file was sound, and reaches to the next.
    pub whole: bool,
}

impl Recovery<'_> {
    /// A segment that was read through and has another behind it.
    pub(super) fn close(
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

    pub(super) fn scan(
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
