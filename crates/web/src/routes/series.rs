//! `GET /topics/{topic}/series`: numbers in columns. As WebSocket or as Server-Sent Events they go on as they come; asked for as JSON
//! or CSV, those of the window are there at once and that is all.
//!
//! Each viewer reads for itself, because each has a window of its own; the reader is held back by the viewer's socket, so a slow viewer gets
//! everything later rather than some of it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use futures_util::stream;
use weir_base::time::Timestamp;
use weir_client::{From, ReaderOptions};
use weir_media::record::Kind;

use super::Route;
use crate::api::SeriesEvent;
use crate::problem::{Problem, excerpt};
use crate::query::{Params, Topic};
use crate::series::live::Batches;
use crate::series::once::{self, Asked};
use crate::series::reduce::Grid;
use crate::series::text::{self, Format};
use crate::series::{Intake, MAX_COLUMNS, MAX_NAME_BYTES, MAX_SERIES};
use crate::server::App;
use crate::socket::{self, Gone, Socket};

pub const ROUTE: Route = Route {
    path: "/topics/{topic}/series",
    gives: "numbers in columns: JSON, `format=csv`, WebSocket or Server-Sent Events; `window=60s`, `series=`, `columns=`",
    methods: || -> MethodRouter<Arc<App>> { get(series) },
};

/// How much of the past there is to begin with.
const WINDOW: Duration = Duration::from_mins(1);
const LONGEST_WINDOW: Duration = Duration::from_hours(7 * 24);
/// How long one waits while others read as many windows as may be read at a time.
const PATIENCE: Duration = Duration::from_secs(10);

const PASSED_OVER: HeaderName = HeaderName::from_static("weir-passed-over");
const REDUCED_TO_COLUMNS: HeaderName = HeaderName::from_static("weir-reduced-to-columns");

async fn series(
    State(app): State<Arc<App>>,
    topic: Result<Topic, Problem>,
    params: Result<Params, Problem>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    if upgrade.is_ok() || headers.contains_key(header::UPGRADE) {
        let batches = batches(&app, topic, params).await;
        return socket::answer(
            upgrade.ok(),
            batches,
            app.shutdown.clone(),
            |problem| SeriesEvent::Error { problem },
            move |batches, socket| serve(app, batches, socket),
        );
    }
    let answered = async {
        let format = format(params.as_ref().ok(), &headers)?;
        match format {
            None => {
                let batches = batches(&app, topic, params).await?;
                let events = stream::unfold(batches, |mut batches| async move {
                    let event = batches.next().await?;
                    Some((crate::events::event(&event), batches))
                });
                Ok(crate::events::answer(events, app.shutdown.clone()))
            }
            Some(format) => window(&app, topic?, &params?, format).await,
        }
    };
    answered.await.unwrap_or_else(Problem::into_response)
}

/// How to answer; `None`: as events. `format=` counts before `Accept`.
fn format(params: Option<&Params>, headers: &HeaderMap) -> Result<Option<Format>, Problem> {
    match params.and_then(|params| params.text("format")) {
        Some("json") => return Ok(Some(Format::Json)),
        Some("csv") => return Ok(Some(Format::Csv)),
        Some(other) => {
            let detail = format!("format={:?} is not written here", excerpt(other));
            return Err(Problem::bad("format", detail).remedy("give json or csv"));
        }
        None => {}
    }
    if crate::events::wanted(headers) {
        return Ok(None);
    }
    let accept = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok());
    let accept = accept.unwrap_or_default();
    let csv = accept.find("text/csv").unwrap_or(usize::MAX);
    let json = accept.find("application/json").unwrap_or(usize::MAX);
    Ok(Some(if csv < json {
        Format::Csv
    } else {
        Format::Json
    }))
}

/// What both ways of asking have in common.
struct Wanted {
    from: From,
    /// The window's length, and whether it was asked for.
    window: (Duration, bool),
    columns: Option<u32>,
    intake: Intake,
    now: Timestamp,
}

impl Wanted {
    /// `until`: where the window ends, if it is not now.
    fn of(app: &App, params: &Params, until: Option<Timestamp>) -> Result<Self, Problem> {
        let asked = params.duration("window", LONGEST_WINDOW)?;
        let window = asked.unwrap_or(WINDOW);
        let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        let now = app.clock.now();
        let since = until.unwrap_or(now).plus_ms(-window_ms);
        let names = || params.all("series");
        if names().count() > MAX_SERIES || names().any(|name| name.len() > MAX_NAME_BYTES) {
            let most = format!("at most {MAX_SERIES} names of {MAX_NAME_BYTES} bytes");
            return Err(
                Problem::bad("series", "too many series, or too long a name")
                    .remedy(format!("name {most}, or leave it out for all")),
            );
        }
        Ok(Self {
            from: params.from_or(From::Time(since))?,
            window: (window, asked.is_some()),
            columns: params.number("columns", 1..=MAX_COLUMNS)?,
            intake: Intake::of(names()),
            now,
        })
    }

