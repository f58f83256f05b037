//! Opening: what a crash left is made sound again.
//!
//! Before the recovery point everything is durable, indexes included, and is taken as it is. From there on each batch is checked; at
//! the first that is not sound the log ends. Indexes and producer state are rebuilt on the way, from the newest snapshot before it.
//! `files` puts the folder in order, `scan` reads segments through.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

mod files;
mod scan;

use std::path::Path;
use std::sync::Arc;

use weir_base::fs::Fs;
use weir_base::time::Timestamp;

use super::{Files, Writer};
use crate::config::LogConfig;
use crate::error::LogError;
use crate::growth::Growth;
use crate::marks::Marks;
use crate::offset::Offset;
use crate::producers::Producers;
use crate::segment::Segment;
use crate::volume::Volume;
use files::Found;
pub(super) use files::{parse_base, with_suffix};
use scan::{Rebuilt, Scanned};

/// A partition as it was found, or made sound.
pub(super) struct Recovered {
    pub segments: Vec<Arc<Segment>>,
    pub writer: Writer,
    pub marks: Marks,
}

struct Recovery<'a> {
    fs: &'a Arc<dyn Fs>,
    dir: &'a Path,
    config: &'a LogConfig,
    now: Timestamp,
}

/// Opens the partition in `dir`.
pub(super) fn recover(
    volume: &Volume,
    dir: &Path,
    topic: &str,
    partition: i32,
    config: &LogConfig,
) -> Result<Recovered, LogError> {
    let recovery = Recovery {
        fs: &volume.fs,
        dir,
        config,
        now: volume.clock.now(),
    };
    let log_start = volume.log_start(topic, partition).unwrap_or_default();
    let mut recovery_point = volume.recovery_point(topic, partition);
    let recovered = loop {
        let recovered = recovery.run(log_start, recovery_point)?;
        let end = recovered.writer.next_offset;
        if recovery_point.is_none_or(|point| point <= end) {
            break recovered;
        }
        // The disk did not keep what it had reported durable: indexes and producer state that reach further are no good either.
        tracing::warn!(topic, partition, %end, "the log ends before its recovery point");
        recovery_point = Some(end);
        volume.set_recovery_point(topic, partition, end);
        volume.write_checkpoints()?;
    };
    volume.names_changed();
    Ok(recovered)
}

impl Recovery<'_> {
    fn run(
        &self,
        log_start: Offset,
        recovery_point: Option<Offset>,
    ) -> Result<Recovered, LogError> {
        let Found {
            mut bases,
            snapshots,
        } = self.tidy()?;
        let Some(&first) = bases.first() else {
            return self.start_empty(log_start, Producers::default(), self.read_epochs()?);
        };
        let recovery_point = recovery_point.unwrap_or(first).max(first);
        let (producers, snapshot_at) = self.load_snapshot(&snapshots, recovery_point)?;
        let scan_from = snapshot_at.max(first);
        let mut rebuilt = Rebuilt {
            producers,
            marks: Marks::default(),
            epochs: self.read_epochs()?,
            next_offset: first,
            applied_up_to: scan_from,
            durable_up_to: recovery_point,
        };
        for first in rebuilt.producers.ongoing() {
            rebuilt.marks.txn_started(first);
        }

        let scanned_from = bases
            .partition_point(|base| *base <= scan_from)
            .saturating_sub(1);
        let mut segments = Vec::with_capacity(bases.len());
        for base in bases.iter().take(scanned_from) {
            segments.push(Arc::new(self.trusted(*base)?));
        }
        let to_scan = bases.split_off(scanned_from.min(bases.len()));
        let mut newest: Option<Scanned> = None;
        let mut unchecked = Vec::new();
        for (number, base) in to_scan.iter().enumerate() {
            if let Some(closed) = newest.take() {
                let closed = Arc::new(self.close(closed, *base, &rebuilt)?);
                unchecked.push(Arc::clone(&closed));
                segments.push(closed);
            }
            let next_base = to_scan.get(number + 1).copied();
            let scanned = self.scan(*base, next_base, &mut rebuilt)?;
            let whole = scanned.whole;
            newest = Some(scanned);
            if !whole {
                self.remove_segments(to_scan.get(number + 1..).unwrap_or_default())?;
                break;
            }
        }
        let Some(newest) = newest else {
            return self.start_empty(log_start, rebuilt.producers, rebuilt.epochs);
        };
        if rebuilt.next_offset < log_start {
            // Records were deleted that a crash has taken back further than that: what is left is all before the start.
            drop(newest);
            self.remove_segments(
                &segments
                    .iter()
                    .map(|segment| segment.base)
                    .chain(to_scan)
                    .collect::<Vec<_>>(),
            )?;
            return self.start_empty(log_start, rebuilt.producers, rebuilt.epochs);
        }
        if rebuilt.next_offset > recovery_point || !newest.whole {
            self.sync_survivors(&newest, &unchecked)?;
        }
        let start = log_start.max(
            segments
                .first()
                .map_or(newest.segment.base, |segment| segment.base),
        );
        let read_bytes =
            newest.segment.len() + unchecked.iter().map(|segment| segment.len()).sum::<u64>();
        let segment = Arc::new(newest.segment);
        let files = Files::of(&segment)?;
        segments.push(Arc::clone(&segment));
        self.settle_epochs(&mut rebuilt.epochs, start, rebuilt.next_offset)?;
        let mut marks = rebuilt.marks;
        marks.log_start = start;
        marks.log_end = rebuilt.next_offset;
        marks.advance(rebuilt.next_offset);
        let moved = rebuilt.next_offset > recovery_point;
        Ok(Recovered {
            segments,
            writer: Writer {
                segment,
                files,
                growth: newest.growth,
                next_offset: rebuilt.next_offset,
                producers: rebuilt.producers,
                epochs: rebuilt.epochs,
                unsynced: Vec::new(),
                names_unsynced: true,
                unchecked,
                bytes_since_checkpoint: if moved { read_bytes } else { 0 },
            },
            marks,
        })
    }

    /// What survived a crash by luck must be durable before anybody sees it.
    fn sync_survivors(&self, newest: &Scanned, closed: &[Arc<Segment>]) -> Result<(), LogError> {
        let synced = newest
            .file
            .sync_data()
            .and_then(|()| self.fs.sync_dir(self.dir));
        synced.map_err(|error| LogError::io("cannot sync", newest.segment.path(), error))?;
        for segment in closed {
            let synced = segment.writable()?.sync_data();
            synced.map_err(|error| LogError::io("cannot sync", segment.path(), error))?;
        }
        Ok(())
    }

    fn start_empty(
        &self,
        base: Offset,
        producers: Producers,
        mut epochs: Vec<(i32, Offset)>,
    ) -> Result<Recovered, LogError> {
        let segment = Arc::new(Segment::create(self.fs, self.dir, base)?);
        let files = Files::of(&segment)?;
        self.settle_epochs(&mut epochs, base, base)?;
        let mut marks = Marks::at(base);
        for first in producers.ongoing() {
            marks.txn_started(first);
        }
        Ok(Recovered {
            segments: vec![Arc::clone(&segment)],
            writer: Writer {
                segment,
                files,
                growth: Growth::new(self.now),
                next_offset: base,
                producers,
                epochs,
                unsynced: Vec::new(),
                names_unsynced: true,
                unchecked: Vec::new(),
                bytes_since_checkpoint: 0,
            },
            marks,
        })
    }
}
