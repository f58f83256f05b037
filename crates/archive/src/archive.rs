//! An archive as a whole: what was asked for, and what its topics share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use weir_base::progress::{Progress, Snapshot};
use weir_base::time::{Clock, SystemClock};
use weir_client::Kafka;

use crate::range::Rolling;
use crate::status::Status;
use crate::store::Store;
use crate::topic::Topic;
use crate::{ArchiveError, Destination, Format, Layout};

/// Bytes that all files being written hold in memory together.
const HELD_BYTES: usize = 256 << 20;
/// How much is appended to a single file at a time, at most.
const PIECE_BYTES: u64 = 32 << 20;

/// Archives topics.
#[derive(Clone)]
pub struct Archive {
    /// The topics.
    pub topics: Vec<String>,
    /// Where to.
    pub to: Destination,
    /// The store's own options, by their names there: `object_store`'s for S3, Hadoop's for HDFS.
    pub store_options: BTreeMap<String, String>,
    /// What the files hold.
    pub format: Format,
    /// Whether all records of a topic go into one file that grows.
    pub single_file: bool,
    /// How long a file becomes, about.
    pub roll_bytes: u64,
    /// How long after its first record was read a file is archived at the latest, or a single file appended to.
    pub roll_after: Duration,
    /// Whether to go on when everything is archived.
    pub follow: bool,
    /// The consumer group, for all topics; `None`: one for each topic, named after it and where it is archived to.
    pub group: Option<String>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Told how it stands.
    pub status: Arc<Status>,
    /// Told of each file that is archived.
    pub on_file: Arc<dyn Fn(&Archived) + Send + Sync>,
}

/// A file that is archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Archived {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset of its first record.
    pub first: i64,
    /// The offset of its last record.
    pub last: i64,
    /// How many it holds.
    pub records: u64,
    /// Its length.
    pub bytes: u64,
    /// Where it is.
    pub url: String,
}

/// What the topics of an archive share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) format: Format,
    pub(crate) follow: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) status: Arc<Status>,
    pub(crate) on_file: Arc<dyn Fn(&Archived) + Send + Sync>,
    pub(crate) tally: Tally,
    single_file: bool,
    roll_bytes: u64,
    roll_after: Duration,
    topics: usize,
    group: Option<String>,
    /// What was last said about a store that would not, by topic.
    waiting: Mutex<BTreeMap<String, String>>,
}

impl Archive {
    /// Archives `topics` to `to` with everything else as it is best for most.
    pub fn new(topics: Vec<String>, to: Destination, format: Format) -> Self {
        Self {
            topics,
            to,
            store_options: BTreeMap::new(),
            format,
            single_file: false,
            roll_bytes: 64 << 20,
            roll_after: Duration::from_mins(5),
            follow: true,
            group: None,
            clock: Arc::new(SystemClock::new()),
            status: Arc::default(),
            on_file: Arc::new(|_| {}),
        }
    }

