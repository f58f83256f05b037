//! A range of a partition's offsets that is being written: records in, finished files and a claim out.
//!
//! A range has a file for each hour that its records fall into, mostly one; late records do not cut it in two. It is written as it
//! comes, so a store that takes pieces needs little memory; the files have names of this attempt alone until they are claimed
//! (`claim`).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;
use weir_client::Record;

use crate::claim::{Chain, Claim, Claimed, ClaimedFile, Tail};
use crate::formats::{EncodeError, Encoder, Encoders};
use crate::layout::{Hour, Layout};
use crate::single::Piece;
use crate::store::{Store, StoreError, Writer};

/// Hours a range has files of at most.
const MAX_HOURS: usize = 16;

/// When a range ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rolling {
    /// When a file of it is about so long.
    pub bytes: u64,
    /// When its first record was read so long ago.
    pub after: Duration,
    /// When so much of it is held in memory.
    pub held_bytes: usize,
}

/// Records that follow one another, on their way into files.
pub(crate) struct Range {
    id: String,
    from: i64,
    next: i64,
    /// When its first record came.
    pub(crate) began: Duration,
    /// Records in it that are in no file.
    pub(crate) passed_over: u64,
    files: BTreeMap<Hour, OpenFile>,
}

struct OpenFile {
    encoder: Box<dyn Encoder>,
    writer: Option<Box<dyn Writer>>,
    written: String,
    first: i64,
    last: i64,
    records: u64,
    sent_bytes: u64,
}

impl Range {
    /// A range that begins at `from`.
    pub(crate) fn new(from: i64, began: Duration) -> Self {
        Self {
            id: Uuid::new_v4().simple().to_string(),
            from,
            next: from,
            began,
            passed_over: 0,
            files: BTreeMap::new(),
        }
    }

    /// The offset behind its last record.
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    /// Whether it must end before this record.
    pub(crate) fn is_full_for(&self, record: &Record, layout: &Layout, rolling: &Rolling) -> bool {
        let another_hour = !self.files.contains_key(&layout.hour(record.timestamp));
        if layout.format().is_video() && another_hour {
            return true;
        }
        let mut held_bytes = 0;
        for file in self.files.values() {
            let held = file.encoder.held_bytes();
            held_bytes += held;
            if file.sent_bytes + file.encoder.will_be_bytes() >= rolling.bytes {
                return true;
            }
        }
        held_bytes >= rolling.held_bytes || (self.files.len() >= MAX_HOURS && another_hour)
    }

    /// The next record.
    pub(crate) fn push(
        &mut self,
        chain: &Chain,
        encoders: &Encoders,
        rolling: &Rolling,
        record: &Record,
    ) {
        let number = self.files.len();
        let layout = chain.layout();
        // A group of pictures stays together when an hour ends in its middle.
        let begun = self.files.keys().next().copied();
        let hour = begun
            .filter(|_| layout.format().is_video())
            .unwrap_or_else(|| layout.hour(record.timestamp));
        let file = self.files.entry(hour).or_insert_with(|| OpenFile {
            encoder: encoders.encoder(rolling.held_bytes),
            writer: None,
            written: layout.unfinished_file(self.from, &self.id, number),
            first: record.offset,
            last: record.offset,
            records: 0,
            sent_bytes: 0,
        });
        file.encoder.push(record);
        file.last = record.offset;
        file.records += 1;
        self.next = record.offset + 1;
    }

    /// The next records, as many as it has room for; those that are left are given back. Where encoding takes long it is done where
    /// nobody waits for it.
    pub(crate) async fn fill(
        self,
        chain: &Chain,
        encoders: &Encoders,
        rolling: &Rolling,
        records: VecDeque<Record>,
    ) -> Result<(Self, VecDeque<Record>), StoreError> {
        if !chain.layout().format().takes_long() {
            return Ok(self.filled(chain, encoders, rolling, records));
        }
        let (chain, encoders, rolling) = (chain.clone(), encoders.clone(), *rolling);
        aside(move || self.filled(&chain, &encoders, &rolling, records)).await
    }

    fn filled(
        mut self,
        chain: &Chain,
        encoders: &Encoders,
        rolling: &Rolling,
        mut records: VecDeque<Record>,
    ) -> (Self, VecDeque<Record>) {
        while let Some(record) = records.pop_front() {
            self.push(chain, encoders, rolling, &record);
            let full = |next: &Record| self.is_full_for(next, chain.layout(), rolling);
            if records.front().is_some_and(full) {
                break;
            }
        }
        (self, records)
    }

