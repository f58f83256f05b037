//! Producer snapshots: the `.snapshot` files, Kafka's `ProducerSnapshot` version 1.
//!
//! Producer state goes in and comes out; each file is named by the offset behind the last batch it knows of. Only the last batch of
//! each producer is kept, as in Kafka.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use crate::offset::Offset;
use crate::producers::{BatchMark, Producer, Producers};

const VERSION: i16 = 1;
const ENTRY_LEN: usize = 46;

/// The bytes of a snapshot file.
pub(crate) fn encode(producers: &Producers) -> Vec<u8> {
    let mut entries = Vec::with_capacity(4 + producers.by_id.len() * ENTRY_LEN);
    entries.extend_from_slice(&(producers.by_id.len() as u32).to_be_bytes());
    let mut ids: Vec<_> = producers.by_id.iter().collect();
    ids.sort_unstable_by_key(|(id, _)| **id);
    for (id, known) in ids {
        let last = known.batches.back();
        entries.extend_from_slice(&id.to_be_bytes());
        entries.extend_from_slice(&known.epoch.to_be_bytes());
        entries.extend_from_slice(&last.map_or(-1, |mark| mark.last_sequence).to_be_bytes());
        entries.extend_from_slice(&last.map_or(-1, |mark| mark.last_offset.0).to_be_bytes());
        entries.extend_from_slice(&last.map_or(0, |mark| mark.offset_delta).to_be_bytes());
        entries.extend_from_slice(&known.last_timestamp_ms.to_be_bytes());
        entries.extend_from_slice(&known.coordinator_epoch.to_be_bytes());
        entries.extend_from_slice(
            &known
                .txn_first_offset
                .map_or(-1, |first| first.0)
                .to_be_bytes(),
        );
    }
    let mut file = Vec::with_capacity(6 + entries.len());
    file.extend_from_slice(&VERSION.to_be_bytes());
    file.extend_from_slice(&crc32c::crc32c(&entries).to_be_bytes());
    file.extend_from_slice(&entries);
    file
}

/// The state in a snapshot file, or what is wrong with the file.
pub(crate) fn decode(file: &[u8]) -> Result<Producers, &'static str> {
    let (version, rest) = file.split_first_chunk().ok_or("it is cut off")?;
    if i16::from_be_bytes(*version) != VERSION {
        return Err("its version is unknown");
    }
    let (crc, entries) = rest.split_first_chunk().ok_or("it is cut off")?;
    if crc32c::crc32c(entries) != u32::from_be_bytes(*crc) {
        return Err("its CRC is wrong");
    }
    let (count, entries) = entries.split_first_chunk().ok_or("it is cut off")?;
    let (entries, rest) = entries.as_chunks::<ENTRY_LEN>();
    if !rest.is_empty() || entries.len() != u32::from_be_bytes(*count) as usize {
        return Err("its count does not match its length");
    }
    let by_id = entries
        .iter()
        .map(|entry| read(entry))
        .collect::<Option<_>>();
    Ok(Producers {
        by_id: by_id.ok_or("an entry is cut off")?,
    })
}

fn read(mut entry: &[u8]) -> Option<(i64, Producer)> {
    fn take<const N: usize>(entry: &mut &[u8]) -> Option<[u8; N]> {
        let (field, rest) = entry.split_first_chunk()?;
        *entry = rest;
        Some(*field)
    }
    let entry = &mut entry;
    let id = i64::from_be_bytes(take(entry)?);
    let epoch = i16::from_be_bytes(take(entry)?);
    let last_sequence = i32::from_be_bytes(take(entry)?);
    let last_offset = i64::from_be_bytes(take(entry)?);
    let offset_delta = i32::from_be_bytes(take(entry)?);
    let last_timestamp_ms = i64::from_be_bytes(take(entry)?);
    let coordinator_epoch = i32::from_be_bytes(take(entry)?);
    let txn_first_offset = i64::from_be_bytes(take(entry)?);
    let known_batch = last_offset >= 0 && last_sequence >= 0;
    let batches = known_batch.then_some(BatchMark {
        last_sequence,
        last_offset: Offset(last_offset),
        offset_delta,
        timestamp_ms: last_timestamp_ms,
    });
    let known = Producer {
        epoch,
        coordinator_epoch,
        batches: batches.into_iter().collect(),
        last_timestamp_ms,
        txn_first_offset: (txn_first_offset >= 0).then_some(Offset(txn_first_offset)),
    };
    Some((id, known))
}
