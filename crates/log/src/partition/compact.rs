//! Compaction's files: which segments are due, and how the thinned ones take their place without a moment in which a crash would
//! lose anything.
//!
//! New files are written beside the old as `.cleaned`, made durable, renamed to `.swap` (from then on a recovery finishes the
//! exchange), and take the old files' names. Readers that were in the old ones start over.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use weir_base::fs::{File, Fs, Open};

use super::PartitionLog;
use super::recovery::with_suffix;
use crate::batch::BatchHeader;
use crate::compaction::{Aborted, NewestByKey, Outcome, Thinning};
use crate::config::LogConfig;
use crate::error::LogError;
use crate::growth::Growth;
use crate::index::Index;
use crate::offset::{AbortedTxn, Offset, Position};
use crate::segment::{LARGEST_RELATIVE, Segment, file_path};
use crate::volume::guard;

/// The files of a segment, the log last: where it is, the others are.
const ENDINGS: [&str; 4] = ["index", "timeindex", "txnindex", "log"];
/// How much is gathered for one write.
const WRITE_LEN: usize = 1 << 20;

impl PartitionLog {
    /// Compacts the closed segments, if enough has been written since the last time.
    pub(super) fn compact(&self) -> Result<(), LogError> {
        let config = self.config();
        let Some((due, first_dirty)) = self.due(&config)? else {
            return Ok(());
        };
        // Gaps in the offsets are told from lost writes by standing before the recovery point.
        let end = due.last().map_or(Offset(0), |(_, end)| *end);
        if self
            .volume
            .recovery_point(&self.topic, self.partition)
            .is_none_or(|point| point < end)
        {
            self.checkpoint()?;
        }
        let _turn = guard(&self.upkeep);
        let mut aborted = Aborted::default();
        // A transaction's marker may stand in a segment that is not due yet.
        for segment in self.segments().iter() {
            for txn in self.aborted_in(segment)? {
                aborted.add(&txn);
            }
        }
        let newest = learn(&due, end, first_dirty, &aborted)?;
        let due: Vec<_> = due
            .into_iter()
            .filter(|(segment, _)| segment.base < newest.end)
            .collect();
        let now_ms = self.volume.clock.now().0;
        let mut thinning = Thinning::new(&newest, &aborted, now_ms, config.delete_retention_ms);
        for group in groups(&due, &config) {
            self.compact_group(group, &mut thinning, &config)?;
        }
        // What the cache holds may have gone; a reader at the tail is in what comes next.
        self.volume.cache.clear(self.id);
        self.volume
            .set_cleaned_up_to(&self.topic, self.partition, newest.end);
        Ok(())
    }

