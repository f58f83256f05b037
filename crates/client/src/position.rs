//! Where a partition begins and ends, and what offset a time has.

use weir_base::time::Timestamp;

use crate::{ClientError, Kafka};

/// Where a partition begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The partition.
    pub partition: i32,
    /// The oldest record's offset.
    pub start: i64,
    /// The offset the next record will have, as far as readers may see.
    pub end: i64,
}

/// The first record at or after a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOffset {
    /// The partition.
    pub partition: i32,
    /// Its offset; `None` where all records are older.
    pub offset: Option<i64>,
}

#[allow(clippy::unused_async, reason = "the skeleton")]
impl Kafka {
    /// Where each partition of `topic` begins and ends.
    pub async fn watermarks(&self, _topic: &str) -> Result<Vec<Watermarks>, ClientError> {
        todo!()
    }

    /// The first record of each partition with this timestamp or a later one.
    pub async fn offsets_at(
        &self,
        _topic: &str,
        _at: Timestamp,
    ) -> Result<Vec<TimedOffset>, ClientError> {
        todo!()
    }
}
