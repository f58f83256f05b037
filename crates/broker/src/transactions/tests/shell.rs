//! The coordinator around the state machines: markers, crashes and full disks.

use crate::internal_topics::journal::Later;
use crate::internal_topics::memory::MemoryTopic;
use crate::transactions::TransactionCoordinator;
use crate::transactions::coordinator::TransactionSettings;
use crate::transactions::participants::Participants;
use crate::transactions::transaction::{Partitions, Producer, State};
use kafka_protocol::ResponseError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use weir_base::time::{ManualClock, Timestamp};

type Mark = (String, i32, Producer, bool);

/// Partitions that note the markers they get, and can refuse them.
#[derive(Default)]
struct Marks {
    written: Mutex<Vec<Mark>>,
    heard: Mutex<Vec<Mark>>,
    refuse: AtomicBool,
}

impl Participants for Marks {
    fn mark(
        &self,
        topic: &str,
        partition: i32,
        producer: Producer,
        commit: bool,
    ) -> Result<Option<i64>, ResponseError> {
        if self.refuse.load(Ordering::Relaxed) {
            return Err(ResponseError::KafkaStorageError);
        }
        let mut written = self.written.lock().unwrap();
        written.push((topic.to_owned(), partition, producer, commit));
        Ok(Some(written.len() as i64))
    }

    fn durable<'a>(&'a self, _: &'a str, _: i32, _: i64) -> Later<'a, Result<(), ResponseError>> {
        Box::pin(async { Ok(()) })
    }

    fn marked(&self, topic: &str, partition: i32, producer: Producer, commit: bool) {
        self.heard
            .lock()
            .unwrap()
            .push((topic.to_owned(), partition, producer, commit));
    }
}

struct Broker {
    topic: Arc<MemoryTopic>,
    marks: Arc<Marks>,
    clock: Arc<ManualClock>,
    coordinator: Arc<TransactionCoordinator>,
}

impl Broker {
    fn new() -> Self {
        Self::on(
            Arc::default(),
            Arc::new(ManualClock::new(Timestamp(1_700_000_000_000))),
        )
    }

    /// A broker that starts on what another one wrote.
    fn on(topic: Arc<MemoryTopic>, clock: Arc<ManualClock>) -> Self {
        let marks = Arc::new(Marks::default());
        let next = AtomicI64::new(100);
        let coordinator = TransactionCoordinator::new(
            TransactionSettings {
                max_timeout_ms: 900_000,
                expiration_ms: 604_800_000,
                abort_interval: Duration::from_secs(10),
            },
            clock.clone(),
            topic.clone(),
            marks.clone(),
            Box::new(move || Ok(next.fetch_add(1, Ordering::Relaxed))),
        );
        coordinator.load().unwrap();
        Self {
            topic,
            marks,
            clock,
            coordinator: Arc::new(coordinator),
        }
    }

    fn restart(&self) -> Self {
        Self::on(self.topic.clone(), self.clock.clone())
    }

    fn state(&self) -> State {
        self.coordinator.describe("t").unwrap().state()
    }

    fn written(&self) -> Vec<(String, i32, bool)> {
        let written = self.marks.written.lock().unwrap();
        written
            .iter()
            .map(|(topic, partition, _, commit)| (topic.clone(), *partition, *commit))
            .collect()
    }

    async fn begin(&self) -> Producer {
        let producer = self.coordinator.init("t", 60_000, None).await.unwrap();
        self.coordinator.add("t", producer, &two()).await.unwrap();
        producer
    }
}

fn two() -> Partitions {
    BTreeMap::from([
        ("a".to_owned(), BTreeSet::from([0])),
        ("b".to_owned(), BTreeSet::from([3])),
    ])
}

fn markers(commit: bool) -> Vec<(String, i32, bool)> {
    vec![("a".to_owned(), 0, commit), ("b".to_owned(), 3, commit)]
}

#[tokio::test]
async fn a_transactions_end_reaches_every_partition_before_it_is_answered() {
    for commit in [true, false] {
        let broker = Broker::new();
        let producer = broker.begin().await;
        broker.coordinator.end("t", producer, commit).await.unwrap();
        assert_eq!(broker.written(), markers(commit));
        assert_eq!(broker.marks.heard.lock().unwrap().len(), 2);
        assert_eq!(
            broker.state(),
            if commit {
                State::CompleteCommit
            } else {
                State::CompleteAbort
            }
        );
    }
}

