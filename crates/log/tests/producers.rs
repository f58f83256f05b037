//! Idempotent producers and transactions (KIP-98).
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;

use support::{NOW, World, batch, header, idempotent, open, payload, records_in};
use weir_log::batch::{BatchHeader, build};
use weir_log::{Appended, Isolation, LogConfig, LogError, Offset, Origin, PartitionLog, Volume};

fn start() -> (World, Arc<Volume>, Arc<PartitionLog>) {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, LogConfig::default());
    (world, volume, log)
}

fn send(log: &PartitionLog, epoch: i16, sequence: i32, count: usize) -> Result<Appended, LogError> {
    log.append(
        idempotent(9, epoch, sequence, &vec![&b"v"[..]; count], false),
        Origin::Client,
    )
}

#[test]
fn a_retried_batch_is_answered_with_its_offsets_and_not_written_again() {
    let (_world, _volume, log) = start();
    for sequence in 0..8 {
        assert!(!send(&log, 0, sequence * 3, 3).unwrap().duplicate);
    }
    for sequence in 3..8 {
        let again = send(&log, 0, sequence * 3, 3).unwrap();
        assert!(again.duplicate);
        assert_eq!(
            (again.base_offset.0, again.last_offset.0),
            (i64::from(sequence) * 3, i64::from(sequence) * 3 + 2)
        );
    }
    assert_eq!(log.offsets().log_end, Offset(24));
    // The sixth from the end is not remembered.
    assert!(matches!(
        send(&log, 0, 6, 3),
        Err(LogError::OutOfOrderSequence {
            expected: 24,
            got: 6,
            ..
        })
    ));
    assert!(
        matches!(
            send(&log, 0, 9, 2),
            Err(LogError::OutOfOrderSequence { .. })
        ),
        "same start, other length"
    );
}

#[test]
fn a_gap_in_the_sequence_is_refused() {
    let (_world, _volume, log) = start();
    send(&log, 0, 0, 2).unwrap();
    assert!(matches!(
        send(&log, 0, 3, 1),
        Err(LogError::OutOfOrderSequence {
            expected: 2,
            got: 3,
            ..
        })
    ));
    assert!(send(&log, 0, 2, 1).is_ok());
}

#[test]
fn a_newer_epoch_starts_at_zero_and_fences_the_older() {
    let (_world, _volume, log) = start();
    send(&log, 3, 0, 2).unwrap();
    assert!(matches!(
        send(&log, 4, 2, 1),
        Err(LogError::OutOfOrderSequence { expected: 0, .. })
    ));
    send(&log, 4, 0, 1).unwrap();
    assert!(matches!(
        send(&log, 3, 2, 1),
        Err(LogError::InvalidProducerEpoch {
            current: 4,
            got: 3,
            ..
        })
    ));
    send(&log, 4, 1, 1).unwrap();
}

#[test]
fn sequences_go_round() {
    let (_world, _volume, log) = start();
    send(&log, 0, i32::MAX - 1, 4).unwrap();
    assert!(send(&log, 0, i32::MAX - 1, 4).unwrap().duplicate);
    assert!(!send(&log, 0, 2, 1).unwrap().duplicate);
}

#[test]
fn a_producer_nobody_remembers_may_go_on_anywhere() {
    let (_world, _volume, log) = start();
    send(&log, 0, 1234, 1).unwrap();
    assert_eq!(log.producers()[0].last_sequence, 1234);
}

#[test]
fn batches_of_a_producer_come_one_at_a_time() {
    let (_world, _volume, log) = start();
    let mut two = idempotent(9, 0, 0, &[b"a"], false);
    two.extend_from_slice(&idempotent(9, 0, 1, &[b"b"], false));
    assert!(matches!(
        log.append(two, Origin::Client),
        Err(LogError::InvalidRecord { .. })
    ));
    let mut plain = batch(&[b"a", b"b"], NOW);
    plain.extend_from_slice(&batch(&[b"c"], NOW));
    let appended = log.append(plain, Origin::Client).unwrap();
    assert_eq!(
        (appended.base_offset, appended.last_offset),
        (Offset(0), Offset(2))
    );
}

#[test]
fn producers_are_remembered_over_a_restart_clean_or_not() {
    for clean in [true, false] {
        let (world, volume, log) = start();
        for sequence in 0..7 {
            send(&log, 1, sequence, 1).unwrap();
        }
        volume.sync().unwrap();
        if clean {
            volume.close().unwrap();
        }
        let log = open(&world.crash(0).volume(), LogConfig::default());
        assert!(send(&log, 1, 6, 1).unwrap().duplicate, "clean: {clean}");
        assert!(matches!(
            send(&log, 0, 7, 1),
            Err(LogError::InvalidProducerEpoch { .. })
        ));
        assert!(matches!(
            send(&log, 1, 9, 1),
            Err(LogError::OutOfOrderSequence { expected: 7, .. })
        ));
        assert!(!send(&log, 1, 7, 1).unwrap().duplicate);
    }
}

fn transactional(log: &PartitionLog, producer: i64, sequence: i32, value: &str) -> Appended {
    let bytes = idempotent(producer, 0, sequence, &[value.as_bytes()], true);
    log.append(bytes, Origin::Client).unwrap()
}

