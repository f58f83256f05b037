//! `GET /metrics`: what this server counts, as Prometheus text.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};

use super::Route;
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/metrics",
    gives: "what the server counts, as Prometheus text",
    methods: || -> MethodRouter<Arc<App>> { get(metrics) },
};

async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics.text())
}
