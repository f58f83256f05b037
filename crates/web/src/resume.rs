//! A viewer's position, kept under a group's name as it watches, so that it goes on there when it comes back.
//!
//! Committed is what went to the viewer's socket: at most once a second, one commit under way, and once more at the end. Two viewers
//! with the same group both get everything; the one that commits last decides where the group stands.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use weir_client::{From, Kafka};

use crate::hub::picture::Picture;
use crate::server::App;

/// Between two commits.
const EVERY: Duration = Duration::from_secs(1);

type Positions = BTreeMap<i32, i64>;

/// Keeps a viewer's position. Dropping it commits the last one.
pub struct Committer {
    positions: Option<watch::Sender<Positions>>,
}

impl Committer {
    /// For `from=resume` one that commits; otherwise one that does nothing.
    pub fn new(app: &App, topic: &str, from: &From) -> Self {
        let From::Resume { group } = from else {
            return Self { positions: None };
        };
        let (sender, receiver) = watch::channel(Positions::new());
        app.commits.spawn(commit(
            app.kafka.clone(),
            topic.to_owned(),
            group.clone(),
            receiver,
        ));
        Self {
            positions: Some(sender),
        }
    }

    /// The picture went to the viewer: the next record is where the group goes on.
    pub fn sent_picture(&self, picture: &Picture) {
        if !picture.preroll {
            self.sent(picture.partition, picture.offset);
        }
    }

    /// The record went to the viewer: the next is where the group goes on.
    pub fn sent(&self, partition: i32, offset: i64) {
        if let Some(positions) = &self.positions {
            positions.send_modify(|positions| {
                let next = positions.entry(partition).or_default();
                *next = offset.saturating_add(1).max(*next);
            });
        }
    }
}

async fn commit(
    kafka: Kafka,
    topic: String,
    group: String,
    mut positions: watch::Receiver<Positions>,
) {
    let mut kept = Vec::new();
    loop {
        let ended = positions.changed().await.is_err();
        let now: Vec<_> = positions
            .borrow_and_update()
            .iter()
            .map(|(partition, offset)| (*partition, *offset))
            .collect();
        if now != kept {
            match kafka.commit(&group, &topic, &now).await {
                Ok(()) => kept = now,
                Err(error) => {
                    tracing::warn!(topic, group, %error, "the position could not be kept");
                }
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
