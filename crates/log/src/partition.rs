//! skeleton
#![allow(unused_variables)]
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use weir_base::time::Timestamp;

use crate::config::LogConfig;
use crate::error::LogError;
use crate::offset::{AbortedTxn, Offset, Offsets, TimedOffset};
use crate::volume::Volume;

/// Who wrote a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client's produce request: everything is checked.
    Client,
    /// The broker's own coordinators.
    Coordinator,
}

/// How far a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Up to the high watermark (`read_uncommitted`).
    HighWatermark,
    /// Up to the last stable offset, with the aborted transactions listed (`read_committed`).
    LastStable,
    /// Everything written, durable or not.
    LogEnd,
}

/// Where an append went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The first record's offset.
    pub base_offset: Offset,
    /// The last record's offset: durable once the high watermark is past it.
    pub last_offset: Offset,
    /// The timestamp all records were given, with `message.timestamp.type=LogAppendTime`.
    pub log_append_time: Option<Timestamp>,
    /// The log start offset at the time.
    pub log_start_offset: Offset,
    /// The batch had been written before (KIP-98): these are its offsets then, nothing was written now.
    pub duplicate: bool,
}

/// What a read found.
#[derive(Debug, Clone)]
pub struct ReadBatches {
    /// Whole record batches in order of offset; each buffer holds one or more, back to back.
    pub batches: Vec<Bytes>,
    /// Where the log stood.
    pub offsets: Offsets,
    /// With [`Isolation::LastStable`]: the aborted transactions among them.
    pub aborted: Vec<AbortedTxn>,
}

/// What is known of a producer that wrote here with a producer id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The last sequence number it wrote; -1 if none is known.
    pub last_sequence: i32,
    /// When it last wrote.
    pub last_timestamp: Timestamp,
    /// The epoch of the coordinator that last ended a transaction of it; -1 if none has.
    pub coordinator_epoch: i32,
    /// The first offset of its ongoing transaction.
    pub current_txn_first_offset: Option<Offset>,
}

/// One partition's log.
pub struct PartitionLog {}

impl PartitionLog {
    /// Opens the partition, making its folder if there is none, and recovering it if its volume was not closed.
    pub fn open(
        volume: &Arc<Volume>,
        topic: &str,
        partition: i32,
        config: LogConfig,
    ) -> Result<Arc<Self>, LogError> {
        todo!()
    }

    /// Appends one or more record batches of message format 2 that stand back to back in `records`.
    ///
    /// Returns once they are written; they are durable, and seen by readers, when the high watermark has passed them.
    pub fn append(&self, records: BytesMut, origin: Origin) -> Result<Appended, LogError> {
        todo!()
    }

    /// Ends a producer's transaction here: appends the commit or abort marker (KIP-98).
    pub fn append_marker(
        &self,
        producer_id: i64,
        epoch: i16,
        commit: bool,
        coordinator_epoch: i32,
    ) -> Result<Appended, LogError> {
        todo!()
    }

    /// Whole batches from the one that holds `from` on, up to `max_bytes`, but at least one if there is one.
    pub fn read(
        &self,
        from: Offset,
        max_bytes: usize,
        isolation: Isolation,
    ) -> Result<ReadBatches, LogError> {
        todo!()
    }

    /// Where the log stands.
    pub fn offsets(&self) -> Offsets {
        todo!()
    }

    /// Calls `advanced` from the sync thread after the high watermark has moved. It must not block.
    pub fn on_advance(&self, advanced: Box<dyn Fn(&Offsets) + Send + Sync>) {
        todo!()
    }

    /// The first record at or after `at`.
    pub fn offset_for_time(&self, at: Timestamp) -> Result<Option<TimedOffset>, LogError> {
        todo!()
    }

    /// The record with the largest timestamp (KIP-734).
    pub fn max_timestamp(&self) -> Result<Option<TimedOffset>, LogError> {
        todo!()
    }

    /// The leader epoch that new batches are written in.
    pub fn leader_epoch(&self) -> i32 {
        todo!()
    }

    /// The largest epoch not after `epoch` and the offset behind its last record (KIP-101); `(-1, -1)` if that is not known.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> (i32, Offset) {
        todo!()
    }

    /// Moves the log start offset up to `offset` (`DeleteRecords`); -1 stands for the high watermark. Returns the new log start.
    pub fn delete_records_before(&self, offset: Offset) -> Result<Offset, LogError> {
        todo!()
    }

    /// The settings now.
    pub fn config(&self) -> Arc<LogConfig> {
        todo!()
    }

    /// Takes other settings from now on.
    pub fn set_config(&self, config: LogConfig) {
        todo!()
    }

    /// Rolls, deletes and compacts segments as the settings and the clock ask for: for a timer to call.
    pub fn maintain(&self) -> Result<(), LogError> {
        todo!()
    }

    /// The bytes of all segments' log files.
    pub fn size_bytes(&self) -> u64 {
        todo!()
    }

    /// The producers with an id that are remembered.
    pub fn producers(&self) -> Vec<ProducerEntry> {
        todo!()
    }

    /// The topic's id, if one was set (`partition.metadata`, KIP-516).
    pub fn topic_id(&self) -> Option<[u8; 16]> {
        todo!()
    }

    /// Sets the topic's id, kept in `partition.metadata` as Kafka does; durable with the next [`Volume::sync`].
    pub fn set_topic_id(&self, id: [u8; 16]) -> Result<(), LogError> {
        todo!()
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        todo!()
    }

    /// The partition's number.
    pub fn partition(&self) -> i32 {
        todo!()
    }

    /// Removes the partition: the folder is renamed to `…-delete`, then removed.
    pub fn delete(&self) -> Result<(), LogError> {
        todo!()
    }
}
