//! One partition: its segments, who writes to it, and where it stands.
//!
//! Appends take the writer's lock; reads take none that a disk access is made under. What is durable is told by the volume's sync
//! thread. The parts: [`append`](self), reading, looking up, recovery, upkeep, retention and compaction, a file each.

mod append;
mod commit;
mod compact;
mod lookup;
mod maintain;
mod read;
mod recovery;
mod upkeep;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use weir_base::fs::File;

use crate::config::LogConfig;
use crate::error::LogError;
use crate::growth::Growth;
use crate::marks::Marks;
use crate::offset::{Offset, Offsets};
use crate::producers::Producers;
use crate::segment::Segment;
use crate::types::ProducerEntry;
use crate::volume::{LANES, Volume, guard, is_topic_name};

type AdvanceCallback = Box<dyn Fn(&Offsets) + Send + Sync>;

/// What an append works on, one at a time.
struct Writer {
    /// The newest segment.
    segment: Arc<Segment>,
    files: Files,
    growth: Growth,
    next_offset: Offset,
    producers: Producers,
    /// Leader epochs and where each starts; never empty.
    epochs: Vec<(i32, Offset)>,
    /// Log files of segments closed since the last covering sync.
    unsynced: Vec<Files>,
    /// Whether names in the folder have changed since the last covering sync.
    names_unsynced: bool,
    /// Segments closed since the last checkpoint: their indexes are not durable yet.
    unchecked: Vec<Arc<Segment>>,
    bytes_since_checkpoint: u64,
}

/// A log file, opened once for each sync that may be under way.
struct Files([Arc<dyn File>; LANES]);

impl Files {
    /// A segment's log, to write and sync.
    fn of(segment: &Segment) -> Result<Self, LogError> {
        let mut files = Self::once(&segment.writable()?);
        for file in files.0.iter_mut().skip(1) {
            *file = segment.writable()?;
        }
        Ok(files)
    }

    /// A file that one sync only will cover.
    fn once(file: &Arc<dyn File>) -> Self {
        Self(std::array::from_fn(|_| Arc::clone(file)))
    }

    /// What is written to.
    fn log(&self) -> &Arc<dyn File> {
        &self.0[0]
    }

    fn of_lane(&self, lane: usize) -> Arc<dyn File> {
        Arc::clone(&self.0[lane % LANES])
    }
}

/// One partition's log.
pub struct PartitionLog {
    this: Weak<Self>,
    volume: Arc<Volume>,
    topic: String,
    partition: i32,
    dir: PathBuf,
    /// Its key in the volume's cache.
    id: u64,
    config: RwLock<Arc<LogConfig>>,
    writer: Mutex<Writer>,
    /// In order of offset; replaced whole when it changes, so that readers go on with what they have.
    segments: RwLock<Arc<Vec<Arc<Segment>>>>,
    marks: Mutex<Marks>,
    on_advance: RwLock<Vec<AdvanceCallback>>,
    /// Whether the sync thread has been asked to cover this partition.
    queued: AtomicBool,
    /// Whether the sync thread has it among what nobody waits for.
    queued_later: AtomicBool,
    /// How many wait for the high watermark to move.
    watchers: AtomicUsize,
    checkpoint_queued: AtomicBool,
    /// Held while a checkpoint, retention or compaction changes files.
    upkeep: Mutex<()>,
    /// Files to remove, and when, by the monotonic clock.
    doomed: Mutex<Vec<(Duration, Vec<PathBuf>)>>,
    topic_id: Mutex<Option<[u8; 16]>>,
    closed: AtomicBool,
    leader_epoch: std::sync::atomic::AtomicI32,
    compactions: AtomicU64,
}

impl PartitionLog {
    /// Opens the partition, making its folder if there is none, and recovering it if its volume was not closed.
    ///
    /// A new partition is durable with its first record, or with the next [`Volume::sync`].
    pub fn open(
        volume: &Arc<Volume>,
        topic: &str,
        partition: i32,
        config: LogConfig,
    ) -> Result<Arc<Self>, LogError> {
        if !is_topic_name(topic) || partition < 0 {
            return Err(LogError::InvalidTopic {
                topic: topic.to_owned(),
            });
        }
        volume.open_once(topic, partition, || {
            let dir = volume.dir().join(format!("{topic}-{partition}"));
            let made = volume.fs.create_dir_all(&dir);
            made.map_err(|error| LogError::io("cannot make", &dir, error))?;
            let recovered = recovery::recover(volume, &dir, topic, partition, &config)?;
            let topic_id = upkeep::read_topic_id(volume, &dir)?;
            let epoch = recovered
                .writer
                .epochs
                .last()
                .map_or(0, |(epoch, _)| *epoch);
            let opened = Arc::new_cyclic(|this| Self {
                this: this.clone(),
                volume: Arc::clone(volume),
                topic: topic.to_owned(),
                partition,
                dir,
                id: volume.next_id(),
                config: RwLock::new(Arc::new(config)),
                writer: Mutex::new(recovered.writer),
                segments: RwLock::new(Arc::new(recovered.segments)),
                marks: Mutex::new(recovered.marks),
                on_advance: RwLock::default(),
                queued: AtomicBool::new(false),
                queued_later: AtomicBool::new(false),
                watchers: AtomicUsize::new(0),
                checkpoint_queued: AtomicBool::new(false),
                upkeep: Mutex::default(),
                doomed: Mutex::default(),
                topic_id: Mutex::new(topic_id),
                closed: AtomicBool::new(false),
                leader_epoch: epoch.into(),
                compactions: AtomicU64::new(0),
            });
            Ok(opened)
        })
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition's number.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the log stands.
    pub fn offsets(&self) -> Offsets {
        guard(&self.marks).offsets()
    }

    /// Calls `advanced` from the sync thread after the high watermark has moved. It must not block.
    pub fn on_advance(&self, advanced: Box<dyn Fn(&Offsets) + Send + Sync>) {
        self.on_advance
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(advanced);
    }

    /// The settings now.
    pub fn config(&self) -> Arc<LogConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes other settings from now on.
    pub fn set_config(&self, config: LogConfig) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// The bytes of all segments' log files.
    pub fn size_bytes(&self) -> u64 {
        self.segments().iter().map(|segment| segment.len()).sum()
    }

    /// The producers with an id that are remembered.
    pub fn producers(&self) -> Vec<ProducerEntry> {
        guard(&self.writer).producers.entries()
    }

    /// The leader epoch that new batches are written in.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch.load(Ordering::Acquire)
    }

    pub(crate) fn volume(&self) -> &Arc<Volume> {
        &self.volume
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) || self.volume.is_closed()
    }

    fn check_open(&self) -> Result<(), LogError> {
        if self.is_closed() {
            return Err(LogError::Closed {
                topic: self.topic.clone(),
                partition: self.partition,
            });
        }
        self.volume.check()
    }

    fn segments(&self) -> Arc<Vec<Arc<Segment>>> {
        Arc::clone(&self.segments.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change_segments(&self, change: impl FnOnce(&mut Vec<Arc<Segment>>)) {
        let mut held = self
            .segments
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut segments = Vec::clone(&held);
        change(&mut segments);
        *held = Arc::new(segments);
    }
}

/// The place in `segments` of the one that holds `offset`, or the first.
fn floor_segment(segments: &[Arc<Segment>], offset: Offset) -> usize {
    segments
        .partition_point(|segment| segment.base <= offset)
        .saturating_sub(1)
}
