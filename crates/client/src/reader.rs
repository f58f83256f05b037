//! One topic from a stated position on.

use crate::{ClientError, From, Kafka, Record};

/// Which records a reader gets of those written in transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Those of committed transactions.
    #[default]
    ReadCommitted,
    /// All.
    ReadUncommitted,
}

/// How a reader works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderOptions {
    /// Bytes kept ready in memory before the reader stops asking for more.
    pub max_queued_bytes: usize,
    /// Bytes asked for of one partition at a time; a larger record still comes.
    pub fetch_bytes: usize,
    /// Transactions.
    pub isolation: Isolation,
    /// The partitions to read; `None`: all, those added later too.
    pub partitions: Option<Vec<i32>>,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self {
            max_queued_bytes: 8 << 20,
            fetch_bytes: 1 << 20,
            isolation: Isolation::ReadCommitted,
            partitions: None,
        }
    }
}

/// What a reader has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The next record of a partition.
    Record(Record),
    /// The partition has been read to where its end was when the reader started. Comes once a partition.
    CaughtUp {
        /// The partition.
        partition: i32,
    },
    /// Records that retention took before they were read, or a log that was cut back: reading goes on at `to`.
    Gap {
        /// The partition.
        partition: i32,
        /// The offset that was to come.
        from: i64,
        /// The offset that comes.
        to: i64,
    },
    /// No broker can be reached; the reader goes on trying.
    Disconnected {
        /// What happened.
        why: String,
    },
    /// A broker answers again.
    Reconnected,
}

/// Reads one topic. An error of [`Reader::next`] is its last word.
pub struct Reader {}

impl Kafka {
    /// A reader of `topic`, which must be there, from `from` on.
    #[allow(clippy::unused_async, reason = "the skeleton")]
    pub async fn reader(
        &self,
        _topic: &str,
        _from: From,
        _options: ReaderOptions,
    ) -> Result<Reader, ClientError> {
        todo!()
    }
}

impl Reader {
    /// The next event. Cancel-safe.
    #[allow(clippy::unused_async, reason = "the skeleton")]
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        todo!()
    }

    /// The next event if there is one at once.
    pub fn try_next(&mut self) -> Result<Option<Event>, ClientError> {
        todo!()
    }

    /// The partitions being read, each with the offset of the record that comes next.
    pub fn positions(&self) -> Vec<(i32, i64)> {
        todo!()
    }

    /// Commits where the group of [`From::Resume`] goes on: `(partition, offset of the next record)`.
    #[allow(clippy::unused_async, reason = "the skeleton")]
    pub async fn commit(&self, _positions: &[(i32, i64)]) -> Result<(), ClientError> {
        todo!()
    }
}
