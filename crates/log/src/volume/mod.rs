//! A data folder: locked against other processes, and with the threads that make its partitions' records durable.
//!
//! Partitions report what they wrote; the sync threads cover all of it with as few syncs as they can (group commit) and tell them. A
//! further thread does what may take its time: recovery points, removal of folders.

mod checkpoints;
mod sync;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use weir_base::fs::{Fs, Lock, Open};
use weir_base::time::Clock;

use crate::cache::Cache;
use crate::error::LogError;
use crate::offset::Offset;
use crate::partition::PartitionLog;
use checkpoints::Checkpoints;
pub(crate) use sync::{Covering, LANES};
use sync::{Queue, Rounds, Task};

/// Kafka's mark of a clean shutdown.
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// What a deleted partition's folder ends in until it is gone.
pub(crate) const DELETED_DIR: &str = "-delete";

type FailureCallback = Box<dyn Fn(io::Error) + Send + Sync>;

/// How a volume works.
#[derive(Debug, Clone, Copy)]
pub struct VolumeOptions {
    /// Bytes of newest batches kept in memory for readers at the tail.
    pub cache_bytes: usize,
    /// Whether the volume's threads run; without them [`Volume::sync`] and [`Volume::upkeep`] do their work, as tests want it.
    pub threads: bool,
}

impl Default for VolumeOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 32 << 20,
            threads: true,
        }
    }
}

/// A data folder and its group commit.
pub struct Volume {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cache: Cache,
    dir: PathBuf,
    lock: Mutex<Option<Box<dyn Lock>>>,
    found: Vec<(String, i32)>,
    open: Mutex<HashMap<(String, i32), Weak<PartitionLog>>>,
    checkpoints: Mutex<Checkpoints>,
    queue: Arc<Queue<Arc<PartitionLog>>>,
    tasks: Arc<Queue<Task>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    rounds: Rounds,
    /// Whether names in the data folder itself are not durable yet.
    names_unsynced: AtomicBool,
    failure: Mutex<Option<String>>,
    on_failure: Mutex<Vec<FailureCallback>>,
    failed: AtomicBool,
    closed: AtomicBool,
    next_id: AtomicU64,
}

impl Volume {
    /// Opens the folder, making it if it is not there, and takes its lock.
    pub fn open(fs: Arc<dyn Fs>, clock: Arc<dyn Clock>, dir: &Path) -> Result<Arc<Self>, LogError> {
        Self::open_with(fs, clock, dir, VolumeOptions::default())
    }

