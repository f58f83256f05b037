//! One transactional id: its producer, its epoch, and where its transaction stands.
//!
//! Every change is appended to the journal first and happens only if that succeeds.

use crate::internal_topics::journal::{Journal, Now};
use crate::internal_topics::transaction_records::{TransactionValue, transaction_record};
use kafka_protocol::ResponseError;
use std::collections::{BTreeMap, BTreeSet};

/// No epoch yet: the id has been named, but no producer has it.
const NO_EPOCH: i16 = -1;
const NO_PRODUCER: i64 = -1;

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is none, and the last one is long over.
    Empty,
    /// Records are being written.
    Ongoing,
    /// It will commit, whatever happens.
    PrepareCommit,
    /// It will abort, whatever happens.
    PrepareAbort,
    /// The last one committed.
    CompleteCommit,
    /// The last one aborted.
    CompleteAbort,
}

impl State {
    /// Every state, each at its number in the log.
    const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
    ];

    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// Whether a transaction of this name can be asked for (`ListTransactions`).
    pub fn is_name(name: &str) -> bool {
        Self::ALL.iter().any(|state| state.name() == name)
            || matches!(name, "Dead" | "PrepareEpochFence")
    }

    fn number(self) -> i8 {
        Self::ALL
            .iter()
            .position(|state| *state == self)
            .unwrap_or(0) as i8
    }

    /// Decided, but not yet in every partition.
    pub fn is_prepared(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }
}

/// A producer as it is known to partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Producer {
    /// Its id.
    pub id: i64,
    /// Its epoch: an older one is fenced.
    pub epoch: i16,
}

/// What became of an `InitProducerId`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// The producer may begin.
    Ready(Producer),
    /// A transaction of its predecessor was going on and is being aborted; it may ask again when that is done.
    Aborting,
}

/// What became of an `EndTxn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Decided; the markers are to be written.
    Prepared,
    /// It was over already: the client asks again because an answer got lost.
    Done,
}

/// Partitions, topic by topic.
pub type Partitions = BTreeMap<String, BTreeSet<i32>>;

/// A transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    id: String,
    producer: Producer,
    /// The epoch before the last bump a producer asked for, so that it may ask again (KIP-360).
    last_epoch: i16,
    previous_producer_id: i64,
    timeout_ms: i32,
    state: State,
    partitions: Partitions,
    start_ms: i64,
    last_update_ms: i64,
}

impl Transaction {
    /// An id that is named for the first time, with a producer id nobody else has.
    pub fn new(id: &str, producer_id: i64, timeout_ms: i32, now: Now) -> Self {
        Self {
            id: id.to_owned(),
            producer: Producer {
                id: producer_id,
                epoch: NO_EPOCH,
            },
            last_epoch: NO_EPOCH,
            previous_producer_id: NO_PRODUCER,
            timeout_ms,
            state: State::Empty,
            partitions: Partitions::new(),
            start_ms: -1,
            last_update_ms: now.wall_ms,
        }
    }

    /// As it stood in the log. Nothing for a state that is never kept.
    pub fn load(id: &str, value: TransactionValue) -> Option<Self> {
        let state = *State::ALL.get(usize::try_from(value.status).ok()?)?;
        Some(Self {
            id: id.to_owned(),
            producer: Producer {
                id: value.producer_id,
                epoch: value.producer_epoch,
            },
            last_epoch: NO_EPOCH,
            previous_producer_id: value.previous_producer_id,
            timeout_ms: value.timeout_ms,
            state,
            partitions: value.partitions,
            start_ms: value.start_ms,
            last_update_ms: value.last_update_ms,
        })
    }

    fn value(&self) -> TransactionValue {
        TransactionValue {
            producer_id: self.producer.id,
            previous_producer_id: self.previous_producer_id,
            next_producer_id: NO_PRODUCER,
            producer_epoch: self.producer.epoch,
            timeout_ms: self.timeout_ms,
            status: self.state.number(),
            partitions: self.partitions.clone(),
            last_update_ms: self.last_update_ms,
            start_ms: self.start_ms,
            client_version: 0,
        }
    }

