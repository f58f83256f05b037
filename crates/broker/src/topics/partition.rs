//! One partition as the broker sees it: its log, and who waits for it to grow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use tokio::sync::Notify;
use weir_log::{Appended, LogConfig, LogError, Offset, Origin, PartitionLog, Volume};

use crate::files::may_block;

/// Appends of so many bytes leave the runtime's thread to others meanwhile. Handing it over costs more than writing 100 kB into the
/// operating system's cache takes: a quarter of the broker's processor time at acks=all, measured.
const LARGE_APPEND_BYTES: usize = 1024 * 1024;

/// A partition of a topic.
pub(crate) struct Partition {
    /// Its topic's name.
    pub topic: Arc<str>,
    /// Its number.
    pub index: i32,
    /// Its records.
    pub log: Arc<PartitionLog>,
    waiters: Arc<Waiters>,
}

impl Partition {
    /// Opens the partition's log, making it if it is new.
    pub fn open(
        volume: &Arc<Volume>,
        topic: &Arc<str>,
        index: i32,
        config: LogConfig,
    ) -> Result<Arc<Self>, LogError> {
        let log = PartitionLog::open(volume, topic, index, config)?;
        let waiters = Arc::new(Waiters::default());
        let woken = Arc::clone(&waiters);
        log.on_advance(Box::new(move |_| woken.wake()));
        Ok(Arc::new(Self {
            topic: Arc::clone(topic),
            index,
            log,
            waiters,
        }))
    }

    /// Appends batches; they are written but not yet durable when this returns.
    pub fn append(&self, records: BytesMut, origin: Origin) -> Result<Appended, LogError> {
        if records.len() < LARGE_APPEND_BYTES {
            self.log.append(records, origin)
        } else {
            may_block(|| self.log.append(records, origin))
        }
    }

    /// Returns when the record at `last` is durable; fails if it never will be.
    pub async fn durable(&self, last: Offset) -> Result<(), LogError> {
        if self.log.offsets().high_watermark > last {
            return Ok(());
        }
        let notify = Arc::new(Notify::new());
        let _waiting = self.wait(&notify);
        while self.log.offsets().high_watermark <= last {
            if self.waiters.closed() {
                return Err(LogError::Closed {
                    topic: self.topic.to_string(),
                    partition: self.index,
                });
            }
            notify.notified().await;
        }
        Ok(())
    }

    /// Returns when all that was appended before the call is durable, so that readers see it.
    pub async fn settled(&self) -> Result<(), LogError> {
        self.durable(self.log.offsets().log_end.plus(-1)).await
    }

    /// Has `notify` told each time the high watermark moves, and when the partition goes, until the guard is dropped.
    pub fn wait(&self, notify: &Arc<Notify>) -> Waiting {
        self.waiters.add(notify);
        self.log.watch();
        Waiting {
            log: Arc::clone(&self.log),
            waiters: Arc::clone(&self.waiters),
            key: Arc::as_ptr(notify) as usize,
        }
    }

    /// Wakes all that wait, for good: the partition is deleted or the broker ends.
    pub fn close(&self) {
        self.waiters.close();
    }
}

#[derive(Default)]
struct Waiters {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    /// By the address of the `Notify`, which stays its own as long as it is in here.
    waiting: HashMap<usize, Arc<Notify>>,
}

impl Waiters {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, notify: &Arc<Notify>) {
        let mut state = self.lock();
        if state.closed {
            notify.notify_one();
        }
        state
            .waiting
            .insert(Arc::as_ptr(notify) as usize, Arc::clone(notify));
    }

    fn wake(&self) {
        for notify in self.lock().waiting.values() {
            notify.notify_one();
        }
    }

    fn closed(&self) -> bool {
        self.lock().closed
    }

    fn close(&self) {
        self.lock().closed = true;
        self.wake();
    }
}

/// Held while somebody waits for a partition.
pub(crate) struct Waiting {
    log: Arc<PartitionLog>,
    waiters: Arc<Waiters>,
    key: usize,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waiters.lock().waiting.remove(&self.key);
        self.log.unwatch();
    }
}
