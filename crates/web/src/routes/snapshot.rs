//! `GET /topics/{topic}/snapshot.jpg`: one picture, the newest or the one shown at `at=`.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use weir_client::From;

use super::{Route, check_from, page, pictures, wanted};
use crate::moment::{self, Found, Moment};
use crate::near;
use crate::problem::{Problem, excerpt};
use crate::query::{Params, Topic};
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/topics/{topic}/snapshot.jpg",
    gives: "one picture, the newest or the one shown at `at=` (a time or an offset); `width=`, `near=key`",
    methods: || -> MethodRouter<Arc<App>> { get(snapshot) },
};

/// How long a topic without pictures is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Widths that a picture may be made smaller to.
const WIDTHS: RangeInclusive<u32> = 16..=1_920;
/// A picture of a time so long ago has come, if ever: it may be kept by whoever has it.
const SETTLED_MS: i64 = 60_000;

async fn snapshot(
    State(app): State<Arc<App>>,
    Topic(topic): Topic,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let at = at(&params)?;
    let width = params.number("width", WIDTHS)?;
    let near_key = near(&params)?;
    pictures(&app, &topic).await?;
    if let Some(Moment::Offset(offset)) = at {
        let checked = check_from(&app, &topic, &From::Offset(offset)).await;
        checked.map_err(|problem| problem.field("at"))?;
    }
    let Some(_place) = app.stills.enter().await else {
        return Ok(busy());
    };
    let finding = find(&app, &topic, at, near_key, &params);
    let found = tokio::select! {
        found = finding => found?,
        () = app.shutdown.cancelled() => Found::default(),
        () = tokio::time::sleep(PATIENCE) => Found::default(),
    };
    let Some(target) = found.target() else {
        return Err(nothing(&topic, &params));
    };
    let etag = format!(
        "\"{}-{}-{}-{}\"",
        target.partition,
        target.offset,
        target.timestamp_ms,
        width.unwrap_or(0)
    );
    let now_ms = app.clock.now().0;
    let cache = match at {
        Some(Moment::Time(at)) if at.0 < now_ms - SETTLED_MS => "private, max-age=3600",
        Some(Moment::Time(_) | Moment::Offset(_)) => "private, no-cache",
        _ => "no-store",
    };
    let kept = [
        (header::CACHE_CONTROL, cache.to_owned()),
        (header::ETAG, etag.clone()),
        (
            HeaderName::from_static("weir-offset"),
            target.offset.to_string(),
        ),
        (
            HeaderName::from_static("weir-timestamp-ms"),
            target.timestamp_ms.to_string(),
        ),
    ];
    if cache != "no-store" && page::lists(&headers, &header::IF_NONE_MATCH, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    let Some(picture) = found.still(width).await? else {
        return Err(nothing(&topic, &params));
    };
    let kind = [(header::CONTENT_TYPE, picture.codec.content_type())];
    Ok((kept, kind, picture.value.clone()).into_response())
}

/// The picture that is asked for, as it is in the topic.
async fn find(
    app: &App,
    topic: &str,
    at: Option<Moment>,
    near_key: bool,
    params: &Params,
) -> Result<Found, Problem> {
    let wanted = wanted(params, false);
    match at {
        _ if near_key => {
            let key = params.text("key");
            let those = key.and_then(|key| app.library.partitions_of(topic, key));
            let at = at.unwrap_or(Moment::Last(1));
            near::key_frame(&app.kafka, topic, at, &wanted, those.as_deref()).await
        }
        None => moment::newest(&app.hubs, topic, wanted).await,
        Some(at) => moment::shown_at(&app.kafka, topic, at, wanted).await,
    }
}

fn nothing(topic: &str, params: &Params) -> Problem {
    let problem = Problem::new(
        StatusCode::NOT_FOUND,
        format!("topic {topic:?} has no picture there"),
    );
    problem.field(if params.text("at").is_some() {
        "at"
    } else {
        "topic"
    })
}

fn busy() -> Response {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "as many pictures are being decoded, and waited for, as may be at a time",
    )
    .remedy("ask again in a second; near=key asks for less work")
    .until(Duration::from_secs(1))
}

/// Whether a key frame will do.
fn near(params: &Params) -> Result<bool, Problem> {
    match params.text("near") {
        None => Ok(false),
        Some("key") => Ok(true),
        Some(other) => Err(Problem::bad(
            "near",
            format!(
                "near={:?} is nothing that a picture can be near to",
                excerpt(other)
            ),
        )
        .remedy("give near=key for the key frame in front, or leave it out for the very picture")),
    }
}

fn at(params: &Params) -> Result<Option<Moment>, Problem> {
    let Some(text) = params.text("at") else {
        return Ok(None);
    };
    match From::parse(text, None) {
        Ok(From::Live) => Ok(None),
        Ok(From::Offset(offset)) => Ok(Some(Moment::Offset(offset))),
        Ok(From::Time(time)) => Ok(Some(Moment::Time(time))),
        Ok(From::Last(count)) => Ok(Some(Moment::Last(count))),
        Ok(From::Start) => Ok(Some(Moment::Last(u64::MAX))),
        _ => Err(
            Problem::bad("at", format!("at={:?} is no position", excerpt(text)))
                .remedy("give an offset such as 42, or a time such as 2026-01-31T12:00:00Z"),
        ),
    }
}
