//! Kafka's checkpoint files: a version, a count, and so many lines.
//!
//! `recovery-point-offset-checkpoint`, `log-start-offset-checkpoint` and `cleaner-offset-checkpoint` hold an offset a partition,
//! `leader-epoch-checkpoint` a start offset a leader epoch. They are replaced whole, so a crash leaves the old one or the new.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;

use weir_base::fs::{Fs, Open};

use crate::index::read_file;
use crate::offset::Offset;

/// Far more than a million partitions' lines.
const LARGEST_LEN: u64 = 256 << 20;

/// An offset for each of the volume's partitions.
pub(crate) type PartitionOffsets = BTreeMap<(String, i32), Offset>;

/// Reads an offset a partition. A damaged file says nothing: each of these offsets only saves work or is found in the log as well.
pub(crate) fn read_offsets(fs: &dyn Fs, path: &Path) -> io::Result<PartitionOffsets> {
    let text = read_file(fs, path, LARGEST_LEN)?;
    if text.is_empty() {
        return Ok(PartitionOffsets::new());
    }
    let read = parse(&text, |line| {
        let mut words = line.split(' ');
        let topic = words.next()?.to_owned();
        let partition = words.next()?.parse().ok()?;
        let offset = words.next()?.parse().ok().filter(|offset| *offset >= 0)?;
        Some(((topic, partition), Offset(offset)))
    });
    Ok(read.map_or_else(
        || {
            tracing::warn!(path = %path.display(), "checkpoint is damaged, doing without");
            PartitionOffsets::new()
        },
        |lines| lines.into_iter().collect(),
    ))
}

/// The bytes of a file with an offset a partition.
pub(crate) fn offsets_text(offsets: &PartitionOffsets) -> Vec<u8> {
    let mut text = format!("0\n{}\n", offsets.len());
    for ((topic, partition), offset) in offsets {
        let _ = writeln!(text, "{topic} {partition} {offset}");
    }
    text.into_bytes()
}

/// The leader epochs and where each starts; `None` if the text is damaged.
pub(crate) fn parse_epochs(text: &[u8]) -> Option<Vec<(i32, Offset)>> {
    let epochs = parse(text, |line| {
        let (epoch, start) = line.split_once(' ')?;
        let (epoch, start) = (epoch.parse().ok()?, start.parse().ok()?);
        (epoch >= 0 && start >= 0).then_some((epoch, Offset(start)))
    })?;
    let rising = epochs
        .iter()
        .zip(epochs.iter().skip(1))
        .all(|(a, b)| a.0 < b.0 && a.1 <= b.1);
    rising.then_some(epochs)
}

/// The bytes of a file of leader epochs.
pub(crate) fn epochs_text(epochs: &[(i32, Offset)]) -> Vec<u8> {
    let mut text = format!("0\n{}\n", epochs.len());
    for (epoch, start) in epochs {
        let _ = writeln!(text, "{epoch} {start}");
    }
    text.into_bytes()
}

fn parse<T>(text: &[u8], line: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let mut lines = std::str::from_utf8(text).ok()?.lines();
    if lines.next()? != "0" {
        return None;
    }
    let count: usize = lines.next()?.parse().ok()?;
    let read: Vec<T> = lines.map(line).collect::<Option<_>>()?;
    (read.len() == count).then_some(read)
}

/// Puts `bytes` in the place of the file, whole or not at all, and returns when they are on stable storage.
pub(crate) fn replace(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".tmp");
    let unfinished = Path::new(&unfinished);
    let file = fs.open(unfinished, Open::ReadWrite)?;
    let written = file
        .set_len(0)
        .and_then(|()| file.write_all_at(bytes, 0))
        .and_then(|()| file.sync_data());
    if let Err(error) = written {
        let _ = fs.remove_file(unfinished);
        return Err(error);
    }
    fs.rename(unfinished, path)?;
    match path.parent() {
        Some(dir) => fs.sync_dir(dir),
        None => Ok(()),
    }
}
