//! The sparse indexes beside a segment: `.index` from offsets to positions, `.timeindex` from times to offsets.
//!
//! Entries flow in as the log grows and are kept in memory for the newest segment, to be written in one go; of older segments the
//! file is searched. What crashed before it was written is rebuilt from the log, so nothing here is ever synced on its own account.
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
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use weir_base::fs::{Fs, Open};

/// An entry of fixed length. Entries stand in rising order.
pub(crate) trait Entry: Copy + PartialEq + std::fmt::Debug {
    const LEN: usize;
    fn encode(self, file: &mut Vec<u8>);
    fn decode(bytes: &[u8]) -> Option<Self>;
    /// What separates the entries of a file from the zeros that Kafka allocates behind them.
    fn is_zero(self) -> bool;
}

/// The batch that ends `relative` behind the segment's base offset starts at `position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub relative: u32,
    pub position: u32,
}

impl Entry for OffsetEntry {
    const LEN: usize = 8;

    fn encode(self, file: &mut Vec<u8>) {
        file.extend_from_slice(&self.relative.to_be_bytes());
        file.extend_from_slice(&self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (relative, rest) = bytes.split_first_chunk()?;
        Some(Self {
            relative: u32::from_be_bytes(*relative),
            position: u32::from_be_bytes(*rest.first_chunk()?),
        })
    }

    fn is_zero(self) -> bool {
        self.relative == 0 && self.position == 0
    }
}

/// Up to the batch that ends `relative` behind the segment's base offset, the largest timestamp is that batch's `timestamp_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub timestamp_ms: i64,
    pub relative: u32,
}

impl Entry for TimeEntry {
    const LEN: usize = 12;

    fn encode(self, file: &mut Vec<u8>) {
        file.extend_from_slice(&self.timestamp_ms.to_be_bytes());
        file.extend_from_slice(&self.relative.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (timestamp, rest) = bytes.split_first_chunk()?;
        Some(Self {
            timestamp_ms: i64::from_be_bytes(*timestamp),
            relative: u32::from_be_bytes(*rest.first_chunk()?),
        })
    }

    fn is_zero(self) -> bool {
        self.timestamp_ms == 0 && self.relative == 0
    }
}

enum State<E> {
    /// The newest segment's: all entries, of which the first `written` are in the file.
    Growing { entries: Vec<E>, written: usize },
    /// An older segment's: how many the file holds.
    Closed { count: u64 },
}

/// One index file.
pub(crate) struct Index<E> {
    path: PathBuf,
    state: RwLock<State<E>>,
}

impl<E: Entry> Index<E> {
    /// An empty index that is being filled; [`Index::flush`] makes its file.
    pub fn growing(path: PathBuf) -> Self {
        Self {
            path,
            state: RwLock::new(State::Growing {
                entries: Vec::new(),
                written: 0,
            }),
        }
    }

    /// The index of a segment that has been closed, or `None` if its file cannot be one.
    pub fn closed(fs: &dyn Fs, path: PathBuf) -> Option<Self> {
        let len = fs.len(&path).ok()?;
        if len % E::LEN as u64 != 0 {
            return None;
        }
        Some(Self {
            path,
            state: RwLock::new(State::Closed {
                count: len / E::LEN as u64,
            }),
        })
    }

    /// Reads the file of a segment that goes on growing, as far as `keep` says that entries are good. They must also rise.
    pub fn resume(
        fs: &dyn Fs,
        path: PathBuf,
        largest_len: u64,
        keep: impl Fn(&E, Option<&E>) -> bool,
    ) -> io::Result<Self> {
        let bytes = read_file(fs, &path, largest_len)?;
        let mut entries: Vec<E> = Vec::new();
        for chunk in bytes.chunks_exact(E::LEN) {
            match E::decode(chunk) {
                Some(entry)
                    if (entries.is_empty() || !entry.is_zero()) && keep(&entry, entries.last()) =>
                {
                    entries.push(entry);
                }
                _ => break,
            }
        }
        // Written anew from the start: what is behind the good entries has to go.
        Ok(Self {
            path,
            state: RwLock::new(State::Growing {
                entries,
                written: 0,
            }),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn push(&self, entry: E) {
        if let State::Growing { entries, .. } = &mut *self.write() {
            entries.push(entry);
        }
    }

    /// The size of the file once all is written.
    pub fn len_bytes(&self) -> u64 {
        let count = match &*self.read() {
            State::Growing { entries, .. } => entries.len() as u64,
            State::Closed { count } => *count,
        };
        count * E::LEN as u64
    }

    /// The last entry.
    pub fn last(&self, fs: &dyn Fs) -> io::Result<Option<E>> {
        self.last_where(fs, |_| true)
    }

    /// The last entry for which `holds`, which must hold for the first so many and for none behind.
    pub fn last_where(&self, fs: &dyn Fs, holds: impl Fn(&E) -> bool) -> io::Result<Option<E>> {
        let count = match &*self.read() {
            State::Growing { entries, .. } => {
                let end = entries.partition_point(holds);
                return Ok(end.checked_sub(1).and_then(|at| entries.get(at)).copied());
            }
            State::Closed { count } => *count,
        };
        if count == 0 {
            return Ok(None);
        }
        let file = fs.open(&self.path, Open::Read)?;
        let mut buffer = vec![0; E::LEN];
        let mut found = None;
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            let read = file.read_at(&mut buffer, middle * E::LEN as u64)?;
            let entry = E::decode(buffer.get(..read).unwrap_or_default());
            match entry.filter(|entry| !(entry.is_zero() && middle > 0)) {
                Some(entry) if holds(&entry) => {
                    found = Some(entry);
                    low = middle + 1;
                }
                _ => high = middle,
            }
        }
        Ok(found)
    }

    /// Writes the entries that the file lacks. An error leaves them to the next call.
    pub fn flush(&self, fs: &dyn Fs) -> io::Result<()> {
        let mut state = self.write();
        let State::Growing { entries, written } = &mut *state else {
            return Ok(());
        };
        let lacking = entries.get(*written..).unwrap_or_default();
        if lacking.is_empty() && *written > 0 {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(lacking.len() * E::LEN);
        for entry in lacking {
            entry.encode(&mut bytes);
        }
        let file = fs.open(&self.path, Open::ReadWrite)?;
        let start = (*written * E::LEN) as u64;
        if !bytes.is_empty() {
            file.write_all_at(&bytes, start)?;
        }
        if file.len()? != start + bytes.len() as u64 {
            file.set_len(start + bytes.len() as u64)?;
        }
        *written = entries.len();
        Ok(())
    }

    /// Gives the memory back, if all is written: the segment grows no more.
    pub fn seal(&self) {
        let mut state = self.write();
        if let State::Growing { entries, written } = &*state
            && *written == entries.len()
        {
            *state = State::Closed {
                count: entries.len() as u64,
            };
        }
    }

    /// Writes all and gives the memory back.
    pub fn close(&self, fs: &dyn Fs) -> io::Result<()> {
        self.flush(fs)?;
        self.seal();
        Ok(())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State<E>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State<E>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A whole file of at most `largest_len` bytes; one that is not there reads as empty.
pub(crate) fn read_file(fs: &dyn Fs, path: &Path, largest_len: u64) -> io::Result<Vec<u8>> {
    let file = match fs.open(path, Open::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let len = file.len()?.min(largest_len);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}
