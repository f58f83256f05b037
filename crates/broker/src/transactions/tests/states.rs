//! The state machine of one transactional id.

use crate::internal_topics::batch::{BatchProducer, KeyedRecord};
use crate::internal_topics::journal::{Journal, Now};
use crate::internal_topics::transaction_records::decode;
use crate::transactions::transaction::{End, Init, Partitions, Producer, State, Transaction};
use kafka_protocol::ResponseError;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[derive(Default)]
struct Memory {
    records: Vec<KeyedRecord>,
    refuse: bool,
}

impl Journal for Memory {
    fn append(
        &mut self,
        records: &[KeyedRecord],
        _: Option<BatchProducer>,
    ) -> Result<i64, ResponseError> {
        if self.refuse {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        self.records.extend_from_slice(records);
        Ok(self.records.len() as i64 - 1)
    }
}

/// A transactional id, its journal and a clock.
struct Scene {
    transaction: Transaction,
    journal: Memory,
    now_ms: i64,
    next_id: i64,
}

impl Scene {
    fn new() -> Self {
        Self {
            transaction: Transaction::new("t", 100, 60_000, at(0)),
            journal: Memory::default(),
            now_ms: 0,
            next_id: 101,
        }
    }

    /// One that a producer has.
    fn with_producer() -> (Self, Producer) {
        let mut scene = Self::new();
        let producer = scene.ready(None);
        (scene, producer)
    }

    fn init(&mut self, expected: Option<Producer>) -> Result<Init, ResponseError> {
        let next_id = &mut self.next_id;
        let mut fresh = || {
            *next_id += 1;
            Ok(*next_id)
        };
        self.transaction.init(
            at(self.now_ms),
            60_000,
            expected,
            &mut fresh,
            &mut self.journal,
        )
    }

    fn ready(&mut self, expected: Option<Producer>) -> Producer {
        match self.init(expected) {
            Ok(Init::Ready(producer)) => producer,
            other => panic!("{other:?}"),
        }
    }

    fn add(&mut self, producer: Producer, partition: i32) -> Result<(), ResponseError> {
        self.transaction.add(
            at(self.now_ms),
            producer,
            &one(partition),
            &mut self.journal,
        )
    }

    fn end(&mut self, producer: Producer, commit: bool) -> Result<End, ResponseError> {
        self.transaction
            .end(at(self.now_ms), producer, commit, &mut self.journal)
    }

    fn complete(&mut self) -> Result<(), ResponseError> {
        self.transaction
            .complete(at(self.now_ms), &mut self.journal)
    }

