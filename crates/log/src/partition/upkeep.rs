//! Upkeep beside the appends: moving the recovery point, and the topic's id.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use weir_base::fs::Open;

use super::append::{EPOCHS_NAME, write_file};
use super::{Files, PartitionLog, recovery};
use crate::error::LogError;
use crate::index::read_file;
use crate::offset::Offset;
use crate::segment::{Segment, file_path};
use crate::snapshot;
use crate::volume::{Volume, guard};

const METADATA_NAME: &str = "partition.metadata";
/// Snapshots kept beside those at the start of a segment, as in Kafka.
const KEPT_SNAPSHOTS: usize = 2;

/// What a checkpoint is about to vouch for.
pub(crate) struct State {
    end: Offset,
    /// Those whose indexes were not durable at the last one.
    segments: Vec<Arc<Segment>>,
    bytes: u64,
}

impl PartitionLog {
    /// Makes everything up to the log's end durable, indexes and producer state included, and notes that a recovery may start there.
    pub(crate) fn checkpoint(&self) -> Result<(), LogError> {
        let _turn = guard(&self.upkeep);
        self.checkpoint_queued.store(false, Ordering::Release);
        if self.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        let state = self.write_state()?;
        if let Err(error) = self.sync_state(&state) {
            // Next time again: the recovery point has not moved past these segments.
            let mut writer = guard(&self.writer);
            let closed = state
                .segments
                .iter()
                .filter(|segment| segment.base != writer.segment.base);
            let closed: Vec<_> = closed.cloned().collect();
            writer.unchecked.splice(0..0, closed);
            writer.bytes_since_checkpoint += state.bytes;
            return Err(error);
        }
        self.note_state(&state);
        self.volume.write_checkpoints()
    }

    /// The first half of a checkpoint: indexes and producer state as they are now go into their files. `None` if the last checkpoint
    /// still says all.
    pub(crate) fn write_state_for_close(&self) -> Result<Option<State>, LogError> {
        let _turn = guard(&self.upkeep);
        let unchanged = {
            let writer = guard(&self.writer);
            writer.unchecked.is_empty()
                && self.volume.recovery_point(&self.topic, self.partition)
                    == Some(writer.next_offset)
        };
        if unchanged || self.closed.load(Ordering::Acquire) {
            return Ok(None);
        }
        self.write_state().map(Some)
    }

    fn write_state(&self) -> Result<State, LogError> {
        let fs = &*self.volume.fs;
        let mut writer = guard(&self.writer);
        let newest = Arc::clone(&writer.segment);
        writer.growth.note_time(&newest, fs);
        let flushed = newest
            .offsets
            .flush(fs)
            .and_then(|()| newest.times.flush(fs));
        flushed
            .map_err(|error| LogError::io("cannot write the indexes of", newest.path(), error))?;
        let producers = snapshot::encode(&writer.producers);
        write_file(
            fs,
            &file_path(&self.dir, writer.next_offset, "snapshot"),
            &producers,
        )?;
        let mut segments = std::mem::take(&mut writer.unchecked);
        segments.push(newest);
        Ok(State {
            end: writer.next_offset,
            segments,
            bytes: std::mem::take(&mut writer.bytes_since_checkpoint),
        })
    }

    /// The second half, file by file.
    pub(crate) fn sync_state(&self, state: &State) -> Result<(), LogError> {
        if let Some(this) = self.this.upgrade() {
            self.volume.sync_round(&[this]);
        }
        self.volume.check()?;
        let fs = &*self.volume.fs;
        let snapshot = file_path(&self.dir, state.end, "snapshot");
        let epochs = self.dir.join(EPOCHS_NAME);
        let indexes = state.segments.iter().flat_map(|segment| {
            [
                segment.offsets.path(),
                segment.times.path(),
                segment.txns.path(),
            ]
        });
        for path in indexes.chain([&*snapshot, &*epochs]) {
            let synced = match fs.open(path, Open::Read) {
                // Most segments have no aborted transactions; a removed segment needs nothing any more.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.and_then(|file| file.sync_data()),
            };
            if let Err(error) = synced {
                self.volume.fail(&error);
                return Err(LogError::io("cannot sync", path, error));
            }
        }
        fs.sync_dir(&self.dir)
            .map_err(|error| LogError::io("cannot sync", &self.dir, error))
    }