    /// The segments that may be compacted, each with the next one's base, and the offset from which on none has been; `None` if too
    /// little has come since.
    #[allow(
        clippy::type_complexity,
        reason = "a pair of what belongs together, used once"
    )]
    fn due(
        &self,
        config: &LogConfig,
    ) -> Result<Option<(Vec<(Arc<Segment>, Offset)>, Offset)>, LogError> {
        let now = self.volume.clock.now();
        let stable = self.offsets().last_stable;
        let segments = self.segments();
        let cleaned = self.volume.cleaned_up_to(&self.topic, self.partition);
        let first_dirty = cleaned.unwrap_or_default().max(self.offsets().log_start);
        let (mut clean_bytes, mut dirty_bytes) = (0, 0);
        let mut oldest_dirty_ms = None;
        let mut due = Vec::new();
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            let largest = segment.largest_time()?.map(|(timestamp, _)| timestamp);
            let too_new = config.min_compaction_lag_ms > 0
                && largest
                    .is_some_and(|at| now.0.saturating_sub(at) < config.min_compaction_lag_ms);
            if next.base > stable || too_new {
                break;
            }
            if next.base <= first_dirty {
                clean_bytes += segment.len();
            } else {
                dirty_bytes += segment.len();
                oldest_dirty_ms = oldest_dirty_ms.or(largest);
            }
            due.push((Arc::clone(segment), next.base));
        }
        if dirty_bytes == 0 {
            return Ok(None);
        }
        let ratio = dirty_bytes as f64 / (dirty_bytes + clean_bytes) as f64;
        let overdue = oldest_dirty_ms
            .is_some_and(|at| now.0.saturating_sub(at) > config.max_compaction_lag_ms);
        Ok((ratio > config.min_cleanable_dirty_ratio || overdue).then_some((due, first_dirty)))
    }

    fn aborted_in(&self, segment: &Segment) -> Result<Vec<AbortedTxn>, LogError> {
        let aborted = segment.txns.all(&*self.volume.fs);
        aborted.map_err(|error| LogError::io("cannot read", segment.txns.path(), error))
    }

    /// Writes what stays of some segments as one, and puts it in their place.
    fn compact_group(
        &self,
        group: &[(Arc<Segment>, Offset)],
        thinning: &mut Thinning<'_>,
        config: &LogConfig,
    ) -> Result<(), LogError> {
        let Some((first, _)) = group.first() else {
            return Ok(());
        };
        let fs = &self.volume.fs;
        let base = first.base;
        for ending in ENDINGS {
            let left = file_path(&self.dir, base, &format!("{ending}.cleaned"));
            match fs.remove_file(&left) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(LogError::io("cannot remove", &left, error));
                }
                _ => {}
            }
        }
        let written = self.write_thinned(group, thinning, config);
        let (len, changed) = match written {
            Ok(written) => written,
            Err(error) => {
                // The old files are untouched: what was begun goes, for the disk may be full.
                for ending in ENDINGS {
                    let _ =
                        fs.remove_file(&file_path(&self.dir, base, &format!("{ending}.cleaned")));
                }
                return Err(error);
            }
        };
        if !changed && group.len() == 1 {
            for ending in ENDINGS {
                let _ = fs.remove_file(&file_path(&self.dir, base, &format!("{ending}.cleaned")));
            }
            return Ok(());
        }
        let sync_dir = || {
            fs.sync_dir(&self.dir)
                .map_err(|error| LogError::io("cannot sync", &self.dir, error))
        };
        for ending in ENDINGS {
            let swap = file_path(&self.dir, base, &format!("{ending}.swap"));
            rename_if_there(
                &**fs,
                &file_path(&self.dir, base, &format!("{ending}.cleaned")),
                &swap,
            )?;
        }
        sync_dir()?;

        let mut held = self
            .segments
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Whoever is reading one of the old segments sees this, and starts over.
        self.compactions.fetch_add(1, Ordering::AcqRel);
        let old: Vec<_> = group
            .iter()
            .map(|(segment, _)| Arc::clone(segment))
            .collect();
        let exchanged = self.doom(&old).and_then(|()| {
            for ending in ENDINGS {
                let swap = file_path(&self.dir, base, &format!("{ending}.swap"));
                rename_if_there(&**fs, &swap, &file_path(&self.dir, base, ending))?;
            }
            sync_dir()
        });
        if let Err(error) = exchanged {
            // Half exchanged: only a recovery can finish it.
            self.closed.store(true, Ordering::Release);
            return Err(error);
        }
        let indexes = (
            Index::closed(&**fs, file_path(&self.dir, base, "index")),
            Index::closed(&**fs, file_path(&self.dir, base, "timeindex")),
        );
        let (Some(offsets), Some(times)) = indexes else {
            self.closed.store(true, Ordering::Release);
            return Err(LogError::Damaged {
                path: file_path(&self.dir, base, "index"),
                why: "what compaction wrote is not there".to_owned(),
            });
        };
        let thinned = Arc::new(Segment::new(fs, &self.dir, base, len, offsets, times));
        let mut segments: Vec<_> = Vec::clone(&held);
        let start = segments.partition_point(|segment| segment.base < base);
        segments.splice(start..start + group.len(), [thinned]);
        *held = Arc::new(segments);
        Ok(())
    }

    /// Writes the `.cleaned` files, durable; returns the log's length and whether anything went.
    fn write_thinned(
        &self,
        group: &[(Arc<Segment>, Offset)],
        thinning: &mut Thinning<'_>,
        config: &LogConfig,
    ) -> Result<(u64, bool), LogError> {
        let fs = &self.volume.fs;
        let Some((first, _)) = group.first() else {
            return Ok((0, false));
        };
        let base = first.base;
        let path = |ending: &str| file_path(&self.dir, base, &format!("{ending}.cleaned"));
        // Stands for the new segment while its indexes are made.
        let shape = Segment::new(
            fs,
            &self.dir,
            base,
            0,
            Index::growing(path("index")),
            Index::growing(path("timeindex")),
        );
        let mut out = Out::new(&**fs, &path("log"))?;
        let mut growth = Growth::new(self.volume.clock.now());
        let mut aborted_left = Vec::new();
        let mut changed = false;
        for (segment, _) in group {
            let aborted = self.aborted_in(segment)?;
            let mut at = Position(0);
            while let Some((header, bytes)) = segment.batch_at(at)? {
                at = Position(at.0 + header.size_bytes as u64);
                let outcome = thinning.decide(&header, &bytes);
                changed |= outcome != Outcome::Keep;
                let (header, bytes) = match outcome {
                    Outcome::Keep => (header, bytes),
                    Outcome::Drop => continue,
                    Outcome::Replace(bytes) => (BatchHeader::parse(&bytes)?, bytes.into()),
                };
                growth.add(
                    &shape,
                    &**fs,
                    &header,
                    Position(out.len),
                    config.index_interval_bytes,
                );
                if header.is_control() {
                    let marker = header.last_offset();
                    aborted_left.extend(aborted.iter().filter(|txn| txn.last_offset == marker));
                }
                out.write(&bytes)?;
            }
        }
        out.finish()?;
        growth.note_time(&shape, &**fs);
        let failed = |error| LogError::io("cannot write the indexes of", &path("log"), error);
        let flushed = shape
            .offsets
            .flush(&**fs)
            .and_then(|()| shape.times.flush(&**fs));
        flushed.map_err(failed)?;
        if !aborted_left.is_empty() {
            let index = crate::txn_index::TxnIndex::at(path("txnindex"));
            for txn in aborted_left {
                index.push(&**fs, txn).map_err(failed)?;
            }
        }
        for ending in ENDINGS {
            match fs.open(&path(ending), Open::Read) {
                // Nothing is renamed before it is durable, so a sync that fails here loses nothing.
                Ok(file) => file.sync_data().map_err(failed)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound && ending == "txnindex" => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok((out.len, changed))
    }
}

/// Learns the newest offset of each key that was written since the last compaction.
fn learn(
    due: &[(Arc<Segment>, Offset)],
    end: Offset,
    first_dirty: Offset,
    aborted: &Aborted,
) -> Result<NewestByKey, LogError> {
    let mut newest = NewestByKey::new();
    for (segment, _) in due.iter().filter(|(_, end)| *end > first_dirty) {
        let mut at = Position(0);
        while let Some((header, bytes)) = segment.batch_at(at)? {
            at = Position(at.0 + header.size_bytes as u64);
            if header.next_offset() <= first_dirty || aborted.holds(&header) {
                newest.pass_over(&header);
            } else if !newest.learn(&header, &bytes) {
                return Ok(newest);
            }
        }
    }
    newest.end = end;
    Ok(newest)
}

/// Writes a file in large pieces.
struct Out {
    file: Arc<dyn File>,
    path: std::path::PathBuf,
    waiting: Vec<u8>,
    /// With what waits.
    len: u64,
}

impl Out {
    fn new(fs: &dyn Fs, path: &Path) -> Result<Self, LogError> {
        let file = fs.open(path, Open::ReadWrite);
        Ok(Self {
            file: file.map_err(|error| LogError::io("cannot make", path, error))?,
            path: path.into(),
            waiting: Vec::new(),
            len: 0,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        self.waiting.extend_from_slice(bytes);
        self.len += bytes.len() as u64;
        if self.waiting.len() >= WRITE_LEN {
            self.finish()
        } else {
            Ok(())
        }
    }

    fn finish(&mut self) -> Result<(), LogError> {
        let start = self.len - self.waiting.len() as u64;
        let written = self.file.write_all_at(&self.waiting, start);
        written.map_err(|error| LogError::io("cannot write", &self.path, error))?;
        self.waiting.clear();
        Ok(())
    }
}

/// Neighbours that together are no larger than a segment may be.
fn groups<'a>(
    due: &'a [(Arc<Segment>, Offset)],
    config: &LogConfig,
) -> Vec<&'a [(Arc<Segment>, Offset)]> {
    let mut groups = Vec::new();
    let mut rest = due;
    while let Some((first, _)) = rest.first() {
        let mut bytes = 0;
        let count = rest
            .iter()
            .take_while(|(segment, end)| {
                bytes += segment.len();
                bytes <= config.segment_bytes.min(LARGEST_RELATIVE as u64)
                    && end.0 - first.base.0 <= LARGEST_RELATIVE
            })
            .count()
            .max(1);
        let (group, behind) = rest.split_at(count);
        groups.push(group);
        rest = behind;
    }
    groups
}

fn rename_if_there(fs: &dyn Fs, from: &Path, to: &Path) -> Result<(), LogError> {
    match fs.rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LogError::io("cannot rename", from, error))
        }
        _ => Ok(()),
    }
}