    fn abort_if_overdue(&mut self) -> bool {
        self.transaction
            .abort_if_overdue(at(self.now_ms), &mut self.journal)
            .unwrap_or(false)
    }
}

fn at(wall_ms: i64) -> Now {
    Now {
        monotonic: Duration::ZERO,
        wall_ms,
    }
}

fn one(partition: i32) -> Partitions {
    BTreeMap::from([("topic".to_owned(), BTreeSet::from([partition]))])
}

fn epoch(producer: Producer, epoch: i16) -> Producer {
    Producer { epoch, ..producer }
}

#[test]
fn every_producer_that_takes_the_id_gets_a_newer_epoch() {
    let (mut scene, first) = Scene::with_producer();
    assert_eq!((first.id, first.epoch), (100, 0));
    let second = scene.ready(None);
    assert_eq!((second.id, second.epoch), (100, 1));
    assert_eq!(scene.add(first, 0), Err(ResponseError::ProducerFenced));
    assert_eq!(scene.add(second, 0), Ok(()));
}

#[test]
fn a_producer_may_bump_its_own_epoch_and_ask_again_when_the_answer_got_lost() {
    let (mut scene, first) = Scene::with_producer();
    let bumped = scene.ready(Some(first));
    assert_eq!(bumped.epoch, 1);
    assert_eq!(scene.ready(Some(first)), bumped);
    assert_eq!(scene.ready(Some(bumped)).epoch, 2);
    assert_eq!(
        scene.init(Some(first)),
        Err(ResponseError::ProducerFenced),
        "two bumps ago"
    );
    let stranger = Producer { id: 7, epoch: 2 };
    assert_eq!(
        scene.init(Some(stranger)),
        Err(ResponseError::ProducerFenced)
    );
}

#[test]
fn a_worn_out_epoch_brings_a_new_producer_id() {
    let (mut scene, mut producer) = Scene::with_producer();
    while producer.id == 100 {
        let next = scene.ready(Some(producer));
        assert!(next.epoch != i16::MAX, "the last epoch is kept for fencing");
        if next.id != 100 {
            assert_eq!(
                scene.ready(Some(producer)),
                next,
                "it may ask again when the answer got lost"
            );
        }
        producer = next;
    }
    assert_eq!(producer.epoch, 0);
}

#[test]
fn a_transaction_commits_or_aborts_once() {
    for commit in [true, false] {
        let (mut scene, producer) = Scene::with_producer();
        assert_eq!(
            scene.end(producer, commit),
            Err(ResponseError::InvalidTxnState)
        );
        scene.add(producer, 0).unwrap();
        scene.add(producer, 1).unwrap();
        assert_eq!(scene.end(producer, commit), Ok(End::Prepared));
        assert_eq!(
            scene.end(producer, commit),
            Err(ResponseError::ConcurrentTransactions)
        );
        assert_eq!(
            scene.end(producer, !commit),
            Err(ResponseError::InvalidTxnState)
        );
        assert_eq!(
            scene.add(producer, 2),
            Err(ResponseError::ConcurrentTransactions)
        );
        assert_eq!(scene.init(None), Err(ResponseError::ConcurrentTransactions));
        scene.complete().unwrap();
        assert_eq!(scene.end(producer, commit), Ok(End::Done));
        assert_eq!(
            scene.end(producer, !commit),
            Err(ResponseError::InvalidTxnState)
        );
        assert!(scene.transaction.partitions().is_empty());
        assert_eq!(scene.add(producer, 2), Ok(()));
    }
}

#[test]
fn a_record_is_taken_only_in_a_transaction_that_knows_its_partition() {
    let (mut scene, producer) = Scene::with_producer();
    let verify =
        |scene: &Scene, producer, partition| scene.transaction.verify(producer, "topic", partition);
    assert_eq!(
        verify(&scene, producer, 0),
        Err(ResponseError::InvalidTxnState)
    );
    scene.add(producer, 0).unwrap();
    assert_eq!(verify(&scene, producer, 0), Ok(()));
    assert_eq!(
        verify(&scene, producer, 1),
        Err(ResponseError::InvalidTxnState)
    );
    assert_eq!(
        verify(&scene, epoch(producer, 9), 0),
        Err(ResponseError::ProducerFenced)
    );
    assert_eq!(
        verify(&scene, Producer { id: 7, epoch: 0 }, 0),
        Err(ResponseError::InvalidProducerIdMapping)
    );
    scene.end(producer, true).unwrap();
    assert_eq!(
        verify(&scene, producer, 0),
        Err(ResponseError::ConcurrentTransactions)
    );
}

#[test]
fn a_partition_that_is_added_twice_is_written_down_once() {
    let (mut scene, producer) = Scene::with_producer();
    scene.add(producer, 0).unwrap();
    let records = scene.journal.records.len();
    scene.add(producer, 0).unwrap();
    assert_eq!(scene.journal.records.len(), records);
}

#[test]
fn taking_the_id_over_aborts_the_predecessors_transaction_and_fences_it() {
    let (mut scene, first) = Scene::with_producer();
    scene.add(first, 0).unwrap();
    assert_eq!(scene.init(None), Ok(Init::Aborting));
    assert_eq!(scene.transaction.state(), State::PrepareAbort);
    assert_eq!(scene.end(first, true), Err(ResponseError::ProducerFenced));
    assert_eq!(
        scene.transaction.producer().epoch,
        1,
        "its markers carry the newer epoch"
    );
    scene.complete().unwrap();
    assert_eq!(scene.ready(None).epoch, 2);
}

#[test]
fn a_transaction_that_lasts_too_long_is_aborted_and_its_producer_fenced() {
    let (mut scene, producer) = Scene::with_producer();
    scene.now_ms = 1_000;
    scene.add(producer, 0).unwrap();
    scene.now_ms = 60_999;
    assert!(!scene.abort_if_overdue());
    scene.now_ms = 61_000;
    assert!(scene.abort_if_overdue());
    assert!(!scene.abort_if_overdue(), "once");
    assert_eq!(
        scene.end(producer, true),
        Err(ResponseError::ProducerFenced)
    );
    scene.complete().unwrap();
    assert_eq!(scene.transaction.state(), State::CompleteAbort);
}

#[test]
fn what_cannot_be_written_down_does_not_happen() {
    let (mut scene, producer) = Scene::with_producer();
    scene.add(producer, 0).unwrap();
    let before = scene.transaction.clone();
    scene.journal.refuse = true;
    assert!(scene.add(producer, 1).is_err());
    assert!(scene.end(producer, true).is_err());
    assert!(scene.init(None).is_err());
    scene.now_ms = i64::MAX;
    assert!(!scene.abort_if_overdue());
    assert_eq!(scene.transaction, before);
}

#[test]
fn an_id_nobody_uses_is_forgotten_but_not_within_a_transaction() {
    let (mut scene, producer) = Scene::with_producer();
    let mut journal = Memory::default();
    assert_eq!(
        scene.transaction.expire(at(999), 1_000, &mut journal),
        Ok(false)
    );
    assert_eq!(
        scene.transaction.expire(at(1_000), 1_000, &mut journal),
        Ok(true)
    );
    assert_eq!(journal.records[0].value, None);
    scene.add(producer, 0).unwrap();
    assert_eq!(
        scene.transaction.expire(at(i64::MAX), 1_000, &mut journal),
        Ok(false)
    );
}

#[derive(Debug, Clone)]
enum Action {
    Init { bump: bool },
    Add { old: bool, partition: i32 },
    End { old: bool, commit: bool },
    Complete,
    Pass,
    Refuse(bool),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        any::<bool>().prop_map(|bump| Action::Init { bump }),
        (any::<bool>(), 0..3).prop_map(|(old, partition)| Action::Add { old, partition }),
        (any::<bool>(), any::<bool>()).prop_map(|(old, commit)| Action::End { old, commit }),
        Just(Action::Complete),
        Just(Action::Pass),
        any::<bool>().prop_map(Action::Refuse),
    ]
}

