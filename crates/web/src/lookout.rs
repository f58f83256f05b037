//! What a task finds out by looking again and again, for those who watch: the newest of it, and how often to look.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use weir_base::time::Clock;

use crate::hub::held;

/// How long one request counts as watching.
const WATCHED_FOR: Duration = Duration::from_secs(10);

/// The newest of what was found; nothing before the first look.
pub struct Lookout<T> {
    clock: Arc<dyn Clock>,
    shown: watch::Sender<Option<Arc<T>>>,
    last_asked: Mutex<Option<Duration>>,
    asked: Notify,
}

impl<T> Lookout<T> {
    /// Nobody has looked yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            shown: watch::Sender::new(None),
            last_asked: Mutex::default(),
            asked: Notify::new(),
        }
    }

    /// The newest, once there is one.
    pub async fn newest(&self) -> Arc<T> {
        let mut receiver = self.subscribe();
        loop {
            if let Some(newest) = receiver.borrow_and_update().clone() {
                return newest;
            }
            if receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What is shown as it is shown. It is watched while the receiver lives.
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<T>>> {
        *held(&self.last_asked) = Some(self.clock.monotonic());
        self.asked.notify_one();
        self.shown.subscribe()
    }

    /// The newest there is, for one who does not watch.
    pub fn glance(&self) -> Option<Arc<T>> {
        self.shown.borrow().clone()
    }

    /// Shows what was found.
    pub fn show(&self, found: T) {
        self.shown.send_replace(Some(Arc::new(found)));
    }

    /// Whether somebody watches, or did a moment ago.
    pub fn is_watched(&self) -> bool {
        let asked = *held(&self.last_asked);
        self.shown.receiver_count() > 0
            || asked.is_some_and(|at| self.clock.monotonic().saturating_sub(at) < WATCHED_FOR)
    }

    /// Waits until somebody begins to watch, or for so long.
    pub async fn until_asked(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.asked.notified()).await;
    }
}
