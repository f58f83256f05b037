//! The routes, one file each; the table below makes the router, the metrics and the list in the documentation.
//!
//! To add one: a file with a `ROUTE` and its handler, and a line in [`TABLE`].

mod cluster;
mod health;
mod ingest;
mod latest;
mod library;
mod live;
mod metrics;
mod mjpeg;
mod mp4;
mod overview;
pub mod page;
mod partitions;
mod ready;
mod records;
mod series;
mod snapshot;
mod sources;
mod timeline;
mod topic;
mod topics;
mod video;

use std::sync::Arc;

use axum::http::{Method, StatusCode, Uri};
use axum::routing::MethodRouter;
use weir_client::From;
use weir_media::Codec;
use weir_media::record::Kind;

use crate::hub::tracks::Wanted;
use crate::problem::{Problem, excerpt};
use crate::query::Params;
use crate::server::App;

/// One route.
pub struct Route {
    /// Its path, as the router takes it.
    pub path: &'static str,
    /// What it gives, for people.
    pub gives: &'static str,
    /// Its handlers.
    pub methods: fn() -> MethodRouter<Arc<App>>,
}

/// Every route but the page's own.
pub const TABLE: &[Route] = &[
    overview::ROUTE,
    sources::ROUTE,
    library::ROUTE,
    cluster::ROUTE,
    live::ROUTE,
    mjpeg::ROUTE,
    mp4::ROUTE,
    snapshot::ROUTE,
    timeline::ROUTE,
    series::ROUTE,
    records::ROUTE,
    latest::ROUTE,
    topics::ROUTE,
    topic::ROUTE,
    partitions::ROUTE,
    ingest::ROUTE,
    video::ROUTE,
    metrics::ROUTE,
    health::ROUTE,
    ready::ROUTE,
];

/// Path and purpose of every route, for documentation.
pub fn table() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().map(|route| (route.path, route.gives))
}

/// 405 for a path that is there under another method.
pub async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} does not take {method}", excerpt(uri.path())),
    )
}

/// The codec of a topic that holds pictures, or may yet; refuses one that holds something else.
async fn pictures(app: &App, topic: &str) -> Result<Option<Codec>, Problem> {
    let sample = app.watcher.sample(topic).await?;
    let (what, instead) = match sample.kind {
        None => return Ok(None),
        Some(Kind::Video(codec)) => return Ok(Some(codec)),
        Some(Kind::Sound(_)) => ("sound alone", "records"),
        Some(Kind::Numbers) => ("numbers", "series"),
        Some(Kind::Text) => ("text", "records"),
        Some(Kind::Binary) => ("binary records", "records"),
    };
    Err(Problem::bad(
        "topic",
        format!("topic {topic:?} holds {what}, no pictures"),
    )
    .remedy(format!("ask for /topics/{topic}/{instead}")))
}

/// Whose pictures are asked for: `key=`, where several cameras are in a topic.
fn wanted(params: &Params, inter_only: bool) -> Wanted {
    Wanted {
        key: params.text("key").map(|key| key.as_bytes().to_vec().into()),
        inter_only,
        sound: false,
    }
}

/// Refuses a position that the topic does not have.
async fn check_from(app: &App, topic: &str, from: &From) -> Result<(), Problem> {
    let From::Offset(offset) = from else {
        return Ok(());
    };
    let marks = app.kafka.watermarks(topic).await?;
    if marks.iter().any(|m| (m.start..=m.end).contains(offset)) {
        return Ok(());
    }
    let start = marks.iter().map(|m| m.start).min().unwrap_or(0);
    let end = marks.iter().map(|m| m.end).max().unwrap_or(0);
    Err(Problem::bad(
        "from",
        format!(
            "topic {topic:?} has no offset {offset}: it holds {start} to {end} (the next record's)"
        ),
    )
    .remedy("give an offset in that range, or start, live or a time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../../docs/http.md");

    #[test]
    fn every_route_stands_in_the_documentation() {
        for (path, gives) in table() {
            let stands = DOCUMENT
                .split('`')
                .filter(|quoted| !quoted.contains('\n'))
                .filter_map(|quoted| quoted.split_whitespace().last())
                .any(|named| named.split('?').next() == Some(path));
            assert!(
                stands,
                "{path} is not in docs/http.md: add a line to its table of routes, such as\n| `GET {path}` | {gives} |"
            );
        }
    }
}
