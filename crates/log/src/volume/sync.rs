//! Group commit: everything written since the last covering sync was begun is made durable by the next.
//!
//! [`LANES`] of them may be under way at once, each with open files of its own, for the kernel tells of a failed write once to each open
//! file: what failed under one sync must not be taken for durable by another. They begin one after the other and are told
//! of in the same order, so a sync that is done early says nothing before those in front of it, whose files it has not covered.
//!
//! An append that somebody waits for (`acks=all`, a reader at the tail) is synced at once on an idle volume; what comes meanwhile
//! waits for the next round and shares it. One that nobody waits for is synced when somebody does, or after [`UNAWAITED`]: no
//! reader is kept from anything, and a producer that asks for no disk does not have to share it. Few dirty files are synced one
//! by one, many with one `syncfs`. A sync that fails is never tried again: the kernel may have dropped the very pages it
//! failed on, and a second call would report success.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use weir_base::fs::File;
use weir_base::time::Clock;

use super::{Volume, guard};
use crate::error::LogError;
use crate::offset::Offset;
use crate::partition::PartitionLog;

/// From so many files and folders on, one `syncfs` is faster than a sync of each. Measured on ext4: idle, 10 files take 1.6 ms one by
/// one and 0.4 ms with `syncfs`, one takes 0.17 ms; on a machine whose cores and disk were busy, 8 kB in each of 4 files took 24 ms (p50)
/// one by one and 18 ms with `syncfs`, in 8 files 43 and 6, in 32 files 118 and 7, though `syncfs` waits for other programs' writes too.
const SYNCFS_FROM: usize = 4;

/// Syncs under way at once. A disk takes about as long for a small sync as for a large one, and a producer has a few requests on
/// their way at most: with one sync at a time each request waits for the end of somebody else's first.
pub(crate) const LANES: usize = 2;

/// The longest that what nobody waits for is left to the operating system's cache alone.
const UNAWAITED: Duration = Duration::from_secs(1);

/// What a round has to make durable of one partition.
pub(crate) struct Covering {
    /// The log end that will be durable.
    pub target: Offset,
    pub files: Vec<Arc<dyn File>>,
    /// The partition's folder, if names in it have changed.
    pub dir: Option<PathBuf>,
}

/// The rounds of syncing.
#[derive(Default)]
pub(super) struct Rounds {
    /// Held by the round that uses this lane's files.
    lanes: [Mutex<()>; LANES],
    counts: Mutex<Counts>,
    /// A round has ended, or a sync has failed.
    changed: Condvar,
}

#[derive(Default)]
struct Counts {
    begun: u64,
    ended: u64,
}

/// Work for the upkeep thread.
pub(crate) enum Task {
    Checkpoint(Weak<PartitionLog>),
    RemoveDir(PathBuf),
}

/// What waits for a thread.
pub(crate) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
}

struct Waiting<T> {
    now: Vec<T>,
    later: Vec<T>,
    /// When `later` is due, by the monotonic clock.
    due: Duration,
    stopped: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                now: Vec::new(),
                later: Vec::new(),
                due: Duration::ZERO,
                stopped: false,
            }),
            changed: Condvar::new(),
        }
    }
}

impl<T> Queue<T> {
    pub fn push(&self, item: T) {
        guard(&self.waiting).now.push(item);
        self.changed.notify_one();
    }

    /// Has `item` taken by the time `due`, or when the first of those that came before it is.
    fn push_later(&self, item: T, due: Duration) {
        let mut waiting = guard(&self.waiting);
        if waiting.later.is_empty() {
            waiting.due = due;
            self.changed.notify_one();
        }
        waiting.later.push(item);
    }

    pub fn stop(&self) {
        guard(&self.waiting).stopped = true;
        self.changed.notify_all();
    }

    pub fn take(&self) -> Vec<T> {
        let mut waiting = guard(&self.waiting);
        let mut taken = std::mem::take(&mut waiting.now);
        taken.append(&mut waiting.later);
        taken
    }

