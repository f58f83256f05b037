//! `OffsetFetch` (KIP-88, 320, 447, 709): what groups have committed, of some partitions or of all.
//!
//! One group up to version 7, several from version 8 on. With `require_stable` a partition whose offset an open transaction
//! may still change is answered with an error that consumers wait on.

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::{Context, Handler};
use crate::groups::offsets::TopicPartition;
use crate::groups::requests::Fetched;

pub(crate) struct OffsetFetch;

impl Handler for OffsetFetch {
    type Request = OffsetFetchRequest;
    const VERSIONS: (i16, i16) = (1, 9);

    async fn handle(context: &Context, request: OffsetFetchRequest) -> OffsetFetchResponse {
        let response = OffsetFetchResponse::default();
        if context.version >= 8 {
            let mut groups = Vec::with_capacity(request.groups.len());
            for group in &request.groups {
                let asked = group.topics.as_ref().map(|topics| {
                    asked(
                        topics
                            .iter()
                            .map(|topic| (&topic.name, topic.partition_indexes.as_slice())),
                    )
                });
                let result = context
                    .broker
                    .groups
                    .fetch(&group.group_id, asked.as_deref(), request.require_stable)
                    .await;
                let answer =
                    OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
                groups.push(match result {
                    Ok(fetched) => answer.with_topics(several(fetched)),
                    Err(error) => answer.with_error_code(error.code()),
                });
            }
            return response.with_groups(groups);
        }
        let asked = request.topics.as_ref().map(|topics| {
            asked(
                topics
                    .iter()
                    .map(|topic| (&topic.name, topic.partition_indexes.as_slice())),
            )
        });
        let result = context
            .broker
            .groups
            .fetch(&request.group_id, asked.as_deref(), request.require_stable)
            .await;
        match result {
            Ok(fetched) => response.with_topics(single(fetched)),
            Err(error) if context.version >= 2 => response.with_error_code(error.code()),
            // Version 1 has room for an error with each partition only.
            Err(error) => response.with_topics(single(
                asked
                    .unwrap_or_default()
                    .into_iter()
                    .map(|partition| (partition, Err(error)))
                    .collect(),
            )),
        }
    }
}

fn asked<'a>(topics: impl Iterator<Item = (&'a TopicName, &'a [i32])>) -> Vec<TopicPartition> {
    topics
        .flat_map(|(name, partitions)| {
            partitions
                .iter()
                .map(move |&partition| (name.to_string(), partition))
        })
        .collect()
}

struct Shown {
    partition: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: String,
    error: Option<ResponseError>,
}

fn by_topic(fetched: Vec<Fetched>) -> BTreeMap<String, Vec<Shown>> {
    let mut topics: BTreeMap<String, Vec<Shown>> = BTreeMap::new();
    for ((topic, partition), result) in fetched {
        let error = result.as_ref().err().copied();
        let (offset, leader_epoch, metadata) = match result.ok().flatten() {
            Some(value) => (value.offset, value.leader_epoch, value.metadata),
            None => (-1, -1, String::new()),
        };
        topics.entry(topic).or_default().push(Shown {
            partition,
            offset,
            leader_epoch,
            metadata,
            error,
        });
    }
    topics
}

/// Two message types with the same members: those of one group up to version 7, and those of each of several from version 8 on.
macro_rules! topics_of {
    ($fetched:expr, $topic:ty, $partition:ty) => {
        by_topic($fetched)
            .into_iter()
            .map(|(topic, partitions)| {
                let partitions = partitions.into_iter().map(|shown| {
                    <$partition>::default()
                        .with_partition_index(shown.partition)
                        .with_committed_offset(shown.offset)
                        .with_committed_leader_epoch(shown.leader_epoch)
                        .with_metadata(Some(StrBytes::from_string(shown.metadata)))
                        .with_error_code(shown.error.map_or(0, |error| error.code()))
                });
                <$topic>::default()
                    .with_name(TopicName(StrBytes::from_string(topic)))
                    .with_partitions(partitions.collect())
            })
            .collect()
    };
}

fn single(fetched: Vec<Fetched>) -> Vec<OffsetFetchResponseTopic> {
    topics_of!(
        fetched,
        OffsetFetchResponseTopic,
        OffsetFetchResponsePartition
    )
}

fn several(fetched: Vec<Fetched>) -> Vec<OffsetFetchResponseTopics> {
    topics_of!(
        fetched,
        OffsetFetchResponseTopics,
        OffsetFetchResponsePartitions
    )
}
