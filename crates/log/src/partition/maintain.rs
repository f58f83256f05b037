//! Retention: whole segments go by age and size, or because their records were deleted; and a partition goes with its topic.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::PartitionLog;
use super::recovery::with_suffix;
use crate::error::LogError;
use crate::offset::Offset;
use crate::segment::{Segment, file_path};
use crate::volume::guard;

impl PartitionLog {
    /// Rolls, deletes and compacts segments as the settings and the clock ask for: for a timer to call.
    pub fn maintain(&self) -> Result<(), LogError> {
        self.check_open()?;
        let config = self.config();
        let now = self.volume.clock.now();
        self.remove_doomed();
        {
            let mut writer = guard(&self.writer);
            writer
                .producers
                .expire(now, config.producer_id_expiration_ms);
            let waited = writer.segment.len() > 0
                && writer.growth.must_roll(
                    &writer.segment,
                    &config,
                    0,
                    writer.next_offset,
                    -1,
                    now,
                );
            if waited {
                self.roll(&mut writer, now)?;
                drop(writer);
                self.request_sync();
            }
        }
        {
            let _turn = guard(&self.upkeep);
            if config.cleanup_policy.delete {
                self.retain()?;
            }
            self.delete_segments_before_start()?;
        }
        if config.cleanup_policy.compact {
            self.compact()?;
        }
        self.volume.write_checkpoints()
    }

    /// Moves the log start past what `retention.ms` and `retention.bytes` let go.
    fn retain(&self) -> Result<(), LogError> {
        let config = self.config();
        let now = self.volume.clock.now();
        let segments = self.segments();
        let durable = self.offsets().high_watermark;
        let mut excess = config.retention_bytes.map_or(0, |limit| {
            let total: u64 = segments.iter().map(|segment| segment.len()).sum();
            (total as i64).saturating_sub(limit).max(0)
        });
        let mut start = None;
        for (number, segment) in segments.iter().enumerate() {
            let next = segments.get(number + 1);
            let largest = match next {
                Some(_) => segment.largest_time()?,
                None => guard(&self.writer).growth.largest,
            };
            let expired = match (config.retention_ms, largest) {
                (Some(limit), Some((timestamp, _))) => now.0.saturating_sub(timestamp) > limit,
                _ => false,
            };
            let len = segment.len() as i64;
            let over = len > 0 && excess >= len && config.retention_bytes.is_some();
            if len > 0 && !expired && !over {
                break;
            }
            excess -= len;
            let end = match next {
                Some(next) => next.base,
                None if expired => {
                    // All records of the newest segment are too old: it goes as well, once another is there.
                    let mut writer = guard(&self.writer);
                    if writer.segment.base == segment.base
                        && writer.segment.len() > 0
                        && writer.next_offset <= durable
                    {
                        self.roll(&mut writer, now)?;
                        writer.next_offset
                    } else {
                        break;
                    }
                }
                None => break,
            };
            if end > durable {
                break;
            }
            start = Some(end);
        }
        if let Some(start) = start {
            self.advance_start(start);
            self.request_sync();
        }
        Ok(())
    }

    /// Moves the log start offset up to `offset` (`DeleteRecords`); -1 stands for the high watermark. Returns the new log start.
    pub fn delete_records_before(&self, offset: Offset) -> Result<Offset, LogError> {
        self.check_open()?;
        let offsets = self.offsets();
        let start = if offset.0 == -1 {
            offsets.high_watermark
        } else {
            offset
        };
        if start.0 < 0 || start > offsets.high_watermark {
            return Err(LogError::OffsetOutOfRange {
                asked: offset,
                log_start: offsets.log_start,
                log_end: offsets.high_watermark,
            });
        }
        let start = self.advance_start(start);
        self.volume.write_checkpoints()?;
        let _turn = guard(&self.upkeep);
        self.delete_segments_before_start()?;
        Ok(start)
    }

    fn advance_start(&self, start: Offset) -> Offset {
        let start = {
            let mut marks = guard(&self.marks);
            marks.log_start = marks.log_start.max(start);
            marks.log_start
        };
        self.volume
            .set_log_start(&self.topic, self.partition, start);
        start
    }

    /// Gives up the segments that end before the log start, all but the newest.
    fn delete_segments_before_start(&self) -> Result<(), LogError> {
        let start = self.offsets().log_start;
        let segments = self.segments();
        let gone = segments
            .iter()
            .skip(1)
            .take_while(|next| next.base <= start)
            .count();
        if gone == 0 {
            return Ok(());
        }
        // The new start is durable first, or a crash between the two would bring part of the records back.
        self.volume.write_checkpoints()?;
        self.change_segments(|segments| {
            segments.drain(..gone);
        });
        self.doom(&segments[..gone])
    }

    /// Renames segments' files and has them removed after `file.delete.delay.ms`.
    pub(super) fn doom(&self, segments: &[Arc<Segment>]) -> Result<(), LogError> {
        let mut doomed = Vec::new();
        for segment in segments {
            let snapshot = file_path(&self.dir, segment.base, "snapshot");
            let paths = segment.paths();
            let snapshot = (segment.base < self.offsets().log_start).then_some(snapshot.as_path());
            for path in paths.into_iter().chain(snapshot) {
                let renamed = with_suffix(path, ".deleted");
                match self.volume.fs.rename(path, &renamed) {
                    Ok(()) => doomed.push(renamed),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(LogError::io("cannot rename", path, error)),
                }
            }
        }
        self.doom_files(doomed);
        Ok(())
    }

    pub(super) fn doom_files(&self, paths: Vec<PathBuf>) {
        let delay = u64::try_from(self.config().file_delete_delay_ms).unwrap_or(0);
        let due = self
            .volume
            .clock
            .monotonic()
            .saturating_add(Duration::from_millis(delay));
        guard(&self.doomed).push((due, paths));
    }

    fn remove_doomed(&self) {
        let now = self.volume.clock.monotonic();
        let mut doomed = guard(&self.doomed);
        doomed.retain(|(due, paths)| {
            if *due > now {
                return true;
            }
            for path in paths {
                if let Err(error) = self.volume.fs.remove_file(path) {
                    tracing::warn!(path = %path.display(), %error, "stays until the next start");
                }
            }
            false
        });
    }

    /// Removes the partition: the folder is renamed to `…-delete`, then removed.
    pub fn delete(&self) -> Result<(), LogError> {
        let _turn = guard(&self.upkeep);
        // Appends that hold the writer finish first; those that wait for it are refused.
        let _writer = guard(&self.writer);
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.volume.cache.clear(self.id);
        let deleted = self.volume.deleted_dir(&self.topic, self.partition);
        let renamed = self
            .volume
            .fs
            .rename(&self.dir, &deleted)
            .and_then(|()| self.volume.fs.sync_dir(self.volume.dir()));
        renamed.map_err(|error| LogError::io("cannot rename", &self.dir, error))?;
        self.volume.forget(&self.topic, self.partition, deleted);
        Ok(())
    }
}
