//! `GET /readyz`: whether Kafka answered at the last look.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get};

use super::Route;
use crate::api::KafkaState;
use crate::problem::Problem;
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/readyz",
    gives: "200 while Kafka answers, else 503",
    methods: || -> MethodRouter<Arc<App>> { get(ready) },
};

async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    let why = match app.watcher.kafka_answers() {
        Some(KafkaState::Connected) => return Ok("ready\n"),
        Some(KafkaState::Disconnected { why, .. }) => why,
        None => "Kafka has not been asked yet".to_owned(),
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, why))
}
