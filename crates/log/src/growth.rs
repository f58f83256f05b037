//! How the newest segment grows: what its indexes note of each batch, and when it has to give way to a new one.

use weir_base::fs::Fs;
use weir_base::time::Timestamp;

use crate::batch::BatchHeader;
use crate::config::LogConfig;
use crate::index::{OffsetEntry, TimeEntry};
use crate::offset::{Offset, Position};
use crate::segment::{LARGEST_RELATIVE, Segment};

/// What is remembered of the newest segment beside its files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    bytes_since_index: u64,
    /// The largest timestamp and the last offset of its batch.
    pub largest: Option<(i64, Offset)>,
    /// The first batch's largest timestamp: what `segment.ms` counts from.
    first_timestamp: Option<i64>,
    /// Where there is no timestamp: when the segment was made, or opened again.
    created: Timestamp,
}

impl Growth {
    pub fn new(created: Timestamp) -> Self {
        Self {
            bytes_since_index: 0,
            largest: None,
            first_timestamp: None,
            created,
        }
    }

    /// Goes on with a segment whose indexes reach up to some batch of it.
    pub fn resumed(
        created: Timestamp,
        largest: Option<(i64, Offset)>,
        first_timestamp: Option<i64>,
    ) -> Self {
        Self {
            largest,
            first_timestamp: first_timestamp.filter(|at| *at >= 0),
            ..Self::new(created)
        }
    }

    /// Takes note of a batch at `at`, as Kafka's `LogSegment.append` does.
    pub fn add(
        &mut self,
        segment: &Segment,
        fs: &dyn Fs,
        batch: &BatchHeader,
        at: Position,
        interval_bytes: u64,
    ) {
        let last = batch.last_offset();
        if batch.max_timestamp > self.largest.map_or(-1, |(timestamp, _)| timestamp) {
            self.largest = Some((batch.max_timestamp, last));
        }
        if self.first_timestamp.is_none() && batch.max_timestamp >= 0 {
            self.first_timestamp = Some(batch.max_timestamp);
        }
        if self.bytes_since_index > interval_bytes {
            segment.offsets.push(OffsetEntry {
                relative: relative(segment, last),
                position: at.0 as u32,
            });
            self.note_time(segment, fs);
            self.bytes_since_index = 0;
        }
        self.bytes_since_index += batch.size_bytes as u64;
    }

    /// Makes the time index complete up to here: for closing the segment, or for a checkpoint.
    pub fn note_time(&self, segment: &Segment, fs: &dyn Fs) {
        let Some((timestamp_ms, offset)) = self.largest else {
            return;
        };
        // The newest segment's index is in memory: this reads no file.
        let last = segment.times.last(fs).ok().flatten();
        if last.is_none_or(|last| timestamp_ms > last.timestamp_ms) {
            segment.times.push(TimeEntry {
                timestamp_ms,
                relative: relative(segment, offset),
            });
        }
    }

    /// Whether the segment has to be closed before `size_bytes` more with these offsets and times are appended.
    pub fn must_roll(
        &self,
        segment: &Segment,
        config: &LogConfig,
        size_bytes: u64,
        last: Offset,
        timestamp_ms: i64,
        now: Timestamp,
    ) -> bool {
        if segment.len() == 0 {
            return last.0 - segment.base.0 > LARGEST_RELATIVE;
        }
        // Kafka's rule: by the records' own time where both have one, else by the clock since the segment was made.
        let waited_ms = match self.first_timestamp {
            Some(first) if timestamp_ms >= 0 => timestamp_ms.saturating_sub(first),
            _ => now.since_ms(self.created),
        };
        segment.len() + size_bytes > config.segment_bytes.min(LARGEST_RELATIVE as u64)
            || last.0 - segment.base.0 > LARGEST_RELATIVE
            || waited_ms > config.segment_ms
            || segment.offsets.len_bytes() >= config.segment_index_bytes
            || segment.times.len_bytes() + 12 > config.segment_index_bytes
    }
}

fn relative(segment: &Segment, offset: Offset) -> u32 {
    (offset.0 - segment.base.0) as u32
}
