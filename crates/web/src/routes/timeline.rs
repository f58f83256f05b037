//! `GET /topics/{topic}/timeline`: when a topic had pictures.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};

use super::Route;
use crate::problem::Problem;
use crate::query::{Params, Topic};
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/topics/{topic}/timeline",
    gives: "when a topic had pictures, and where named viewers stopped; of one camera or file with `key=`",
    methods: || -> MethodRouter<Arc<App>> { get(timeline) },
};

async fn timeline(
    State(app): State<Arc<App>>,
    Topic(topic): Topic,
    params: Params,
) -> Result<impl IntoResponse, Problem> {
    let video = app.library.timeline(&topic, params.text("key")).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(video)))
}