    /// [`Volume::open`] with a say in how it works.
    pub fn open_with(
        fs: Arc<dyn Fs>,
        clock: Arc<dyn Clock>,
        dir: &Path,
        options: VolumeOptions,
    ) -> Result<Arc<Self>, LogError> {
        make_durable_dir(&*fs, dir).map_err(|error| LogError::io("cannot make", dir, error))?;
        let lock = fs.lock(&dir.join(".lock")).map_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                LogError::Locked { dir: dir.into() }
            } else {
                LogError::io("cannot lock", dir, error)
            }
        })?;
        let found = find_partitions(&*fs, dir)?;
        let checkpoints = Checkpoints::read(&*fs, dir)?;
        let clean = dir.join(CLEAN_SHUTDOWN);
        match fs.remove_file(&clean) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(LogError::io("cannot remove", &clean, error));
            }
            _ => {}
        }
        // The mark must be gone before anything is written, or a crash would look like a clean shutdown.
        let synced = fs.sync_dir(dir);
        synced.map_err(|error| LogError::io("cannot sync", dir, error))?;
        let volume = Arc::new(Self {
            fs,
            clock,
            cache: Cache::new(options.cache_bytes),
            dir: dir.into(),
            lock: Mutex::new(Some(lock)),
            found,
            open: Mutex::default(),
            checkpoints: Mutex::new(checkpoints),
            queue: Arc::default(),
            tasks: Arc::default(),
            threads: Mutex::default(),
            rounds: Rounds::default(),
            names_unsynced: AtomicBool::new(false),
            failure: Mutex::default(),
            on_failure: Mutex::default(),
            failed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            next_id: AtomicU64::new(0),
        });
        if options.threads {
            volume.start_threads()?;
        }
        Ok(volume)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The partitions whose folders were found when the volume was opened, by topic and number.
    pub fn partitions(&self) -> Vec<(String, i32)> {
        self.found.clone()
    }

    /// Calls `failed` when a sync fails: from then on nothing is known of what is durable, and the process had best end.
    pub fn on_failure(&self, failed: Box<dyn Fn(io::Error) + Send + Sync>) {
        guard(&self.on_failure).push(failed);
    }

    /// Whether a sync has failed.
    pub fn sync_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Makes everything durable, leaves the marks of a clean shutdown and ends the threads. Appends afterwards are refused.
    pub fn close(&self) -> Result<(), LogError> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.queue.stop();
        self.tasks.stop();
        let here = std::thread::current().id();
        for thread in std::mem::take(&mut *guard(&self.threads)) {
            if thread.thread().id() != here {
                // A panic there has been reported on stderr already, and shows here as what is not durable.
                let _ = thread.join();
            }
        }
        self.upkeep();
        let closed = self.close_partitions();
        guard(&self.open).clear();
        drop(guard(&self.lock).take());
        closed
    }

    fn close_partitions(&self) -> Result<(), LogError> {
        let partitions = self.open_partitions();
        self.sync_round(&partitions);
        self.check()?;
        let mut states = Vec::new();
        for partition in &partitions {
            if let Some(state) = partition.write_state_for_close()? {
                states.push((partition, state));
            }
        }
        // One sync for all their files, or thousands of partitions would take minutes to close.
        let marker = self.dir.join(".lock");
        let synced = self
            .fs
            .open(&marker, Open::ReadWrite)
            .and_then(|file| file.sync_file_system());
        match synced {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                for (partition, state) in &states {
                    partition.sync_state(state)?;
                }
            }
            Err(error) => {
                self.fail(&error);
                return self.check();
            }
            Ok(()) => {}
        }
        for (partition, state) in &states {
            partition.note_state(state);
        }
        self.write_checkpoints()?;
        let clean = self.dir.join(CLEAN_SHUTDOWN);
        crate::checkpoint::replace(&*self.fs, &clean, b"{\"version\":0,\"brokerEpoch\":-1}")
            .map_err(|error| LogError::io("cannot write", &clean, error))
    }

    /// The partitions that are open.
    pub(crate) fn open_partitions(&self) -> Vec<Arc<PartitionLog>> {
        let mut partitions: Vec<_> = guard(&self.open)
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        partitions
            .sort_unstable_by(|a, b| (a.topic(), a.partition()).cmp(&(b.topic(), b.partition())));
        partitions
    }

    /// The partition if it is open, else what `open` makes of it; nobody opens it at the same time.
    pub(crate) fn open_once(
        &self,
        topic: &str,
        partition: i32,
        open: impl FnOnce() -> Result<Arc<PartitionLog>, LogError>,
    ) -> Result<Arc<PartitionLog>, LogError> {
        let mut all = guard(&self.open);
        if self.closed.load(Ordering::Acquire) {
            return Err(LogError::Closed {
                topic: topic.to_owned(),
                partition,
            });
        }
        let key = (topic.to_owned(), partition);
        if let Some(there) = all.get(&key).and_then(Weak::upgrade) {
            return Ok(there);
        }
        let opened = open()?;
        all.insert(key, Arc::downgrade(&opened));
        Ok(opened)
    }

    /// Forgets a deleted partition and has its folder removed.
    pub(crate) fn forget(&self, topic: &str, partition: i32, dir: PathBuf) {
        let key = (topic.to_owned(), partition);
        guard(&self.open).remove(&key);
        guard(&self.checkpoints).remove(&key);
        self.tasks.push(Task::RemoveDir(dir));
    }

    /// A name for a deleted partition's folder, as Kafka forms it.
    pub(crate) fn deleted_dir(&self, topic: &str, partition: i32) -> PathBuf {
        let unique = self.next_id.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now().0;
        self.dir.join(format!(
            "{topic}-{partition}.{now:016x}{unique:016x}{DELETED_DIR}"
        ))
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn names_changed(&self) {
        self.names_unsynced.store(true, Ordering::Release);
    }

    /// An error once a sync has failed.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        if !self.sync_failed() {
            return Ok(());
        }
        let why = guard(&self.failure).clone().unwrap_or_default();
        Err(LogError::Failed { why })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn recovery_point(&self, topic: &str, partition: i32) -> Option<Offset> {
        guard(&self.checkpoints).recovery_point(topic, partition)
    }

    pub(crate) fn log_start(&self, topic: &str, partition: i32) -> Option<Offset> {
        guard(&self.checkpoints).log_start(topic, partition)
    }

    /// Notes from where on a crash makes recovery read the log; [`Volume::write_checkpoints`] keeps it.
    pub(crate) fn set_recovery_point(&self, topic: &str, partition: i32, offset: Offset) {
        guard(&self.checkpoints).set_recovery_point(topic, partition, offset);
    }

    pub(crate) fn set_log_start(&self, topic: &str, partition: i32, offset: Offset) {
        guard(&self.checkpoints).set_log_start(topic, partition, offset);
    }

    pub(crate) fn cleaned_up_to(&self, topic: &str, partition: i32) -> Option<Offset> {
        guard(&self.checkpoints).cleaned_up_to(topic, partition)
    }

    pub(crate) fn set_cleaned_up_to(&self, topic: &str, partition: i32, offset: Offset) {
        guard(&self.checkpoints).set_cleaned_up_to(topic, partition, offset);
    }

    /// Puts the checkpoints that have changed on stable storage.
    pub(crate) fn write_checkpoints(&self) -> Result<(), LogError> {
        guard(&self.checkpoints).write(&*self.fs, &self.dir)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        self.queue.stop();
        self.tasks.stop();
    }
}

