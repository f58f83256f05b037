//! Whose word counts when several connections say where a named viewer is: the newest one's, as long as it is there.
//!
//! A viewer who jumps comes back over another connection, while the one before may still have something to keep. That is kept first:
//! the newcomer does it before it begins. From then on what is said over the older one is passed over until the newer has ended, so
//! that a position never falls back to where the viewer was before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use weir_client::{ClientError, Kafka};

use crate::hub::held;

/// How long a newcomer waits for a Kafka that does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The next offset of each partition.
pub type Positions = BTreeMap<i32, i64>;
/// A group, and the topic that it has a place in.
type Name = (String, String);

/// Who says where which group stands.
#[derive(Default)]
pub struct Turns {
    turns: Mutex<BTreeMap<Name, Arc<Turn>>>,
    next: AtomicU64,
}

/// Who says where one group stands in one topic.
#[derive(Default)]
struct Turn {
    /// The connections that are there, in the order they came.
    there: Mutex<BTreeMap<u64, Said>>,
    /// Held while something is being kept: one at a time.
    keeping: tokio::sync::Mutex<()>,
}

/// What a connection says.
struct Said {
    now: watch::Receiver<Positions>,
    /// So much of it has been kept.
    kept: Positions,
}

/// One connection's place among those of its group. Dropping it leaves.
pub struct Seat {
    turns: Arc<Turns>,
    turn: Arc<Turn>,
    name: Name,
    id: u64,
}

impl Turns {
    /// A connection that says `positions` is there; what the one before it said last is kept before this returns, or has failed.
    pub async fn join(
        self: &Arc<Self>,
        kafka: &Kafka,
        (group, topic): (&str, &str),
        positions: watch::Receiver<Positions>,
    ) -> Seat {
        let name = (group.to_owned(), topic.to_owned());
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let (seat, before) = {
            let mut turns = held(&self.turns);
            let turn = turns.entry(name.clone()).or_default().clone();
            let mut there = held(&turn.there);
            let before = there
                .iter()
                .rev()
                .find(|(_, said)| !said.now.borrow().is_empty())
                .map(|(id, said)| (*id, said.now.borrow().clone()));
            let kept = Positions::new();
            there.insert(
                id,
                Said {
                    now: positions,
                    kept,
                },
            );
            drop(there);
            let turns = self.clone();
            (
                Seat {
                    turns,
                    turn,
                    name,
                    id,
                },
                before,
            )
        };
        if let Some((before, said)) = before {
            let keeping = tokio::time::timeout(PATIENCE, seat.keep_of(before, kafka, &said)).await;
            if let Ok(Err(error)) = keeping {
                tracing::warn!(topic, group, %error, "the position of the connection before could not be kept");
            }
        }
        seat
    }
}

impl Seat {
    /// Whether no newer connection is there.
    pub fn is_newest(&self) -> bool {
        let there = held(&self.turn.there);
        there.last_key_value().is_none_or(|(id, _)| *id <= self.id)
    }

    /// Keeps what this connection says; passed over where a newer one is there.
    pub async fn keep(&self, kafka: &Kafka, positions: &Positions) -> Result<(), ClientError> {
        self.keep_of(self.id, kafka, positions).await
    }

    async fn keep_of(
        &self,
        id: u64,
        kafka: &Kafka,
        positions: &Positions,
    ) -> Result<(), ClientError> {
        let _keeping = self.turn.keeping.lock().await;
        let is_kept = |said: &Said| said.kept == *positions;
        if held(&self.turn.there).get(&id).is_none_or(is_kept) || !self.is_newest() {
            return Ok(());
        }
        let (group, topic) = &self.name;
        let places: Vec<_> = positions.iter().map(|(at, next)| (*at, *next)).collect();
        kafka.commit(group, topic, &places).await?;
        if let Some(said) = held(&self.turn.there).get_mut(&id) {
            said.kept.clone_from(positions);
        }
        Ok(())
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group {:?} in topic {:?}", self.name.0, self.name.1)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut turns = held(&self.turns.turns);
        let mut there = held(&self.turn.there);
        there.remove(&self.id);
        if there.is_empty() {
            turns.remove(&self.name);
        }
    }
}
