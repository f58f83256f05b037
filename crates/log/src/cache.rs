//! The newest batches of all partitions, as the very buffers they were appended from: what answers readers at the tail without the
//! disk (and without a copy but the kernel's).
//!
//! Buffers flow in with each append and out when the budget is used up, oldest first across the volume.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::batch::BatchHeader;
use crate::offset::Offset;

/// A buffer this small may be a slice of a much larger one (a connection's read buffer), which it would keep alive: it is copied.
const COPIED_LEN: usize = 16 << 10;

/// What a chunk costs beyond its bytes.
const OVERHEAD_BYTES: usize = 128;

struct Chunk {
    base: Offset,
    next: Offset,
    bytes: Bytes,
}

#[derive(Default)]
struct Held {
    by_partition: HashMap<u64, VecDeque<Chunk>>,
    /// Whose chunk is the oldest, the next oldest, …
    order: VecDeque<u64>,
    total_bytes: usize,
}

/// The cache of a volume.
pub(crate) struct Cache {
    budget_bytes: usize,
    held: Mutex<Held>,
}

impl Cache {
    pub fn new(budget_bytes: usize) -> Self {
        Self {
            budget_bytes,
            held: Mutex::default(),
        }
    }

    /// Adds what was appended to a partition. It must follow on what was added before, or what was is forgotten.
    pub fn push(&self, partition: u64, base: Offset, next: Offset, bytes: Bytes) {
        let cost = bytes.len() + OVERHEAD_BYTES;
        if cost > self.budget_bytes {
            self.clear(partition);
            return;
        }
        let bytes = if bytes.len() <= COPIED_LEN {
            Bytes::copy_from_slice(&bytes)
        } else {
            bytes
        };
        let mut held = self.lock();
        let follows = held
            .by_partition
            .get(&partition)
            .and_then(VecDeque::back)
            .is_none_or(|last| last.next == base);
        if !follows {
            held.clear(partition);
        }
        held.by_partition
            .entry(partition)
            .or_default()
            .push_back(Chunk { base, next, bytes });
        held.order.push_back(partition);
        held.total_bytes += cost;
        while held.total_bytes > self.budget_bytes {
            let Some(oldest) = held.order.pop_front() else {
                break;
            };
            let chunk = held
                .by_partition
                .get_mut(&oldest)
                .and_then(VecDeque::pop_front);
            held.total_bytes -= chunk.map_or(0, |chunk| chunk.bytes.len() + OVERHEAD_BYTES);
        }
    }

    /// Whole batches from the one that holds `from` on, before `end`, up to `max_bytes` but at least one; `None` if the cache does
    /// not reach back to `from`.
    pub fn read(
        &self,
        partition: u64,
        from: Offset,
        end: Offset,
        max_bytes: usize,
    ) -> Option<Vec<Bytes>> {
        let mut found = Vec::new();
        let held = self.lock();
        let chunks = held.by_partition.get(&partition)?;
        if chunks.front()?.base > from {
            return None;
        }
        let mut left = max_bytes;
        let first = chunks.partition_point(|chunk| chunk.next <= from);
        for chunk in chunks.range(first..) {
            if chunk.base >= end || (left == 0 && !found.is_empty()) {
                break;
            }
            let whole = chunk.base >= from && chunk.next <= end && chunk.bytes.len() <= left;
            let range = if whole {
                0..chunk.bytes.len()
            } else {
                whole_batches(&chunk.bytes, from, end, left, found.is_empty())
            };
            let goes_on = range.end == chunk.bytes.len();
            if !range.is_empty() {
                left = left.saturating_sub(range.len());
                found.push(chunk.bytes.slice(range));
            }
            if !goes_on {
                break;
            }
        }
        (!found.is_empty()).then_some(found)
    }

    /// Forgets a partition.
    pub fn clear(&self, partition: u64) {
        self.lock().clear(partition);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn clear(&mut self, partition: u64) {
        for chunk in self.by_partition.remove(&partition).unwrap_or_default() {
            self.total_bytes -= chunk.bytes.len() + OVERHEAD_BYTES;
        }
        self.order.retain(|held| *held != partition);
    }
}

/// Where in `bytes` the whole batches stand that hold `from` and what follows it, before `end`, in at most `max_bytes`; with
/// `at_least_one` the first may be larger.
pub(crate) fn whole_batches(
    bytes: &[u8],
    from: Offset,
    end: Offset,
    max_bytes: usize,
    at_least_one: bool,
) -> std::ops::Range<usize> {
    let mut start = 0;
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let Ok(header) = BatchHeader::parse(rest) else {
            break;
        };
        let behind = at + header.size_bytes;
        if header.next_offset() <= from {
            if behind > bytes.len() {
                break;
            }
            start = behind;
            at = behind;
            continue;
        }
        let fits = behind - start <= max_bytes || (at_least_one && at == start);
        if header.next_offset() > end || behind > bytes.len() || !fits {
            break;
        }
        at = behind;
    }
    start..at.max(start)
}
