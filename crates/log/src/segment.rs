//! One segment: a `.log` file of record batches with its indexes, named by the offset it starts at.
//!
//! Reading takes no lock: it stays below the length that the writer has published, and an older segment never changes.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use weir_base::fs::{File, Fs, Open};

use crate::batch::{BatchHeader, HEADER_LEN};
use crate::cache::whole_batches;
use crate::error::LogError;
use crate::index::{Index, OffsetEntry, TimeEntry};
use crate::offset::{Offset, Position};
use crate::txn_index::TxnIndex;

/// How much is read at a time where headers are looked for.
const SCAN_LEN: usize = 64 << 10;

/// The largest offset of a segment less its base offset: what an index entry can say.
pub(crate) const LARGEST_RELATIVE: i64 = i32::MAX as i64;

/// One segment.
pub(crate) struct Segment {
    pub base: Offset,
    fs: Arc<dyn Fs>,
    path: PathBuf,
    /// Opened when first needed; a thousand old segments take no file descriptors.
    log: Mutex<Option<Arc<dyn File>>>,
    len: AtomicU64,
    pub offsets: Index<OffsetEntry>,
    pub times: Index<TimeEntry>,
    pub txns: TxnIndex,
}

/// `dir/00000000000000000042.ending`.
pub(crate) fn file_path(dir: &Path, base: Offset, ending: &str) -> PathBuf {
    dir.join(format!("{:020}.{ending}", base.0))
}

impl Segment {
    pub fn new(
        fs: &Arc<dyn Fs>,
        dir: &Path,
        base: Offset,
        len: u64,
        offsets: Index<OffsetEntry>,
        times: Index<TimeEntry>,
    ) -> Self {
        Self {
            base,
            fs: Arc::clone(fs),
            path: file_path(dir, base, "log"),
            log: Mutex::new(None),
            len: AtomicU64::new(len),
            offsets,
            times,
            txns: TxnIndex::at(file_path(dir, base, "txnindex")),
        }
    }

    /// A segment in a log file of another name, without its indexes: to read it through.
    pub fn in_file(fs: &Arc<dyn Fs>, path: PathBuf, base: Offset, len: u64) -> Self {
        let unused = || path.with_extension("unused");
        Self {
            base,
            fs: Arc::clone(fs),
            log: Mutex::new(None),
            len: AtomicU64::new(len),
            offsets: Index::growing(unused()),
            times: Index::growing(unused()),
            txns: TxnIndex::at(unused()),
            path,
        }
    }

