//! Appending: check, number, write, and let the sync thread know.
//!
//! A buffer of record batches goes in; its offsets and leader epoch are set in place, it is written with one call, and the same
//! buffer goes into the cache for readers at the tail. A write that fails leaves nothing behind.

use std::sync::Arc;

use bytes::BytesMut;
use weir_base::time::Timestamp;

use super::{PartitionLog, Writer};
use crate::batch::{self, BatchHeader};
use crate::compression;
use crate::config::{LogConfig, TimestampType};
use crate::error::LogError;
use crate::offset::{AbortedTxn, Position};
use crate::producers::Verdict;
use crate::record;
use crate::types::{Appended, Origin};
use crate::volume::guard;

impl PartitionLog {
    /// Appends one or more record batches of message format 2 that stand back to back in `records`.
    ///
    /// Returns once they are written; they are durable, and seen by readers, when the high watermark has passed them.
    pub fn append(&self, mut records: BytesMut, origin: Origin) -> Result<Appended, LogError> {
        let config = self.config();
        let now = self.volume.clock.now();
        // All that needs no lock, first: the CRC takes longest.
        let mut headers = batch::check_all(&records)?;
        check(&records, &headers, &config, origin, now)?;
        let log_append_time =
            (config.timestamp_type == TimestampType::LogAppendTime).then_some(now);
        if log_append_time.is_some() {
            for_each_batch(&mut records, &mut headers, |bytes, header| {
                batch::patch_append_time(bytes, header, now.0);
            });
        }

        let mut writer = guard(&self.writer);
        self.check_open()?;
        if let Some(appended) = self.judge(&writer, &headers, origin)? {
            return Ok(appended);
        }
        let epoch = self.leader_epoch();
        let mut next = writer.next_offset;
        for_each_batch(&mut records, &mut headers, |bytes, header| {
            header.base_offset = next;
            header.leader_epoch = epoch;
            batch::patch_offset(bytes, next, epoch);
            next = header.next_offset();
        });
        let base_offset = writer.next_offset;
        self.write(&mut writer, records, &headers, &config, now)?;
        let log_start_offset = guard(&self.marks).log_start;
        drop(writer);
        self.request_sync_if_watched();
        Ok(Appended {
            base_offset,
            last_offset: next.plus(-1),
            log_append_time,
            log_start_offset,
            duplicate: false,
        })
    }

    /// Ends a producer's transaction here: appends the commit or abort marker (KIP-98).
    pub fn append_marker(
        &self,
        producer_id: i64,
        epoch: i16,
        commit: bool,
        coordinator_epoch: i32,
    ) -> Result<Appended, LogError> {
        let config = self.config();
        let now = self.volume.clock.now();
        let mut writer = guard(&self.writer);
        self.check_open()?;
        writer
            .producers
            .judge_marker(producer_id, epoch, coordinator_epoch)?;
        let header = BatchHeader {
            base_offset: writer.next_offset,
            size_bytes: 0,
            leader_epoch: self.leader_epoch(),
            crc: 0,
            attributes: batch::MARKER_ATTRIBUTES,
            last_offset_delta: 0,
            base_timestamp: now.0,
            max_timestamp: now.0,
            producer_id,
            producer_epoch: epoch,
            base_sequence: -1,
            records_count: 1,
        };
        let bytes = batch::build(&header, &record::marker_payload(commit, coordinator_epoch));
        let header = BatchHeader::parse(&bytes)?;
        let base_offset = header.base_offset;
        self.write(
            &mut writer,
            BytesMut::from(&bytes[..]),
            &[header],
            &config,
            now,
        )?;
        let log_start_offset = guard(&self.marks).log_start;
        drop(writer);
        self.request_sync_if_watched();
        Ok(Appended {
            base_offset,
            last_offset: base_offset,
            log_append_time: None,
            log_start_offset,
            duplicate: false,
        })
    }

    /// What idempotence has to say: an error, or where the batch was written before.
    fn judge(
        &self,
        writer: &Writer,
        headers: &[BatchHeader],
        origin: Origin,
    ) -> Result<Option<Appended>, LogError> {
        if !headers.iter().any(BatchHeader::has_producer) {
            return Ok(None);
        }
        if let [header] = headers {
            if origin == Origin::Coordinator {
                writer.producers.judge_epoch(header)?;
                return Ok(None);
            }
            let Verdict::Duplicate {
                base_offset,
                last_offset,
            } = writer.producers.judge(header)?
            else {
                return Ok(None);
            };
            return Ok(Some(Appended {
                base_offset,
                last_offset,
                log_append_time: None,
                log_start_offset: guard(&self.marks).log_start,
                duplicate: true,
            }));
        }
        Err(LogError::invalid(
            "batches with a producer id must come one at a time",
        ))
    }

