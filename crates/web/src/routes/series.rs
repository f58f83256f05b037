//! `GET /topics/{topic}/series`: numbers in columns, as WebSocket or as Server-Sent Events.
//!
//! Each viewer reads for itself, because each has a window of its own; the reader is held back by the viewer's socket, so a slow viewer gets
//! everything later rather than some of it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use futures_util::stream;
use tokio::time::Instant;
use weir_base::time::{Clock, Timestamp};
use weir_client::{Event, From, Reader, ReaderOptions};
use weir_media::record::Kind;

use super::Route;
use crate::api::SeriesEvent;
use crate::problem::Problem;
use crate::query::{Params, Topic};
use crate::series::Columns;
use crate::server::App;
use crate::socket::{self, Gone, Inlet, Outlet};

pub const ROUTE: Route = Route {
    path: "/topics/{topic}/series",
    gives: "numbers in columns, as WebSocket or with `Accept: text/event-stream`; `window=60s`",
    methods: || -> MethodRouter<Arc<App>> { get(series) },
};

/// The longest a point waits for others.
const BATCH: Duration = Duration::from_millis(50);
/// How much of the past there is to begin with.
const WINDOW: Duration = Duration::from_mins(1);
const LONGEST_WINDOW: Duration = Duration::from_hours(7 * 24);

async fn series(
    State(app): State<Arc<App>>,
    topic: Result<Topic, Problem>,
    params: Result<Params, Problem>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let as_events = upgrade.is_err() && crate::events::wanted(&headers);
    let batches = asked(&app, topic, params, as_events || upgrade.is_ok()).await;
    let shutdown = app.shutdown.clone();
    if as_events {
        return match batches {
            Ok(batches) => events(batches, shutdown),
            Err(problem) => problem.into_response(),
        };
    }
    socket::answer(
        upgrade.ok(),
        batches,
        shutdown,
        |problem| SeriesEvent::Error { problem },
        move |batches, outlet, inlet| serve(app, batches, outlet, inlet),
    )
}

async fn asked(
    app: &App,
    topic: Result<Topic, Problem>,
    params: Result<Params, Problem>,
    live: bool,
) -> Result<Batches, Problem> {
    let (Topic(topic), params) = (topic?, params?);
    let window = params.duration("window", LONGEST_WINDOW)?.unwrap_or(WINDOW);
    let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
    let since = Timestamp(app.clock.now().0.saturating_sub(window_ms));
    let from = params.from_or(From::Time(since))?;
    let sample = app.watcher.sample(&topic).await?;
    if let Some(Kind::Video(_) | Kind::Binary) = sample.kind {
        let detail = format!("topic {topic:?} holds no numbers");
        return Err(
            Problem::bad("topic", detail).remedy(format!("ask for /topics/{topic}/records"))
        );
    }
    super::check_from(app, &topic, &from).await?;
    let partitions = app.kafka.topic(&topic).await?.partitions.len();
    if !live {
        return Err(socket::upgrade_required()
            .remedy("connect with ws://, or ask with `Accept: text/event-stream`"));
    }
    let reader = app
        .kafka
        .reader(&topic, from, ReaderOptions::default())
        .await?;
    Ok(Batches {
        reader,
        clock: app.clock.clone(),
        partitions,
        caught_up: 0,
        columns: Columns::default(),
        due: None,
        note: None,
        ended: false,
    })
}

fn events(batches: Batches, shutdown: tokio_util::sync::CancellationToken) -> Response {
    let events = stream::unfold(batches, |mut batches| async move {
        let event = batches.next().await?;
        Some((crate::events::event(&event), batches))
    });
    crate::events::answer(events, shutdown)
}

async fn serve(
    app: Arc<App>,
    mut batches: Batches,
    mut outlet: Outlet,
    mut inlet: Inlet,
) -> Option<Outlet> {
    loop {
        let event = tokio::select! {
            event = batches.next() => event,
            () = inlet.hung_up() => return None,
            () = app.shutdown.cancelled() => return Some(outlet),
        };
        let Some(event) = event else {
            outlet.close(close_code::ERROR, "it ends here").await;
            return None;
        };
        let written = async {
            outlet.event(&event).await?;
            outlet.flush().await
        };
        if let Err(Gone) = written.await {
            return app.shutdown.is_cancelled().then_some(outlet);
        }
    }
}

/// One viewer's batches.
struct Batches {
    reader: Reader,
    clock: Arc<dyn Clock>,
    partitions: usize,
    caught_up: usize,
    columns: Columns,
    /// When the batch in the making must go.
    due: Option<Instant>,
    /// What comes behind the batch.
    note: Option<SeriesEvent>,
    ended: bool,
}

impl Batches {
    /// The next event; `None` is the end. Cancel-safe: what was read stays in the batch.
    async fn next(&mut self) -> Option<SeriesEvent> {
        loop {
            if self.note.is_some() || self.columns.is_full() || self.ended {
                let ready = self.take().or_else(|| self.note.take());
                if ready.is_some() || self.ended {
                    return ready;
                }
                continue;
            }
            let due = self.due;
            let event = tokio::select! {
                biased;
                event = self.reader.next() => event,
                () = async { tokio::time::sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {
                    if let Some(batch) = self.take() {
                        return Some(batch);
                    }
                    continue;
                }
            };
            match event {
                Ok(event) => self.happened(event),
                Err(error) => {
                    self.ended = true;
                    self.note = Some(SeriesEvent::Error {
                        problem: error.into(),
                    });
                }
            }
            if self.due.is_some_and(|due| due <= Instant::now())
                && let Some(batch) = self.take()
            {
                return Some(batch);
            }
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Record(record) => {
                let now_ms = self.clock.now().0;
                let live = self.caught_up >= self.partitions;
                // When a record of the past arrived nobody noted; its timestamp is the nearest there is.
                let arrival_ms = record
                    .timestamp
                    .filter(|_| !live)
                    .map_or(now_ms, |time| time.0);
                self.columns.add(&record, arrival_ms as f64);
                self.due.get_or_insert_with(|| Instant::now() + BATCH);
            }
            Event::CaughtUp { .. } => {
                self.caught_up += 1;
                if self.caught_up == self.partitions {
                    self.note = Some(SeriesEvent::Live);
                }
            }
            Event::Disconnected { why } => self.note = Some(SeriesEvent::Waiting { why }),
            Event::Reconnected => self.note = Some(SeriesEvent::Reconnected),
            _ => {}
        }
    }

    fn take(&mut self) -> Option<SeriesEvent> {
        self.due = None;
        self.columns.take()
    }
}
