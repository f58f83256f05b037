//! `GET /topics/{topic}`: its partitions and settings. `POST /topics/{topic}`: records into it. Both as the Confluent REST Proxy v2.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use weir_client::{PartitionInfo, TopicInfo};

use super::Route;
use crate::api::{
    PartitionMetadata, ProduceAnswer, ProducedRecord, ReplicaMetadata, TopicMetadata,
};
use crate::problem::{Problem, excerpt};
use crate::produce::{self, Embedded};
use crate::query::Topic;
use crate::server::App;

pub const ROUTE: Route = Route {
    path: "/topics/{topic}",
    gives: "a topic's metadata; POST produces: as the Confluent REST Proxy v2 (json, binary, text)",
    methods: || -> MethodRouter<Arc<App>> { get(topic).post(post) },
};

/// The longest body.
const MAX_BODY_BYTES: usize = 2 << 20;

async fn topic(
    State(app): State<Arc<App>>,
    Topic(name): Topic,
) -> Result<Json<TopicMetadata>, Problem> {
    let info = app.kafka.topic(&name).await?;
    let settings = app.kafka.topic_config(&name).await?;
    Ok(Json(TopicMetadata {
        name,
        configs: settings
            .into_iter()
            .filter_map(|setting| Some((setting.name, setting.value?)))
            .collect(),
        partitions: info.partitions.iter().map(partition).collect(),
    }))
}

/// One partition as the REST Proxy tells of it.
pub fn partition(info: &PartitionInfo) -> PartitionMetadata {
    PartitionMetadata {
        partition: info.id,
        leader: info.leader.unwrap_or(-1),
        replicas: info
            .replicas
            .iter()
            .map(|broker| ReplicaMetadata {
                broker: *broker,
                leader: info.leader == Some(*broker),
                in_sync: info.isr.contains(broker),
            })
            .collect(),
    }
}

/// Refuses a partition that the topic does not have.
pub fn check_partition(info: &TopicInfo, partition: i32) -> Result<(), Problem> {
    if info.partitions.iter().any(|p| p.id == partition) {
        return Ok(());
    }
    let detail = format!("topic {:?} has no partition {partition}", info.name);
    Err(Problem::new(StatusCode::NOT_FOUND, detail).field("partition"))
}

async fn post(
    State(app): State<Arc<App>>,
    Topic(name): Topic,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let whole = app.bodies.read(&headers, body, MAX_BODY_BYTES).await;
    let whole = whole.map_err(|not_taken| not_taken.problem(MAX_BODY_BYTES))?;
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let Some(embedded) = Embedded::of(kind) else {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("{:?} is no kind of records", excerpt(kind)),
        )
        .field("Content-Type")
        .remedy("send application/vnd.kafka.json.v2+json, …binary.v2+json or …text.v2+json"));
    };
    let records = produce::rest_records(&name, embedded, &whole.bytes)?;
    let info = app.kafka.topic(&name).await?;
    for partition in records.iter().filter_map(|record| record.partition) {
        check_partition(&info, partition)?;
    }
    let mut partitions = records.iter().map(|record| record.partition);
    if let Some(error) = partitions.find_map(|at| app.cluster.takes_nothing(&info, at)) {
        return Ok(Problem::from(error).until(produce::AGAIN));
    }
    let offsets = produce::send(app.producer().await?, records)
        .await
        .into_iter()
        .map(|delivered| match delivered {
            Ok(delivered) => ProducedRecord {
                partition: Some(delivered.partition),
                offset: Some(delivered.offset),
                error_code: None,
                error: None,
            },
            Err(error) => ProducedRecord {
                partition: None,
                offset: None,
                error_code: Some(produce::rest_code(&error)),
                error: Some(error.to_string()),
            },
        })
        .collect();
    let answer = ProduceAnswer {
        offsets,
        key_schema_id: None,
        value_schema_id: None,
    };
    let mut response = Json(answer).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/vnd.kafka.v2+json"),
    );
    Ok(response)
}
