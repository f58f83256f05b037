//! The transaction coordinator's asynchronous shell: finds a request's transactional id, gives its state machine a turn, and
//! takes a decided transaction through to its end.
//!
//! One mutex an id, held for a step and never across an await. Writing within a transaction ([`TransactionCoordinator::within`])
//! holds it too, so that no record comes behind its transaction's marker.

use super::participants::{BrokerPartitions, Participants};
use super::transaction::{End, Init, Partitions, Producer, State, Transaction};
use crate::groups::GroupCoordinator;
use crate::internal_topics::batch::Content;
use crate::internal_topics::java_hash::partition_for;
use crate::internal_topics::journal::{InternalTopic, Journal, Now, PartitionJournal};
use crate::internal_topics::store::TopicStore;
use crate::internal_topics::transaction_records;
use crate::producer_ids::ProducerIds;
use crate::settings::{self, Settings};
use crate::topics::Topics;
use kafka_protocol::ResponseError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use weir_base::time::Clock;

/// How soon markers that could not be written are tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How often ids nobody uses are looked for (`transaction.remove.expired.transaction.cleanup.interval.ms`).
const EXPIRY_INTERVAL: Duration = Duration::from_hours(1);

/// What can be set about transactions.
#[derive(Debug, Clone)]
pub struct TransactionSettings {
    /// `transaction.max.timeout.ms`.
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`.
    pub expiration_ms: i64,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub abort_interval: Duration,
}

impl From<&Settings> for TransactionSettings {
    fn from(settings: &Settings) -> Self {
        Self {
            max_timeout_ms: settings.get(settings::TRANSACTION_MAX_TIMEOUT_MS) as i32,
            expiration_ms: settings.get(settings::TRANSACTIONAL_ID_EXPIRATION_MS),
            abort_interval: Duration::from_millis(
                settings
                    .get(settings::TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS)
                    .unsigned_abs(),
            ),
        }
    }
}

/// Gives out producer ids that were never given out before.
pub type FreshIds = Box<dyn Fn() -> Result<i64, ResponseError> + Send + Sync>;

/// The coordinator of all transactional ids: there is one broker, so it is every id's.
pub struct TransactionCoordinator {
    settings: TransactionSettings,
    clock: Arc<dyn Clock>,
    topic: Arc<dyn InternalTopic>,
    participants: Arc<dyn Participants>,
    fresh_ids: FreshIds,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

struct Slot {
    partition: i32,
    inner: Mutex<Inner>,
}

struct Inner {
    transaction: Transaction,
    /// The last offset appended for it.
    last_appended: Option<i64>,
    /// Its markers are being written.
    completing: bool,
    /// No longer in the map: whoever still holds it must look again.
    gone: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TransactionCoordinator {
    /// The coordinator of the ids that `topics` hold. It reads files.
    pub(crate) fn open(
        topics: &Arc<Topics>,
        groups: &Arc<GroupCoordinator>,
        producer_ids: &Arc<ProducerIds>,
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, ResponseError> {
        let ids = Arc::clone(producer_ids);
        let coordinator = Self::new(
            TransactionSettings::from(settings),
            clock,
            Arc::new(TopicStore::transaction_state(topics, settings)),
            Arc::new(BrokerPartitions {
                topics: Arc::clone(topics),
                groups: Arc::clone(groups),
            }),
            Box::new(move || {
                ids.next().map_err(|error| {
                    tracing::error!(%error, "no producer id could be taken");
                    ResponseError::CoordinatorNotAvailable
                })
            }),
        );
        coordinator.load()?;
        Ok(Arc::new(coordinator))
    }

    /// A coordinator without ids; [`Self::load`] brings back those the topic holds.
    pub fn new(
        settings: TransactionSettings,
        clock: Arc<dyn Clock>,
        topic: Arc<dyn InternalTopic>,
        participants: Arc<dyn Participants>,
        fresh_ids: FreshIds,
    ) -> Self {
        Self {
            settings,
            clock,
            topic,
            participants,
            fresh_ids,
            slots: Mutex::default(),
        }
    }

    /// Reads every id back. To be called once, before the first request; it reads files.
    pub fn load(&self) -> Result<(), ResponseError> {
        for partition in 0..self.topic.partitions() {
            let mut found: HashMap<String, Transaction> = HashMap::new();
            let mut refused = 0_usize;
            self.topic.read(partition, &mut |content| {
                let Content::Records { records, .. } = content else {
                    return;
                };
                for (_, record) in records {
                    match transaction_records::decode(&record) {
                        Ok((id, Some(value))) => match Transaction::load(&id, value) {
                            Some(transaction) => {
                                found.insert(id, transaction);
                            }
                            None => refused += 1,
                        },
                        Ok((id, None)) => {
                            found.remove(&id);
                        }
                        Err(_) => refused += 1,
                    }
                }
            })?;
            if refused > 0 {
                tracing::warn!(
                    partition,
                    records = refused,
                    "records of __transaction_state could not be read and were passed over"
                );
            }
            let mut slots = lock(&self.slots);
            for (id, transaction) in found {
                slots.insert(id, Arc::new(Slot::of(transaction, partition)));
            }
        }
        Ok(())
    }

    /// Makes `__transaction_state` unless it is there.
    pub async fn ready(&self) -> Result<(), ResponseError> {
        self.topic.ensure().await
    }

    fn now(&self) -> Now {
        Now::of(&*self.clock)
    }

    fn slot(&self, id: &str) -> Option<Arc<Slot>> {
        lock(&self.slots).get(id).cloned()
    }

    fn slots(&self) -> Vec<Arc<Slot>> {
        lock(&self.slots).values().cloned().collect()
    }

    /// Gives an id's state machine a turn. The offset is the last appended for it, now or before.
    fn step<T>(
        &self,
        slot: &Slot,
        act: impl FnOnce(&mut Transaction, Now, &mut dyn Journal) -> T,
    ) -> (T, Option<i64>) {
        let mut inner = lock(&slot.inner);
        self.turn(slot, &mut inner, act)
    }

    fn turn<T>(
        &self,
        slot: &Slot,
        inner: &mut Inner,
        act: impl FnOnce(&mut Transaction, Now, &mut dyn Journal) -> T,
    ) -> (T, Option<i64>) {
        let now = self.now();
        let mut journal = PartitionJournal::new(&*self.topic, slot.partition, now);
        let result = act(&mut inner.transaction, now, &mut journal);
        inner.last_appended = journal.last_offset.or(inner.last_appended);
        (result, inner.last_appended)
    }

    async fn durable(&self, slot: &Slot, offset: Option<i64>) -> Result<(), ResponseError> {
        match offset {
            Some(offset) => self.topic.durable(slot.partition, offset).await,
            None => Ok(()),
        }
    }

    /// `InitProducerId` with a transactional id.
    pub async fn init(
        self: &Arc<Self>,
        id: &str,
        timeout_ms: i32,
        expected: Option<Producer>,
    ) -> Result<Producer, ResponseError> {
        if id.is_empty() || id.len() > i16::MAX as usize {
            return Err(ResponseError::InvalidRequest);
        }
        if timeout_ms <= 0 || timeout_ms > self.settings.max_timeout_ms {
            return Err(ResponseError::InvalidTransactionTimeout);
        }
        self.ready().await?;
        // A predecessor's transaction is aborted first, once; a second one would be somebody else's business.
        for _ in 0..2 {
            let slot = self.slot_or_new(id, timeout_ms)?;
            let (result, appended) = {
                let mut inner = lock(&slot.inner);
                if inner.gone {
                    return Err(ResponseError::ConcurrentTransactions);
                }
                let stepped = self.turn(&slot, &mut inner, |transaction, now, journal| {
                    let mut fresh = || (self.fresh_ids)();
                    transaction.init(now, timeout_ms, expected, &mut fresh, journal)
                });
                if inner.transaction.is_unused() {
                    inner.gone = true;
                    lock(&self.slots).remove(id);
                }
                stepped
            };
            match result? {
                Init::Ready(producer) => {
                    self.durable(&slot, appended).await?;
                    return Ok(producer);
                }
                Init::Aborting => self.finish(&slot).await?,
            }
        }
        Err(ResponseError::ConcurrentTransactions)
    }

    fn slot_or_new(&self, id: &str, timeout_ms: i32) -> Result<Arc<Slot>, ResponseError> {
        if let Some(slot) = self.slot(id) {
            return Ok(slot);
        }
        let transaction = Transaction::new(id, (self.fresh_ids)()?, timeout_ms, self.now());
        let partition = partition_for(id, self.topic.partitions());
        let slot = Arc::new(Slot::of(transaction, partition));
        Ok(Arc::clone(
            lock(&self.slots).entry(id.to_owned()).or_insert(slot),
        ))
    }

    /// `AddPartitionsToTxn`, `AddOffsetsToTxn`.
    pub async fn add(
        &self,
        id: &str,
        producer: Producer,
        partitions: &Partitions,
    ) -> Result<(), ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        let slot = self
            .slot(id)
            .ok_or(ResponseError::InvalidProducerIdMapping)?;
        let (result, appended) = self.step(&slot, |transaction, now, journal| {
            transaction.add(now, producer, partitions, journal)
        });
        result?;
        self.durable(&slot, appended).await
    }

    /// Whether the partition is in the producer's transaction.
    pub fn verify(
        &self,
        id: &str,
        producer: Producer,
        topic: &str,
        partition: i32,
    ) -> Result<(), ResponseError> {
        self.within(id, producer, topic, partition, || ())
    }

    /// Writes to a partition within the producer's transaction (KIP-890): `write` is done if the transaction goes on and
    /// knows the partition, and the transaction does not end meanwhile.
    pub fn within<T>(
        &self,
        id: &str,
        producer: Producer,
        topic: &str,
        partition: i32,
        write: impl FnOnce() -> T,
    ) -> Result<T, ResponseError> {
        let slot = self
            .slot(id)
            .ok_or(ResponseError::InvalidProducerIdMapping)?;
        let inner = lock(&slot.inner);
        inner.transaction.verify(producer, topic, partition)?;
        Ok(write())
    }

    /// `EndTxn`: answered when the transaction is over in every partition.
    pub async fn end(
        self: &Arc<Self>,
        id: &str,
        producer: Producer,
        commit: bool,
    ) -> Result<(), ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        let slot = self
            .slot(id)
            .ok_or(ResponseError::InvalidProducerIdMapping)?;
        let (result, appended) = self.step(&slot, |transaction, now, journal| {
            transaction.end(now, producer, commit, journal)
        });
        match result? {
            End::Done => self.durable(&slot, appended).await,
            End::Prepared => {
                // From here on it ends so, even if its markers must be tried again: the client need not know.
                self.durable(&slot, appended).await?;
                let _ = self.finish(&slot).await;
                Ok(())
            }
        }
    }

    /// Takes a decided transaction to its end, in a task of its own: a client that hangs up does not stop it halfway.
    async fn finish(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<(), ResponseError> {
        let task = tokio::spawn({
            let (coordinator, slot) = (Arc::clone(self), Arc::clone(slot));
            async move { coordinator.complete(&slot).await }
        });
        task.await
            .unwrap_or(Err(ResponseError::CoordinatorNotAvailable))
    }

    async fn complete(&self, slot: &Slot) -> Result<(), ResponseError> {
        let (producer, commit, partitions, decided) = {
            let mut inner = lock(&slot.inner);
            let transaction = &inner.transaction;
            if inner.completing || !transaction.state().is_prepared() {
                return Err(ResponseError::ConcurrentTransactions);
            }
            let taken = (
                transaction.producer(),
                transaction.state() == State::PrepareCommit,
                transaction.partitions().clone(),
                inner.last_appended,
            );
            inner.completing = true;
            taken
        };
        let marked = self
            .mark(slot, producer, commit, &partitions, decided)
            .await;
        let mut inner = lock(&slot.inner);
        inner.completing = false;
        marked?;
        self.turn(slot, &mut inner, |transaction, now, journal| {
            transaction.complete(now, journal)
        })
        .0
    }

    async fn mark(
        &self,
        slot: &Slot,
        producer: Producer,
        commit: bool,
        partitions: &Partitions,
        decided: Option<i64>,
    ) -> Result<(), ResponseError> {
        // The decision comes before its markers, on the disk too: a crash may then find only some of them.
        self.durable(slot, decided).await?;
        let mut marks = Vec::new();
        for (topic, indexes) in partitions {
            for &partition in indexes {
                let offset = self.participants.mark(topic, partition, producer, commit)?;
                marks.push((topic.as_str(), partition, offset));
            }
        }
        for (topic, partition, offset) in marks {
            if let Some(offset) = offset {
                self.participants.durable(topic, partition, offset).await?;
            }
            self.participants.marked(topic, partition, producer, commit);
        }
        Ok(())
    }

    /// Completes what a crash or a full disk left undone, aborts what takes too long, forgets what nobody uses.
    pub async fn run(self: Arc<Self>, closing: CancellationToken) {
        let mut expire_at = self.clock.monotonic() + EXPIRY_INTERVAL;
        let mut abort_at = self.clock.monotonic();
        loop {
            if self.clock.monotonic() >= abort_at {
                self.abort_overdue();
                abort_at = self.clock.monotonic() + self.settings.abort_interval;
            }
            let pending = self.finish_prepared().await;
            if self.clock.monotonic() >= expire_at {
                self.expire();
                expire_at = self.clock.monotonic() + EXPIRY_INTERVAL;
            }
            let sleep = if pending {
                RETRY_INTERVAL.min(self.settings.abort_interval)
            } else {
                self.settings.abort_interval
            };
            tokio::select! {
                () = closing.cancelled() => return,
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// Decides to abort every transaction that has lasted too long.
    pub fn abort_overdue(&self) {
        for slot in self.slots() {
            let (result, _) = self.step(&slot, Transaction::abort_if_overdue);
            if let Err(error) = result {
                tracing::warn!(%error, "a transaction could not be aborted; tried again later");
            }
        }
    }

    /// Takes every decided transaction nobody is completing to its end. True if some are still not there.
    pub async fn finish_prepared(self: &Arc<Self>) -> bool {
        let mut pending = false;
        for slot in self.slots() {
            let waits = {
                let inner = lock(&slot.inner);
                inner.transaction.state().is_prepared() && !inner.completing
            };
            if waits {
                pending |= self.finish(&slot).await.is_err();
            }
        }
        pending
    }

    /// Forgets ids nobody has used for long.
    pub fn expire(&self) {
        for slot in self.slots() {
            let mut inner = lock(&slot.inner);
            let (result, _) = self.turn(&slot, &mut inner, |transaction, now, journal| {
                transaction.expire(now, self.settings.expiration_ms, journal)
            });
            if let Ok(true) = result {
                inner.gone = true;
                lock(&self.slots).remove(inner.transaction.id());
            }
        }
    }

    /// `DescribeTransactions`, one of them.
    pub fn describe(&self, id: &str) -> Option<Transaction> {
        let slot = self.slot(id)?;
        let inner = lock(&slot.inner);
        Some(inner.transaction.clone()).filter(|transaction| !transaction.is_unused())
    }

    /// `ListTransactions`: every id, in order.
    pub fn list(&self) -> Vec<Transaction> {
        let mut listed: Vec<_> = self
            .slots()
            .iter()
            .map(|slot| lock(&slot.inner).transaction.clone())
            .filter(|transaction| !transaction.is_unused())
            .collect();
        listed.sort_by(|a, b| a.id().cmp(b.id()));
        listed
    }

    /// What the clock says, ms since the Unix epoch.
    pub fn wall_ms(&self) -> i64 {
        self.now().wall_ms
    }
}

impl Slot {
    fn of(transaction: Transaction, partition: i32) -> Self {
        Self {
            partition,
            inner: Mutex::new(Inner {
                transaction,
                last_appended: None,
                completing: false,
                gone: false,
            }),
        }
    }
}
