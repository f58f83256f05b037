//! What compaction keeps: of each key the newest record, tombstones for a while, nothing of aborted transactions.
//!
//! Batches flow in twice, first to learn the newest offset of each key, then to be copied, thinned out or dropped. Offsets never
//! change. Which segments, and how files are replaced, is `partition`'s.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use crate::batch::{self, BatchHeader, HEADER_LEN};
use crate::compression;
use crate::offset::{AbortedTxn, Offset};
use crate::record::{self, RecordView, Records};

/// Keys learnt at most in one run (about 50 MB); what is behind the record that fills the map is left to the next run.
const LARGEST_KEYS: usize = 1_000_000;

/// The newest offset of each key, by two keyed hashes of it: 128 bits that nobody outside can make collide.
pub(crate) struct NewestByKey {
    hashers: [RandomState; 2],
    offsets: HashMap<(u64, u64), Offset>,
    /// Records before this have been learnt.
    pub end: Offset,
}

impl NewestByKey {
    pub fn new() -> Self {
        Self {
            hashers: [RandomState::new(), RandomState::new()],
            offsets: HashMap::new(),
            end: Offset(0),
        }
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        (self.hashers[0].hash_one(key), self.hashers[1].hash_one(key))
    }

    /// Learns a batch's keys; false when there is no room for more. A batch that cannot be read is kept as it is, so it is no loss.
    pub fn learn(&mut self, header: &BatchHeader, batch: &[u8]) -> bool {
        if self.offsets.len() >= LARGEST_KEYS {
            return false;
        }
        if !header.is_control()
            && batch::check_crc(header, batch).is_ok()
            && let Ok(payload) = compression::decompress(header.compression(), &batch[HEADER_LEN..])
        {
            for record in Records::new(&payload).map_while(Result::ok) {
                if let Some(key) = record.key {
                    let offset = header.base_offset.plus(i64::from(record.offset_delta));
                    self.offsets.insert(self.hash(key), offset);
                }
            }
        }
        self.end = header.next_offset();
        true
    }

    /// Takes note that a batch's records count for nothing.
    pub fn pass_over(&mut self, header: &BatchHeader) {
        self.end = header.next_offset();
    }

    fn is_newest(&self, key: &[u8], offset: Offset) -> bool {
        let newest = self.offsets.get(&self.hash(key));
        newest.is_none_or(|newest| offset >= *newest)
    }
}

/// The aborted transactions that reach into what is compacted.
#[derive(Default)]
pub(crate) struct Aborted {
    by_producer: HashMap<i64, Vec<(Offset, Offset)>>,
}

impl Aborted {
    pub fn add(&mut self, txn: &AbortedTxn) {
        self.by_producer
            .entry(txn.producer_id)
            .or_default()
            .push((txn.first_offset, txn.last_offset));
    }

    /// Whether the batch's records were never committed.
    pub fn holds(&self, header: &BatchHeader) -> bool {
        let within =
            |(first, last): &(Offset, Offset)| (*first..=*last).contains(&header.base_offset);
        header.is_transactional()
            && !header.is_control()
            && self
                .by_producer
                .get(&header.producer_id)
                .is_some_and(|txns| txns.iter().any(within))
    }
}

/// What becomes of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It stays as it is.
    Keep,
    /// Nothing of it stays.
    Drop,
    /// This takes its place.
    Replace(Vec<u8>),
}

/// Decides batch by batch, in the order of the log.
pub(crate) struct Thinning<'a> {
    pub newest: &'a NewestByKey,
    pub aborted: &'a Aborted,
    pub now_ms: i64,
    pub delete_retention_ms: i64,
    /// Producers of whose going-on transaction records were kept: the marker has to stay with them.
    kept_of: HashSet<i64>,
}

impl<'a> Thinning<'a> {
    pub fn new(
        newest: &'a NewestByKey,
        aborted: &'a Aborted,
        now_ms: i64,
        delete_retention_ms: i64,
    ) -> Self {
        Self {
            newest,
            aborted,
            now_ms,
            delete_retention_ms,
            kept_of: HashSet::new(),
        }
    }