    /// Archives until `shutdown`, or, where it is not to follow, until everything that was there is archived.
    pub async fn run(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<(), ArchiveError> {
        if self.single_file {
            if self.to.is_s3() {
                return Err(ArchiveError::NothingGrowsThere);
            }
            if !self.format.can_grow() {
                return Err(ArchiveError::CannotGrow(self.format.name()));
            }
        }
        let note = |text: &str| progress.note(text);
        let opened = async {
            let mut partitions = Vec::with_capacity(self.topics.len());
            for topic in &self.topics {
                partitions.push(kafka.topic(topic).await?.partitions.len());
            }
            let store = self.to.open(&self.store_options, &note).await?;
            Ok::<_, ArchiveError>((store, partitions))
        };
        let (store, partitions) = tokio::select! {
            opened = opened => opened?,
            () = shutdown.cancelled() => return Ok(()),
        };
        let group = self.group.clone();
        let shared = Arc::new(Shared {
            store,
            format: self.format,
            follow: self.follow,
            clock: self.clock,
            progress,
            status: self.status,
            on_file: self.on_file,
            tally: Tally::default(),
            roll_bytes: if self.single_file {
                self.roll_bytes.min(PIECE_BYTES)
            } else {
                self.roll_bytes
            },
            single_file: self.single_file,
            roll_after: self.roll_after,
            topics: self.topics.len(),
            group,
            waiting: Mutex::default(),
        });
        let ends = shutdown.child_token();
        let mut jobs = JoinSet::new();
        for (topic, partitions) in self.topics.iter().zip(partitions) {
            let job = tokio::select! {
                job = Topic::join(topic, partitions, kafka, shared.clone()) => job?,
                () = shutdown.cancelled() => break,
            };
            jobs.spawn(job.run(ends.clone()));
        }
        let mut outcome = Ok(());
        while let Some(ended) = jobs.join_next().await {
            if let Ok(Err(error)) = ended {
                // The others archive what they have.
                ends.cancel();
                outcome = outcome.and(Err(error));
            }
        }
        shared.show();
        outcome
    }
}

impl Shared {
    /// The group of a topic's readers. Those who archive the same topic elsewhere, or in another format, are another group's.
    pub(crate) fn group_of(&self, topic: &str) -> String {
        self.group.clone().unwrap_or_else(|| {
            let mut place = format!("{} {}", self.store.url(""), self.format.name());
            if self.single_file {
                place += " single";
            }
            format!("weir-archive-{topic}-{:08x}", fnv1a(place.as_bytes()))
        })
    }

    /// The names of a partition's files.
    pub(crate) fn layout(&self, topic: &Arc<str>, partition: i32) -> Layout {
        let layout = Layout::new(topic.clone(), partition, self.format);
        if self.single_file {
            layout.single()
        } else {
            layout
        }
    }

    /// When files end, where a topic has so many partitions here.
    pub(crate) fn rolling(&self, partitions: usize) -> Rolling {
        Rolling {
            bytes: self.roll_bytes,
            after: self.roll_after,
            held_bytes: HELD_BYTES / (partitions * self.topics).max(1),
        }
    }

    /// Notes that the store would not. `false` if that is known already.
    pub(crate) fn waits(&self, topic: &str, why: &str) -> bool {
        self.status.waits(topic, why.to_owned());
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(topic.to_owned(), why.to_owned())
            .is_none()
    }

    /// Notes that the store does what it is asked to.
    pub(crate) fn works(&self, topic: &str) {
        let waited = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(topic);
        if waited.is_some() {
            self.progress
                .note(&format!("the store takes files of {topic:?} again"));
        }
    }

    /// Shows how far it is.
    pub(crate) fn show(&self) {
        let (records, bytes, expected) = self.tally.counts();
        if records == 0 {
            return;
        }
        self.progress.update(&Snapshot {
            records,
            bytes,
            total: (!self.follow).then_some(expected.max(records)),
            ..Snapshot::default()
        });
    }
}

/// What has been read, and is still to be.
#[derive(Default)]
pub(crate) struct Tally {
    records: AtomicU64,
    bytes: AtomicU64,
    expected: Mutex<BTreeMap<(String, i32), u64>>,
}

impl Tally {
    /// A record more.
    pub(crate) fn read(&self, bytes: u64) {
        self.records.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A partition has so many records to come; the first word counts, since what is read again is no progress.
    pub(crate) fn expect(&self, partition: i32, topic: &str, records: i64) {
        self.expected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry((topic.to_owned(), partition))
            .or_insert(records.max(0).unsigned_abs());
    }

    fn counts(&self) -> (u64, u64, u64) {
        let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        (
            self.records.load(Ordering::Relaxed),
            self.bytes.load(Ordering::Relaxed),
            expected.values().sum(),
        )
    }
}

/// FNV-1a, 32 bits: names a group the same way in every version of this program.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