#[test]
fn the_last_stable_offset_waits_for_every_open_transaction() {
    let (_world, volume, log) = start();
    let stable = || {
        volume.sync().unwrap();
        log.offsets().last_stable.0
    };
    log.append(batch(&[b"plain"], NOW), Origin::Client).unwrap();
    assert_eq!(stable(), 1);
    transactional(&log, 1, 0, "one");
    transactional(&log, 2, 0, "two");
    transactional(&log, 1, 1, "one more");
    assert_eq!(stable(), 1);
    log.append_marker(1, 0, true, 0).unwrap();
    assert_eq!(stable(), 2);
    log.append_marker(2, 0, false, 0).unwrap();
    assert_eq!(
        log.offsets().last_stable.0,
        2,
        "the marker is not durable yet"
    );
    assert_eq!(stable(), 6);
}

#[test]
fn committed_readers_learn_which_transactions_to_skip() {
    let (_world, volume, log) = start();
    for round in 0..6 {
        transactional(&log, 1, round, "commits");
        transactional(&log, 2, round, "aborts");
        log.append_marker(1, 0, true, 0).unwrap();
        log.append_marker(2, 0, false, 0).unwrap();
    }
    volume.sync().unwrap();
    let read = log.read(Offset(0), 1 << 20, Isolation::LastStable).unwrap();
    assert_eq!(records_in(&read.batches).len(), 12);
    let aborted: Vec<_> = read
        .aborted
        .iter()
        .map(|txn| (txn.producer_id, txn.first_offset.0, txn.last_offset.0))
        .collect();
    assert_eq!(
        aborted,
        [
            (2, 1, 3),
            (2, 5, 7),
            (2, 9, 11),
            (2, 13, 15),
            (2, 17, 19),
            (2, 21, 23)
        ]
    );
    let part = log.read(Offset(6), 200, Isolation::LastStable).unwrap();
    let aborted: Vec<_> = part.aborted.iter().map(|txn| txn.first_offset.0).collect();
    assert_eq!(aborted, [5], "only those among the batches returned");
    assert!(
        log.read(Offset(0), 1 << 20, Isolation::HighWatermark)
            .unwrap()
            .aborted
            .is_empty()
    );
}

#[test]
fn markers_are_fenced_by_epoch_and_coordinator() {
    let (_world, _volume, log) = start();
    log.append(idempotent(1, 5, 0, &[b"x"], true), Origin::Client)
        .unwrap();
    assert!(matches!(
        log.append_marker(1, 4, true, 0),
        Err(LogError::InvalidProducerEpoch { .. })
    ));
    log.append_marker(1, 5, true, 7).unwrap();
    assert!(matches!(
        log.append_marker(1, 5, true, 6),
        Err(LogError::TransactionCoordinatorFenced { current: 7, got: 6 })
    ));
    // An epoch raised by the coordinator fences the producer that it was raised against.
    log.append_marker(1, 6, false, 7).unwrap();
    assert!(matches!(
        log.append(idempotent(1, 5, 1, &[b"x"], true), Origin::Client),
        Err(LogError::InvalidProducerEpoch {
            current: 6,
            got: 5,
            ..
        })
    ));
}

#[test]
fn a_plain_batch_within_a_transaction_is_refused() {
    let (_world, _volume, log) = start();
    transactional(&log, 1, 0, "x");
    let plain = log.append(idempotent(1, 0, 1, &[b"x"], false), Origin::Client);
    assert!(matches!(plain, Err(LogError::InvalidTxnState { .. })));
}

#[test]
fn clients_write_no_markers() {
    let (_world, _volume, log) = start();
    for attributes in [0x20, 0x30] {
        let header = BatchHeader {
            attributes,
            producer_id: 1,
            producer_epoch: 0,
            base_sequence: 0,
            ..header(1, NOW)
        };
        let bytes = bytes::BytesMut::from(&build(&header, &payload(&[b"x"]))[..]);
        assert!(matches!(
            log.append(bytes, Origin::Client),
            Err(LogError::InvalidRecord { .. })
        ));
    }
}

#[test]
fn a_coordinator_writes_offsets_in_a_transaction_without_sequence_numbers() {
    let (world, volume, log) = start();
    let offsets = |epoch| {
        let header = BatchHeader {
            attributes: 0x10,
            producer_id: 4,
            producer_epoch: epoch,
            ..header(1, NOW)
        };
        bytes::BytesMut::from(&build(&header, &payload(&[b"x"]))[..])
    };
    for _ in 0..3 {
        assert!(
            !log.append(offsets(2), Origin::Coordinator)
                .unwrap()
                .duplicate
        );
    }
    assert!(matches!(
        log.append(offsets(1), Origin::Coordinator),
        Err(LogError::InvalidProducerEpoch { .. })
    ));
    assert!(matches!(
        log.append(offsets(2), Origin::Client),
        Err(LogError::InvalidRecord { .. })
    ));
    volume.sync().unwrap();
    assert_eq!(log.offsets().last_stable, Offset(0));
    let volume = world.crash(0).volume();
    let log = open(&volume, LogConfig::default());
    log.append_marker(4, 2, true, 0).unwrap();
    volume.sync().unwrap();
    assert_eq!(log.offsets().last_stable, Offset(4));
}
