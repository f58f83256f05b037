//! The volume's checkpoint files, one line a partition, in memory and on disk.

use std::path::Path;

use weir_base::fs::Fs;

use crate::checkpoint::{PartitionOffsets, offsets_text, read_offsets, replace};
use crate::error::LogError;
use crate::offset::Offset;

struct Checkpoint {
    name: &'static str,
    offsets: PartitionOffsets,
    changed: bool,
}

impl Checkpoint {
    fn read(fs: &dyn Fs, dir: &Path, name: &'static str) -> Result<Self, LogError> {
        let path = dir.join(name);
        let offsets = read_offsets(fs, &path);
        Ok(Self {
            name,
            offsets: offsets.map_err(|error| LogError::io("cannot read", &path, error))?,
            changed: false,
        })
    }

    fn get(&self, topic: &str, partition: i32) -> Option<Offset> {
        self.offsets.get(&(topic.to_owned(), partition)).copied()
    }

    fn set(&mut self, topic: &str, partition: i32, offset: Offset) {
        let before = self.offsets.insert((topic.to_owned(), partition), offset);
        self.changed |= before != Some(offset);
    }

    fn remove(&mut self, key: &(String, i32)) {
        self.changed |= self.offsets.remove(key).is_some();
    }

    fn write(&mut self, fs: &dyn Fs, dir: &Path) -> Result<(), LogError> {
        if !self.changed {
            return Ok(());
        }
        let path = dir.join(self.name);
        replace(fs, &path, &offsets_text(&self.offsets))
            .map_err(|error| LogError::io("cannot write", &path, error))?;
        self.changed = false;
        Ok(())
    }
}

/// All of them.
pub(super) struct Checkpoints {
    recovery_point: Checkpoint,
    log_start: Checkpoint,
    cleaner: Checkpoint,
}

impl Checkpoints {
    pub fn read(fs: &dyn Fs, dir: &Path) -> Result<Self, LogError> {
        Ok(Self {
            recovery_point: Checkpoint::read(fs, dir, "recovery-point-offset-checkpoint")?,
            log_start: Checkpoint::read(fs, dir, "log-start-offset-checkpoint")?,
            cleaner: Checkpoint::read(fs, dir, "cleaner-offset-checkpoint")?,
        })
    }

    pub fn recovery_point(&self, topic: &str, partition: i32) -> Option<Offset> {
        self.recovery_point.get(topic, partition)
    }

    pub fn set_recovery_point(&mut self, topic: &str, partition: i32, offset: Offset) {
        self.recovery_point.set(topic, partition, offset);
    }

    pub fn log_start(&self, topic: &str, partition: i32) -> Option<Offset> {
        self.log_start.get(topic, partition)
    }

    pub fn set_log_start(&mut self, topic: &str, partition: i32, offset: Offset) {
        self.log_start.set(topic, partition, offset);
    }

    pub fn cleaned_up_to(&self, topic: &str, partition: i32) -> Option<Offset> {
        self.cleaner.get(topic, partition)
    }

    pub fn set_cleaned_up_to(&mut self, topic: &str, partition: i32, offset: Offset) {
        self.cleaner.set(topic, partition, offset);
    }

    pub fn remove(&mut self, key: &(String, i32)) {
        for checkpoint in [
            &mut self.recovery_point,
            &mut self.log_start,
            &mut self.cleaner,
        ] {
            checkpoint.remove(key);
        }
    }

    pub fn write(&mut self, fs: &dyn Fs, dir: &Path) -> Result<(), LogError> {
        self.log_start.write(fs, dir)?;
        self.cleaner.write(fs, dir)?;
        self.recovery_point.write(fs, dir)
    }
}
