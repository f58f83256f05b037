//! `DescribeTopicPartitions` (KIP-966): topics' partitions, a page at a time.
//!
//! Topics come in order of name. An answer holds up to `response_partition_limit` partitions and a cursor to go on from. Of no
//! topics named, all.

use std::collections::BTreeSet;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
};

use super::{Context, Handler, TOPIC_OPERATIONS, topic_name};
use crate::broker::Broker;
use crate::errors;
use crate::security::Operation;
use crate::settings;
use crate::topics::{Partition, TopicError};

pub(crate) struct DescribeTopicPartitions;

impl Handler for DescribeTopicPartitions {
    type Request = DescribeTopicPartitionsRequest;
    const VERSIONS: (i16, i16) = (0, 0);

    async fn handle(
        context: &Context,
        request: DescribeTopicPartitionsRequest,
    ) -> DescribeTopicPartitionsResponse {
        let broker = &*context.broker;
        let (first, first_partition) = request
            .cursor
            .as_ref()
            .map_or((String::new(), 0), |cursor| {
                (cursor.topic_name.to_string(), cursor.partition_index)
            });
        let mut names: BTreeSet<String> = request
            .topics
            .iter()
            .map(|topic| topic.name.to_string())
            .collect();
        if names.is_empty() {
            names = broker
                .topics
                .list()
                .iter()
                .map(|topic| topic.name.to_string())
                .collect();
        }
        let most = broker
            .settings
            .get(settings::MAX_REQUEST_PARTITION_SIZE_LIMIT)
            .min(i64::from(request.response_partition_limit));
        let mut left = usize::try_from(most).unwrap_or_default().max(1);
        let mut topics = Vec::new();
        let mut next_cursor = None;
        for name in names.range(first.clone()..) {
            let skipped = if *name == first { first_partition } else { 0 };
            if let Err(error) = context.allows(Operation::Describe, name) {
                // Of all topics, those that may not be seen are not mentioned.
                if !request.topics.is_empty() {
                    topics.push(missing(name).with_error_code(error.code()));
                }
                continue;
            }
            let Some(topic) = broker.topics.get(name) else {
                topics.push(missing(name));
                continue;
            };
            if left == 0 {
                next_cursor = Some(cursor(name, 0));
                break;
            }
            let partitions = topic.partitions();
            let shown: Vec<_> = partitions
                .iter()
                .skip(usize::try_from(skipped).unwrap_or_default())
                .take(left)
                .map(|partition| describe(broker, partition))
                .collect();
            left -= shown.len();
            let next = usize::try_from(skipped).unwrap_or_default() + shown.len();
            topics.push(
                DescribeTopicPartitionsResponseTopic::default()
                    .with_name(Some(topic_name(name)))
                    .with_topic_id(topic.id)
                    .with_is_internal(topic.is_internal())
                    .with_partitions(shown)
                    .with_topic_authorized_operations(TOPIC_OPERATIONS),
            );
            if next < partitions.len() {
                next_cursor = Some(cursor(name, next as i32));
                break;
            }
        }
        DescribeTopicPartitionsResponse::default()
            .with_topics(topics)
            .with_next_cursor(next_cursor)
    }
}

fn cursor(name: &str, partition: i32) -> Cursor {
    Cursor::default()
        .with_topic_name(topic_name(name))
        .with_partition_index(partition)
}

fn missing(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let error = crate::topics::check_name(name)
        .err()
        .unwrap_or(TopicError::Unknown);
    let error: ResponseError = errors::of_topic(&error);
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(error.code())
        .with_name(Some(topic_name(name)))
}

fn describe(broker: &Broker, partition: &Partition) -> DescribeTopicPartitionsResponsePartition {
    let node = BrokerId(broker.node_id);
    DescribeTopicPartitionsResponsePartition::default()
        .with_partition_index(partition.index)
        .with_leader_id(node)
        .with_leader_epoch(partition.log.leader_epoch())
        .with_replica_nodes(vec![node])
        .with_isr_nodes(vec![node])
        .with_eligible_leader_replicas(Some(Vec::new()))
        .with_last_known_elr(Some(Vec::new()))
}
