//! `GET /topics/{topic}/snapshot.jpg`: one picture, the newest or the one at `at=`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use weir_client::From;
use weir_media::Codec;

use super::{Route, check_from, pictures, wanted};
use crate::feed::Feed;
use crate::hub::Form;
use crate::hub::picture::{Item, Picture};
use crate::problem::{Problem, excerpt};
use crate::query::{Params, Topic};
use crate::server::App;
use crate::stills::Stills;

pub const ROUTE: Route = Route {
    path: "/topics/{topic}/snapshot.jpg",
    gives: "one picture, the newest or the one at `at=` (an offset or a time)",
    methods: || -> MethodRouter<Arc<App>> { get(snapshot) },
};

/// How long a topic without pictures is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

async fn snapshot(
    State(app): State<Arc<App>>,
    Topic(topic): Topic,
    params: Params,
) -> Result<Response, Problem> {
    let at = at(&params)?;
    let codec = pictures(&app, &topic).await?;
    let wanted = wanted(&params, false);
    let mut stills = match at {
        None => Stills::live(&app.hubs, &topic, Form::Stills, wanted),
        Some(at) => {
            check_from(&app, &topic, &at)
                .await
                .map_err(|p| p.field("at"))?;
            let inter = codec.is_some_and(Codec::is_inter);
            let feed = Feed::open(&app.kafka, &app.hubs, &topic, at, inter, wanted).await?;
            Stills::of(feed, Form::Stills)
        }
    };
    let picture = tokio::select! {
        picture = first(&mut stills) => picture?,
        () = app.shutdown.cancelled() => None,
        () = tokio::time::sleep(PATIENCE) => None,
    };
    let Some(picture) = picture else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("topic {topic:?} has no picture there"),
        )
        .field(if params.text("at").is_some() {
            "at"
        } else {
            "topic"
        }));
    };
    let headers = [
        (
            header::CONTENT_TYPE,
            picture.codec.content_type().to_owned(),
        ),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (
            HeaderName::from_static("weir-offset"),
            picture.offset.to_string(),
        ),
        (
            HeaderName::from_static("weir-timestamp-ms"),
            picture.timestamp_ms.to_string(),
        ),
    ];
    Ok((headers, picture.value.clone()).into_response())
}

fn at(params: &Params) -> Result<Option<From>, Problem> {
    let Some(text) = params.text("at") else {
        return Ok(None);
    };
    match From::parse(text, None) {
        Ok(From::Live) => Ok(None),
        Ok(at @ (From::Offset(_) | From::Time(_) | From::Last(_) | From::Start)) => Ok(Some(at)),
        _ => Err(
            Problem::bad("at", format!("at={:?} is no position", excerpt(text)))
                .remedy("give an offset such as 42, or a time such as 2026-01-31T12:00:00Z"),
        ),
    }
}

async fn first(stills: &mut Stills) -> Result<Option<Arc<Picture>>, Problem> {
    while let Some(item) = stills.next().await {
        match item {
            Item::Picture(picture) if !picture.preroll => return Ok(Some(picture)),
            Item::Ended(problem) => return Err(problem),
            _ => {}
        }
    }
    Ok(None)
}
