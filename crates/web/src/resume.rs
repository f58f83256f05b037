//! A viewer's position, kept under a group's name as it watches, so that it goes on there when it comes back.
//!
//! Committed is what went to the viewer's socket or, for a player that says so, what it has shown, which may be a minute behind:
//! at most once a second, one commit under way, and once more at the end. A viewer that closes does not say what it has seen, and
//! what is written to a socket that is closing is seen by nobody: where pictures go out without an answer, one counts when another
//! has followed it or the viewer has stayed for [`SEEN`], and one that left sooner is shown its last picture again rather than left
//! without the next. Two viewers with the same group both get everything;
//! the one that came last decides where the group stands ([`turns`](crate::turns)).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use weir_client::{From, Kafka};

use crate::hub::picture::Picture;
use crate::server::App;
use crate::turns::{Positions, Seat};

/// Between two commits.
const EVERY: Duration = Duration::from_secs(1);

/// A viewer that is still there so long after a picture was written has got it: one that closes is noticed much sooner.
const SEEN: Duration = Duration::from_secs(1);

/// Keeps a viewer's position. Dropping it commits the last one.
pub struct Committer {
    positions: Option<watch::Sender<Positions>>,
    /// Among the connections of the same group.
    seat: Option<Arc<Seat>>,
    /// Whether what went to the socket counts.
    counts_sent: bool,
    /// What went to the socket, up to here.
    sent: Positions,
    /// The picture that went last, where it is yet to be followed by another.
    last: Option<(i32, i64)>,
}

impl Committer {
    /// For `from=resume` one that commits what is sent; otherwise one that does nothing.
    pub async fn new(app: &App, topic: &str, from: &From) -> Self {
        let group = match from {
            From::Resume { group } => Some(group.as_str()),
            _ => None,
        };
        Self::of(app, topic, group, true).await
    }

    /// For pictures one by one, from wherever: with a group one that commits what is sent.
    pub async fn of_group(app: &App, topic: &str, group: Option<&str>) -> Self {
        Self::of(app, topic, group, true).await
    }

    /// For a player with a group: commits what it says it has shown; until it says anything, what it is sent if it resumes.
    pub async fn of_player(app: &App, topic: &str, from: &From, group: Option<&str>) -> Self {
        Self::of(app, topic, group, matches!(from, From::Resume { .. })).await
    }

    async fn of(app: &App, topic: &str, group: Option<&str>, counts_sent: bool) -> Self {
        let mut committer = Self {
            positions: None,
            seat: None,
            counts_sent,
            sent: Positions::new(),
            last: None,
        };
        if let Some(group) = group {
            let (sender, receiver) = watch::channel(Positions::new());
            let seat = app.turns.join(&app.kafka, (group, topic), receiver.clone());
            let seat = Arc::new(seat.await);
            app.commits
                .spawn(commit(app.kafka.clone(), seat.clone(), receiver));
            committer.positions = Some(sender);
            committer.seat = Some(seat);
        }
        committer
    }

    /// The picture went to a viewer that never answers: the one that went before it has been seen.
    pub fn followed_by(&mut self, picture: &Picture) {
        if picture.preroll {
            return;
        }
        self.ended();
        self.last = Some((picture.partition, picture.offset));
    }

    /// Waits for what is to come; the viewer stays meanwhile, or this is dropped.
    pub async fn stays_while<T>(&mut self, coming: impl Future<Output = T>) -> T {
        let mut coming = pin!(coming);
        if self.last.is_some() {
            tokio::select! {
                come = &mut coming => return come,
                () = tokio::time::sleep(SEEN) => self.ended(),
            }
        }
        coming.await
    }

    /// All there was to come went to the viewer, the last picture too.
    pub fn ended(&mut self) {
        if let Some((partition, offset)) = self.last.take() {
            self.sent(partition, offset);
        }
    }

    /// The picture went to the viewer: the next record is where the group goes on.
    pub fn sent_picture(&mut self, picture: &Picture) {
        if !picture.preroll {
            self.sent(picture.partition, picture.offset);
        }
    }

    /// The record went to the viewer: the next is where the group goes on.
    pub fn sent(&mut self, partition: i32, offset: i64) {
        let Some(positions) = &self.positions else {
            return;
        };
        let end = self.sent.entry(partition).or_default();
        *end = offset.saturating_add(1).max(*end);
        let end = *end;
        if self.counts_sent && self.counts() {
            positions.send_modify(|positions| {
                positions.insert(partition, end);
            });
        }
    }

    /// Whether what is said here counts: no newer connection of the group is there.
    fn counts(&self) -> bool {
        self.seat.as_ref().is_some_and(|seat| seat.is_newest())
    }

    /// The viewer has shown the record: from now on only what it says counts. `end`: how far the partition goes as far as is
    /// known elsewhere; what lies behind that and was not sent either cannot have been shown, and is passed over.
    pub fn shown(&mut self, partition: i32, offset: i64, end: Option<i64>) {
        let Some(positions) = &self.positions else {
            return;
        };
        let end = self.sent.get(&partition).copied().max(end).unwrap_or(0);
        if !(0..end).contains(&offset) || !self.counts() {
            return;
        }
        positions.send_modify(|positions| {
            if self.counts_sent {
                positions.clear();
            }
            positions.insert(partition, offset + 1);
        });
        self.counts_sent = false;
    }
}

async fn commit(kafka: Kafka, seat: Arc<Seat>, mut positions: watch::Receiver<Positions>) {
    let mut kept = Positions::new();
    loop {
        // What changed during the pause is yet to be kept: a viewer that stops says so once.
        let ended = if *positions.borrow() == kept {
            positions.changed().await.is_err()
        } else {
            positions.has_changed().is_err()
        };
        let now = positions.borrow_and_update().clone();
        if now != kept {
            match seat.keep(&kafka, &now).await {
                Ok(()) => kept = now,
                Err(error) => tracing::warn!(%seat, %error, "the position could not be kept"),
            }
        }
        if ended {
            return;
        }
        // The viewer's end cuts the pause short: one that comes right back is to find its position.
        let _ = tokio::time::timeout(EVERY, closed(&mut positions)).await;
    }
}

async fn closed(positions: &mut watch::Receiver<Positions>) {
    while positions.changed().await.is_ok() {}
}
