//! skeleton
#![allow(unused_variables)]
use std::io;
use std::path::Path;
use std::sync::Arc;

use weir_base::fs::Fs;
use weir_base::time::Clock;

use crate::error::LogError;

/// A data folder, locked against other processes, with the thread that makes its partitions' records durable.
pub struct Volume {}

impl Volume {
    /// Opens (or makes) the folder.
    pub fn open(fs: Arc<dyn Fs>, clock: Arc<dyn Clock>, dir: &Path) -> Result<Arc<Self>, LogError> {
        todo!()
    }

    /// The partitions whose folders were found when the volume was opened, by topic and number.
    pub fn partitions(&self) -> Vec<(String, i32)> {
        todo!()
    }

    /// Calls `failed` when a sync fails: from then on nothing is known of what is durable, and the process had best end.
    pub fn on_failure(&self, failed: Box<dyn Fn(io::Error) + Send + Sync>) {
        todo!()
    }

    /// Whether a sync has failed.
    pub fn sync_failed(&self) -> bool {
        todo!()
    }

    /// Makes everything written so far durable (new, still empty partitions too) and returns when it is.
    pub fn sync(&self) -> Result<(), LogError> {
        todo!()
    }

    /// Makes everything durable, leaves the marks of a clean shutdown and ends the threads. Appends afterwards are refused.
    pub fn close(&self) -> Result<(), LogError> {
        todo!()
    }
}
