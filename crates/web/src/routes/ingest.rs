//! `POST /ingest/{topic}`: records from browsers and devices, in whatever form they have them; 204 once they are in the log.
//!
//! Anybody who can reach the server may post, so each sender and all together have a rate, and a body a length. Who is refused is
//! told by which of them, when to come back, and which option changes it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};

use super::Route;
use crate::body::NotTaken;
use crate::problem::{Problem, excerpt};
use crate::produce;
use crate::query::Topic;
use crate::server::App;
use crate::throttle::Limited;

pub const ROUTE: Route = Route {
    path: "/ingest/{topic}",
    gives: "POST: text, JSON, NDJSON and CloudEvents into a topic; 204 once in the log",
    methods: || -> MethodRouter<Arc<App>> { post(ingest).options(may_post) },
};

/// When to come back where nobody can say better.
const SOON: Duration = Duration::from_secs(1);

/// The question of a browser whether a page may post; the answer stands in the headers that the guard adds.
async fn may_post(Topic(_): Topic) -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn ingest(
    State(app): State<Arc<App>>,
    Topic(name): Topic,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let limits = &app.config.ingest;
    if let Err(limited) = app.throttle.take(peer.ip(), app.clock.monotonic()) {
        // The answer reaches a sender that has said what it had to.
        let _ = app.bodies.read(&headers, body, 0).await;
        app.metrics.ingest_limited.add(1);
        return too_often(&app, peer, limited);
    }
    let whole = match app.bodies.read(&headers, body, limits.max_bytes).await {
        Ok(whole) => whole,
        Err(not_taken) => return refused(not_taken, limits.max_bytes),
    };
    match send(&app, &name, &headers, whole.bytes).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) if problem.status_code() == StatusCode::SERVICE_UNAVAILABLE => {
            problem.until(produce::AGAIN)
        }
        Err(problem) => problem.into_response(),
    }
}

async fn send(
    app: &App,
    topic: &str,
    headers: &HeaderMap,
    body: axum::body::Bytes,
) -> Result<(), Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("text/plain");
    let Some(records) = produce::ingested(topic, kind, &body) else {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("{:?} is not taken here", excerpt(kind)),
        )
        .field("Content-Type")
        .remedy("send text/plain, application/json, application/x-ndjson, application/cloudevents+json or application/cloudevents-batch+json"));
    };
    let records = records?;
    let info = app.kafka.topic(topic).await?;
    if let Some(error) = app.cluster.takes_nothing(&info, None) {
        return Err(error.into());
    }
    for delivered in produce::send(app.producer().await?, records).await {
        delivered?;
    }
    Ok(())
}

fn too_often(app: &App, peer: SocketAddr, limited: Limited) -> Response {
    let limits = &app.config.ingest;
    let (who, rate, option, wait) = match limited {
        Limited::Sender(wait) => {
            let who = format!("{} posts", peer.ip().to_canonical());
            (who, limits.rate, "ingest-rate", wait)
        }
        Limited::Total(wait) => {
            let who = "all senders together post".to_owned();
            (who, limits.rate_total, "ingest-rate-total", wait)
        }
    };
    let problem = Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        format!("{who} more often than this server takes: {rate}"),
    )
    .field(option)
    .remedy(format!(
        "wait as long as Retry-After says, send more in one body (application/x-ndjson), or start weir with --{option} RATE"
    ));
    problem.until(wait)
}

fn refused(not_taken: NotTaken, max_bytes: usize) -> Response {
    let problem = not_taken.problem(max_bytes);
    match not_taken {
        NotTaken::TooLong => problem
            .field("ingest-max-bytes")
            .remedy("send less at a time, or start weir with --ingest-max-bytes SIZE")
            .into_response(),
        NotTaken::NoRoom => problem.until(SOON),
        NotTaken::Broken => problem.into_response(),
    }
}
