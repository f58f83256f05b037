//! What the log's operations are asked with and answer with.

use bytes::Bytes;
use weir_base::time::Timestamp;

use crate::offset::{AbortedTxn, Offset, Offsets};

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
