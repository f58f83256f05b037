//! A store in memory that fails, tears and kills: at a chosen operation, before or after it took effect, or not until later.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::sync::watch;
use weir_base::time::{Clock, ManualClock};

use super::{Entry, Store, StoreError, Writer};
use crate::single::changed;

/// What happens at an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It fails and has done nothing.
    FailsBefore,
    /// It is done, and its answer is an error.
    FailsAfter,
    /// The process is killed before it is done.
    DiesBefore,
    /// The process is killed when it is done.
    DiesAfter,
    /// The process stands still before it until it is woken.
    SleepsBefore,
    /// The process stands still behind it until it is woken.
    SleepsAfter,
}

impl Fate {
    pub(crate) const ALL: [Self; 6] = [
        Self::FailsBefore,
        Self::FailsAfter,
        Self::DiesBefore,
        Self::DiesAfter,
        Self::SleepsBefore,
        Self::SleepsAfter,
    ];
}

/// The files, and what all processes see of them.
#[derive(Clone, Default)]
pub(crate) struct World {
    files: Arc<Mutex<BTreeMap<String, Bytes>>>,
    /// Whether a rename is a copy and a removal, and a file being written is not there before its end, as in S3.
    like_s3: bool,
    /// Whether files grow at their end alone, by the hand of the last who asked to, as in HDFS; else bytes are written to a
    /// position, as on a disk.
    like_hdfs: bool,
    /// Who asked to append last: by counting.
    lease: Arc<AtomicU64>,
}

impl World {
    pub(crate) fn new(like_s3: bool) -> Self {
        Self {
            like_s3,
            ..Self::default()
        }
    }

    pub(crate) fn like_hdfs() -> Self {
        Self {
            like_hdfs: true,
            ..Self::default()
        }
    }

    pub(crate) fn files(&self) -> BTreeMap<String, Bytes> {
        self.lock().clone()
    }

    /// Puts a file there, as nobody here would.
    pub(crate) fn put(&self, path: &str, content: Bytes) {
        self.lock().insert(path.to_owned(), content);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One process's way to the files, with what befalls it at which of its operations.
    pub(crate) fn store(&self, fates: impl IntoIterator<Item = (u64, Fate)>) -> Memory {
        Memory {
            world: self.clone(),
            process: Arc::new(Mutex::new(Process {
                operations: 0,
                fates: fates.into_iter().collect(),
                away: None,
            })),
            state: watch::channel(State::Runs).0,
        }
    }
}

struct Process {
    operations: u64,
    fates: BTreeMap<u64, Fate>,
    away: Option<Away>,
}

/// A time without the store: from an operation on, until a clock has come so far.
struct Away {
    from: u64,
    until: Duration,
    clock: Arc<ManualClock>,
}

impl Away {
    /// Every operation meanwhile takes a second, and fails.
    fn takes(&self, operation: u64) -> bool {
        let away = operation >= self.from && self.clock.monotonic() < self.until;
        if away {
            self.clock.advance(Duration::from_secs(1));
        }
        away
    }
}

/// What has become of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Runs,
    Sleeps,
    Dead,
}

/// The store as one process sees it.
#[derive(Clone)]
pub(crate) struct Memory {
    world: World,
    process: Arc<Mutex<Process>>,
    state: watch::Sender<State>,
}

impl Memory {
    /// Is away from operation `from` on, until `clock` is at `until`.
    pub(crate) fn away(self, from: u64, until: Duration, clock: Arc<ManualClock>) -> Self {
        self.process().away = Some(Away { from, until, clock });
        self
    }

    /// Operations so far.
    pub(crate) fn operations(&self) -> u64 {
        self.process().operations
    }

    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Lets a process that sleeps go on, and befalls it with nothing more.
    pub(crate) fn wake(&self) {
        self.process().fates.clear();
        self.state.send_replace(State::Runs);
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn step<T>(
        &self,
        work: impl FnOnce(&mut BTreeMap<String, Bytes>) -> T,
    ) -> Result<T, StoreError> {
        // Others' operations come between any two of ours.
        tokio::task::yield_now().await;
        if *self.state.borrow() == State::Dead {
            self.die().await;
        }
        let (fate, away) = {
            let mut process = self.process();
            process.operations += 1;
            let at = process.operations;
            let away = process.away.as_ref().is_some_and(|away| away.takes(at));
            (process.fates.remove(&at), away)
        };
        if away {
            return Err(failed());
        }
        match fate {
            Some(Fate::FailsBefore) => return Err(failed()),
            Some(Fate::DiesBefore) => self.die().await,
            Some(Fate::SleepsBefore) => self.sleep().await,
            _ => {}
        }
        let done = work(&mut self.world.lock());
        match fate {
            Some(Fate::FailsAfter) => Err(failed()),
            Some(Fate::DiesAfter) => {
                self.die().await;
                Ok(done)
            }
            Some(Fate::SleepsAfter) => {
                self.sleep().await;
                Ok(done)
            }
            _ => Ok(done),
        }
    }

    async fn die(&self) {
        self.state.send_replace(State::Dead);
        std::future::pending::<()>().await;
    }

    async fn sleep(&self) {
        let mut state = self.state();
        self.state.send_replace(State::Sleeps);
        // An error would mean that nobody can wake us any more.
        drop(state.wait_for(|state| *state == State::Runs).await);
    }
}

fn failed() -> StoreError {
    StoreError::Failed {
        what: "do",
        url: "memory:".to_owned(),
        why: "it was meant to fail".to_owned(),
    }
}

#[async_trait]
impl Store for Memory {
    async fn list(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        self.step(|files| {
            let prefix = format!("{folder}/");
            let mut entries: Vec<Entry> = files
                .keys()
                .filter_map(|path| path.strip_prefix(&prefix))
                .map(|rest| match rest.split_once('/') {
                    Some((name, _)) => Entry {
                        name: name.to_owned(),
                        folder: true,
                    },
                    None => Entry {
                        name: rest.to_owned(),
                        folder: false,
                    },
                })
                .collect();
            entries.dedup();
            entries
        })
        .await
    }

