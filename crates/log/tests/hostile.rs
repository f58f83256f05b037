//! Bytes nobody should send, and files nobody should leave.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;

use bytes::BytesMut;
use proptest::prelude::*;
use support::{NOW, World, batch, header, idempotent, open, payload, read_all};
use weir_base::fs::{Fs, Open};
use weir_base::time::Timestamp;
use weir_log::batch::{BatchHeader, build, check_all};
use weir_log::record::Records;
use weir_log::{Isolation, LogConfig, LogError, Offset, Origin, PartitionLog};

#[test]
fn every_single_changed_byte_is_noticed_or_does_not_matter() {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, LogConfig::default());
    let sound = batch(&[b"some", b"values"], NOW);
    for at in 0..sound.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = sound.clone();
            bytes[at] ^= flip;
            let appended = log.append(bytes, Origin::Client);
            // Offset and leader epoch are the broker's to set; all else is under the CRC, or is the length or the format.
            let free = at < 8 || (12..16).contains(&at);
            assert_eq!(
                appended.is_ok(),
                free,
                "byte {at} ^ {flip:#x}: {appended:?}"
            );
        }
    }
    for cut in 0..sound.len() {
        assert!(
            log.append(BytesMut::from(&sound[..cut]), Origin::Client)
                .is_err(),
            "cut at {cut}"
        );
    }
    volume.sync().unwrap();
    assert_eq!(
        read_all(&log, Offset(0), 1000, Isolation::HighWatermark).len() as i64,
        log.offsets().log_end.0
    );
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn every_header_field_that_cannot_be_is_refused() {
    let base = header(2, NOW);
    let with_producer = BatchHeader {
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        ..base
    };
    let cases = [
        (
            "no records",
            BatchHeader {
                records_count: 0,
                ..base
            },
        ),
        (
            "negative count",
            BatchHeader {
                records_count: -1,
                ..base
            },
        ),
        (
            "more records than offsets",
            BatchHeader {
                records_count: 3,
                ..base
            },
        ),
        (
            "more offsets than records",
            BatchHeader {
                last_offset_delta: 5,
                ..base
            },
        ),
        (
            "negative delta",
            BatchHeader {
                last_offset_delta: -1,
                ..base
            },
        ),
        (
            "offsets for two billion records",
            BatchHeader {
                last_offset_delta: i32::MAX - 1,
                records_count: i32::MAX,
                ..base
            },
        ),
        (
            "codec 5",
            BatchHeader {
                attributes: 5,
                ..base
            },
        ),
        (
            "codec 7",
            BatchHeader {
                attributes: 7,
                ..base
            },
        ),
        (
            "control",
            BatchHeader {
                attributes: 0x20,
                ..base
            },
        ),
        (
            "delete horizon",
            BatchHeader {
                attributes: 0x40,
                ..base
            },
        ),
        (
            "append time",
            BatchHeader {
                attributes: 0x08,
                ..base
            },
        ),
        (
            "transaction of nobody",
            BatchHeader {
                attributes: 0x10,
                ..base
            },
        ),
        (
            "from tomorrow",
            BatchHeader {
                max_timestamp: NOW + 86_400_000,
                ..base
            },
        ),
        (
            "from the end of time",
            BatchHeader {
                max_timestamp: i64::MAX,
                ..base
            },
        ),
        (
            "no epoch",
            BatchHeader {
                producer_epoch: -1,
                ..with_producer
            },
        ),
        (
            "no sequence",
            BatchHeader {
                base_sequence: -1,
                ..with_producer
            },
        ),
    ];
    let world = World::new();
    let log = open(&world.volume(), LogConfig::default());
    for (name, header) in cases {
        let bytes = BytesMut::from(&build(&header, &payload(&[b"a", b"b"]))[..]);
        let appended = log.append(bytes, Origin::Client);
        assert!(appended.is_err(), "{name}: {appended:?}");
    }
    assert_eq!(log.offsets().log_end, Offset(0));
}

#[test]
fn old_formats_are_told_from_nonsense() {
    let world = World::new();
    let log = open(&world.volume(), LogConfig::default());
    for magic in [0, 1] {
        let mut old = BytesMut::zeroed(40);
        old[16] = magic;
        assert!(matches!(
            log.append(old, Origin::Client),
            Err(LogError::UnsupportedMagic { .. })
        ));
    }
    let mut newer = batch(&[b"x"], NOW);
    newer[16] = 3;
    assert!(matches!(
        log.append(newer, Origin::Client),
        Err(LogError::CorruptRecord { .. })
    ));
}