    /// The columns of a viewer that stays: those of its window, for as long as it goes on. One that says where they begin can cut
    /// what it draws at the same places.
    fn grid(&self) -> Option<Grid> {
        let columns = self.columns?;
        let now_ms = self.now.0 as f64;
        let (window, asked) = self.window;
        let window_ms = window.as_secs_f64() * 1e3;
        let (from_ms, to_ms) = match &self.from {
            From::Time(since) if asked => (since.0 as f64, since.0 as f64 + window_ms),
            From::Time(since) => ((since.0 as f64).min(now_ms), now_ms),
            _ => (now_ms - window_ms, now_ms),
        };
        Some(Grid::of(from_ms, to_ms, columns))
    }
}

/// Refuses a topic of pictures. Anything else may hold numbers, whatever its newest record is.
async fn check_kind(app: &App, topic: &str) -> Result<(), Problem> {
    match app.watcher.sample(topic).await?.kind {
        Some(Kind::Video(_)) => Err(Problem::bad(
            "topic",
            format!("topic {topic:?} holds pictures, no numbers"),
        )
        .remedy(format!("ask for /topics/{topic}/video.mjpeg"))),
        _ => Ok(()),
    }
}

/// Everything of the window, once.
async fn window(
    app: &App,
    Topic(topic): Topic,
    params: &Params,
    format: Format,
) -> Result<Response, Problem> {
    let end = params.to()?;
    let until = match end {
        Some(crate::query::End::Time(time)) => Some(time),
        _ => None,
    };
    let wanted = Wanted::of(app, params, until)?;
    Params::check_order(&wanted.from, end)?;
    check_kind(app, &topic).await?;
    super::check_from(app, &topic, &wanted.from).await?;
    let place = tokio::time::timeout(PATIENCE, app.windows.clone().acquire_owned());
    let Ok(Ok(place)) = place.await else {
        return Ok(busy());
    };
    let asked = Asked {
        topic: topic.clone(),
        from: wanted.from,
        end,
        columns: wanted.columns,
        intake: wanted.intake,
        now: wanted.now,
    };
    let answer = once::read(&app.kafka, asked).await?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PASSED_OVER, answer.passed_over.into());
    if let Some(columns) = answer.reduced_to_columns {
        headers.insert(REDUCED_TO_COLUMNS, columns.into());
    }
    let kind = [(header::CONTENT_TYPE, format.content_type())];
    Ok((headers, kind, text::body(answer, format, place)).into_response())
}

fn busy() -> Response {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "as many windows of numbers are being read as may be at a time",
    )
    .remedy("ask again in a few seconds, or for a shorter window")
    .until(Duration::from_secs(5))
}

/// What a viewer that stays is sent.
async fn batches(
    app: &App,
    topic: Result<Topic, Problem>,
    params: Result<Params, Problem>,
) -> Result<Batches, Problem> {
    let (Topic(topic), params) = (topic?, params?);
    if params.text("to").is_some() {
        let detail = "what goes on as it comes has no end";
        return Err(Problem::bad("to", detail)
            .remedy("leave `to` out, or ask once: `Accept: application/json` or format=csv"));
    }
    let wanted = Wanted::of(app, &params, None)?;
    let grid = wanted.grid();
    check_kind(app, &topic).await?;
    super::check_from(app, &topic, &wanted.from).await?;
    let partitions = app.kafka.topic(&topic).await?.partitions.len();
    let options = ReaderOptions::default();
    let reader = app.kafka.reader(&topic, wanted.from, options).await?;
    let clock = app.clock.clone();
    Ok(Batches::new(reader, partitions, clock, wanted.intake, grid))
}

async fn serve(app: Arc<App>, mut batches: Batches, mut socket: Socket) -> Option<Socket> {
    loop {
        let event = tokio::select! {
            event = batches.next() => event,
            () = socket.hung_up() => return None,
            () = app.shutdown.cancelled() => return Some(socket),
        };
        let Some(event) = event else {
            socket.close(close_code::ERROR, "it ends here").await;
            return None;
        };
        let written = async {
            socket.event(&event).await?;
            socket.flush().await
        };
        if let Err(Gone) = written.await {
            return app.shutdown.is_cancelled().then_some(socket);
        }
    }
}
