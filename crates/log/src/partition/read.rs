//! Reading: whole batches from an offset on, out of the cache at the tail, else out of a segment's file.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::{PartitionLog, floor_segment};
use crate::batch::BatchHeader;
use crate::error::LogError;
use crate::offset::{AbortedTxn, Offset, Offsets};
use crate::segment::Segment;
use crate::types::{Isolation, ReadBatches};

/// How often a read starts over because retention or compaction replaced the segment under it.
const ATTEMPTS: usize = 3;

impl PartitionLog {
    /// Whole batches from the one that holds `from` on, up to `max_bytes`, but at least one if there is one.
    pub fn read(
        &self,
        from: Offset,
        max_bytes: usize,
        isolation: Isolation,
    ) -> Result<ReadBatches, LogError> {
        let offsets = self.offsets();
        if from < offsets.log_start || from > offsets.log_end {
            return Err(LogError::OffsetOutOfRange {
                asked: from,
                log_start: offsets.log_start,
                log_end: offsets.log_end,
            });
        }
        let end = match isolation {
            Isolation::HighWatermark => offsets.high_watermark,
            Isolation::LastStable => offsets.last_stable,
            Isolation::LogEnd => offsets.log_end,
        };
        let batches = if from >= end {
            Vec::new()
        } else {
            match self.volume.cache.read(self.id, from, end, max_bytes) {
                Some(batches) => batches,
                None => self.read_segments(from, end, max_bytes)?,
            }
        };
        let log_start = self.offsets().log_start;
        if from < log_start {
            // Deleted meanwhile: what was found may start behind `from`.
            return Err(LogError::OffsetOutOfRange {
                asked: from,
                log_start,
                log_end: offsets.log_end,
            });
        }
        let aborted = match isolation {
            Isolation::LastStable => self.aborted(from, &batches, &offsets)?,
            _ => Vec::new(),
        };
        Ok(ReadBatches {
            batches,
            offsets,
            aborted,
        })
    }

    fn read_segments(
        &self,
        from: Offset,
        end: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Bytes>, LogError> {
        self.with_segments(|segments| {
            for segment in &segments[floor_segment(segments, from)..] {
                if segment.base >= end {
                    break;
                }
                let batches = segment.read(from, end, max_bytes)?;
                if !batches.is_empty() {
                    return Ok(vec![batches]);
                }
            }
            Ok(Vec::new())
        })
    }

    /// Reads with the segments there are; starts over if one was replaced meanwhile, for its files' names are then another's.
    pub(super) fn with_segments<T>(
        &self,
        read: impl Fn(&[Arc<Segment>]) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        for _ in 0..ATTEMPTS {
            let before = self.compactions.load(Ordering::Acquire);
            let done = read(&self.segments());
            let gone = matches!(&done, Err(LogError::Io { source, .. }) if source.kind() == ErrorKind::NotFound);
            if !gone && before == self.compactions.load(Ordering::Acquire) {
                return done;
            }
        }
        self.check_open()?;
        // While this is held nothing is replaced.
        let held = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        read(&held)
    }

    /// The aborted transactions with records among `batches`.
    fn aborted(
        &self,
        from: Offset,
        batches: &[Bytes],
        offsets: &Offsets,
    ) -> Result<Vec<AbortedTxn>, LogError> {
        let Some(upper) = batches.last().and_then(|bytes| last_header(bytes)) else {
            return Ok(Vec::new());
        };
        let upper = upper.next_offset().min(offsets.last_stable);
        self.with_segments(|segments| {
            let mut found = Vec::new();
            for segment in &segments[floor_segment(segments, from)..] {
                let aborted = segment.txns.all(&*self.volume.fs);
                for txn in aborted
                    .map_err(|error| LogError::io("cannot read", segment.txns.path(), error))?
                {
                    if txn.last_offset >= from && txn.first_offset < upper {
                        found.push(txn);
                    }
                    if txn.last_stable >= upper {
                        return Ok(found);
                    }
                }
            }
            Ok(found)
        })
    }
}

fn last_header(batches: &[u8]) -> Option<BatchHeader> {
    let mut last = None;
    let mut rest = batches;
    while let Ok(header) = BatchHeader::parse(rest) {
        rest = rest.get(header.size_bytes..)?;
        last = Some(header);
    }
    last
}