    /// What becomes of `batch`.
    pub fn decide(&mut self, header: &BatchHeader, batch: &[u8]) -> Outcome {
        // A batch that has rotted must not get a CRC that hides it.
        if header.base_offset >= self.newest.end || batch::check_crc(header, batch).is_err() {
            return Outcome::Keep;
        }
        let horizon = header.has_delete_horizon().then_some(header.base_timestamp);
        if header.is_control() {
            let needed = self.kept_of.remove(&header.producer_id);
            return match horizon {
                Some(horizon) if horizon <= self.now_ms && !needed => Outcome::Drop,
                None if !needed => self.with_horizon(header, batch),
                _ => Outcome::Keep,
            };
        }
        if self.aborted.holds(header) {
            return Outcome::Drop;
        }
        let outcome = self.thin(header, batch, horizon);
        if header.is_transactional() && outcome != Outcome::Drop {
            self.kept_of.insert(header.producer_id);
        }
        outcome
    }

    fn thin(&self, header: &BatchHeader, batch: &[u8], horizon: Option<i64>) -> Outcome {
        let Ok(payload) = compression::decompress(header.compression(), &batch[HEADER_LEN..])
        else {
            return Outcome::Keep;
        };
        let mut kept = Vec::new();
        let mut tombstones = false;
        let mut count = 0;
        for record in Records::new(&payload) {
            let Ok(record) = record else {
                return Outcome::Keep;
            };
            count += 1;
            let offset = header.base_offset.plus(i64::from(record.offset_delta));
            if !record
                .key
                .is_some_and(|key| self.newest.is_newest(key, offset))
            {
                continue;
            }
            if record.value.is_none() {
                if horizon.is_some_and(|horizon| horizon <= self.now_ms) {
                    continue;
                }
                tombstones = true;
            }
            kept.push(record);
        }
        if kept.is_empty() {
            return Outcome::Drop;
        }
        // A tombstone's time runs from the first compaction that meets it (KIP-534).
        let starts = tombstones && horizon.is_none();
        if kept.len() == count && !starts {
            return Outcome::Keep;
        }
        let horizon = match horizon {
            None if starts => Some(self.now_ms.saturating_add(self.delete_retention_ms)),
            known => known.filter(|_| tombstones),
        };
        Outcome::Replace(rebuild(header, &kept, horizon))
    }

    /// Lets a marker that nothing needs any more stay until readers have passed it.
    fn with_horizon(&self, header: &BatchHeader, batch: &[u8]) -> Outcome {
        let records: Result<Vec<_>, _> = Records::new(&batch[HEADER_LEN..]).collect();
        let horizon = self.now_ms.saturating_add(self.delete_retention_ms);
        match records {
            Ok(records) => Outcome::Replace(rebuild(header, &records, Some(horizon))),
            Err(_) => Outcome::Keep,
        }
    }
}

/// The batch with these of its records. With a delete horizon, that takes the place of the base timestamp.
fn rebuild(header: &BatchHeader, records: &[RecordView<'_>], horizon: Option<i64>) -> Vec<u8> {
    let timestamp =
        |record: &RecordView<'_>| header.base_timestamp.saturating_add(record.timestamp_delta);
    let first = records.first().map_or(header.base_timestamp, timestamp);
    let base_timestamp = horizon.unwrap_or(if header.has_delete_horizon() {
        first
    } else {
        header.base_timestamp
    });
    let mut payload = Vec::new();
    for record in records {
        record::write(
            &mut payload,
            timestamp(record).saturating_sub(base_timestamp),
            record.offset_delta,
            record.key,
            record.value,
            record.headers,
        );
    }
    let largest = records.iter().map(timestamp).max();
    let header = BatchHeader {
        attributes: batch::rewritten_attributes(header, horizon.is_some()),
        base_timestamp,
        max_timestamp: match largest {
            Some(largest) if !header.is_log_append_time() => largest,
            _ => header.max_timestamp,
        },
        records_count: records.len() as i32,
        ..*header
    };
    batch::build(&header, &payload)
}
