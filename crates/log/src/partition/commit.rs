//! What follows an append: the covering sync that makes it durable, and the next segment when one is full.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use weir_base::time::Timestamp;

use super::append::{EPOCHS_NAME, write_file};
use super::{Files, PartitionLog, Writer};
use crate::checkpoint;
use crate::error::LogError;
use crate::growth::Growth;
use crate::offset::{Offset, Offsets};
use crate::segment::{Segment, file_path};
use crate::snapshot;
use crate::volume::{Covering, guard};

/// How much may be appended before the recovery point is moved: what a start after a crash has to read.
const CHECKPOINT_BYTES: u64 = 64 << 20;

impl PartitionLog {
    /// Closes the newest segment and starts another.
    pub(super) fn roll(&self, writer: &mut Writer, now: Timestamp) -> Result<(), LogError> {
        let fs = &self.volume.fs;
        let base = writer.next_offset;
        writer.growth.note_time(&writer.segment, &**fs);
        let old = &writer.segment;
        let flushed = old
            .offsets
            .flush(&**fs)
            .and_then(|()| old.times.flush(&**fs));
        flushed.map_err(|error| LogError::io("cannot write the indexes of", old.path(), error))?;
        let made = Segment::create(fs, &self.dir, base).and_then(|segment| {
            let files = Files::of(&segment)?;
            let snapshot_path = file_path(&self.dir, base, "snapshot");
            write_file(&**fs, &snapshot_path, &snapshot::encode(&writer.producers))?;
            Ok((Arc::new(segment), files))
        });
        let (segment, files) = match made {
            Ok(made) => made,
            Err(error) => {
                // The log may go on in the old segment, with something smaller: an empty file must not cut it short later.
                for ending in ["log", "index", "timeindex", "snapshot"] {
                    let _ = fs.remove_file(&file_path(&self.dir, base, ending));
                }
                return Err(error);
            }
        };
        writer.segment.offsets.seal();
        writer.segment.times.seal();
        let old = std::mem::replace(&mut writer.segment, Arc::clone(&segment));
        writer.unchecked.push(old);
        writer
            .unsynced
            .push(std::mem::replace(&mut writer.files, files));
        writer.names_unsynced = true;
        writer.growth = Growth::new(now);
        self.change_segments(|segments| segments.push(segment));
        // A segment that is closed is never read again by a recovery, once the recovery point has passed it.
        writer.bytes_since_checkpoint = writer.bytes_since_checkpoint.max(CHECKPOINT_BYTES);
        Ok(())
    }

    /// Has the sync thread cover what was appended.
    pub(super) fn request_sync(&self) {
        if !self.queued.swap(true, Ordering::AcqRel)
            && let Some(this) = self.this.upgrade()
        {
            self.volume.schedule(this);
        }
    }

    /// Has the sync thread cover what was appended: at once if somebody waits for it.
    pub(super) fn request_sync_if_watched(&self) {
        if self.watchers.load(Ordering::SeqCst) > 0 {
            self.request_sync();
        } else if !self.queued_later.swap(true, Ordering::AcqRel)
            && let Some(this) = self.this.upgrade()
        {
            self.volume.schedule_later(this);
        }
    }

    /// Somebody waits for the high watermark: all that was and is appended is synced at once, until [`unwatch`](Self::unwatch) has
    /// been called as many times.
    pub fn watch(&self) {
        self.watchers.fetch_add(1, Ordering::SeqCst);
        // An append that has seen nobody watch has moved the log end before: the lock of the marks puts the two in order.
        let offsets = self.offsets();
        if offsets.log_end > offsets.high_watermark {
            self.request_sync();
        }
    }

    /// One that called [`watch`](Self::watch) waits no longer.
    pub fn unwatch(&self) {
        self.watchers.fetch_sub(1, Ordering::SeqCst);
    }

    /// What a covering sync that starts now in this lane has to sync; `None` if all is durable.
    pub(crate) fn begin_sync(&self, lane: usize) -> Option<Covering> {
        self.queued.store(false, Ordering::Release);
        self.queued_later.store(false, Ordering::Release);
        let mut writer = guard(&self.writer);
        let target = writer.next_offset;
        let durable = guard(&self.marks).high_watermark;
        let names = std::mem::take(&mut writer.names_unsynced);
        if target <= durable && !names {
            return None;
        }
        let closed = std::mem::take(&mut writer.unsynced);
        let files = closed.iter().chain([&writer.files]);
        let files = files.map(|files| files.of_lane(lane)).collect();
        let due = writer.bytes_since_checkpoint >= CHECKPOINT_BYTES;
        drop(writer);
        if due
            && !self.checkpoint_queued.swap(true, Ordering::AcqRel)
            && let Some(this) = self.this.upgrade()
        {
            self.volume.schedule_checkpoint(&this);
        }
        Some(Covering {
            target,
            files,
            dir: names.then(|| self.dir.clone()),
        })
    }

    /// Everything before `offset` is on stable storage.
    pub(crate) fn durable(&self, offset: Offset) {
        let offsets: Offsets = {
            let mut marks = guard(&self.marks);
            if !marks.advance(offset) {
                return;
            }
            marks.offsets()
        };
        let callbacks = self
            .on_advance
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for callback in &*callbacks {
            callback(&offsets);
        }
    }

    /// Writes in a newer leader epoch from now on (KIP-101). One that is not newer changes nothing.
    pub fn set_leader_epoch(&self, epoch: i32) -> Result<(), LogError> {
        let mut writer = guard(&self.writer);
        self.check_open()?;
        if epoch <= self.leader_epoch() {
            return Ok(());
        }
        let start = writer.next_offset;
        let mut epochs = writer.epochs.clone();
        epochs.retain(|(_, other)| *other < start);
        epochs.push((epoch, start));
        let path = self.dir.join(EPOCHS_NAME);
        checkpoint::replace(&*self.volume.fs, &path, &checkpoint::epochs_text(&epochs))
            .map_err(|error| LogError::io("cannot write", &path, error))?;
        writer.epochs = epochs;
        self.leader_epoch.store(epoch, Ordering::Release);
        Ok(())
    }
}
