//! How fast the log is, without a network around it: `cargo run --release -p weir-log --example log_speed DIR`.
//!
//! Appends of 1 MB (1 kB records) as fast as they go, the time from append to durable of one small batch at a time, reads of what was
//! written, and how long the log takes to open after a crash.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use weir_base::fs::RealFs;
use weir_base::time::SystemClock;
use weir_log::batch::{BatchHeader, build};
use weir_log::{Isolation, LogConfig, LogError, Offset, Origin, PartitionLog, Volume, record};

const REQUESTS: usize = 1000;

fn main() -> Result<(), LogError> {
    let dir = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "log-speed".to_owned());
    let volume = Volume::open(
        Arc::new(RealFs),
        Arc::new(SystemClock::new()),
        Path::new(&dir),
    )?;
    let log = PartitionLog::open(&volume, "speed", 0, LogConfig::default())?;
    let (sender, durable) = mpsc::sync_channel(1 << 20);
    log.watch();
    log.on_advance(Box::new(move |offsets| {
        let _ = sender.try_send((offsets.high_watermark, Instant::now()));
    }));

    let small = batch(1, 100);
    let mut delays: Vec<Duration> = Vec::new();
    for _ in 0..1000 {
        let began = Instant::now();
        let appended = log.append(small.clone(), Origin::Client)?;
        while let Ok((high_watermark, at)) = durable.recv() {
            if high_watermark > appended.last_offset {
                delays.push(at - began);
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    delays.sort_unstable();
    println!(
        "append to durable, alone: p50 {:?}, p99 {:?}",
        delays[500], delays[990]
    );

    let large = batch(950, 1024);
    let mut appending = Duration::ZERO;
    let began = Instant::now();
    let mut last = Offset(0);
    for _ in 0..REQUESTS {
        let bytes = large.clone();
        let one = Instant::now();
        last = log.append(bytes, Origin::Client)?.last_offset;
        appending += one.elapsed();
    }
    while durable
        .recv()
        .is_ok_and(|(high_watermark, _)| high_watermark <= last)
    {}
    let megabytes = (REQUESTS * large.len()) as f64 / 1e6;
    println!(
        "append: {:.0} MB/s, durable {:.0} MB/s",
        megabytes / appending.as_secs_f64(),
        megabytes / began.elapsed().as_secs_f64()
    );

    let began = Instant::now();
    let mut next = Offset(1000);
    let mut bytes = 0;
    while next <= last {
        let read = log.read(next, 1 << 20, Isolation::HighWatermark)?;
        bytes += read.batches.iter().map(bytes::Bytes::len).sum::<usize>();
        next = read
            .batches
            .last()
            .and_then(|last| BatchHeader::parse(last).ok())
            .map_or(last.plus(1), |header| header.next_offset());
    }
    println!(
        "read: {:.0} MB/s",
        bytes as f64 / 1e6 / began.elapsed().as_secs_f64()
    );

    // As after a kill: nothing is closed.
    drop(log);
    drop(volume);
    let began = Instant::now();
    let volume = loop {
        match Volume::open(
            Arc::new(RealFs),
            Arc::new(SystemClock::new()),
            Path::new(&dir),
        ) {
            Err(LogError::Locked { .. }) => std::thread::yield_now(),
            opened => break opened?,
        }
    };
    let log = PartitionLog::open(&volume, "speed", 0, LogConfig::default())?;
    println!(
        "open after a crash: {:?}, {} bytes",
        began.elapsed(),
        log.size_bytes()
    );
    volume.close()
}

fn batch(count: i32, value_len: usize) -> BytesMut {
    let mut payload = Vec::new();
    let value = vec![b'x'; value_len];
    for delta in 0..count {
        record::write(&mut payload, 0, delta, None, Some(&value), &[0]);
    }
    let header = BatchHeader {
        base_offset: Offset(0),
        size_bytes: 0,
        leader_epoch: -1,
        crc: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: 1,
        max_timestamp: 1,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        records_count: count,
    };
    BytesMut::from(&build(&header, &payload)[..])
}
