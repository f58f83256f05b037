//! Appending and reading as a broker does.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use support::{NOW, World, batch, open, read_all, records_in, values};
use weir_base::time::{ManualClock, Timestamp};
use weir_log::{Isolation, LogConfig, LogError, Offset, Origin, PartitionLog, TimestampType};

#[test]
fn records_are_read_back_with_their_offsets_once_they_are_durable() {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, LogConfig::default());
    let first = log
        .append(batch(&[b"a", b"b"], NOW), Origin::Client)
        .unwrap();
    let second = log.append(batch(&[b"c"], NOW), Origin::Client).unwrap();
    assert_eq!(
        (first.base_offset, first.last_offset),
        (Offset(0), Offset(1))
    );
    assert_eq!(
        (second.base_offset, second.last_offset),
        (Offset(2), Offset(2))
    );
    assert!(
        log.read(Offset(0), 1 << 20, Isolation::HighWatermark)
            .unwrap()
            .batches
            .is_empty()
    );
    assert_eq!(
        read_all(&log, Offset(0), 1 << 20, Isolation::LogEnd).len(),
        3
    );
    volume.sync().unwrap();
    let read = log
        .read(Offset(0), 1 << 20, Isolation::HighWatermark)
        .unwrap();
    assert_eq!(read.offsets.high_watermark, Offset(3));
    let records = records_in(&read.batches);
    assert_eq!(values(&records), ["a", "b", "c"]);
    assert_eq!(records[2].0, 2);
}

#[test]
fn the_high_watermark_tells_those_who_listen() {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, LogConfig::default());
    let seen = Arc::new(AtomicI64::new(-1));
    let told = Arc::clone(&seen);
    log.on_advance(Box::new(move |offsets| {
        told.store(offsets.high_watermark.0, Ordering::SeqCst);
    }));
    log.append(batch(&[b"a", b"b"], NOW), Origin::Client)
        .unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), -1);
    volume.sync().unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

#[test]
fn old_records_are_read_from_segments_in_whole_batches_of_at_least_one() {
    let world = World::new();
    let volume = world.volume();
    let config = LogConfig {
        segment_bytes: 20_000,
        index_interval_bytes: 500,
        ..LogConfig::default()
    };
    let log = open(&volume, config);
    let mut expected = Vec::new();
    for number in 0..1500 {
        let value = format!("{number:0100}");
        log.append(
            batch(&[value.as_bytes(), b"x"], NOW + number),
            Origin::Client,
        )
        .unwrap();
        expected.extend([value, "x".to_owned()]);
    }
    volume.sync().unwrap();
    for max_bytes in [0, 1, 200, 1000, 10_000, 1 << 20] {
        let records = read_all(&log, Offset(0), max_bytes, Isolation::HighWatermark);
        assert_eq!(values(&records), expected, "pieces of {max_bytes}");
        assert!(
            records
                .iter()
                .enumerate()
                .all(|(place, record)| record.0 == place as i64)
        );
    }
    for from in [0, 1, 2, 777, 1234, 2998, 2999] {
        let read = log.read(Offset(from), 1, Isolation::HighWatermark).unwrap();
        assert_eq!(read.batches.len(), 1);
        assert_eq!(records_in(&read.batches)[0].0, from / 2 * 2);
    }
    let one = log.read(Offset(100), 1, Isolation::HighWatermark).unwrap();
    let two = log
        .read(
            Offset(100),
            one.batches[0].len() * 2 + 1,
            Isolation::HighWatermark,
        )
        .unwrap();
    assert_eq!(records_in(&two.batches).len(), 4);
    assert!(matches!(
        log.read(Offset(3001), 1, Isolation::HighWatermark),
        Err(LogError::OffsetOutOfRange { .. })
    ));
    assert!(matches!(
        log.read(Offset(-1), 1, Isolation::HighWatermark),
        Err(LogError::OffsetOutOfRange { .. })
    ));
}

