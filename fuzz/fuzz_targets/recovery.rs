//! A partition's folder with anything in its files: opening, reading and appending must neither panic nor allocate wildly.
//!
//! The input is a row of files: which one (a byte), how long (two bytes), and what is in it.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use weir_base::fs::{Fs, MemFs, Open};
use weir_base::time::{ManualClock, Timestamp};
use weir_log::{Isolation, LogConfig, Origin, PartitionLog, Volume, VolumeOptions};

const NAMES: [&str; 12] = [
    "t-0/00000000000000000000.log",
    "t-0/00000000000000000000.index",
    "t-0/00000000000000000000.timeindex",
    "t-0/00000000000000000000.txnindex",
    "t-0/00000000000000000007.log",
    "t-0/00000000000000000007.index",
    "t-0/00000000000000000007.snapshot",
    "t-0/00000000000000000000.log.swap",
    "t-0/leader-epoch-checkpoint",
    "t-0/partition.metadata",
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
];

fuzz_target!(|input: &[u8]| {
    let fs = MemFs::new();
    if fs.create_dir_all(Path::new("/data/t-0")).is_err() {
        return;
    }
    let mut rest = input;
    while let Some(([which, high, low], behind)) = rest.split_first_chunk() {
        let name = NAMES[usize::from(*which) % NAMES.len()];
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(behind.len());
        let (content, behind) = behind.split_at(len);
        rest = behind;
        if let Ok(file) = fs.open(&Path::new("/data").join(name), Open::ReadWrite) {
            let _ = file.write_all_at(content, 0);
        }
    }
    let clock = Arc::new(ManualClock::new(Timestamp(1_700_000_000_000)));
    let options = VolumeOptions {
        threads: false,
        ..VolumeOptions::default()
    };
    let Ok(volume) = Volume::open_with(Arc::new(fs), clock, Path::new("/data"), options) else {
        return;
    };
    let Ok(log) = PartitionLog::open(&volume, "t", 0, LogConfig::default()) else {
        return;
    };
    let start = log.offsets().log_start;
    let _ = log.read(start, 4096, Isolation::LastStable);
    let _ = log.offset_for_time(Timestamp(0));
    let _ = log.max_timestamp();
    let _ = log.append(BytesMut::from(input), Origin::Client);
    let _ = log.maintain();
    let _ = volume.close();
});
