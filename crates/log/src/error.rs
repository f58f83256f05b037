//! What can go wrong in a log, in the terms of Kafka's error codes: the broker maps each variant onto one.

use std::io;
use std::path::{Path, PathBuf};

use crate::offset::Offset;

/// Why a log did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `CORRUPT_MESSAGE`: the bytes are no whole, sound record batches.
    #[error("record batch is corrupt: {why}")]
    CorruptRecord {
        /// What is wrong with it.
        why: String,
    },
    /// `UNSUPPORTED_FOR_MESSAGE_FORMAT`: message format 0 or 1 (before Kafka 0.11).
    #[error(
        "message format {magic} is not supported: use a client that writes format 2 (Kafka 0.11 or later)"
    )]
    UnsupportedMagic {
        /// The format's number.
        magic: i8,
    },
    /// `INVALID_RECORD`: sound, but not allowed here.
    #[error("record refused: {why}")]
    InvalidRecord {
        /// What is not allowed.
        why: String,
    },
    /// `INVALID_RECORD`: records without a key, which a compacted topic takes none of.
    #[error("a compacted topic takes no record without a key, as {} in the batch are", indexes.len())]
    RecordsWithoutKey {
        /// Their numbers within the batch, from 0 on.
        indexes: Vec<i32>,
    },
    /// `UNSUPPORTED_COMPRESSION_TYPE`: a codec nobody knows.
    #[error("compression type {codec} is unknown: use none, gzip, snappy, lz4 or zstd")]
    UnsupportedCompression {
        /// The codec's number in the batch's attributes.
        codec: u8,
    },
    /// `MESSAGE_TOO_LARGE`.
    #[error(
        "record batch of {size_bytes} bytes is over the topic's max.message.bytes of {limit_bytes}: raise that, or send smaller batches"
    )]
    RecordTooLarge {
        /// What was sent.
        size_bytes: u64,
        /// What is allowed.
        limit_bytes: u64,
    },
    /// `RECORD_LIST_TOO_LARGE`: more at once than a segment holds.
    #[error(
        "{size_bytes} bytes of record batches do not fit into a segment of {limit_bytes} bytes: raise segment.bytes, or send less at once"
    )]
    RecordListTooLarge {
        /// What was sent.
        size_bytes: u64,
        /// The topic's `segment.bytes`.
        limit_bytes: u64,
    },
    /// `INVALID_TIMESTAMP`.
    #[error("record timestamp {timestamp_ms} refused: {why}")]
    InvalidTimestamp {
        /// The timestamp.
        timestamp_ms: i64,
        /// Which bound it is past.
        why: &'static str,
    },
    /// `OUT_OF_ORDER_SEQUENCE_NUMBER` (KIP-98).
    #[error(
        "producer {producer_id} sent sequence {got} where {expected} was due: a batch before it did not arrive"
    )]
    OutOfOrderSequence {
        /// Whose batch.
        producer_id: i64,
        /// The sequence number that was due.
        expected: i32,
        /// The one that came.
        got: i32,
    },
    /// `INVALID_PRODUCER_EPOCH` (KIP-98): a newer incarnation of this producer has written already.
    #[error(
        "producer {producer_id} with epoch {got} has been replaced by one with epoch {current}"
    )]
    InvalidProducerEpoch {
        /// Whose batch.
        producer_id: i64,
        /// The newest epoch seen.
        current: i16,
        /// The one that came.
        got: i16,
    },
    /// `UNKNOWN_PRODUCER_ID`.
    #[error("producer {producer_id} is not known here: it wrote nothing lately")]
    UnknownProducerId {
        /// Which producer.
        producer_id: i64,
    },
    /// `INVALID_TXN_STATE`.
    #[error("producer {producer_id}: {why}")]
    InvalidTxnState {
        /// Whose transaction.
        producer_id: i64,
        /// What does not fit.
        why: &'static str,
    },
    /// `TRANSACTION_COORDINATOR_FENCED`: a marker from a coordinator that has been replaced.
    #[error(
        "transaction marker with coordinator epoch {got} refused: the coordinator is at {current}"
    )]
    TransactionCoordinatorFenced {
        /// The newest epoch seen.
        current: i32,
        /// The one that came.
        got: i32,
    },
    /// `OFFSET_OUT_OF_RANGE`.
    #[error("offset {asked} is outside the log, which holds {log_start} to {log_end}")]
    OffsetOutOfRange {
        /// What was asked for.
        asked: Offset,
        /// The first offset there is.
        log_start: Offset,
        /// The offset behind the last.
        log_end: Offset,
    },
    /// `KAFKA_STORAGE_ERROR`, with room as the remedy: nothing was written, reading goes on.
    #[error("no space left for {path}: free some, or shorten retention.ms or retention.bytes")]
    NoSpace {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// `KAFKA_STORAGE_ERROR`: the disk refused.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was tried: "cannot read", "cannot write".
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `KAFKA_STORAGE_ERROR`: a sync failed earlier, so what the disk holds is unknown; only a restart finds out.
    #[error(
        "the disk failed to make records durable earlier, nothing more is written until a restart: {why}"
    )]
    Failed {
        /// What the system said then.
        why: String,
    },
    /// The data folder belongs to a running process.
    #[error("{dir} is in use by another process: stop that one, or choose another data folder")]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// A file of the log is not what it should be and cannot be rebuilt.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// `INVALID_TOPIC_EXCEPTION`: not a name a folder can carry.
    #[error("{topic:?} is no topic name: use 1 to 249 of a-z A-Z 0-9 . _ -")]
    InvalidTopic {
        /// The name.
        topic: String,
    },
    /// `UNKNOWN_TOPIC_OR_PARTITION`: the partition was deleted, or its volume closed.
    #[error("{topic}-{partition} has been closed")]
    Closed {
        /// Its topic.
        topic: String,
        /// Its number.
        partition: i32,
    },
}

impl LogError {
    pub(crate) fn corrupt(why: impl Into<String>) -> Self {
        Self::CorruptRecord { why: why.into() }
    }

    pub(crate) fn invalid(why: impl Into<String>) -> Self {
        Self::InvalidRecord { why: why.into() }
    }

    /// An error of the file system, with the full disk told apart.
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        if matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            return Self::NoSpace { path: path.into() };
        }
        Self::Io {
            doing,
            path: path.into(),
            source,
        }
    }
}