#[test]
fn a_log_that_was_closed_is_found_as_it_was() {
    let world = World::new();
    let volume = world.volume();
    let config = LogConfig {
        segment_bytes: 5000,
        ..LogConfig::default()
    };
    let log = open(&volume, config.clone());
    log.set_topic_id([9; 16]).unwrap();
    volume.sync().unwrap();
    assert_eq!(
        open(&world.crash(0).volume(), config.clone()).topic_id(),
        Some([9; 16])
    );
    for number in 0..200 {
        log.append(
            batch(&[format!("{number}").as_bytes()], NOW),
            Origin::Client,
        )
        .unwrap();
    }
    volume.close().unwrap();
    assert!(matches!(
        log.append(batch(&[b"late"], NOW), Origin::Client),
        Err(LogError::Closed { .. })
    ));
    // Nothing at all may be lost after a clean shutdown, whatever was not synced.
    let world = world.crash(0);
    let volume = world.volume();
    assert_eq!(volume.partitions(), [("t".to_owned(), 0)]);
    let log = open(&volume, config);
    assert_eq!(log.offsets().high_watermark, Offset(200));
    assert_eq!(log.topic_id(), Some([9; 16]));
    assert_eq!(
        read_all(&log, Offset(0), 700, Isolation::HighWatermark).len(),
        200
    );
    let appended = log.append(batch(&[b"next"], NOW), Origin::Client).unwrap();
    assert_eq!(appended.base_offset, Offset(200));
}

#[test]
fn many_partitions_are_closed_with_few_syncs() {
    let world = World::new();
    let volume = world.volume();
    let open_one = |volume, partition| {
        weir_log::PartitionLog::open(volume, "many", partition, LogConfig::default()).unwrap()
    };
    let logs: Vec<_> = (0..50)
        .map(|partition| open_one(&volume, partition))
        .collect();
    for log in &logs {
        log.append(batch(&[b"x"], NOW), Origin::Client).unwrap();
    }
    let before = world.fs.syncs();
    volume.close().unwrap();
    assert!(
        world.fs.syncs() - before < 20,
        "{}",
        world.fs.syncs() - before
    );
    let volume = world.crash(0).volume();
    assert!(
        (0..50).all(|partition| open_one(&volume, partition).offsets().high_watermark == Offset(1))
    );
}

#[test]
fn append_time_stamps_all_records_and_keeps_the_crc_right() {
    let world = World::new();
    let volume = world.volume();
    let config = LogConfig {
        timestamp_type: TimestampType::LogAppendTime,
        ..LogConfig::default()
    };
    let log = open(&volume, config);
    let appended = log.append(batch(&[b"a", b"b"], 5), Origin::Client).unwrap();
    assert_eq!(appended.log_append_time, Some(Timestamp(NOW)));
    volume.sync().unwrap();
    let read = log
        .read(Offset(0), 1 << 20, Isolation::HighWatermark)
        .unwrap();
    let headers = weir_log::batch::check_all(&read.batches[0]).unwrap();
    assert!(headers[0].is_log_append_time());
    assert_eq!(headers[0].max_timestamp, NOW);
}

#[test]
fn times_are_found() {
    let world = World::new();
    let volume = world.volume();
    let config = LogConfig {
        segment_bytes: 3000,
        index_interval_bytes: 200,
        ..LogConfig::default()
    };
    let log = open(&volume, config);
    for number in 0..100 {
        log.append(
            batch(&[b"some value", b"another"], NOW - 10_000 + number * 10),
            Origin::Client,
        )
        .unwrap();
    }
    volume.sync().unwrap();
    for (at, offset) in [
        (0, Some(0)),
        (NOW - 10_000, Some(0)),
        (NOW - 9_999, Some(2)),
        (NOW - 9_505, Some(100)),
        (NOW - 9_010, Some(198)),
        (NOW - 9_009, None),
    ] {
        let found = log.offset_for_time(Timestamp(at)).unwrap();
        assert_eq!(
            found.map(|found| found.offset),
            offset.map(Offset),
            "at {at}"
        );
    }
    let largest = log.max_timestamp().unwrap().unwrap();
    assert_eq!(
        (largest.offset, largest.timestamp),
        (Offset(198), Timestamp(NOW - 9_010))
    );
    assert_eq!(log.end_offset_for_epoch(0), (0, Offset(200)));
    assert_eq!(log.end_offset_for_epoch(1), (-1, Offset(-1)));
    log.set_leader_epoch(3).unwrap();
    log.append(batch(&[b"new epoch"], NOW), Origin::Client)
        .unwrap();
    assert_eq!(log.end_offset_for_epoch(2), (0, Offset(200)));
    assert_eq!(log.end_offset_for_epoch(3), (3, Offset(201)));
}

