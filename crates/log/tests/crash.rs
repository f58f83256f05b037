//! Crashes at every step, on a disk that loses, tears and reorders what was not synced.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::BytesMut;
use support::{NOW, Record, World, batch, idempotent, open, read_all, values};
use weir_base::fs::{Fs, Open};
use weir_log::{Isolation, LogConfig, LogError, Offset, Origin, PartitionLog, Volume};

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1200,
        index_interval_bytes: 200,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    }
}

/// What a broker knows to have happened before the power went.
#[derive(Default)]
struct Known {
    /// The value of every record whose append was tried, by offset.
    tried: Vec<String>,
    durable: i64,
    start: i64,
    /// The last batch of producer 7 that was durable: its sequence number and offset.
    sequence: Option<(i32, i64)>,
}

/// Appends, syncs, deletes and maintains until done or the power goes.
fn work(world: &World, known: &mut Known) -> Result<(), LogError> {
    let volume = world.try_volume()?;
    let log = PartitionLog::open(&volume, "t", 0, config())?;
    let mut sequence = 0;
    for step in 0..40 {
        let value = format!("value {step} {}", "x".repeat(step % 7 * 30));
        let bytes: BytesMut = match step % 4 {
            0 => idempotent(7, 0, sequence, &[value.as_bytes(), b"second"], false),
            _ => batch(&[value.as_bytes()], NOW + step as i64),
        };
        known.tried.truncate(log.offsets().log_end.0 as usize);
        known.tried.push(value);
        if step % 4 == 0 {
            known.tried.push("second".to_owned());
        }
        let appended = log.append(bytes, Origin::Client)?;
        if step % 3 == 0 {
            volume.sync()?;
            known.durable = log.offsets().high_watermark.0;
            if step % 4 == 0 {
                known.sequence = Some((sequence, appended.base_offset.0));
            }
        }
        if step % 4 == 0 {
            sequence += 2;
        }
        if step % 10 == 5 {
            volume.upkeep();
        }
        if step % 16 == 9 {
            let start = Offset(log.offsets().high_watermark.0 - 4);
            known.start = log.delete_records_before(start)?.0;
            world.clock.advance(std::time::Duration::from_secs(1));
            log.maintain()?;
        }
    }
    volume.close()
}

fn check(world: &World, known: &Known, what: &str) {
    let volume = world.volume();
    let log = open(&volume, config());
    let offsets = log.offsets();
    assert!(
        offsets.log_end.0 >= known.durable,
        "{what}: lost {} of {}",
        offsets.log_end,
        known.durable
    );
    assert_eq!(offsets.high_watermark, offsets.log_end, "{what}");
    assert!(
        offsets.log_start.0 <= known.durable.max(known.start),
        "{what}"
    );
    let records = read_all(&log, offsets.log_start, 300, Isolation::HighWatermark);
    same_as_tried(&records, offsets.log_start, &known.tried, what);
    assert_eq!(
        records.len() as i64,
        offsets.log_end.0 - offsets.log_start.0,
        "{what}"
    );
    if let Some((sequence, at)) = known.sequence {
        let newest = log
            .producers()
            .first()
            .map_or(0, |producer| producer.last_sequence);
        if newest == sequence + 1 {
            let step = known.tried[at as usize].clone();
            let again = log.append(
                idempotent(7, 0, sequence, &[step.as_bytes(), b"second"], false),
                Origin::Client,
            );
            let again = again.unwrap();
            assert!(again.duplicate, "{what}");
            assert_eq!(again.base_offset.0, at, "{what}");
        }
        assert!(
            newest > sequence,
            "{what}: producer state is behind the log"
        );
    }
    // What a consumer was shown after the crash must survive the next one.
    let again = World::on(world.fs.crash(0));
    let log = open(&again.volume(), config());
    assert_eq!(
        log.offsets().log_end,
        offsets.log_end,
        "{what}: shown but not durable"
    );
    let appended = log
        .append(batch(&[b"goes on"], NOW), Origin::Client)
        .unwrap();
    assert_eq!(appended.base_offset, offsets.log_end, "{what}");
}

fn same_as_tried(records: &[Record], start: Offset, tried: &[String], what: &str) {
    for (number, (offset, _, value)) in records.iter().enumerate() {
        assert_eq!(*offset, start.0 + number as i64, "{what}: a gap");
        assert_eq!(
            value.as_deref(),
            Some(tried[*offset as usize].as_str()),
            "{what}: offset {offset}"
        );
    }
}