    async fn read(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        self.step(|files| files.get(path).cloned()).await
    }

    async fn create(&self, path: &str, content: Bytes) -> Result<bool, StoreError> {
        self.step(|files| {
            let free = !files.contains_key(path);
            if free {
                files.insert(path.to_owned(), content);
            }
            free
        })
        .await
    }

    async fn write(&self, path: &str) -> Result<Box<dyn Writer>, StoreError> {
        let like_s3 = self.world.like_s3;
        self.step(|files| {
            if !like_s3 {
                files.insert(path.to_owned(), Bytes::new());
            }
        })
        .await?;
        Ok(Box::new(MemoryWriter {
            store: self.clone(),
            path: path.to_owned(),
            content: BytesMut::new(),
        }))
    }

    async fn rename(&self, from: &str, to: &str) -> Result<bool, StoreError> {
        if self.world.like_s3 {
            let copied = self
                .step(|files| match files.get(from).cloned() {
                    Some(content) => {
                        files.insert(to.to_owned(), content);
                        true
                    }
                    None => false,
                })
                .await?;
            if copied {
                self.delete(from).await?;
            }
            return Ok(copied);
        }
        self.step(|files| match files.remove(from) {
            Some(content) => {
                files.insert(to.to_owned(), content);
                true
            }
            None => false,
        })
        .await
    }

    async fn len(&self, path: &str) -> Result<Option<u64>, StoreError> {
        self.step(|files| files.get(path).map(|content| content.len() as u64))
            .await
    }

    async fn append(&self, from: &str, to: &str, at: u64) -> Result<bool, StoreError> {
        let at = usize::try_from(at).unwrap();
        let Some(content) = self.read(from).await? else {
            return Ok(false);
        };
        let lease = &self.world.lease;
        let (ours, len) = self
            .step(|files| {
                let ours = lease.fetch_add(1, Ordering::Relaxed) + 1;
                (ours, files.entry(to.to_owned()).or_default().len())
            })
            .await?;
        if len < at {
            return Err(changed(to, len as u64, at as u64));
        }
        let there = (len - at).min(content.len());
        let begin = if self.world.like_hdfs { there } else { 0 };
        // In two pieces, between which anything may happen.
        let middle = usize::midpoint(begin, content.len());
        for piece in [begin..middle, middle..content.len()] {
            self.step(|files| {
                let mut whole = BytesMut::from(&files[to][..]);
                if self.world.like_hdfs {
                    if lease.load(Ordering::Relaxed) != ours {
                        return Err(failed());
                    }
                    whole.extend_from_slice(&content[piece]);
                } else {
                    let end = whole.len().max(at + piece.end);
                    whole.resize(end, 0);
                    whole[at + piece.start..at + piece.end].copy_from_slice(&content[piece]);
                }
                files.insert(to.to_owned(), whole.freeze());
                Ok(())
            })
            .await??;
        }
        self.delete(from).await?;
        Ok(true)
    }

    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        self.step(|files| {
            files.remove(path);
        })
        .await
    }

    fn piece_bytes(&self) -> usize {
        64
    }

    fn url(&self, path: &str) -> String {
        format!("memory:{path}")
    }
}

struct MemoryWriter {
    store: Memory,
    path: String,
    content: BytesMut,
}

#[async_trait]
impl Writer for MemoryWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.content.extend_from_slice(&bytes);
        let (path, content) = (self.path.clone(), self.content.clone().freeze());
        let like_s3 = self.store.world.like_s3;
        self.store
            .step(move |files| {
                // What is written to a file that was removed goes nowhere.
                if !like_s3 && files.contains_key(&path) {
                    files.insert(path, content);
                }
            })
            .await
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        let like_s3 = self.store.world.like_s3;
        let (path, content) = (self.path, self.content.freeze());
        self.store
            .step(move |files| {
                if like_s3 {
                    files.insert(path, content);
                }
            })
            .await
    }
}