proptest! {
    #[test]
    fn whatever_producers_do_epochs_rise_and_the_log_tells_where_it_stands(actions in proptest::collection::vec(action(), 1..80)) {
        let mut scene = Scene::new();
        let mut newest = scene.transaction.producer();
        let mut oldest = newest;
        for action in actions {
            let before = scene.transaction.clone();
            match action {
                Action::Init { bump } => {
                    if let Ok(Init::Ready(producer)) = scene.init(bump.then_some(newest)) {
                        oldest = newest;
                        newest = producer;
                    }
                }
                Action::Add { old, partition } => {
                    let _ = scene.add(if old { oldest } else { newest }, partition);
                }
                Action::End { old, commit } => {
                    let _ = scene.end(if old { oldest } else { newest }, commit);
                }
                Action::Complete => {
                    let _ = scene.complete();
                }
                Action::Pass => {
                    scene.now_ms += 61_000;
                    scene.abort_if_overdue();
                }
                Action::Refuse(refuse) => scene.journal.refuse = refuse,
            }
            let after = &scene.transaction;
            prop_assert!(after.producer().epoch >= before.producer().epoch);
            if before.state() == State::PrepareCommit {
                prop_assert!(matches!(after.state(), State::PrepareCommit | State::CompleteCommit));
            }
            if before.state() == State::PrepareAbort {
                prop_assert!(matches!(after.state(), State::PrepareAbort | State::CompleteAbort));
            }
            if let Some(last) = scene.journal.records.last() {
                let (id, value) = decode(last).unwrap();
                let read = Transaction::load(&id, value.unwrap()).unwrap();
                prop_assert_eq!(read.state(), after.state());
                prop_assert_eq!(read.producer(), after.producer());
                prop_assert_eq!(read.partitions(), after.partitions());
            }
        }
    }
}
