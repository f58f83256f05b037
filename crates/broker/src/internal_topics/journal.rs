//! Where coordinators write what they must remember: a partition of an internal topic, seen as a journal.
//!
//! State machines append through [`Journal`] and know nothing else of the disk. Their shells append through an
//! [`InternalTopic`], which is the broker's partitions or, in tests, memory; they wait with [`InternalTopic::durable`]
//! before they let an answer out that depends on what was appended.

use super::batch::{self, BatchProducer, Content, KeyedRecord};
use bytes::BytesMut;
use kafka_protocol::ResponseError;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use weir_base::time::Clock;

/// The time of a step: a monotonic one for timers and a wall clock's for what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since some fixed moment; never goes back.
    pub monotonic: Duration,
    /// Milliseconds since the Unix epoch.
    pub wall_ms: i64,
}

impl Now {
    /// What the clock says.
    pub fn of(clock: &dyn Clock) -> Self {
        Self {
            monotonic: clock.monotonic(),
            wall_ms: clock.now().0,
        }
    }
}

/// Where a state machine's records go. An append has happened when it returns; that it is durable is waited for by the
/// shell before any answer of the same step leaves.
pub trait Journal {
    /// Appends `records` as one batch and returns the offset of the first. With a producer they belong to its transaction.
    fn append(
        &mut self,
        records: &[KeyedRecord],
        producer: Option<BatchProducer>,
    ) -> Result<i64, ResponseError>;
}

/// The offsets a batch was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The first record's.
    pub base_offset: i64,
    /// The last record's.
    pub last_offset: i64,
}

/// A future that can move between threads.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An internal topic, as its coordinator uses it.
pub trait InternalTopic: Send + Sync + 'static {
    /// How many partitions it has, or will have once it is made.
    fn partitions(&self) -> i32;
    /// Makes the topic unless it is there.
    fn ensure(&self) -> Later<'_, Result<(), ResponseError>>;
    /// Appends a batch to a partition.
    fn append(&self, partition: i32, batch: BytesMut) -> Result<Appended, ResponseError>;
    /// Returns when the record at `last_offset` is durable.
    fn durable(&self, partition: i32, last_offset: i64) -> Later<'_, Result<(), ResponseError>>;
    /// Hands everything in a partition to `each`, oldest first, with the offset of each batch's first record.
    fn read(&self, partition: i32, each: &mut dyn FnMut(Content)) -> Result<(), ResponseError>;
}

/// A [`Journal`] on one partition of a topic, for one step.
pub struct PartitionJournal<'a> {
    topic: &'a dyn InternalTopic,
    partition: i32,
    wall_ms: i64,
    /// The last offset this step appended.
    pub last_offset: Option<i64>,
}

impl<'a> PartitionJournal<'a> {
    /// The journal for a step at `now`.
    pub fn new(topic: &'a dyn InternalTopic, partition: i32, now: Now) -> Self {
        Self {
            topic,
            partition,
            wall_ms: now.wall_ms,
            last_offset: None,
        }
    }
}

impl Journal for PartitionJournal<'_> {
    fn append(
        &mut self,
        records: &[KeyedRecord],
        producer: Option<BatchProducer>,
    ) -> Result<i64, ResponseError> {
        let batch = batch::encode(records, self.wall_ms, producer);
        let appended = self.topic.append(self.partition, batch)?;
        self.last_offset = Some(appended.last_offset);
        Ok(appended.base_offset)
    }
}
