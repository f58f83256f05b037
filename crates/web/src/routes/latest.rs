//! `GET /topics/{topic}/latest`: the newest value of each key, as JSON or as it changes.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use futures_util::stream;
use tokio::sync::watch;

use super::Route;
use crate::api::{Latest, LatestEvent};
use crate::events;
use crate::latest::{MAX_KEYS, Standing, Table};
use crate::problem::Problem;
use crate::query::{Params, Topic};
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/topics/{topic}/latest",
    gives: "the newest value of each key, as JSON or with `Accept: text/event-stream`; `limit=`",
    methods: || -> MethodRouter<Arc<App>> { get(latest) },
};

/// The most often a viewer is told of changes.
const EVERY: Duration = Duration::from_millis(100);
/// How long the first reading of the topic is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

async fn latest(
    State(app): State<Arc<App>>,
    Topic(topic): Topic,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let limit = params.number("limit", 1..=MAX_KEYS)?.unwrap_or(MAX_KEYS);
    app.kafka.topic(&topic).await?;
    let (table, mut standing) = app.tables.table(&topic);
    let ready = standing.wait_for(|s| s.caught_up || s.ended.is_some() || s.waiting.is_some());
    tokio::select! {
        _ = tokio::time::timeout(PATIENCE, ready) => {}
        () = app.shutdown.cancelled() => {}
    }
    let looking = Looking {
        topic,
        limit,
        table,
        standing,
        seen: None,
        waiting: false,
        ended: false,
    };
    if !events::wanted(&headers) {
        let now = looking.standing.borrow().clone();
        if let Some(problem) = now.ended {
            return Err(problem);
        }
        return Ok(Json(looking.whole(now.caught_up).0).into_response());
    }
    let changes = stream::unfold(looking, |mut looking| async move {
        let event = looking.next().await?;
        Some((event, looking))
    });
    Ok(events::answer(changes, app.shutdown.clone()))
}

/// One viewer.
struct Looking {
    topic: String,
    limit: usize,
    table: Arc<Table>,
    standing: watch::Receiver<Standing>,
    /// How many changes the viewer knows.
    seen: Option<u64>,
    waiting: bool,
    ended: bool,
}

impl Looking {
    fn whole(&self, caught_up: bool) -> (Latest, u64) {
        let values = self.table.values();
        let latest = Latest {
            topic: self.topic.clone(),
            values: values.newest(self.limit),
            keys: values.keys() as u64,
            truncated: values.dropped() || values.keys() > self.limit || !caught_up,
        };
        (latest, values.changes())
    }

    async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        let Some(seen) = self.seen else {
            let caught_up = self.standing.borrow_and_update().caught_up;
            let (latest, changes) = self.whole(caught_up);
            self.seen = Some(changes);
            return Some(events::event(&LatestEvent::Whole(latest)));
        };
        loop {
            let now = self.standing.borrow_and_update().clone();
            if let Some(problem) = now.ended {
                self.ended = true;
                return Some(events::event(&LatestEvent::Error { problem }));
            }
            if now.waiting.is_some() != self.waiting {
                self.waiting = now.waiting.is_some();
                return Some(match now.waiting {
                    Some(why) => events::event(&LatestEvent::Waiting {
                        why: why.to_string(),
                    }),
                    None => events::event(&LatestEvent::Reconnected),
                });
            }
            let changed = {
                let values = self.table.values();
                self.seen = Some(values.changes());
                values.since(seen)
            };
            if !changed.is_empty() {
                // Told, then silent for a while: what changes meanwhile goes together.
                tokio::time::sleep(EVERY).await;
                return Some(events::event(&LatestEvent::Changed { changed }));
            }
            self.standing.changed().await.ok()?;
        }
    }
}
