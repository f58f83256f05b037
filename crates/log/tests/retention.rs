//! What goes with time and size, and what compaction keeps.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use support::{NOW, World, batch, header, idempotent, keyed, open, read_all};
use weir_base::fs::{Fs, MemFs};
use weir_base::time::Timestamp;
use weir_log::batch::{BatchHeader, build};
use weir_log::{
    CleanupPolicy, Isolation, LogConfig, LogError, Offset, Origin, PartitionLog, record,
};

fn files(fs: &MemFs) -> Vec<String> {
    let entries = fs.read_dir(std::path::Path::new("/data/t-0")).unwrap();
    entries
        .into_iter()
        .map(|(name, _)| name.to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn whole_segments_go_when_they_are_too_old_and_their_files_later() {
    let world = World::new();
    let volume = world.volume();
    let config = LogConfig {
        segment_bytes: 1000,
        retention_ms: Some(60_000),
        file_delete_delay_ms: 5_000,
        ..LogConfig::default()
    };
    let log = open(&volume, config);
    for number in 0..40 {
        log.append(batch(&[&[b'x'; 100]], NOW + number * 1000), Origin::Client)
            .unwrap();
    }
    volume.sync().unwrap();
    world.clock.set(Timestamp(NOW + 75_000));
    log.maintain().unwrap();
    let start = log.offsets().log_start;
    assert!(start > Offset(0) && start <= Offset(15), "{start}");
    assert!(matches!(
        log.read(Offset(0), 1, Isolation::HighWatermark),
        Err(LogError::OffsetOutOfRange { .. })
    ));
    assert!(
        files(&world.fs)
            .iter()
            .any(|name| name.ends_with(".deleted"))
    );
    world.clock.advance(Duration::from_secs(6));
    log.maintain().unwrap();
    assert!(!files(&world.fs).contains(&"00000000000000000000.log.deleted".to_owned()));
    world.clock.set(Timestamp(NOW + 1_000_000));
    log.maintain().unwrap();
    assert_eq!(
        log.offsets().log_start,
        Offset(40),
        "the newest segment gets too old as well"
    );
    volume.close().unwrap();
    let log = open(&world.crash(0).volume(), LogConfig::default());
    assert_eq!(
        (log.offsets().log_start, log.offsets().log_end),
        (Offset(40), Offset(40))
    );
}

#[test]
fn segments_go_when_there_is_too_much() {
    let world = World::new();
    let volume = world.volume();
    let config = LogConfig {
        segment_bytes: 1000,
        retention_bytes: Some(3000),
        ..LogConfig::default()
    };
    let log = open(&volume, config);
    for _ in 0..100 {
        log.append(batch(&[&[b'x'; 100]], NOW), Origin::Client)
            .unwrap();
    }
    volume.sync().unwrap();
    log.maintain().unwrap();
    assert!(
        (3000..4100).contains(&log.size_bytes()),
        "{}",
        log.size_bytes()
    );
    assert_eq!(log.offsets().log_end, Offset(100));
}

#[test]
fn deleted_records_stay_deleted() {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, LogConfig::default());
    for _ in 0..10 {
        log.append(batch(&[b"x", b"y"], NOW), Origin::Client)
            .unwrap();
    }
    volume.sync().unwrap();
    assert_eq!(log.delete_records_before(Offset(7)).unwrap(), Offset(7));
    assert_eq!(log.delete_records_before(Offset(3)).unwrap(), Offset(7));
    assert!(log.delete_records_before(Offset(21)).is_err());
    let log = open(&world.crash(0).volume(), LogConfig::default());
    assert_eq!(log.offsets().log_start, Offset(7));
    assert_eq!(log.delete_records_before(Offset(-1)).unwrap(), Offset(20));
}

fn compacted() -> LogConfig {
    LogConfig {
        segment_bytes: 700,
        index_interval_bytes: 100,
        min_cleanable_dirty_ratio: 0.01,
        delete_retention_ms: 10_000,
        file_delete_delay_ms: 0,
        cleanup_policy: CleanupPolicy {
            delete: false,
            compact: true,
        },
        ..LogConfig::default()
    }
}

type Latest = BTreeMap<String, (i64, Option<String>)>;

fn latest(log: &PartitionLog) -> Latest {
    let mut latest = Latest::new();
    for (offset, key, value) in read_all(log, Offset(0), 500, Isolation::HighWatermark) {
        latest.insert(key.unwrap(), (offset, value));
    }
    latest
}

/// Without tombstones, for those may or may not have gone.
fn living(mut latest: Latest) -> Latest {
    latest.retain(|_, (_, value)| value.is_some());
    latest
}

#[test]
fn compaction_keeps_the_newest_of_each_key_at_its_offset() {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, compacted());
    for number in 0..200 {
        let key = format!("key {}", number % 7);
        let value = format!("value {number}");
        log.append(
            keyed(
                &[(&key, Some(&value)), ("always", Some("same"))],
                NOW + number,
            ),
            Origin::Client,
        )
        .unwrap();
    }
    volume.sync().unwrap();
    let before = latest(&log);
    let size = log.size_bytes();
    log.maintain().unwrap();
    assert!(
        log.size_bytes() < size / 5,
        "{} of {size}",
        log.size_bytes()
    );
    assert_eq!(latest(&log), before);
    let records = read_all(&log, Offset(0), 1 << 20, Isolation::HighWatermark);
    assert!(records.len() < 60, "{}", records.len());
    assert_eq!(log.offsets().log_end, Offset(400));
    let found = log.offset_for_time(Timestamp(NOW + 199)).unwrap().unwrap();
    assert_eq!(found.offset, Offset(398));
    volume.close().unwrap();
    let world = world.crash(0);
    let volume = world.volume();
    let log = open(&volume, compacted());
    assert_eq!(latest(&log), before);
    assert_eq!(log.offsets().log_end, Offset(400));
    // Nothing new: nothing is done.
    let operations = world.fs.operations();
    log.maintain().unwrap();
    assert_eq!(world.fs.operations(), operations);
}