    /// Writes batches that have their offsets, and takes note of them everywhere. After an error nothing has changed.
    fn write(
        &self,
        writer: &mut Writer,
        records: BytesMut,
        headers: &[BatchHeader],
        config: &LogConfig,
        now: Timestamp,
    ) -> Result<(), LogError> {
        let (Some(first), Some(last)) = (headers.first(), headers.last()) else {
            return Ok(());
        };
        let size_bytes = records.len() as u64;
        if writer.growth.must_roll(
            &writer.segment,
            config,
            size_bytes,
            last.last_offset(),
            first.max_timestamp,
            now,
        ) {
            self.roll(writer, now)?;
        }
        let start = writer.segment.len();
        if let Err(error) = writer.files.log().write_all_at(&records, start) {
            // Part of it may be there: readers see none of it, and the next append must start where this one did.
            if let Err(cut) = writer.files.log().set_len(start) {
                self.volume.fail(&cut);
            }
            return Err(LogError::io("cannot write", writer.segment.path(), error));
        }
        let segment = Arc::clone(&writer.segment);
        let fs = &*self.volume.fs;
        let mut at = Position(start);
        for header in headers {
            writer
                .growth
                .add(&segment, fs, header, at, config.index_interval_bytes);
            at = Position(at.0 + header.size_bytes as u64);
        }
        let next = last.next_offset();
        writer.next_offset = next;
        writer.bytes_since_checkpoint += size_bytes;
        let records = records.freeze();
        let mut marks = guard(&self.marks);
        let mut rest = &records[..];
        for header in headers {
            let (bytes, behind) = rest.split_at(header.size_bytes);
            rest = behind;
            if !header.has_producer() {
                continue;
            }
            if !header.is_control() {
                if let Some(first) = writer.producers.note(header) {
                    marks.txn_started(first);
                }
                continue;
            }
            let marker = record::marker(&bytes[batch::HEADER_LEN..]);
            let ended = marker.and_then(|(committed, epoch)| {
                writer.producers.note_marker(header, committed, epoch)
            });
            if let Some(txn) = ended {
                marks.txn_ended(&txn);
                if !txn.committed {
                    let aborted = AbortedTxn {
                        producer_id: txn.producer_id,
                        first_offset: txn.first_offset,
                        last_offset: txn.marker_offset,
                        last_stable: marks.first_ongoing().unwrap_or(txn.marker_offset.plus(1)),
                    };
                    // It is kept in memory whatever becomes of the file, and the file is rebuilt after a crash.
                    if let Err(error) = segment.txns.push(fs, aborted) {
                        tracing::warn!(path = %segment.txns.path().display(), %error, "cannot write");
                    }
                }
            }
        }
        segment.publish(at.0);
        marks.log_end = next;
        drop(marks);
        self.volume
            .cache
            .push(self.id, first.base_offset, next, records);
        Ok(())
    }
}

pub(super) const EPOCHS_NAME: &str = "leader-epoch-checkpoint";

/// Puts `bytes` into a file that a crash may take back.
pub(super) fn write_file(
    fs: &dyn weir_base::fs::Fs,
    path: &std::path::Path,
    bytes: &[u8],
) -> Result<(), LogError> {
    let written = fs
        .open(path, weir_base::fs::Open::ReadWrite)
        .and_then(|file| {
            file.write_all_at(bytes, 0)?;
            file.set_len(bytes.len() as u64)
        });
    written.map_err(|error| LogError::io("cannot write", path, error))
}

/// What the settings allow.
fn check(
    records: &[u8],
    headers: &[BatchHeader],
    config: &LogConfig,
    origin: Origin,
    now: Timestamp,
) -> Result<(), LogError> {
    let mut rest = records;
    for header in headers {
        let (bytes, behind) = rest.split_at(header.size_bytes);
        rest = behind;
        if header.size_bytes as u64 > config.max_message_bytes {
            return Err(LogError::RecordTooLarge {
                size_bytes: header.size_bytes as u64,
                limit_bytes: config.max_message_bytes,
            });
        }
        batch::check_produced(header)?;
        if origin == Origin::Client {
            batch::check_sequence(header)?;
            check_times(header, config, now)?;
            if config.cleanup_policy.compact {
                check_keys(header, &bytes[batch::HEADER_LEN..])?;
            }
        }
    }
    if records.len() as u64 > config.segment_bytes {
        return Err(LogError::RecordListTooLarge {
            size_bytes: records.len() as u64,
            limit_bytes: config.segment_bytes,
        });
    }
    Ok(())
}

fn check_times(header: &BatchHeader, config: &LogConfig, now: Timestamp) -> Result<(), LogError> {
    if config.timestamp_type == TimestampType::LogAppendTime {
        return Ok(());
    }
    let refused = |timestamp_ms, why| Err(LogError::InvalidTimestamp { timestamp_ms, why });
    if header.is_log_append_time() {
        return refused(
            header.max_timestamp,
            "a client may not say it is the time of the append",
        );
    }
    if header.max_timestamp >= 0
        && header.max_timestamp.saturating_sub(now.0) > config.message_timestamp_after_max_ms
    {
        return refused(
            header.max_timestamp,
            "it is further ahead than message.timestamp.after.max.ms allows",
        );
    }
    if header.base_timestamp >= 0
        && now.0.saturating_sub(header.base_timestamp) > config.message_timestamp_before_max_ms
    {
        return refused(
            header.base_timestamp,
            "it is further back than message.timestamp.before.max.ms allows",
        );
    }
    Ok(())
}

/// A record without a key could never be compacted.
fn check_keys(header: &BatchHeader, payload: &[u8]) -> Result<(), LogError> {
    let payload = compression::decompress(header.compression(), payload)?;
    let mut indexes = Vec::new();
    for (record, index) in record::Records::new(&payload).zip(0..) {
        if record?.key.is_none() {
            indexes.push(index);
        }
    }
    if indexes.is_empty() {
        return Ok(());
    }
    Err(LogError::RecordsWithoutKey { indexes })
}

fn for_each_batch(
    records: &mut [u8],
    headers: &mut [BatchHeader],
    mut change: impl FnMut(&mut [u8], &mut BatchHeader),
) {
    let mut rest = records;
    for header in headers {
        let (bytes, behind) = rest.split_at_mut(header.size_bytes);
        change(bytes, header);
        rest = behind;
    }
}
