//! What the tests write and read logs with.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its part, and a test may panic"
)]

use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use weir_base::fs::MemFs;
use weir_base::time::{ManualClock, Timestamp};
use weir_log::batch::{self, BatchHeader};
use weir_log::record::{self, Records};
use weir_log::{Isolation, LogConfig, Offset, PartitionLog, Volume, VolumeOptions};

pub const NOW: i64 = 1_700_000_000_000;

/// A disk, a clock and the folder.
pub struct World {
    pub fs: MemFs,
    pub clock: Arc<ManualClock>,
}

impl World {
    pub fn new() -> Self {
        Self::on(MemFs::new())
    }

    pub fn on(fs: MemFs) -> Self {
        Self {
            fs,
            clock: Arc::new(ManualClock::new(Timestamp(NOW))),
        }
    }

    /// A volume without threads: the test syncs.
    pub fn volume(&self) -> Arc<Volume> {
        self.try_volume().unwrap()
    }

    pub fn try_volume(&self) -> Result<Arc<Volume>, weir_log::LogError> {
        let options = VolumeOptions {
            threads: false,
            cache_bytes: 64 << 10,
        };
        Volume::open_with(
            Arc::new(self.fs.clone()),
            self.clock.clone(),
            Path::new("/data"),
            options,
        )
    }

    /// What a crash now would leave, as another world.
    pub fn crash(&self, seed: u64) -> Self {
        Self::on(self.fs.crash(seed))
    }
}

pub fn open(volume: &Arc<Volume>, config: LogConfig) -> Arc<PartitionLog> {
    PartitionLog::open(volume, "t", 0, config).unwrap()
}

/// A batch's header as a client without idempotence sends it.
pub fn header(count: usize, timestamp: i64) -> BatchHeader {
    BatchHeader {
        base_offset: Offset(0),
        size_bytes: 0,
        leader_epoch: -1,
        crc: 0,
        attributes: 0,
        last_offset_delta: count as i32 - 1,
        base_timestamp: timestamp,
        max_timestamp: timestamp,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        records_count: count as i32,
    }
}

pub fn payload(values: &[&[u8]]) -> Vec<u8> {
    let mut records = Vec::new();
    for (delta, value) in values.iter().enumerate() {
        record::write(&mut records, 0, delta as i32, None, Some(value), &[0]);
    }
    records
}

pub fn batch(values: &[&[u8]], timestamp: i64) -> BytesMut {
    BytesMut::from(&batch::build(&header(values.len(), timestamp), &payload(values))[..])
}

/// A batch of keys and values; no value is a tombstone.
pub fn keyed(records: &[(&str, Option<&str>)], timestamp: i64) -> BytesMut {
    let mut bytes = Vec::new();
    for (delta, (key, value)) in records.iter().enumerate() {
        record::write(
            &mut bytes,
            0,
            delta as i32,
            Some(key.as_bytes()),
            value.map(str::as_bytes),
            &[0],
        );
    }
    BytesMut::from(&batch::build(&header(records.len(), timestamp), &bytes)[..])
}

pub fn idempotent(
    producer_id: i64,
    epoch: i16,
    sequence: i32,
    values: &[&[u8]],
    transactional: bool,
) -> BytesMut {
    let header = BatchHeader {
        producer_id,
        producer_epoch: epoch,
        base_sequence: sequence,
        attributes: if transactional { 0x10 } else { 0 },
        ..header(values.len(), NOW)
    };
    BytesMut::from(&batch::build(&header, &payload(values))[..])
}

/// Offset, key and value.
pub type Record = (i64, Option<String>, Option<String>);

pub fn records_in(batches: &[Bytes]) -> Vec<Record> {
    let mut found = Vec::new();
    for bytes in batches {
        let mut rest = &bytes[..];
        for header in batch::check_all(bytes).unwrap() {
            let (batch, behind) = rest.split_at(header.size_bytes);
            rest = behind;
            if header.is_control() {
                continue;
            }
            for record in Records::new(&batch[batch::HEADER_LEN..]) {
                let record = record.unwrap();
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                found.push((
                    header.base_offset.0 + i64::from(record.offset_delta),
                    record.key.map(text),
                    record.value.map(text),
                ));
            }
        }
    }
    found
}

/// All records from `from` on, read in pieces of `max_bytes`.
pub fn read_all(
    log: &PartitionLog,
    from: Offset,
    max_bytes: usize,
    isolation: Isolation,
) -> Vec<Record> {
    let mut found = Vec::new();
    let mut next = from;
    loop {
        let read = log.read(next, max_bytes, isolation).unwrap();
        let Some(last) = read.batches.last() else {
            return found;
        };
        found.extend(records_in(&read.batches));
        next = batch::check_all(last)
            .unwrap()
            .last()
            .unwrap()
            .next_offset();
    }
}

pub fn values(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|(_, _, value)| value.clone().unwrap_or_default())
        .collect()
}