#[test]
fn a_full_disk_refuses_appends_and_nothing_else() {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, LogConfig::default());
    log.append(batch(&[b"before"], NOW), Origin::Client)
        .unwrap();
    volume.sync().unwrap();
    world.fs.set_capacity(Some(world.fs.used_bytes() + 50));
    let refused = log.append(batch(&[&[7; 1000]], NOW), Origin::Client);
    assert!(
        matches!(refused, Err(LogError::NoSpace { .. })),
        "{refused:?}"
    );
    assert_eq!(
        values(&read_all(&log, Offset(0), 1000, Isolation::HighWatermark)),
        ["before"]
    );
    world.fs.set_capacity(None);
    let appended = log.append(batch(&[b"after"], NOW), Origin::Client).unwrap();
    assert_eq!(appended.base_offset, Offset(1));
    volume.sync().unwrap();
    assert_eq!(
        values(&read_all(&log, Offset(0), 1000, Isolation::HighWatermark)),
        ["before", "after"]
    );
    let world = world.crash(0);
    let log = open(&world.volume(), LogConfig::default());
    assert_eq!(
        values(&read_all(&log, Offset(0), 1000, Isolation::HighWatermark)),
        ["before", "after"]
    );
}

#[test]
fn a_folder_belongs_to_one_process() {
    let world = World::new();
    let volume = world.volume();
    assert!(matches!(world.try_volume(), Err(LogError::Locked { .. })));
    volume.close().unwrap();
    assert!(world.try_volume().is_ok());
}

#[test]
fn a_deleted_partition_is_gone_for_good() {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, LogConfig::default());
    log.append(batch(&[b"a"], NOW), Origin::Client).unwrap();
    volume.sync().unwrap();
    log.delete().unwrap();
    assert!(matches!(
        log.append(batch(&[b"b"], NOW), Origin::Client),
        Err(LogError::Closed { .. })
    ));
    volume.upkeep();
    let again = open(&volume, LogConfig::default());
    assert_eq!(again.offsets().log_end, Offset(0));
    drop(again);
    let volume = world.crash(0).volume();
    assert_eq!(volume.partitions(), []);
}

/// A log on the machine's disk with the volume's own threads, and each high watermark that the sync thread reaches.
fn synced_by_itself(
    clock: Arc<dyn weir_base::time::Clock>,
    dir: &std::path::Path,
) -> (
    Arc<weir_log::Volume>,
    Arc<PartitionLog>,
    std::sync::mpsc::Receiver<Offset>,
) {
    let volume = weir_log::Volume::open(Arc::new(weir_base::fs::RealFs), clock, dir).unwrap();
    let log = open(&volume, LogConfig::default());
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    log.on_advance(Box::new(move |offsets| {
        let _ = sender.lock().unwrap().send(offsets.high_watermark);
    }));
    (volume, log, receiver)
}

#[test]
fn the_sync_thread_makes_appends_durable_while_somebody_waits() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(weir_base::time::SystemClock::new());
    let (volume, log, reached) = synced_by_itself(clock, dir.path());
    log.watch();
    for number in 0..100 {
        let appended = log
            .append(batch(&[format!("{number}").as_bytes()], -1), Origin::Client)
            .unwrap();
        while reached.recv().unwrap() <= appended.last_offset {}
    }
    assert_eq!(
        read_all(&log, Offset(0), 1 << 20, Isolation::HighWatermark).len(),
        100
    );
    volume.close().unwrap();
}

#[test]
fn what_nobody_waits_for_is_synced_once_somebody_does_or_a_second_has_passed() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp(NOW)));
    let (volume, log, reached) = synced_by_itself(clock.clone(), dir.path());
    let append = || {
        log.append(batch(&[b"x"], -1), Origin::Client)
            .unwrap()
            .last_offset
    };
    append();
    append();
    assert_eq!(log.offsets().high_watermark, Offset(0));
    log.watch();
    assert_eq!(reached.recv().unwrap(), Offset(2));
    log.unwatch();
    append();
    assert_eq!(log.offsets().high_watermark, Offset(2));
    clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(reached.recv().unwrap(), Offset(3));
    append();
    volume.close().unwrap();
    assert_eq!(log.offsets().high_watermark, Offset(4));
}
