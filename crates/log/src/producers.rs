//! Producer state: what makes a retried batch be written once, and a transaction be seen whole or not at all (KIP-98).
//!
//! Batch headers flow in, in the order of the log; out flow verdicts on new batches and the transactions that a marker ends. The
//! state is rebuilt from the log on recovery, from the last [`snapshot`](crate::snapshot) on.

use std::collections::{HashMap, VecDeque};

use weir_base::time::Timestamp;

use crate::batch::{BatchHeader, advance_sequence, rewind_sequence};
use crate::error::LogError;
use crate::offset::Offset;
use crate::types::ProducerEntry;

/// How many batches of a producer are remembered: it may have so many on their way at once.
const REMEMBERED_BATCHES: usize = 5;

/// A batch as its producer's retries are recognised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchMark {
    pub last_sequence: i32,
    pub last_offset: Offset,
    pub offset_delta: i32,
    pub timestamp_ms: i64,
}

impl BatchMark {
    fn first_sequence(&self) -> i32 {
        rewind_sequence(self.last_sequence, self.offset_delta)
    }

    fn base_offset(&self) -> Offset {
        self.last_offset.plus(-i64::from(self.offset_delta))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Producer {
    pub epoch: i16,
    pub coordinator_epoch: i32,
    pub batches: VecDeque<BatchMark>,
    pub last_timestamp_ms: i64,
    pub txn_first_offset: Option<Offset>,
}

impl Producer {
    fn new(epoch: i16) -> Self {
        Self {
            epoch,
            coordinator_epoch: -1,
            batches: VecDeque::new(),
            last_timestamp_ms: -1,
            txn_first_offset: None,
        }
    }

    /// A newer incarnation numbers its batches anew.
    fn take_epoch(&mut self, epoch: i16) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }
}

/// What is to be done with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Write,
    /// It was written before, at these offsets.
    Duplicate {
        base_offset: Offset,
        last_offset: Offset,
    },
}

/// A transaction that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndedTxn {
    pub producer_id: i64,
    pub first_offset: Offset,
    pub marker_offset: Offset,
    pub committed: bool,
}

/// All producers with an id that wrote to a partition lately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    pub by_id: HashMap<i64, Producer>,
}

impl Producers {
    /// Judges a client's batch by its producer's epoch and sequence numbers.
    pub fn judge(&self, batch: &BatchHeader) -> Result<Verdict, LogError> {
        let Some(known) = self.by_id.get(&batch.producer_id) else {
            // Its records may have been deleted, and what was known of it with them: any sequence may come (KIP-360).
            return Ok(Verdict::Write);
        };
        self.judge_epoch(batch)?;
        let last_sequence = batch.last_sequence();
        let expected = if batch.producer_epoch == known.epoch {
            let twin = known.batches.iter().find(|mark| {
                mark.last_sequence == last_sequence && mark.first_sequence() == batch.base_sequence
            });
            if let Some(twin) = twin {
                return Ok(Verdict::Duplicate {
                    base_offset: twin.base_offset(),
                    last_offset: twin.last_offset,
                });
            }
            match known.batches.back() {
                Some(mark) => advance_sequence(mark.last_sequence, 1),
                None => 0,
            }
        } else {
            0
        };
        if batch.base_sequence != expected {
            return Err(LogError::OutOfOrderSequence {
                producer_id: batch.producer_id,
                expected,
                got: batch.base_sequence,
            });
        }
        if known.txn_first_offset.is_some() && !batch.is_transactional() {
            return Err(LogError::InvalidTxnState {
                producer_id: batch.producer_id,
                why: "a record outside the transaction came while it is going on",
            });
        }
        Ok(Verdict::Write)
    }

    /// Judges a coordinator's batch, which has no sequence numbers: only the epoch counts.
    pub fn judge_epoch(&self, batch: &BatchHeader) -> Result<(), LogError> {
        let known = self.by_id.get(&batch.producer_id);
        match known.filter(|known| batch.producer_epoch < known.epoch) {
            Some(known) => Err(LogError::InvalidProducerEpoch {
                producer_id: batch.producer_id,
                current: known.epoch,
                got: batch.producer_epoch,
            }),
            None => Ok(()),
        }
    }

