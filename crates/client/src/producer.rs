//! Records in, deliveries out, a bounded number of bytes under way.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::{ClientError, Kafka, NewRecord};

/// How many replicas must have a record before it counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// All in-sync replicas; with the embedded broker: synced to disk. Records are sent exactly once (KIP-98).
    #[default]
    All,
    /// The leader alone.
    Leader,
    /// None: delivery is not known.
    None,
}

/// How record batches are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the codecs' own")]
pub enum Compression {
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// How a producer works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerOptions {
    /// How long a record may wait for others to share a batch; 0 to 5 for what is live.
    pub linger_ms: u32,
    /// Compression of batches; pictures do not compress.
    pub compression: Option<Compression>,
    /// What counts as delivered.
    pub acks: Acks,
    /// Bytes that may be under way before [`Producer::send`] waits.
    pub max_in_flight_bytes: usize,
    /// How long an undeliverable record is tried before its delivery fails.
    pub delivery_timeout_ms: u32,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            linger_ms: 0,
            compression: None,
            acks: Acks::All,
            max_in_flight_bytes: 16 << 20,
            delivery_timeout_ms: 120_000,
        }
    }
}

/// Where a record ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// The partition.
    pub partition: i32,
    /// The offset; -1 where `acks` is `None`.
    pub offset: i64,
}

/// Sends records.
#[derive(Clone)]
pub struct Producer {}

impl Kafka {
    /// A producer. Nothing is sent or connected yet.
    pub fn producer(&self, _options: ProducerOptions) -> Result<Producer, ClientError> {
        todo!()
    }
}

impl Producer {
    /// Hands a record over; waits while too many bytes are under way. The future says what became of it; it need not be polled for the record to be sent.
    #[allow(clippy::unused_async, reason = "the skeleton")]
    pub async fn send(&self, _record: NewRecord) -> Result<DeliveryFuture, ClientError> {
        todo!()
    }

    /// Waits until every record handed over so far is delivered, or says why one is not.
    #[allow(clippy::unused_async, reason = "the skeleton")]
    pub async fn flush(&self) -> Result<(), ClientError> {
        todo!()
    }
}

/// What became of a record.
#[must_use = "a delivery that nobody looks at is a loss that nobody sees"]
pub struct DeliveryFuture {}

impl Future for DeliveryFuture {
    type Output = Result<Delivered, ClientError>;

    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Self::Output> {
        todo!()
    }
}
