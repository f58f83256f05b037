//! The `.txnindex` beside a segment: the aborted transactions whose markers the segment holds (KIP-98).
//!
//! Entries of 34 bytes, Kafka's version 0; they are few, so each is written when it comes and the file is read whole.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use weir_base::fs::{Fs, Open};

use crate::index::read_file;
use crate::offset::{AbortedTxn, Offset};

const ENTRY_LEN: usize = 34;
/// A million aborted transactions in one segment: more is no index.
const LARGEST_LEN: u64 = ENTRY_LEN as u64 * 1_000_000;

/// One segment's aborted transactions.
pub(crate) struct TxnIndex {
    path: PathBuf,
    /// Read from the file when first asked for.
    aborted: Mutex<Option<Vec<AbortedTxn>>>,
}

impl TxnIndex {
    /// The index in a file that may not be there.
    pub fn at(path: PathBuf) -> Self {
        Self {
            path,
            aborted: Mutex::new(None),
        }
    }

    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// All entries.
    pub fn all(&self, fs: &dyn Fs) -> io::Result<Vec<AbortedTxn>> {
        self.with(fs, |aborted| aborted.clone())
    }

    /// Adds an entry, in memory and in the file.
    pub fn push(&self, fs: &dyn Fs, txn: AbortedTxn) -> io::Result<()> {
        let at = self.with(fs, |aborted| {
            aborted.push(txn);
            (aborted.len() - 1) * ENTRY_LEN
        })?;
        let file = fs.open(&self.path, Open::ReadWrite)?;
        file.write_all_at(&encode(&txn), at as u64)
    }

    /// Keeps the entries whose markers stand before `offset`; what is written later by [`TxnIndex::push`] follows them.
    pub fn cut_at(&self, fs: &dyn Fs, offset: Offset) -> io::Result<()> {
        let count = self.with(fs, |aborted| {
            aborted.retain(|txn| txn.last_offset < offset);
            aborted.len()
        })?;
        match fs.len(&self.path) {
            Ok(len) if len != (count * ENTRY_LEN) as u64 => fs
                .open(&self.path, Open::ReadWrite)?
                .set_len((count * ENTRY_LEN) as u64),
            _ => Ok(()),
        }
    }

    fn with<T>(&self, fs: &dyn Fs, then: impl FnOnce(&mut Vec<AbortedTxn>) -> T) -> io::Result<T> {
        let mut aborted = self.aborted.lock().unwrap_or_else(PoisonError::into_inner);
        if aborted.is_none() {
            let bytes = read_file(fs, &self.path, LARGEST_LEN)?;
            *aborted = Some(bytes.chunks_exact(ENTRY_LEN).map_while(decode).collect());
        }
        Ok(then(aborted.get_or_insert_default()))
    }
}

fn encode(txn: &AbortedTxn) -> [u8; ENTRY_LEN] {
    let mut entry = [0; ENTRY_LEN];
    let numbers = [
        txn.producer_id,
        txn.first_offset.0,
        txn.last_offset.0,
        txn.last_stable.0,
    ];
    for (place, number) in entry
        .iter_mut()
        .skip(2)
        .zip(numbers.iter().flat_map(|number| number.to_be_bytes()))
    {
        *place = number;
    }
    entry
}

fn decode(entry: &[u8]) -> Option<AbortedTxn> {
    let (version, rest) = entry.split_first_chunk()?;
    if i16::from_be_bytes(*version) != 0 {
        return None;
    }
    let mut numbers = rest
        .as_chunks()
        .0
        .iter()
        .map(|number| i64::from_be_bytes(*number));
    Some(AbortedTxn {
        producer_id: numbers.next()?,
        first_offset: Offset(numbers.next()?),
        last_offset: Offset(numbers.next()?),
        last_stable: Offset(numbers.next()?),
    })
}
