//! `GET /topics/{topic}/snapshot.jpg`: one picture, the newest or the one shown at `at=`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use weir_client::From;

use super::{Route, check_from, pictures, wanted};
use crate::moment::{self, Moment};
use crate::problem::{Problem, excerpt};
use crate::query::{Params, Topic};
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/topics/{topic}/snapshot.jpg",
    gives: "one picture, the newest or the one shown at `at=` (a time or an offset)",
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
    pictures(&app, &topic).await?;
    let wanted = wanted(&params, false);
    if let Some(Moment::Offset(offset)) = at {
        let checked = check_from(&app, &topic, &From::Offset(offset)).await;
        checked.map_err(|problem| problem.field("at"))?;
    }
    let finding = async {
        match at {
            None => moment::newest(&app.hubs, &topic, wanted).await,
            Some(at) => moment::shown_at(&app.kafka, &topic, at, wanted).await,
        }
    };
    let picture = tokio::select! {
        picture = finding => picture?,
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