#[test]
fn a_tombstone_outlives_its_key_by_delete_retention() {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, compacted());
    let fill = |from: i64| {
        for number in from..from + 30 {
            log.append(
                keyed(
                    &[(&format!("fill {}", number % 3), Some("x"))],
                    NOW + number,
                ),
                Origin::Client,
            )
            .unwrap();
        }
        volume.sync().unwrap();
    };
    log.append(
        keyed(&[("gone", Some("value")), ("other", Some("stays"))], NOW),
        Origin::Client,
    )
    .unwrap();
    log.append(
        keyed(&[("gone", None), ("third", Some("stays"))], NOW),
        Origin::Client,
    )
    .unwrap();
    fill(0);
    log.maintain().unwrap();
    let tombstone = (2, Some("gone".to_owned()), None);
    assert!(read_all(&log, Offset(0), 1 << 20, Isolation::HighWatermark).contains(&tombstone));
    assert!(!latest(&log).contains_key("value"));
    world.clock.advance(Duration::from_secs(9));
    fill(100);
    log.maintain().unwrap();
    assert!(latest(&log).contains_key("gone"));
    world.clock.advance(Duration::from_secs(2));
    fill(200);
    log.maintain().unwrap();
    assert!(!latest(&log).contains_key("gone"));
    assert_eq!(latest(&log)["third"], (3, Some("stays".to_owned())));
}

#[test]
fn aborted_records_do_not_replace_committed_ones() {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, compacted());
    let transactional = |sequence: i32, value: &str| {
        let mut payload = Vec::new();
        record::write(&mut payload, 0, 0, Some(b"k"), Some(value.as_bytes()), &[0]);
        let header = BatchHeader {
            producer_id: 5,
            producer_epoch: 0,
            base_sequence: sequence,
            attributes: 0x10,
            ..header(1, NOW)
        };
        bytes::BytesMut::from(&build(&header, &payload)[..])
    };
    log.append(transactional(0, "committed"), Origin::Client)
        .unwrap();
    log.append_marker(5, 0, true, 0).unwrap();
    log.append(transactional(1, "aborted"), Origin::Client)
        .unwrap();
    log.append_marker(5, 0, false, 0).unwrap();
    for round in 0..3 {
        for number in 0..20 {
            log.append(
                keyed(
                    &[(&format!("fill {}", number % 3), Some("x"))],
                    NOW + number,
                ),
                Origin::Client,
            )
            .unwrap();
        }
        volume.sync().unwrap();
        log.maintain().unwrap();
        assert_eq!(
            latest(&log)["k"],
            (0, Some("committed".to_owned())),
            "round {round}"
        );
        world.clock.advance(Duration::from_secs(20));
    }
}

