//! `GET /topics/{topic}/partitions`: where its partitions are, as the Confluent REST Proxy v2.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::{MethodRouter, get};

use super::{Route, topic};
use crate::api::PartitionMetadata;
use crate::problem::Problem;
use crate::query::Topic;
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/topics/{topic}/partitions",
    gives: "a topic's partitions, as the Confluent REST Proxy v2",
    methods: || -> MethodRouter<Arc<App>> { get(partitions) },
};

async fn partitions(
    State(app): State<Arc<App>>,
    Topic(name): Topic,
) -> Result<Json<Vec<PartitionMetadata>>, Problem> {
    let info = app.kafka.topic(&name).await?;
    Ok(Json(info.partitions.iter().map(topic::partition).collect()))
}
