//! `POST /ingest/{topic}`: records from browsers and devices, in whatever form they have them; 204 once they are in the log.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{MethodRouter, post};

use super::Route;
use crate::problem::{Problem, excerpt};
use crate::produce;
use crate::query::Topic;
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/ingest/{topic}",
    gives: "POST: text, JSON, NDJSON and CloudEvents into a topic; 204 once in the log",
    methods: || -> MethodRouter<Arc<App>> { post(ingest) },
};

async fn ingest(
    State(app): State<Arc<App>>,
    Topic(name): Topic,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("text/plain");
    let Some(records) = produce::ingested(&name, kind, &body) else {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("{:?} is not taken here", excerpt(kind)),
        )
        .field("Content-Type")
        .remedy("send text/plain, application/json, application/x-ndjson, application/cloudevents+json or application/cloudevents-batch+json"));
    };
    let records = records?;
    app.kafka.topic(&name).await?;
    for delivered in produce::send(app.producer().await?, records).await {
        delivered?;
    }
    Ok(StatusCode::NO_CONTENT)
}