    /// The state is durable: [`Volume::write_checkpoints`] is left to the caller.
    pub(crate) fn note_state(&self, state: &State) {
        self.volume
            .set_recovery_point(&self.topic, self.partition, state.end);
        self.drop_snapshots(state.end);
    }

    /// Removes snapshots that no recovery needs: all but the newest few and those at the start of a segment.
    fn drop_snapshots(&self, end: Offset) {
        let Ok(entries) = self.volume.fs.read_dir(&self.dir) else {
            return;
        };
        let mut snapshots: Vec<Offset> = entries
            .iter()
            .filter_map(|(name, _)| recovery::parse_base(name.to_str()?.strip_suffix(".snapshot")?))
            .filter(|at| *at < end)
            .collect();
        snapshots.sort_unstable();
        snapshots.truncate(snapshots.len().saturating_sub(KEPT_SNAPSHOTS - 1));
        let segments = self.segments();
        for at in snapshots {
            let starts_segment = segments
                .binary_search_by_key(&at, |segment| segment.base)
                .is_ok();
            if !starts_segment {
                // Best effort: one that stays costs a few bytes.
                let _ = self
                    .volume
                    .fs
                    .remove_file(&file_path(&self.dir, at, "snapshot"));
            }
        }
    }

    /// The topic's id, if one was set (`partition.metadata`, KIP-516).
    pub fn topic_id(&self) -> Option<[u8; 16]> {
        *guard(&self.topic_id)
    }

    /// Sets the topic's id, kept in `partition.metadata` as Kafka does; durable with the partition's next sync.
    pub fn set_topic_id(&self, id: [u8; 16]) -> Result<(), LogError> {
        self.check_open()?;
        if self.topic_id() == Some(id) {
            return Ok(());
        }
        let path = self.dir.join(METADATA_NAME);
        let text = format!("version: 0\ntopic_id: {}", encode_id(&id));
        let mut writer = guard(&self.writer);
        write_file(&*self.volume.fs, &path, text.as_bytes())?;
        let file = self.volume.fs.open(&path, Open::Read);
        let file = file.map_err(|error| LogError::io("cannot open", &path, error))?;
        // Only one sync ever covers it.
        writer.unsynced.push(Files::once(&file));
        writer.names_unsynced = true;
        *guard(&self.topic_id) = Some(id);
        Ok(())
    }
}

/// What `partition.metadata` says; a damaged file counts as none.
pub(super) fn read_topic_id(volume: &Volume, dir: &Path) -> Result<Option<[u8; 16]>, LogError> {
    let path = dir.join(METADATA_NAME);
    let text = read_file(&*volume.fs, &path, 4096);
    let text = text.map_err(|error| LogError::io("cannot read", &path, error))?;
    let text = String::from_utf8_lossy(&text);
    Ok(text
        .lines()
        .find_map(|line| decode_id(line.strip_prefix("topic_id:")?.trim())))
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Kafka writes ids in base 64 for URLs, without padding: 22 digits.
fn encode_id(id: &[u8; 16]) -> String {
    let bits = u128::from_be_bytes(*id);
    (0..22)
        .map(|place| {
            let shifted = if place == 21 {
                bits << 4
            } else {
                bits >> (122 - 6 * place)
            };
            char::from(DIGITS[(shifted & 63) as usize])
        })
        .collect()
}

fn decode_id(text: &str) -> Option<[u8; 16]> {
    if text.len() != 22 {
        return None;
    }
    let mut bits = 0_u128;
    for (place, digit) in text.bytes().enumerate() {
        let value = DIGITS.iter().position(|other| *other == digit)? as u128;
        if place == 21 {
            bits = bits << 2 | value >> 4;
        } else {
            bits = bits << 6 | value;
        }
    }
    Some(bits.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_ids_are_written_as_kafka_writes_them() {
        // From Kafka's Uuid: METADATA_TOPIC_ID is (0, 1), and 22 digits of any id come back as that id.
        let mut one = [0; 16];
        one[15] = 1;
        assert_eq!(encode_id(&one), "AAAAAAAAAAAAAAAAAAAAAQ");
        let id: [u8; 16] = std::array::from_fn(|place| (place * 37 + 11) as u8);
        assert_eq!(decode_id(&encode_id(&id)), Some(id));
        assert_eq!(decode_id("no id"), None);
    }
}
