//! Looking up: by time, and by leader epoch.

use weir_base::time::Timestamp;

use super::PartitionLog;
use crate::batch::{BatchHeader, HEADER_LEN};
use crate::compression;
use crate::error::LogError;
use crate::offset::{Offset, Position, TimedOffset};
use crate::record::Records;
use crate::segment::Segment;
use crate::volume::guard;

impl PartitionLog {
    /// The first record at or after `at` that is durable.
    pub fn offset_for_time(&self, at: Timestamp) -> Result<Option<TimedOffset>, LogError> {
        let offsets = self.offsets();
        let newest = self.newest_time();
        let found = self.with_segments(|segments| {
            for (number, segment) in segments.iter().enumerate() {
                let largest = if number + 1 == segments.len() {
                    newest
                } else {
                    segment.largest_time()?
                };
                if largest.is_none_or(|(timestamp, _)| timestamp < at.0) {
                    continue;
                }
                let start = self.before_time(segment, at)?;
                if let Some(found) = first_record(segment, start, offsets.log_start, |timestamp| {
                    timestamp >= at.0
                })? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })?;
        Ok(found.filter(|found| found.offset < offsets.high_watermark))
    }

    /// The record with the largest timestamp (KIP-734), the first of them if there are several.
    pub fn max_timestamp(&self) -> Result<Option<TimedOffset>, LogError> {
        let offsets = self.offsets();
        let newest = self.newest_time();
        self.with_segments(|segments| {
            let mut best: Option<(&Segment, (i64, Offset))> = None;
            for (number, segment) in segments.iter().enumerate() {
                let largest = if number + 1 == segments.len() {
                    newest
                } else {
                    segment.largest_time()?
                };
                if let Some(largest) =
                    largest.filter(|largest| best.is_none_or(|(_, best)| largest.0 > best.0))
                {
                    best = Some((segment, largest));
                }
            }
            let Some((segment, (timestamp, last))) = best else {
                return Ok(None);
            };
            let start = segment.floor(last)?;
            first_record(segment, start, offsets.log_start, |other| {
                other >= timestamp
            })
        })
    }

    /// The largest timestamp in the newest segment, and the last offset of its batch.
    fn newest_time(&self) -> Option<(i64, Offset)> {
        guard(&self.writer).growth.largest
    }

    /// A place in the segment before which every record is older than `at`.
    fn before_time(&self, segment: &Segment, at: Timestamp) -> Result<Position, LogError> {
        let entry = segment
            .times
            .last_where(&*self.volume.fs, |entry| entry.timestamp_ms < at.0)
            .map_err(|error| LogError::io("cannot read", segment.times.path(), error))?;
        match entry {
            None => Ok(Position(0)),
            Some(entry) => segment.floor(segment.base.plus(i64::from(entry.relative))),
        }
    }

    /// The largest epoch not after `epoch` and the offset behind its last record (KIP-101); `(-1, -1)` if that is not known.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> (i32, Offset) {
        let writer = guard(&self.writer);
        let unknown = (-1, Offset(-1));
        let Some((newest, _)) = writer.epochs.last() else {
            return unknown;
        };
        if epoch < 0 || epoch > *newest {
            return unknown;
        }
        let above = writer.epochs.partition_point(|(other, _)| *other <= epoch);
        let end = writer
            .epochs
            .get(above)
            .map_or(writer.next_offset, |(_, start)| *start);
        match above.checked_sub(1).and_then(|at| writer.epochs.get(at)) {
            Some((floor, _)) => (*floor, end),
            // Older than what is remembered: nothing of it is left.
            None => (epoch, end),
        }
    }
}

/// The first record from `start` on, at or after `log_start`, whose timestamp is `wanted`; wanted are all above some bound.
fn first_record(
    segment: &Segment,
    start: Position,
    log_start: Offset,
    wanted: impl Fn(i64) -> bool,
) -> Result<Option<TimedOffset>, LogError> {
    let mut places = Vec::new();
    let mut from = start;
    loop {
        places.clear();
        segment.scan(from, |header, at| {
            let hit = header.last_offset() >= log_start && wanted(header.max_timestamp);
            if hit {
                places.push(at);
            }
            !hit
        })?;
        let Some(at) = places.first() else {
            return Ok(None);
        };
        let Some((header, bytes)) = segment.batch_at(*at)? else {
            return Ok(None);
        };
        if let Some(found) = first_in_batch(&header, &bytes, log_start, &wanted) {
            return Ok(Some(found));
        }
        from = Position(at.0 + header.size_bytes as u64);
    }
}

/// The batch's header says that a record of it is wanted: which? Where the records cannot be read, the header's word is taken.
fn first_in_batch(
    header: &BatchHeader,
    batch: &[u8],
    log_start: Offset,
    wanted: impl Fn(i64) -> bool,
) -> Option<TimedOffset> {
    let found = |offset: Offset, timestamp: i64| TimedOffset {
        offset,
        timestamp: Timestamp(timestamp),
        leader_epoch: header.leader_epoch,
    };
    if header.is_log_append_time() {
        return Some(found(
            header.base_offset.max(log_start),
            header.max_timestamp,
        ));
    }
    let payload = batch.get(HEADER_LEN..).unwrap_or_default();
    let Ok(payload) = compression::decompress(header.compression(), payload) else {
        return Some(found(
            header.base_offset.max(log_start),
            header.max_timestamp,
        ));
    };
    for record in Records::new(&payload) {
        let Ok(record) = record else {
            return Some(found(
                header.base_offset.max(log_start),
                header.max_timestamp,
            ));
        };
        let offset = header.base_offset.plus(i64::from(record.offset_delta));
        let timestamp = header.base_timestamp.saturating_add(record.timestamp_delta);
        if offset >= log_start && wanted(timestamp) {
            return Some(found(offset, timestamp));
        }
    }
    None
}