#[test]
fn compressed_batches_are_compacted_too() {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, compacted());
    for number in 0..60_i64 {
        let mut payload = Vec::new();
        record::write(
            &mut payload,
            0,
            0,
            Some(format!("{}", number % 4).as_bytes()),
            Some(b"v"),
            &[0],
        );
        record::write(&mut payload, 0, 1, Some(b"same"), Some(b"v"), &[0]);
        let packed = snap::raw::Encoder::new().compress_vec(&payload).unwrap();
        let header = BatchHeader {
            attributes: 2,
            ..header(2, NOW + number)
        };
        log.append(
            bytes::BytesMut::from(&build(&header, &packed)[..]),
            Origin::Client,
        )
        .unwrap();
    }
    volume.sync().unwrap();
    let before = log.size_bytes();
    log.maintain().unwrap();
    assert!(log.size_bytes() < before / 2);
    assert_eq!(log.offsets().log_end, Offset(120));
}

#[test]
fn a_compacted_topic_takes_no_record_without_a_key() {
    let world = World::new();
    let log = open(&world.volume(), compacted());
    assert!(matches!(
        log.append(batch(&[b"no key"], NOW), Origin::Client),
        Err(LogError::RecordsWithoutKey { indexes }) if indexes == [0]
    ));
}

#[test]
fn silent_producers_are_forgotten() {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, LogConfig::default());
    log.append(idempotent(1, 0, 0, &[b"x"], false), Origin::Client)
        .unwrap();
    log.append(idempotent(2, 0, 0, &[b"x"], true), Origin::Client)
        .unwrap();
    volume.sync().unwrap();
    world.clock.advance(Duration::from_hours(25));
    log.maintain().unwrap();
    let left: Vec<_> = log
        .producers()
        .iter()
        .map(|producer| producer.producer_id)
        .collect();
    assert_eq!(
        left,
        [2],
        "a transaction that is going on holds its producer"
    );
    assert!(
        log.append(idempotent(1, 0, 5, &[b"x"], false), Origin::Client)
            .is_ok()
    );
}

/// Appends keyed records and compacts, until done or the power goes; returns what was newest when it was last durable.
fn work(world: &World, keys: &[u8]) -> (Latest, Latest) {
    let mut durable = Latest::new();
    let mut tried = Latest::new();
    let mut run = || -> Result<(), LogError> {
        let volume = world.try_volume()?;
        let log = PartitionLog::open(&volume, "t", 0, compacted())?;
        for (number, key) in keys.iter().enumerate() {
            let key_name = format!("key {}", key % 5);
            let value = (key % 11 > 0).then(|| format!("value {number}"));
            let offset = number as i64;
            tried.insert(key_name.clone(), (offset, value.clone()));
            log.append(
                keyed(&[(&key_name, value.as_deref())], NOW + offset),
                Origin::Client,
            )?;
            if number % 8 == 7 {
                volume.sync()?;
                durable = tried.clone();
            }
            if number % 20 == 19 {
                log.maintain()?;
                world.clock.advance(Duration::from_secs(4));
            }
        }
        Ok(())
    };
    let _ = run();
    (durable, tried)
}

fn check(world: &World, durable: &Latest, tried: &Latest, what: &str) {
    let volume = world.volume();
    let log = open(&volume, compacted());
    let found = latest(&log);
    for (key, (offset, value)) in durable {
        match found.get(key) {
            // What was appended after the last sync may have survived, or not.
            Some((at, other)) => assert!(
                at > offset || (at == offset && other == value),
                "{what}: {key} is {other:?} at {at}, was {value:?} at {offset}"
            ),
            None => assert!(
                value.is_none() || tried[key].1.is_none(),
                "{what}: {key} is lost"
            ),
        }
    }
    log.maintain().unwrap();
    assert_eq!(living(latest(&log)), living(found), "{what}");
}

#[test]
fn compaction_loses_nothing_whenever_the_power_goes() {
    let keys: Vec<u8> = (0..70_u32)
        .map(|number| (number * 37 % 251) as u8)
        .collect();
    let world = World::new();
    work(&world, &keys);
    let steps = world.fs.operations();
    assert!(steps > 200, "{steps}");
    for step in 0..=steps {
        let world = World::new();
        world.fs.power_off_after(Some(step));
        let (durable, tried) = work(&world, &keys);
        for seed in 0..4 {
            check(
                &world.crash(seed),
                &durable,
                &tried,
                &format!("power off after {step} of {steps}, seed {seed}"),
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn compaction_keeps_the_living_whatever_the_keys(keys in proptest::collection::vec(any::<u8>(), 1..120), seed in any::<u64>()) {
        let world = World::new();
        let (durable, tried) = work(&world, &keys);
        check(&world.crash(seed), &durable, &tried, "random keys");
    }
}