/// Finishes an exchange that a crash interrupted: `base`'s `.log.swap` is there, so it and its indexes are whole.
pub(super) fn finish_swap(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    base: Offset,
    bases: &[Offset],
) -> Result<(), LogError> {
    let swap = file_path(dir, base, "log.swap");
    let len = fs
        .len(&swap)
        .map_err(|error| LogError::io("cannot read", &swap, error))?;
    // The segments it replaces start before its last offset. One that starts behind may have been part of it as well, and emptied:
    // it stays as it was, newer than all that was kept, and so takes nothing back.
    let shape = Segment::in_file(fs, swap, base, len);
    let mut last = base;
    shape.scan(Position(0), |header, _| {
        last = last.max(header.last_offset());
        true
    })?;
    for old in bases.iter().filter(|old| (base..=last).contains(*old)) {
        for ending in ENDINGS {
            let path = file_path(dir, *old, ending);
            rename_if_there(&**fs, &path, &with_suffix(&path, ".deleted"))?;
        }
    }
    for ending in ENDINGS {
        let swap = file_path(dir, base, &format!("{ending}.swap"));
        rename_if_there(&**fs, &swap, &file_path(dir, base, ending))?;
    }
    fs.sync_dir(dir)
        .map_err(|error| LogError::io("cannot sync", dir, error))
}
