//! `GET /topics`: the names of all topics, as the Confluent REST Proxy v2.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::{MethodRouter, get};

use super::Route;
use crate::problem::Problem;
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/topics",
    gives: "the topics' names, as the Confluent REST Proxy v2",
    methods: || -> MethodRouter<Arc<App>> { get(topics) },
};

async fn topics(State(app): State<Arc<App>>) -> Result<Json<Vec<String>>, Problem> {
    let topics = app.kafka.topics().await?;
    Ok(Json(
        topics
            .into_iter()
            .filter(|topic| !topic.internal)
            .map(|topic| topic.name)
            .collect(),
    ))
}
