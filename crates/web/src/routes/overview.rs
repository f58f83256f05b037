//! `GET /overview`: one look at everything, once or once a second.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use super::Route;
use crate::events;
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/overview",
    gives: "every topic with kind, rates and size, as JSON; once a second with `Accept: text/event-stream`",
    methods: || -> MethodRouter<Arc<App>> { get(overview) },
};

async fn overview(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let watcher = app.watcher.overview();
    let newest = watcher.newest().await;
    if events::wanted(&headers) {
        events::shown(watcher, app.shutdown.clone())
    } else {
        Json(newest.as_ref()).into_response()
    }
}
