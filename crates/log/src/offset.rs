//! The two numbers a log is addressed by, kept apart by type: an [`Offset`] counts records, a [`Position`] counts bytes.

use std::fmt;

/// A record's number in its partition; the first is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub i64);

impl Offset {
    /// The offset `count` records further on, held at the end of the range.
    #[must_use]
    pub fn plus(self, count: i64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A byte's place in a segment's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a partition's log stands. `log_start <= last_stable <= high_watermark <= log_end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offsets {
    /// The first offset that can be read.
    pub log_start: Offset,
    /// The offset behind the last record that is on stable storage: what consumers may see ends here.
    pub high_watermark: Offset,
    /// The first offset that belongs to an undecided transaction, else the high watermark (KIP-98).
    pub last_stable: Offset,
    /// The offset that the next record gets.
    pub log_end: Offset,
}

/// A record found by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOffset {
    /// The record's offset.
    pub offset: Offset,
    /// The record's timestamp.
    pub timestamp: weir_base::time::Timestamp,
    /// The leader epoch its batch was written in.
    pub leader_epoch: i32,
}

/// A transaction that was aborted: a consumer with `isolation.level=read_committed` skips its records (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Whose transaction.
    pub producer_id: i64,
    /// Its first record.
    pub first_offset: Offset,
    /// The abort marker's offset.
    pub last_offset: Offset,
    /// The last stable offset when the marker was written.
    pub last_stable: Offset,
}