    /// Makes the files of a new, empty segment; what a crash left under these names goes.
    pub fn create(fs: &Arc<dyn Fs>, dir: &Path, base: Offset) -> Result<Self, LogError> {
        let segment = Self::new(
            fs,
            dir,
            base,
            0,
            Index::growing(file_path(dir, base, "index")),
            Index::growing(file_path(dir, base, "timeindex")),
        );
        let log = segment.writable()?;
        let made = log
            .set_len(0)
            .and_then(|()| segment.offsets.flush(&**fs))
            .and_then(|()| segment.times.flush(&**fs));
        made.map_err(|error| LogError::io("cannot make", &segment.path, error))?;
        Ok(segment)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All files there may be, the log first.
    pub fn paths(&self) -> [&Path; 4] {
        [
            &self.path,
            self.offsets.path(),
            self.times.path(),
            self.txns.path(),
        ]
    }

    /// How much of the file holds batches that may be read.
    pub fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    /// Lets readers see up to `len`.
    pub fn publish(&self, len: u64) {
        self.len.store(len, Ordering::Release);
    }

    /// The log file, to write.
    pub fn writable(&self) -> Result<Arc<dyn File>, LogError> {
        let file = self.fs.open(&self.path, Open::ReadWrite);
        let file = file.map_err(|error| LogError::io("cannot open", &self.path, error))?;
        *self.lock() = Some(Arc::clone(&file));
        Ok(file)
    }

    fn file(&self) -> Result<Arc<dyn File>, LogError> {
        let mut log = self.lock();
        if let Some(file) = &*log {
            return Ok(Arc::clone(file));
        }
        let file = self.fs.open(&self.path, Open::Read);
        let file = file.map_err(|error| LogError::io("cannot open", &self.path, error))?;
        *log = Some(Arc::clone(&file));
        Ok(file)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<dyn File>>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to `len` bytes at `at`; fewer where the segment ends.
    pub fn read_bytes(&self, at: Position, len: usize) -> Result<Bytes, LogError> {
        let left = self.len().saturating_sub(at.0);
        let mut buffer = BytesMut::zeroed(len.min(usize::try_from(left).unwrap_or(usize::MAX)));
        let read = self.file()?.read_at(&mut buffer, at.0);
        let read = read.map_err(|error| LogError::io("cannot read", &self.path, error))?;
        buffer.truncate(read);
        Ok(buffer.freeze())
    }

    /// The header of the batch at `at`; `None` at the segment's end.
    pub fn header_at(&self, at: Position) -> Result<Option<BatchHeader>, LogError> {
        let bytes = self.read_bytes(at, HEADER_LEN)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.parse(&bytes, at).map(Some)
    }

    /// A batch whole, with its header.
    pub fn batch_at(&self, at: Position) -> Result<Option<(BatchHeader, Bytes)>, LogError> {
        let Some(header) = self.header_at(at)? else {
            return Ok(None);
        };
        let bytes = self.read_bytes(at, header.size_bytes)?;
        if bytes.len() < header.size_bytes {
            return Err(self.damaged(at, "the last batch is cut off"));
        }
        Ok(Some((header, bytes)))
    }

    fn parse(&self, bytes: &[u8], at: Position) -> Result<BatchHeader, LogError> {
        BatchHeader::parse(bytes).map_err(|error| self.damaged(at, &error.to_string()))
    }

    fn damaged(&self, at: Position, why: &str) -> LogError {
        LogError::Damaged {
            path: self.path.clone(),
            why: format!("at byte {at}: {why}"),
        }
    }

    /// A place to start looking for `offset`: the index's last batch that ends at or before it, else the start.
    pub fn floor(&self, offset: Offset) -> Result<Position, LogError> {
        let relative = offset.0 - self.base.0;
        let entry = self
            .offsets
            .last_where(&*self.fs, |entry| i64::from(entry.relative) <= relative)
            .map_err(|error| LogError::io("cannot read", self.offsets.path(), error))?;
        Ok(Position(entry.map_or(0, |entry| u64::from(entry.position))))
    }

    /// Whole batches from the one that holds `from` on, before `end`, in up to `max_bytes`, but at least one. Empty if there is none.
    pub fn read(&self, from: Offset, end: Offset, max_bytes: usize) -> Result<Bytes, LogError> {
        let mut at = self.floor(from)?;
        // The batch may stand anywhere within the index's interval: read a little more, and cut off what is in front.
        let mut bytes = self.read_bytes(
            at,
            max_bytes.saturating_add(4096).min(max_bytes.max(SCAN_LEN)),
        )?;
        loop {
            let range = whole_batches(&bytes, from, end, max_bytes, true);
            if !range.is_empty() {
                return Ok(bytes.slice(range));
            }
            // Nothing whole yet: all of it is in front of `from`, or the batch is larger than what was read.
            let next = Position(at.0 + range.start as u64);
            let Some(header) = self.header_at(next)? else {
                return Ok(Bytes::new());
            };
            if header.base_offset >= end || header.next_offset() > end {
                return Ok(Bytes::new());
            }
            if next.0 + header.size_bytes as u64 > self.len() {
                return Err(self.damaged(next, "the last batch is cut off"));
            }
            at = next;
            bytes = self.read_bytes(at, header.size_bytes.max(max_bytes))?;
        }
    }

    /// Calls `visit` with the header and place of each batch from `at` on, until it returns false.
    pub fn scan(
        &self,
        mut at: Position,
        mut visit: impl FnMut(&BatchHeader, Position) -> bool,
    ) -> Result<(), LogError> {
        let mut bytes = Bytes::new();
        let mut start = at;
        loop {
            let ahead = usize::try_from(at.0 - start.0).unwrap_or(usize::MAX);
            let mut rest = bytes.get(ahead..).unwrap_or_default();
            if rest.len() < HEADER_LEN {
                bytes = self.read_bytes(at, SCAN_LEN)?;
                start = at;
                rest = &bytes;
                if rest.is_empty() {
                    return Ok(());
                }
            }
            let header = self.parse(rest, at)?;
            if !visit(&header, at) {
                return Ok(());
            }
            at = Position(at.0 + header.size_bytes as u64);
        }
    }

    /// The largest timestamp and the last offset of the batch that has it, from the time index: complete for a closed segment.
    pub fn largest_time(&self) -> Result<Option<(i64, Offset)>, LogError> {
        let entry = self.times.last(&*self.fs);
        let entry = entry.map_err(|error| LogError::io("cannot read", self.times.path(), error))?;
        Ok(entry.map(|entry| {
            (
                entry.timestamp_ms,
                self.base.plus(i64::from(entry.relative)),
            )
        }))
    }
}