#[tokio::test]
async fn a_crash_after_the_decision_is_made_good_at_the_next_start() {
    let broker = Broker::new();
    let producer = broker.begin().await;
    broker.marks.refuse.store(true, Ordering::Relaxed);
    broker.coordinator.end("t", producer, true).await.unwrap();
    assert_eq!(broker.state(), State::PrepareCommit);

    let broker = broker.restart();
    assert_eq!(broker.state(), State::PrepareCommit);
    assert!(!broker.coordinator.finish_prepared().await);
    assert_eq!(broker.written(), markers(true));
    assert_eq!(broker.state(), State::CompleteCommit);
    assert_eq!(broker.restart().state(), State::CompleteCommit);
}

#[tokio::test]
async fn markers_that_cannot_be_written_are_tried_again() {
    let broker = Broker::new();
    let producer = broker.begin().await;
    broker.marks.refuse.store(true, Ordering::Relaxed);
    broker.coordinator.end("t", producer, false).await.unwrap();
    assert!(broker.coordinator.finish_prepared().await);
    broker.marks.refuse.store(false, Ordering::Relaxed);
    assert!(!broker.coordinator.finish_prepared().await);
    assert_eq!(broker.state(), State::CompleteAbort);
}

#[tokio::test]
async fn a_transaction_goes_on_after_a_restart() {
    let broker = Broker::new();
    let producer = broker.begin().await;
    let broker = broker.restart();
    let write = || broker.coordinator.within("t", producer, "a", 0, || 7);
    assert_eq!(write(), Ok(7));
    broker.coordinator.end("t", producer, true).await.unwrap();
    assert_eq!(write(), Err(ResponseError::InvalidTxnState));
}

#[tokio::test]
async fn a_new_producer_gets_the_id_once_the_old_transaction_is_aborted() {
    let broker = Broker::new();
    let first = broker.begin().await;
    let second = broker.coordinator.init("t", 60_000, None).await.unwrap();
    assert_eq!(broker.written(), markers(false));
    assert!(second.epoch > first.epoch);
    let marker_epoch = broker.marks.written.lock().unwrap()[0].2.epoch;
    assert!(
        marker_epoch > first.epoch,
        "partitions learn that the old one is fenced"
    );
    assert_eq!(
        broker.coordinator.end("t", first, true).await,
        Err(ResponseError::ProducerFenced)
    );
}

#[tokio::test]
async fn a_transaction_that_lasts_too_long_is_aborted() {
    let broker = Broker::new();
    let producer = broker.begin().await;
    broker.clock.advance(Duration::from_mins(1));
    broker.coordinator.abort_overdue();
    assert!(!broker.coordinator.finish_prepared().await);
    assert_eq!(broker.written(), markers(false));
    assert_eq!(
        broker.coordinator.end("t", producer, true).await,
        Err(ResponseError::ProducerFenced)
    );
}

#[tokio::test]
async fn an_id_whose_first_record_cannot_be_written_is_not_remembered() {
    let broker = Broker::new();
    broker
        .topic
        .refuse(Some(ResponseError::CoordinatorNotAvailable));
    assert!(broker.coordinator.init("t", 60_000, None).await.is_err());
    assert!(broker.coordinator.list().is_empty());
    broker.topic.refuse(None);
    assert_eq!(
        broker
            .coordinator
            .init("t", 60_000, None)
            .await
            .unwrap()
            .epoch,
        0
    );
}

#[tokio::test]
async fn hostile_names_and_timeouts_are_refused() {
    let coordinator = Broker::new().coordinator;
    let long = "x".repeat(40_000);
    let cases = [
        ("", 60_000, ResponseError::InvalidRequest),
        (long.as_str(), 60_000, ResponseError::InvalidRequest),
        ("t", 0, ResponseError::InvalidTransactionTimeout),
        ("t", i32::MIN, ResponseError::InvalidTransactionTimeout),
        ("t", 900_001, ResponseError::InvalidTransactionTimeout),
    ];
    for (id, timeout_ms, error) in cases {
        assert_eq!(
            coordinator.init(id, timeout_ms, None).await,
            Err(error),
            "{timeout_ms}"
        );
    }
    let nobody = Producer { id: -1, epoch: -1 };
    assert_eq!(
        coordinator.end("t", nobody, true).await,
        Err(ResponseError::InvalidProducerIdMapping)
    );
}

#[tokio::test]
async fn ids_nobody_uses_are_forgotten_for_good() {
    let broker = Broker::new();
    broker.coordinator.init("t", 60_000, None).await.unwrap();
    broker.clock.advance(Duration::from_hours(24 * 7));
    broker.coordinator.expire();
    assert!(broker.coordinator.list().is_empty());
    assert!(broker.restart().coordinator.list().is_empty());
}