#[test]
fn what_is_too_large_is_refused_with_the_limit() {
    let world = World::new();
    let config = LogConfig {
        max_message_bytes: 1000,
        segment_bytes: 1500,
        ..LogConfig::default()
    };
    let log = open(&world.volume(), config);
    let large = log.append(batch(&[&[0; 1000]], NOW), Origin::Client);
    assert!(matches!(
        large,
        Err(LogError::RecordTooLarge {
            limit_bytes: 1000,
            ..
        })
    ));
    let mut many = batch(&[&[0; 800]], NOW);
    many.extend_from_slice(&batch(&[&[0; 800]], NOW));
    let many = log.append(many, Origin::Client);
    assert!(matches!(
        many,
        Err(LogError::RecordListTooLarge {
            limit_bytes: 1500,
            ..
        })
    ));
}

#[test]
fn a_topic_cannot_name_a_way_out_of_the_folder() {
    let world = World::new();
    let volume = world.volume();
    for topic in ["", ".", "..", "../x", "a/b", "a b", "ü", &"x".repeat(250)] {
        let opened = PartitionLog::open(&volume, topic, 0, LogConfig::default());
        assert!(
            matches!(opened, Err(LogError::InvalidTopic { .. })),
            "{topic}"
        );
    }
}

/// A log with two segments, indexes, snapshots, transactions; not closed, or closed.
fn written(closed: bool) -> World {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, small());
    for number in 0..20 {
        log.append(idempotent(3, 0, number, &[b"value"], true), Origin::Client)
            .unwrap();
        log.append_marker(3, 0, number % 2 == 0, 0).unwrap();
    }
    volume.sync().unwrap();
    volume.upkeep();
    if closed {
        volume.close().unwrap();
    }
    world.crash(0)
}

fn small() -> LogConfig {
    LogConfig {
        segment_bytes: 1500,
        index_interval_bytes: 100,
        ..LogConfig::default()
    }
}

/// Opens and uses a log whose files may hold anything.
fn use_it(world: &World) {
    let Ok(volume) = world.try_volume() else {
        return;
    };
    let Ok(log) = PartitionLog::open(&volume, "t", 0, small()) else {
        return;
    };
    let offsets = log.offsets();
    let mut next = offsets.log_start;
    for _ in 0..100 {
        let Ok(read) = log.read(next, 300, Isolation::LastStable) else {
            break;
        };
        let Some(last) = read.batches.last() else {
            break;
        };
        match check_all(last) {
            Ok(headers) => next = headers.last().unwrap().next_offset(),
            Err(_) => break,
        }
    }
    let _ = log.offset_for_time(Timestamp(NOW));
    let _ = log.max_timestamp();
    let _ = log.append(batch(&[b"x"], NOW), Origin::Client);
    let _ = log.maintain();
    let _ = volume.close();
}

fn paths(world: &World) -> Vec<std::path::PathBuf> {
    let mut paths = Vec::new();
    for dir in ["/data", "/data/t-0"] {
        for (name, is_dir) in world.fs.read_dir(Path::new(dir)).unwrap() {
            if !is_dir {
                paths.push(Path::new(dir).join(name));
            }
        }
    }
    paths
}

fn overwrite(world: &World, path: &Path, at: u64, bytes: &[u8]) {
    let file = world.fs.open(path, Open::ReadWrite).unwrap();
    file.write_all_at(bytes, at).unwrap();
    file.sync_file_system().unwrap();
}