    /// Judges a marker: the producer's and the coordinator's epochs may not run backwards.
    pub fn judge_marker(
        &self,
        producer_id: i64,
        epoch: i16,
        coordinator_epoch: i32,
    ) -> Result<(), LogError> {
        let Some(known) = self.by_id.get(&producer_id) else {
            return Ok(());
        };
        if epoch < known.epoch {
            return Err(LogError::InvalidProducerEpoch {
                producer_id,
                current: known.epoch,
                got: epoch,
            });
        }
        if coordinator_epoch < known.coordinator_epoch {
            return Err(LogError::TransactionCoordinatorFenced {
                current: known.coordinator_epoch,
                got: coordinator_epoch,
            });
        }
        Ok(())
    }

    /// Takes note of a batch that is in the log. Returns the offset of the transaction that it starts, if it starts one.
    pub fn note(&mut self, batch: &BatchHeader) -> Option<Offset> {
        let known = self
            .by_id
            .entry(batch.producer_id)
            .or_insert_with(|| Producer::new(batch.producer_epoch));
        known.take_epoch(batch.producer_epoch);
        if batch.base_sequence >= 0 {
            while known.batches.len() >= REMEMBERED_BATCHES {
                known.batches.pop_front();
            }
            known.batches.push_back(BatchMark {
                last_sequence: batch.last_sequence(),
                last_offset: batch.last_offset(),
                offset_delta: batch.last_offset_delta,
                timestamp_ms: batch.max_timestamp,
            });
        }
        known.last_timestamp_ms = batch.max_timestamp;
        if batch.is_transactional() && known.txn_first_offset.is_none() {
            known.txn_first_offset = Some(batch.base_offset);
            return known.txn_first_offset;
        }
        None
    }

    /// Takes note of a marker that is in the log. Returns the transaction that it ends, if one was going on.
    pub fn note_marker(
        &mut self,
        batch: &BatchHeader,
        committed: bool,
        coordinator_epoch: i32,
    ) -> Option<EndedTxn> {
        let known = self
            .by_id
            .entry(batch.producer_id)
            .or_insert_with(|| Producer::new(batch.producer_epoch));
        known.take_epoch(batch.producer_epoch);
        known.coordinator_epoch = coordinator_epoch;
        known.last_timestamp_ms = batch.max_timestamp;
        let first_offset = known.txn_first_offset.take()?;
        Some(EndedTxn {
            producer_id: batch.producer_id,
            first_offset,
            marker_offset: batch.last_offset(),
            committed,
        })
    }

    /// Forgets producers that have written nothing for `expiration_ms` and have no transaction going on.
    pub fn expire(&mut self, now: Timestamp, expiration_ms: i64) {
        self.by_id.retain(|_, known| {
            known.txn_first_offset.is_some()
                || now.since_ms(Timestamp(known.last_timestamp_ms)) < expiration_ms
        });
    }

    /// The first offsets of the transactions that are going on.
    pub fn ongoing(&self) -> impl Iterator<Item = Offset> {
        self.by_id
            .values()
            .filter_map(|known| known.txn_first_offset)
    }

    /// What is known, for showing (`DescribeProducers`, KIP-664).
    pub fn entries(&self) -> Vec<ProducerEntry> {
        let mut entries: Vec<_> = self
            .by_id
            .iter()
            .map(|(&producer_id, known)| ProducerEntry {
                producer_id,
                epoch: known.epoch,
                last_sequence: known.batches.back().map_or(-1, |mark| mark.last_sequence),
                last_timestamp: Timestamp(known.last_timestamp_ms),
                coordinator_epoch: known.coordinator_epoch,
                current_txn_first_offset: known.txn_first_offset,
            })
            .collect();
        entries.sort_unstable_by_key(|entry| entry.producer_id);
        entries
    }
}
