//! How many are served at a time, and how many may wait for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// How long one waits for a place.
const PATIENCE: Duration = Duration::from_secs(10);

/// A bounded number of places, and a bounded queue in front of them.
pub struct Gate {
    places: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
}

impl Gate {
    /// So many places, and a queue of so many.
    pub fn new(places: usize, most_waiting: usize) -> Self {
        Self {
            places: Semaphore::new(places),
            waiting: AtomicUsize::new(0),
            most_waiting,
        }
    }

    /// A place, held until it is dropped; `None` where the queue is full, or does not move for 10 s. Cancel-safe.
    pub async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(place) = self.places.try_acquire() {
            return Some(place);
        }
        let queued = Queued(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= self.most_waiting {
            return None;
        }
        let place = tokio::time::timeout(PATIENCE, self.places.acquire()).await;
        drop(queued);
        place.ok()?.ok()
    }
}

/// One in the queue.
struct Queued<'g>(&'g AtomicUsize);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_comes_when_the_queue_is_full_is_refused_at_once_and_who_leaves_makes_room() {
        let gate = Gate::new(1, 1);
        let inside = gate.enter().await;
        assert!(inside.is_some());
        let mut second = Box::pin(gate.enter());
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        assert!(gate.enter().await.is_none());
        drop(second);
        let third = gate.enter();
        drop(inside);
        assert!(third.await.is_some());
        assert_eq!(gate.waiting.load(Ordering::Acquire), 0);
    }
}