    /// All that waits, once something is due; `None` when stopped.
    fn wait(&self, clock: &dyn Clock) -> Option<Vec<T>> {
        let mut waiting = guard(&self.waiting);
        loop {
            if waiting.stopped {
                return None;
            }
            if !waiting.now.is_empty() {
                let mut taken = std::mem::take(&mut waiting.now);
                if !waiting.later.is_empty() && clock.monotonic() >= waiting.due {
                    taken.append(&mut waiting.later);
                }
                return Some(taken);
            }
            waiting = if waiting.later.is_empty() {
                let woken = self.changed.wait(waiting);
                woken.unwrap_or_else(PoisonError::into_inner)
            } else {
                let left = waiting.due.saturating_sub(clock.monotonic());
                if left.is_zero() {
                    return Some(std::mem::take(&mut waiting.later));
                }
                self.wait_for(waiting, left)
            };
        }
    }

    fn wait_for<'a>(
        &self,
        waiting: MutexGuard<'a, Waiting<T>>,
        time: Duration,
    ) -> MutexGuard<'a, Waiting<T>> {
        let woken = self.changed.wait_timeout(waiting, time);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Volume {
    pub(super) fn start_threads(self: &Arc<Self>) -> Result<(), LogError> {
        // The threads hold the queues, not the volume: one that is dropped without being closed ends them.
        let mut threads = Vec::new();
        for lane in 0..LANES {
            let queue = Arc::clone(&self.queue);
            let clock = Arc::clone(&self.clock);
            let sync = std::thread::Builder::new()
                .name("log-sync".to_owned())
                .spawn(move || {
                    while let Some(partitions) = queue.wait(&*clock) {
                        if let Some(volume) =
                            partitions.first().map(|first| Arc::clone(first.volume()))
                        {
                            volume.sync_round_in(lane, &partitions);
                        }
                    }
                });
            threads.push(sync);
        }
        let tasks = Arc::clone(&self.tasks);
        let clock = Arc::clone(&self.clock);
        let volume = Arc::downgrade(self);
        let upkeep = std::thread::Builder::new()
            .name("log-upkeep".to_owned())
            .spawn(move || {
                while let Some(waiting) = tasks.wait(&*clock) {
                    let Some(volume) = volume.upgrade() else {
                        return;
                    };
                    volume.run_tasks(waiting);
                }
            });
        threads.push(upkeep);
        for thread in threads {
            let thread = thread.map_err(|error| {
                LogError::io("cannot start the sync thread of", &self.dir, error)
            })?;
            guard(&self.threads).push(thread);
        }
        Ok(())
    }

    /// Has the sync thread cover `partition`.
    pub(crate) fn schedule(&self, partition: Arc<PartitionLog>) {
        self.queue.push(partition);
    }

    /// Has the sync thread cover `partition` when something else makes it, or in a while.
    pub(crate) fn schedule_later(&self, partition: Arc<PartitionLog>) {
        self.queue
            .push_later(partition, self.clock.monotonic() + UNAWAITED);
    }

    /// Has the upkeep thread move the partition's recovery point.
    pub(crate) fn schedule_checkpoint(&self, partition: &Arc<PartitionLog>) {
        self.tasks.push(Task::Checkpoint(Arc::downgrade(partition)));
    }

    /// Makes everything written so far durable (new, still empty partitions too) and returns when it is.
    pub fn sync(&self) -> Result<(), LogError> {
        drop(self.queue.take());
        self.sync_round(&self.open_partitions());
        self.check()
    }

    /// Does what waits for the upkeep thread, for volumes without threads.
    pub fn upkeep(&self) {
        self.run_tasks(self.tasks.take());
    }

    fn run_tasks(&self, tasks: Vec<Task>) {
        for task in tasks {
            match task {
                Task::Checkpoint(partition) => {
                    let Some(partition) = partition.upgrade() else {
                        continue;
                    };
                    if let Err(error) = partition.checkpoint() {
                        tracing::warn!(topic = partition.topic(), partition = partition.partition(), %error, "recovery point stays behind");
                    }
                }
                Task::RemoveDir(dir) => {
                    if let Err(error) = self.fs.remove_dir_all(&dir) {
                        tracing::warn!(dir = %dir.display(), %error, "deleted partition's folder stays until the next start");
                    }
                }
            }
        }
    }

    /// One covering sync: returns when all that was written before is durable, unless it failed.
    pub(crate) fn sync_round(&self, partitions: &[Arc<PartitionLog>]) {
        self.sync_round_in(0, partitions);
    }

    fn sync_round_in(&self, lane: usize, partitions: &[Arc<PartitionLog>]) {
        let round = AssertUnwindSafe(|| self.round(lane, partitions));
        if catch_unwind(round).is_err() {
            // Without this the rounds behind would wait for ever, nobody would be answered again, nor know why.
            self.fail(&io::Error::other("a sync panicked"));
        }
    }

    fn round(&self, lane: usize, partitions: &[Arc<PartitionLog>]) {
        let Some(_lane) = self.rounds.lanes.get(lane).map(guard) else {
            return;
        };
        let mut counts = guard(&self.rounds.counts);
        if self.sync_failed() {
            return;
        }
        let work: Vec<_> = partitions
            .iter()
            .filter_map(|partition| Some((partition, partition.begin_sync(lane)?)))
            .collect();
        let names = self.names_unsynced.swap(false, Ordering::AcqRel);
        let number = counts.begun;
        counts.begun += 1;
        drop(counts);
        if let Err(error) = self.sync_files(&work, names) {
            return self.fail(&error);
        }
        let mut counts = guard(&self.rounds.counts);
        while counts.ended != number && !self.sync_failed() {
            let woken = self.rounds.changed.wait(counts);
            counts = woken.unwrap_or_else(PoisonError::into_inner);
        }
        drop(counts);
        if self.sync_failed() {
            return;
        }
        for (partition, covering) in &work {
            partition.durable(covering.target);
        }
        guard(&self.rounds.counts).ended += 1;
        self.rounds.changed.notify_all();
    }

    fn sync_files(&self, work: &[(&Arc<PartitionLog>, Covering)], names: bool) -> io::Result<()> {
        let count = work
            .iter()
            .map(|(_, covering)| covering.files.len() + usize::from(covering.dir.is_some()))
            .sum::<usize>();
        let any = work.iter().find_map(|(_, covering)| covering.files.first());
        if let Some(file) = any.filter(|_| count + usize::from(names) >= SYNCFS_FROM) {
            match file.sync_file_system() {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
                done => return done,
            }
        }
        for (partition, covering) in work {
            for file in &covering.files {
                file.sync_data()?;
            }
            if let Some(dir) = &covering.dir {
                match self.fs.sync_dir(dir) {
                    // Deleted meanwhile: its folder has another name, or none.
                    Err(error)
                        if error.kind() == io::ErrorKind::NotFound && partition.is_closed() => {}
                    done => done?,
                }
            }
        }
        if names {
            self.fs.sync_dir(&self.dir)?;
        }
        Ok(())
    }

    /// A sync has failed: tells everybody, for good.
    pub(crate) fn fail(&self, error: &io::Error) {
        {
            let mut failure = guard(&self.failure);
            if failure.is_some() {
                return;
            }
            *failure = Some(error.to_string());
            self.failed.store(true, Ordering::Release);
        }
        drop(guard(&self.rounds.counts));
        self.rounds.changed.notify_all();
        tracing::error!(dir = %self.dir.display(), %error, "a sync failed: nothing more is written");
        for callback in &*guard(&self.on_failure) {
            callback(io::Error::new(error.kind(), error.to_string()));
        }
    }
}