    /// Sends on what has gathered.
    pub(crate) async fn send(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let piece_bytes = store.piece_bytes();
        for file in self.files.values_mut() {
            if file.encoder.ready_bytes() >= piece_bytes {
                let piece = file.encoder.take();
                file.write(store, piece).await?;
            }
        }
        Ok(())
    }

    /// Finishes the files, claims the range, which begins where `tail` ends, and settles it.
    pub(crate) async fn seal(
        self,
        chain: Chain,
        encoders: Encoders,
        tail: Tail,
    ) -> Result<Sealed, StoreError> {
        let store = chain.store().clone();
        let mut files = Vec::with_capacity(self.files.len());
        let mut writers = Vec::with_capacity(self.files.len());
        let mut settled = true;
        for (hour, mut file) in self.files {
            let finished;
            (file, finished) = aside(move || {
                let finished = file.encoder.finish();
                (file, finished)
            })
            .await?;
            let rest = finished.map_err(|EncodeError(why)| StoreError::Failed {
                what: "make",
                url: store.url(&file.written),
                why,
            })?;
            settled &= encoders.settle(&*store, file.encoder.columns()).await?;
            file.write(&*store, rest).await?;
            writers.extend(file.writer.take());
            files.push(file.claimed(&chain, hour));
        }
        let finished = Box::pin(async {
            for writer in writers {
                writer.finish().await?;
            }
            Ok(())
        });
        if chain.layout().is_single() {
            finished.await?;
            return Self::append(self.id, self.from, self.next, files, &chain, tail).await;
        }
        let claim = Claim {
            id: self.id,
            from: self.from,
            next: self.next,
            files,
            offsets: BTreeMap::new(),
        };
        let claimed = if settled {
            chain.claim(finished, &tail, &claim).await?
        } else {
            Claimed::Lost
        };
        match claimed {
            Claimed::Won(mut tail) => {
                chain.settle(&claim).await?;
                chain.prune(&mut tail).await?;
                Ok(Sealed::Won {
                    tail,
                    files: claim.files,
                    passed_over: self.passed_over,
                })
            }
            Claimed::Lost => {
                // Nobody will ever claim these.
                for file in &claim.files {
                    store.delete(&file.written).await?;
                }
                Ok(Sealed::Lost)
            }
        }
    }

    /// Claims the end of a single file for the one file of this range, and appends it.
    async fn append(
        id: String,
        from: i64,
        next: i64,
        files: Vec<ClaimedFile>,
        chain: &Chain,
        tail: Tail,
    ) -> Result<Sealed, StoreError> {
        let Some(file) = files.into_iter().next() else {
            return Ok(Sealed::Lost);
        };
        let written = file.written.clone();
        let piece = Piece {
            id,
            from,
            next,
            file,
        };
        if let Some((tail, files)) = chain.append(tail, piece).await? {
            return Ok(Sealed::Won {
                tail,
                files,
                passed_over: 0,
            });
        }
        // Nobody will ever claim it.
        chain.store().delete(&written).await?;
        Ok(Sealed::Lost)
    }
}

/// Does `work` on a thread where it may take long.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|ended| StoreError::Remedy(format!("a file could not be made: {ended}")))
}

/// What became of a range.
pub(crate) enum Sealed {
    /// Its files are archived.
    Won {
        /// Where the chain goes on.
        tail: Tail,
        /// The files.
        files: Vec<ClaimedFile>,
        /// Records between them that are in no file.
        passed_over: u64,
    },
    /// Another had claimed the range, or settled on other columns.
    Lost,
}

impl OpenFile {
    async fn write(&mut self, store: &dyn Store, piece: Bytes) -> Result<(), StoreError> {
        self.sent_bytes += piece.len() as u64;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(store.write(&self.written).await?),
        };
        writer.write(piece).await
    }

    /// What a claim says of it.
    fn claimed(self, chain: &Chain, hour: Hour) -> ClaimedFile {
        ClaimedFile {
            path: chain.layout().file(hour, self.first, self.last),
            written: self.written,
            first: self.first,
            last: self.last,
            records: self.records,
            bytes: self.sent_bytes,
            place: None,
        }
    }
}