#[test]
fn nothing_that_was_durable_is_lost_and_nothing_else_is_shown_whenever_the_power_goes() {
    let world = World::new();
    work(&world, &mut Known::default()).unwrap();
    let steps = world.fs.operations();
    assert!(steps > 150, "the test does something: {steps}");
    for step in 0..=steps {
        let world = World::new();
        world.fs.power_off_after(Some(step));
        let mut known = Known::default();
        let _ = work(&world, &mut known);
        for seed in 0..6 {
            let what = format!("power off after {step} of {steps}, seed {seed}");
            let after = world.crash(seed * 977 + seed);
            check(&after, &known, &what);
        }
    }
}

#[test]
fn a_crash_in_the_middle_of_recovery_is_recovered_from() {
    let world = World::new();
    let mut known = Known::default();
    work(&world, &mut Known::default()).unwrap();
    let steps = world.fs.operations();
    for step in (steps / 4..steps).step_by(7) {
        let world = World::new();
        world.fs.power_off_after(Some(step));
        known = Known::default();
        let _ = work(&world, &mut known);
        for seed in 1..12_u64 {
            let after = world.crash(seed * 31);
            after.fs.power_off_after(Some(seed * 2));
            if let Ok(volume) = after.try_volume() {
                let _ = PartitionLog::open(&volume, "t", 0, config());
            }
            check(
                &after.crash(seed + 5),
                &known,
                &format!("off after {step}, then after {} of recovery", seed * 2),
            );
        }
    }
    assert!(known.durable > 0);
}

#[test]
fn any_single_failing_operation_loses_nothing() {
    let world = World::new();
    work(&world, &mut Known::default()).unwrap();
    let steps = world.fs.operations();
    for kind in [std::io::ErrorKind::StorageFull, std::io::ErrorKind::Other] {
        for step in 1..=steps {
            let world = World::new();
            world.fs.fail_at(Some((step, kind)));
            let mut known = Known::default();
            let _ = work(&world, &mut known);
            world.fs.fail_at(None);
            check(
                &world.crash(step),
                &known,
                &format!("operation {step} failed as {kind}"),
            );
        }
    }
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_any_more() {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, config());
    log.append(batch(&[b"a"], NOW), Origin::Client).unwrap();
    volume.sync().unwrap();
    let told = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let tell = Arc::clone(&told);
    volume.on_failure(Box::new(move |_| {
        tell.store(true, std::sync::atomic::Ordering::SeqCst);
    }));
    log.append(batch(&[b"b"], NOW), Origin::Client).unwrap();
    world
        .fs
        .fail_at(Some((world.fs.operations() + 1, std::io::ErrorKind::Other)));
    assert!(matches!(volume.sync(), Err(LogError::Failed { .. })));
    assert!(told.load(std::sync::atomic::Ordering::SeqCst) && volume.sync_failed());
    assert_eq!(log.offsets().high_watermark, Offset(1));
    assert!(
        matches!(volume.sync(), Err(LogError::Failed { .. })),
        "it is not tried again"
    );
    assert_eq!(log.offsets().high_watermark, Offset(1));
    assert!(matches!(
        log.append(batch(&[b"c"], NOW), Origin::Client),
        Err(LogError::Failed { .. })
    ));
    assert_eq!(
        values(&read_all(&log, Offset(0), 1000, Isolation::HighWatermark)),
        ["a"]
    );
}

/// Fills a segment so far that a large batch needs another, and a small one does not.
fn nearly_full(world: &World) -> (Arc<Volume>, Arc<PartitionLog>) {
    let volume = world.volume();
    let log = open(&volume, config());
    for _ in 0..9 {
        log.append(batch(&[b"small"], NOW), Origin::Client).unwrap();
    }
    volume.sync().unwrap();
    (volume, log)
}

