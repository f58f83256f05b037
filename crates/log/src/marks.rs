//! Where a partition's log stands, and which transactions hold the last stable offset back (KIP-98).
//!
//! The writer moves the log end, the sync thread the high watermark. Small, behind a lock of its own, so that a reader never waits
//! for either.

use std::collections::{BTreeMap, BTreeSet};

use crate::offset::{Offset, Offsets};
use crate::producers::EndedTxn;

/// Offsets and open transactions.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    pub log_start: Offset,
    pub high_watermark: Offset,
    pub log_end: Offset,
    /// First offsets of transactions that are going on.
    ongoing: BTreeSet<Offset>,
    /// Transactions whose marker is written but not yet durable, by first offset: the marker's offset.
    ended: BTreeMap<Offset, Offset>,
}

impl Marks {
    /// Of an empty log.
    pub fn at(start: Offset) -> Self {
        Self {
            log_start: start,
            high_watermark: start,
            log_end: start,
            ..Self::default()
        }
    }

    pub fn offsets(&self) -> Offsets {
        Offsets {
            log_start: self.log_start,
            high_watermark: self.high_watermark,
            last_stable: self.last_stable(),
            log_end: self.log_end,
        }
    }

    /// The first offset of an undecided transaction, decided being one whose marker is durable; else the high watermark.
    pub fn last_stable(&self) -> Offset {
        let ongoing = self.ongoing.first();
        let ended = self.ended.keys().next();
        let undecided = ongoing.into_iter().chain(ended).min();
        undecided.map_or(self.high_watermark, |first| {
            (*first).min(self.high_watermark)
        })
    }

    /// The first offset of a transaction that is going on, whatever is durable.
    pub fn first_ongoing(&self) -> Option<Offset> {
        self.ongoing.first().copied()
    }

    pub fn txn_started(&mut self, first: Offset) {
        self.ongoing.insert(first);
    }

    pub fn txn_ended(&mut self, txn: &EndedTxn) {
        self.ongoing.remove(&txn.first_offset);
        self.ended.insert(txn.first_offset, txn.marker_offset);
    }

    /// Moves the high watermark up to `durable`; false if it is there already.
    pub fn advance(&mut self, durable: Offset) -> bool {
        if durable <= self.high_watermark {
            return false;
        }
        self.high_watermark = durable;
        self.ended.retain(|_, marker| *marker >= durable);
        true
    }
}
