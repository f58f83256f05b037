//! Metadata and what was posted, as the Confluent REST Proxy v2: `GET /topics`, `POST /topics/{topic}` and what lies below.

use std::collections::BTreeMap;

use serde::Serialize;

/// `GET /topics/{topic}` and what `GET /topics/{topic}/partitions` lists, as the Confluent REST Proxy v2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TopicMetadata {
    /// The topic's name.
    pub name: String,
    /// Its settings that are not secret.
    pub configs: BTreeMap<String, String>,
    /// Its partitions by number.
    pub partitions: Vec<PartitionMetadata>,
}

/// One partition, as the Confluent REST Proxy v2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PartitionMetadata {
    /// Its number.
    pub partition: i32,
    /// The broker that leads it.
    pub leader: i32,
    /// Who has it.
    pub replicas: Vec<ReplicaMetadata>,
}

/// One replica of a partition, as the Confluent REST Proxy v2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ReplicaMetadata {
    /// The broker.
    pub broker: i32,
    /// Whether it leads the partition.
    pub leader: bool,
    /// Whether it has everything acknowledged.
    pub in_sync: bool,
}

/// The answer to `POST /topics/{topic}`, as the Confluent REST Proxy v2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProduceAnswer {
    /// One for each record, in order.
    pub offsets: Vec<ProducedRecord>,
    /// Always null: there is no schema registry.
    pub key_schema_id: Option<i32>,
    /// Always null: there is no schema registry.
    pub value_schema_id: Option<i32>,
}

/// Where one record went, as the Confluent REST Proxy v2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProducedRecord {
    /// Its partition.
    pub partition: Option<i32>,
    /// Its offset.
    pub offset: Option<i64>,
    /// 1: will never work; 2: may work if tried again.
    pub error_code: Option<i32>,
    /// The cause.
    pub error: Option<String>,
}