#[test]
fn any_file_may_be_missing_empty_or_nonsense() {
    for closed in [false, true] {
        let world = written(closed);
        for path in paths(&world) {
            let missing = world.crash(0);
            missing.fs.remove_file(&path).unwrap();
            use_it(&missing);
            for content in [
                &b""[..],
                &[0; 500],
                &[0xff; 500],
                b"0\n99999999999\n",
                b"0\n1\nt 0 9223372036854775807\n",
                b"0\n1\nt 0 -5\n",
            ] {
                let other = world.crash(0);
                let file = other.fs.open(&path, Open::ReadWrite).unwrap();
                file.set_len(0).unwrap();
                file.write_all_at(content, 0).unwrap();
                use_it(&other);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_mutation_of_a_file_brings_the_log_down(closed in any::<bool>(), which in any::<prop::sample::Index>(), at in 0..2000_u64, bytes in proptest::collection::vec(any::<u8>(), 1..20)) {
        let world = written(closed);
        let paths = paths(&world);
        overwrite(&world, &paths[which.index(paths.len())], at, &bytes);
        use_it(&world);
    }

    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = BatchHeader::parse(&bytes);
        let _ = check_all(&bytes);
        Records::new(&bytes).for_each(drop);
        let _ = weir_log::record::marker(&bytes);
        for codec in 0..8 {
            let _ = weir_log::compression::decompress(codec, &bytes);
        }
    }

    #[test]
    fn records_are_read_as_they_were_written(records in proptest::collection::vec((any::<i64>(), any::<i32>(), any::<Option<Vec<u8>>>(), any::<Option<Vec<u8>>>()), 0..20)) {
        let mut payload = Vec::new();
        for (timestamp, offset, key, value) in &records {
            weir_log::record::write(&mut payload, *timestamp, *offset, key.as_deref(), value.as_deref(), &[0]);
        }
        let read: Vec<_> = Records::new(&payload).map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), records.len());
        for (found, (timestamp, offset, key, value)) in read.iter().zip(&records) {
            prop_assert_eq!(found.timestamp_delta, *timestamp);
            prop_assert_eq!(found.offset_delta, *offset);
            prop_assert_eq!(found.key, key.as_deref());
            prop_assert_eq!(found.value, value.as_deref());
        }
    }
}

/// What a test does to a log.
#[derive(Debug, Clone)]
enum Step {
    Append(Vec<u8>, u8),
    Sync,
    Delete(u8),
    Maintain,
    Reopen,
    Crash(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (proptest::collection::vec(any::<u8>(), 0..200), 1..4_u8).prop_map(|(value, count)| Step::Append(value, count)),
        2 => Just(Step::Sync),
        1 => any::<u8>().prop_map(Step::Delete),
        1 => Just(Step::Maintain),
        1 => Just(Step::Reopen),
        1 => any::<u64>().prop_map(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Against a list of values, the simplest log there is.
    #[test]
    fn the_log_is_a_list_whatever_happens_to_it(steps in proptest::collection::vec(step(), 1..60), max_bytes in 0..2000_usize) {
        let mut world = World::new();
        let mut volume = world.volume();
        let mut log = open(&volume, small());
        let mut model: Vec<Vec<u8>> = Vec::new();
        let mut durable = 0;
        let mut start = 0;
        for step in steps {
            match step {
                Step::Append(value, count) => {
                    let values: Vec<&[u8]> = (0..count).map(|_| &value[..]).collect();
                    let appended = log.append(batch(&values, NOW), Origin::Client).unwrap();
                    prop_assert_eq!(appended.base_offset.0, model.len() as i64);
                    model.extend((0..count).map(|_| value.clone()));
                }
                Step::Sync => {
                    volume.sync().unwrap();
                    durable = model.len();
                }
                Step::Delete(part) => {
                    let to = log.offsets().high_watermark.0 * i64::from(part) / 255;
                    start = log.delete_records_before(Offset(to)).unwrap().0;
                }
                Step::Maintain => log.maintain().unwrap(),
                Step::Reopen => {
                    volume.close().unwrap();
                    durable = model.len();
                    volume = world.volume();
                    log = open(&volume, small());
                }
                Step::Crash(seed) => {
                    world = world.crash(seed);
                    volume = world.volume();
                    log = open(&volume, small());
                    let end = log.offsets().log_end.0 as usize;
                    prop_assert!(end >= durable);
                    model.truncate(end);
                    durable = end;
                }
            }
            let offsets = log.offsets();
            prop_assert_eq!(offsets.log_end.0, model.len() as i64);
            prop_assert!(offsets.high_watermark.0 >= durable as i64);
            prop_assert!(offsets.log_start.0 >= start);
            start = offsets.log_start.0;
            let mut next = start;
            while next < offsets.log_end.0 {
                let read = log.read(Offset(next), max_bytes, Isolation::LogEnd).unwrap();
                let before = next;
                for bytes in &read.batches {
                    for header in check_all(bytes).unwrap() {
                        next = header.next_offset().0;
                    }
                }
                prop_assert!(next > before);
            }
            let found: Vec<_> = read_all(&log, Offset(start), max_bytes, Isolation::LogEnd);
            for (offset, _, value) in found {
                prop_assert_eq!(value.unwrap(), String::from_utf8_lossy(&model[offset as usize]).into_owned());
            }
        }
    }
}
