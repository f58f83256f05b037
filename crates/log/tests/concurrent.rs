//! Appending, reading, syncing and compacting at once, on the machine's disk with the volume's own threads.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use support::{keyed, records_in};
use weir_base::fs::RealFs;
use weir_base::time::SystemClock;
use weir_log::batch::check_all;
use weir_log::{
    CleanupPolicy, Isolation, LogConfig, Offset, Origin, PartitionLog, Volume, VolumeOptions,
};

const APPENDERS: usize = 3;
const EACH: usize = 300;

/// Reads on to the end that all appenders together reach; every record must be sound and behind the one before.
fn follow(log: &PartitionLog, isolation: Isolation, compacted: bool) {
    let mut next = Offset(0);
    while next.0 < (APPENDERS * EACH) as i64 {
        let read = log.read(next, 2000, isolation).unwrap();
        let Some(last) = read.batches.last() else {
            thread::yield_now();
            continue;
        };
        for (offset, key, value) in records_in(&read.batches) {
            assert!(
                offset >= next.0 && (compacted || offset == next.0),
                "{offset} after {next}"
            );
            assert_eq!(
                key,
                value.map(|value| value.split(' ').next().unwrap().to_owned())
            );
            next = Offset(offset + 1);
        }
        next = next.max(check_all(last).unwrap().last().unwrap().next_offset());
        assert!(next <= read.offsets.log_end);
    }
}

fn run(compact: bool) {
    let dir = tempfile::tempdir().unwrap();
    let options = VolumeOptions {
        // So little that readers need the disk as well.
        cache_bytes: 4000,
        threads: true,
    };
    let volume = Volume::open_with(
        Arc::new(RealFs),
        Arc::new(SystemClock::new()),
        dir.path(),
        options,
    )
    .unwrap();
    let config = LogConfig {
        segment_bytes: 4000,
        index_interval_bytes: 300,
        min_cleanable_dirty_ratio: 0.0,
        file_delete_delay_ms: 0,
        message_timestamp_after_max_ms: i64::MAX,
        cleanup_policy: CleanupPolicy {
            delete: false,
            compact,
        },
        ..LogConfig::default()
    };
    let log = PartitionLog::open(&volume, "t", 0, config.clone()).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let appenders: Vec<_> = (0..APPENDERS)
            .map(|appender| {
                let log = &log;
                scope.spawn(move || {
                    for number in 0..EACH {
                        let key = format!("{}", (number + appender) % 20);
                        let value = format!("{key} {appender} {number}");
                        log.append(keyed(&[(&key, Some(&value))], 1), Origin::Client)
                            .unwrap();
                    }
                })
            })
            .collect();
        let readers: Vec<_> = [
            Isolation::HighWatermark,
            Isolation::LastStable,
            Isolation::LogEnd,
        ]
        .into_iter()
        .map(|isolation| {
            let log = &log;
            scope.spawn(move || follow(log, isolation, compact))
        })
        .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                log.maintain().unwrap();
                thread::yield_now();
            }
        });
        let outcomes: Vec<_> = appenders
            .into_iter()
            .chain(readers)
            .map(thread::ScopedJoinHandle::join)
            .collect();
        done.store(true, Ordering::Release);
        for outcome in outcomes {
            outcome.unwrap();
        }
    });
    volume.close().unwrap();
    drop(log);
    let volume = Volume::open(Arc::new(RealFs), Arc::new(SystemClock::new()), dir.path()).unwrap();
    let log = PartitionLog::open(&volume, "t", 0, config).unwrap();
    assert_eq!(log.offsets().high_watermark.0, (APPENDERS * EACH) as i64);
    follow(&log, Isolation::HighWatermark, compact);
}

#[test]
fn readers_see_every_record_once_and_in_order_while_it_is_written() {
    run(false);
}

#[test]
fn readers_are_not_misled_by_compaction_under_them() {
    run(true);
}