/// A lock whose holder panicked is still taken: what it guards is made consistent before anything that can panic.
pub(crate) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a folder, and those above it that are missing, and makes their names durable.
fn make_durable_dir(fs: &dyn Fs, dir: &Path) -> io::Result<()> {
    let missing: Vec<_> = dir
        .ancestors()
        .take_while(|above| !above.as_os_str().is_empty() && fs.read_dir(above).is_err())
        .collect();
    fs.create_dir_all(dir)?;
    for made in missing {
        match made.parent() {
            Some(above) if above.as_os_str().is_empty() => fs.sync_dir(Path::new("."))?,
            Some(above) => fs.sync_dir(above)?,
            None => {}
        }
    }
    Ok(())
}

fn find_partitions(fs: &dyn Fs, dir: &Path) -> Result<Vec<(String, i32)>, LogError> {
    let entries = fs.read_dir(dir);
    let mut found = Vec::new();
    for (name, is_dir) in entries.map_err(|error| LogError::io("cannot list", dir, error))? {
        let Some(name) = name.to_str().filter(|_| is_dir) else {
            continue;
        };
        if name.ends_with(DELETED_DIR) {
            let path = dir.join(name);
            let removed = fs.remove_dir_all(&path);
            removed.map_err(|error| LogError::io("cannot remove", &path, error))?;
            continue;
        }
        if let Some((topic, partition)) = name.rsplit_once('-')
            && let Ok(partition) = partition.parse::<i32>()
            && partition >= 0
            && is_topic_name(topic)
        {
            found.push((topic.to_owned(), partition));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Kafka's rule for topic names; it also keeps them inside the data folder.
pub(crate) fn is_topic_name(topic: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=249).contains(&topic.len()) && topic.bytes().all(legal) && topic != "." && topic != ".."
}
