//! One partition's log in Apache Kafka's file formats: record batches go in as bytes, come out as the same bytes, and are on
//! stable storage before anybody may read them.
//!
//! A [`Volume`] is a data folder with the thread that makes what was written durable (group commit). A [`PartitionLog`] is one
//! `topic-N/` folder in it: append, read, look up by time, retention, compaction, recovery. In flow buffers of record batches
//! (message format 2) and a configuration; out flow the same buffers with their offsets set, and a call when more has become durable.
//!
//! No sockets, no async runtime, no Kafka requests: those are `broker`'s.

pub mod batch;
mod cache;
mod checkpoint;
mod compaction;
pub mod compression;
mod config;
mod error;
mod growth;
mod index;
mod marks;
mod offset;
mod partition;
mod producers;
pub mod record;
mod segment;
mod snapshot;
mod txn_index;
mod types;
mod volume;

pub use config::{CleanupPolicy, LogConfig, TimestampType};
pub use error::LogError;
pub use offset::{AbortedTxn, Offset, Offsets, Position, TimedOffset};
pub use partition::PartitionLog;
pub use types::{Appended, Isolation, Origin, ProducerEntry, ReadBatches};
pub use volume::{Volume, VolumeOptions};
