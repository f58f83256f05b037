//! Writes a log with something of everything into a folder, for Kafka's own `kafka-dump-log` to look at:
//! `cargo run -p weir-log --example sample_log DIR [crash]`, where `crash` leaves it as a killed process does.

use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use weir_base::fs::RealFs;
use weir_base::time::{Clock, SystemClock};
use weir_log::batch::{self, BatchHeader};
use weir_log::{CleanupPolicy, LogConfig, LogError, Offset, Origin, PartitionLog, Volume, record};

fn main() -> Result<(), LogError> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| "sample-log".to_owned());
    let crash = arguments.next().as_deref() == Some("crash");
    let clock = Arc::new(SystemClock::new());
    let volume = Volume::open(Arc::new(RealFs), clock.clone(), Path::new(&dir))?;
    let now = clock.now().0;
    let plain = PartitionLog::open(
        &volume,
        "sample",
        0,
        LogConfig {
            segment_bytes: 300_000,
            ..LogConfig::default()
        },
    )?;
    for number in 0..2000_i32 {
        let producer = number % 3;
        let mut header = header(3, now - 100_000 + i64::from(number * 7 % 500 + number));
        if producer > 0 {
            header.producer_id = i64::from(producer);
            header.producer_epoch = 0;
            header.base_sequence = number / 3 * 3;
            header.attributes = if producer == 2 { 0x10 } else { 0 };
        }
        plain.append(records(&header, number), Origin::Client)?;
        if number % 30 == 29 {
            plain.append_marker(2, 0, number % 60 == 29, 1)?;
        }
    }
    let compacted = PartitionLog::open(
        &volume,
        "compacted",
        0,
        LogConfig {
            segment_bytes: 100_000,
            min_cleanable_dirty_ratio: 0.01,
            cleanup_policy: CleanupPolicy {
                delete: false,
                compact: true,
            },
            ..LogConfig::default()
        },
    )?;
    for number in 0..2000_i32 {
        compacted.append(
            records(&header(3, now - 100_000 + i64::from(number)), number),
            Origin::Client,
        )?;
    }
    volume.sync()?;
    compacted.maintain()?;
    println!("{:?}", plain.offsets());
    println!(
        "{:?}, {} bytes",
        compacted.offsets(),
        compacted.size_bytes()
    );
    if crash {
        std::process::abort();
    }
    volume.close()
}

fn header(count: i32, timestamp: i64) -> BatchHeader {
    BatchHeader {
        base_offset: Offset(0),
        size_bytes: 0,
        leader_epoch: -1,
        crc: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: timestamp,
        max_timestamp: timestamp,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        records_count: count,
    }
}

fn records(header: &BatchHeader, number: i32) -> BytesMut {
    let mut payload = Vec::new();
    for delta in 0..header.records_count {
        let key = format!("key {}", (number * 3 + delta) % 50);
        let value = format!(
            "value {number} {delta} {}",
            "x".repeat(number as usize % 100)
        );
        let value = (number % 10 > 0).then_some(value.as_bytes());
        record::write(&mut payload, 0, delta, Some(key.as_bytes()), value, &[0]);
    }
    BytesMut::from(&batch::build(header, &payload)[..])
}