#[test]
fn a_segment_that_could_not_be_started_does_not_cut_the_log_short() {
    for failing in 1..8 {
        let world = World::new();
        let (volume, log) = nearly_full(&world);
        world.fs.fail_at(Some((
            world.fs.operations() + failing,
            std::io::ErrorKind::StorageFull,
        )));
        let refused = log
            .append(batch(&[&[7; 600]], NOW), Origin::Client)
            .is_err();
        world.fs.fail_at(None);
        let values = read_all(&log, Offset(0), 1000, Isolation::LogEnd).len() as i64;
        assert_eq!(values, if refused { 9 } else { 10 });
        let appended = log.append(batch(&[b"after"], NOW), Origin::Client).unwrap();
        assert_eq!(appended.base_offset.0, values);
        volume.sync().unwrap();
        for seed in 0..20 {
            let log = open(&world.crash(seed).volume(), config());
            assert_eq!(
                log.offsets().log_end.0,
                values + 1,
                "operation {failing}, seed {seed}"
            );
        }
    }
}

#[test]
fn an_empty_file_that_stands_in_the_way_is_removed() {
    let world = World::new();
    let (volume, log) = nearly_full(&world);
    world
        .fs
        .open(
            Path::new("/data/t-0/00000000000000000009.log"),
            Open::ReadWrite,
        )
        .unwrap();
    for _ in 0..4 {
        log.append(batch(&[b"after"], NOW), Origin::Client).unwrap();
    }
    volume.close().unwrap();
    let log = open(&world.crash(0).volume(), config());
    assert_eq!(
        read_all(&log, Offset(0), 1000, Isolation::HighWatermark).len(),
        13
    );
    assert_eq!(
        log.append(batch(&[b"on"], NOW), Origin::Client)
            .unwrap()
            .base_offset,
        Offset(13)
    );
}

#[test]
fn a_log_that_ends_before_its_recovery_point_is_read_again_from_further_back() {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, config());
    for sequence in 0..60 {
        log.append(
            idempotent(7, 0, sequence, &[b"value"], false),
            Origin::Client,
        )
        .unwrap();
    }
    volume.close().unwrap();
    let newest = Path::new("/data/t-0").join(newest_log(&world));
    let file = world.fs.open(&newest, Open::ReadWrite).unwrap();
    let len = file.len().unwrap();
    file.set_len(len - 1).unwrap();
    let volume = world.volume();
    let log = open(&volume, config());
    assert_eq!(log.offsets().log_end, Offset(59));
    assert_eq!(
        log.producers()[0].last_sequence,
        58,
        "producer state is the log's, not the future's"
    );
    assert!(
        !log.append(idempotent(7, 0, 59, &[b"value"], false), Origin::Client)
            .unwrap()
            .duplicate
    );
}

fn newest_log(world: &World) -> PathBuf {
    let names = world.fs.read_dir(Path::new("/data/t-0")).unwrap();
    let logs = names.into_iter().map(|(name, _)| name);
    logs.filter(|name| name.extension().is_some_and(|ending| ending == "log"))
        .max()
        .unwrap()
}

/// Half a transaction and an aborted one survive a crash as what they are.
#[test]
fn transactions_are_as_undecided_after_a_crash_as_before() {
    let world = World::new();
    let volume = world.volume();
    let log = open(&volume, config());
    log.append(idempotent(1, 0, 0, &[b"aborted"], true), Origin::Client)
        .unwrap();
    log.append(batch(&[b"plain"], NOW), Origin::Client).unwrap();
    log.append_marker(1, 0, false, 4).unwrap();
    log.append(idempotent(2, 0, 0, &[b"undecided"], true), Origin::Client)
        .unwrap();
    log.append(batch(&[b"behind it"], NOW), Origin::Client)
        .unwrap();
    volume.sync().unwrap();
    let check = |log: &PartitionLog| {
        let read = log.read(Offset(0), 10_000, Isolation::LastStable).unwrap();
        assert_eq!(read.offsets.last_stable, Offset(3));
        assert_eq!(support::records_in(&read.batches).len(), 2);
        assert_eq!(read.aborted.len(), 1);
        let aborted = read.aborted[0];
        assert_eq!(
            (
                aborted.producer_id,
                aborted.first_offset,
                aborted.last_offset
            ),
            (1, Offset(0), Offset(2))
        );
    };
    check(&log);
    for seed in 0..20 {
        let world = world.crash(seed);
        let volume = world.volume();
        let log = open(&volume, config());
        check(&log);
        log.append_marker(2, 0, true, 4).unwrap();
        assert_eq!(
            log.offsets().last_stable,
            Offset(3),
            "not before the marker is durable"
        );
        volume.sync().unwrap();
        assert_eq!(log.offsets().last_stable, Offset(6));
    }
}