    /// The transactional id.
    pub fn id(&self) -> &str {
        &self.id
    }
    /// Who has it.
    pub fn producer(&self) -> Producer {
        self.producer
    }
    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }
    /// The partitions in it.
    pub fn partitions(&self) -> &Partitions {
        &self.partitions
    }
    /// How long a transaction may last, ms.
    pub fn timeout_ms(&self) -> i32 {
        self.timeout_ms
    }
    /// When the transaction began, ms since the epoch; -1 if there was none.
    pub fn start_ms(&self) -> i64 {
        self.start_ms
    }
    /// No producer was ever given this id.
    pub fn is_unused(&self) -> bool {
        self.producer.epoch == NO_EPOCH
    }

    fn become_(&mut self, next: Self, journal: &mut dyn Journal) -> Result<(), ResponseError> {
        let record = transaction_record(&next.id, Some(&next.value()));
        journal.append(&[record], None).map_err(|error| {
            tracing::warn!(id = self.id, %error, "a transaction's state could not be written down");
            ResponseError::CoordinatorNotAvailable
        })?;
        tracing::debug!(
            id = next.id,
            from = self.state.name(),
            to = next.state.name(),
            producer = next.producer.id,
            epoch = next.producer.epoch,
            "transaction changes"
        );
        *self = next;
        Ok(())
    }

    fn is_exhausted(epoch: i16) -> bool {
        epoch >= i16::MAX - 1
    }

    /// `InitProducerId`: a producer takes the id over. `expected` is what it believes to be, if it has been one before
    /// (KIP-360).
    pub fn init(
        &mut self,
        now: Now,
        timeout_ms: i32,
        expected: Option<Producer>,
        fresh_id: &mut dyn FnMut() -> Result<i64, ResponseError>,
        journal: &mut dyn Journal,
    ) -> Result<Init, ResponseError> {
        let known = |producer: Producer| {
            self.is_unused()
                || producer.id == self.producer.id
                || (producer.id == self.previous_producer_id && Self::is_exhausted(producer.epoch))
        };
        if !expected.is_none_or(known) {
            return Err(ResponseError::ProducerFenced);
        }
        match self.state {
            State::PrepareCommit | State::PrepareAbort => {
                Err(ResponseError::ConcurrentTransactions)
            }
            State::Ongoing => {
                self.fence(now, journal)?;
                Ok(Init::Aborting)
            }
            State::Empty | State::CompleteCommit | State::CompleteAbort => {
                let mut next = Self {
                    state: State::Empty,
                    timeout_ms,
                    partitions: Partitions::new(),
                    start_ms: -1,
                    last_update_ms: now.wall_ms,
                    ..self.clone()
                };
                let current = self.producer.epoch;
                match expected.map(|producer| producer.epoch) {
                    believed
                        if Self::is_exhausted(current)
                            && believed.is_none_or(|epoch| epoch == current) =>
                    {
                        next.previous_producer_id = self.producer.id;
                        next.producer = Producer {
                            id: fresh_id()?,
                            epoch: 0,
                        };
                        next.last_epoch = believed.unwrap_or(NO_EPOCH);
                    }
                    None => {
                        next.producer.epoch = current + 1;
                        next.last_epoch = NO_EPOCH;
                    }
                    Some(epoch) if self.is_unused() || epoch == current => {
                        next.producer.epoch = current + 1;
                        next.last_epoch = current;
                    }
                    // Its bump was done, and the answer got lost.
                    Some(epoch) if epoch == self.last_epoch => {}
                    Some(_) => return Err(ResponseError::ProducerFenced),
                }
                self.become_(next, journal)?;
                Ok(Init::Ready(self.producer))
            }
        }
    }

    /// Whether this producer has the id now.
    fn check(&self, producer: Producer) -> Result<(), ResponseError> {
        if producer.id != self.producer.id {
            Err(ResponseError::InvalidProducerIdMapping)
        } else if producer.epoch != self.producer.epoch {
            Err(ResponseError::ProducerFenced)
        } else if self.state.is_prepared() {
            Err(ResponseError::ConcurrentTransactions)
        } else {
            Ok(())
        }
    }

    /// `AddPartitionsToTxn`, `AddOffsetsToTxn`: the transaction begins with its first partition.
    pub fn add(
        &mut self,
        now: Now,
        producer: Producer,
        partitions: &Partitions,
        journal: &mut dyn Journal,
    ) -> Result<(), ResponseError> {
        self.check(producer)?;
        let ongoing = self.state == State::Ongoing;
        if ongoing && self.holds(partitions) {
            return Ok(());
        }
        let mut next = Self {
            state: State::Ongoing,
            last_update_ms: now.wall_ms,
            start_ms: if ongoing { self.start_ms } else { now.wall_ms },
            ..self.clone()
        };
        for (topic, added) in partitions {
            next.partitions
                .entry(topic.clone())
                .or_default()
                .extend(added);
        }
        self.become_(next, journal)
    }

    fn holds(&self, partitions: &Partitions) -> bool {
        partitions.iter().all(|(topic, asked)| {
            self.partitions
                .get(topic)
                .is_some_and(|held| asked.is_subset(held))
        })
    }

    /// Whether this producer may write to the partition now (KIP-890): its transaction goes on and knows the partition.
    pub fn verify(
        &self,
        producer: Producer,
        topic: &str,
        partition: i32,
    ) -> Result<(), ResponseError> {
        self.check(producer)?;
        let held = self
            .partitions
            .get(topic)
            .is_some_and(|held| held.contains(&partition));
        if self.state == State::Ongoing && held {
            Ok(())
        } else {
            Err(ResponseError::InvalidTxnState)
        }
    }

    /// `EndTxn`.
    pub fn end(
        &mut self,
        now: Now,
        producer: Producer,
        commit: bool,
        journal: &mut dyn Journal,
    ) -> Result<End, ResponseError> {
        if producer.id != self.producer.id {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        if producer.epoch != self.producer.epoch {
            return Err(ResponseError::ProducerFenced);
        }
        match (self.state, commit) {
            (State::Ongoing, _) => {
                let next = Self {
                    state: if commit {
                        State::PrepareCommit
                    } else {
                        State::PrepareAbort
                    },
                    last_update_ms: now.wall_ms,
                    ..self.clone()
                };
                self.become_(next, journal)?;
                Ok(End::Prepared)
            }
            (State::CompleteCommit, true) | (State::CompleteAbort, false) => Ok(End::Done),
            (State::PrepareCommit, true) | (State::PrepareAbort, false) => {
                Err(ResponseError::ConcurrentTransactions)
            }
            _ => Err(ResponseError::InvalidTxnState),
        }
    }

    /// Aborts a transaction over its producer's head, which is fenced: another takes the id over, or time is up.
    fn fence(&mut self, now: Now, journal: &mut dyn Journal) -> Result<(), ResponseError> {
        let next = Self {
            state: State::PrepareAbort,
            producer: Producer {
                epoch: self.producer.epoch.saturating_add(1),
                ..self.producer
            },
            last_epoch: NO_EPOCH,
            last_update_ms: now.wall_ms,
            ..self.clone()
        };
        self.become_(next, journal)
    }

    /// Aborts the transaction if it has lasted too long. True if it is to be completed.
    pub fn abort_if_overdue(
        &mut self,
        now: Now,
        journal: &mut dyn Journal,
    ) -> Result<bool, ResponseError> {
        let end_ms = self.start_ms.saturating_add(i64::from(self.timeout_ms));
        if self.state != State::Ongoing || now.wall_ms < end_ms {
            return Ok(false);
        }
        tracing::info!(
            id = self.id,
            timeout_ms = self.timeout_ms,
            "transaction took longer than its timeout and is aborted"
        );
        self.fence(now, journal)?;
        Ok(true)
    }

    /// Its markers are in every partition, durably: the transaction is over.
    pub fn complete(&mut self, now: Now, journal: &mut dyn Journal) -> Result<(), ResponseError> {
        let state = match self.state {
            State::PrepareCommit => State::CompleteCommit,
            State::PrepareAbort => State::CompleteAbort,
            _ => return Ok(()),
        };
        let next = Self {
            state,
            partitions: Partitions::new(),
            last_update_ms: now.wall_ms,
            ..self.clone()
        };
        self.become_(next, journal)
    }

    /// Forgets an id that nobody has used for `expiration_ms`. True if it is forgotten.
    pub fn expire(
        &self,
        now: Now,
        expiration_ms: i64,
        journal: &mut dyn Journal,
    ) -> Result<bool, ResponseError> {
        let idle = matches!(
            self.state,
            State::Empty | State::CompleteCommit | State::CompleteAbort
        );
        if !idle || now.wall_ms < self.last_update_ms.saturating_add(expiration_ms) {
            return Ok(false);
        }
        journal.append(&[transaction_record(&self.id, None)], None)?;
        Ok(true)
    }
}
