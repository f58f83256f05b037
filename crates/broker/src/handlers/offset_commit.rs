//! `OffsetCommit` (KIP-320, 345): a group's position in its partitions, durable when it is answered.
//!
//! Also for consumers that use no group management: generation -1, no member id. Partitions that do not exist are refused
//! one by one, the others are committed together.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

use super::commits::{self, Asked};
use super::{Context, Handler};
use crate::groups::offsets::Committer;

/// The version from which a group that does not exist has an error of its own.
const GROUP_ID_NOT_FOUND_FROM: i16 = 9;

pub(crate) struct OffsetCommit;

impl Handler for OffsetCommit {
    type Request = OffsetCommitRequest;
    const VERSIONS: (i16, i16) = (2, 9);

    async fn handle(context: &Context, request: OffsetCommitRequest) -> OffsetCommitResponse {
        let groups = &context.broker.groups;
        let group_id = request.group_id.as_str();
        let committer = Committer {
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            generation: request.generation_id_or_member_epoch,
            producer: None,
        };
        let asked = request.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|partition| Asked {
                topic: &topic.name,
                partition: partition.partition_index,
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: partition.committed_metadata.as_deref(),
            })
        });
        let commits = commits::of_existing(context, asked);
        let retention_ms = Some(request.retention_time_ms).filter(|&ms| ms != -1);
        let result = groups
            .commit(group_id, &committer, &commits, retention_ms)
            .await
            .map_err(|error| {
                let missing = error == ResponseError::IllegalGeneration
                    && context.version >= GROUP_ID_NOT_FOUND_FROM
                    && groups.describe(group_id).is_none();
                if missing {
                    ResponseError::GroupIdNotFound
                } else {
                    error
                }
            });
        let mut code = commits::codes(&commits, &result);
        let topics = request
            .topics
            .iter()
            .map(|topic| {
                let partitions = topic
                    .partitions
                    .iter()
                    .map(|partition| {
                        let index = partition.partition_index;
                        OffsetCommitResponsePartition::default()
                            .with_partition_index(index)
                            .with_error_code(code(&topic.name, index))
                    })
                    .collect();
                OffsetCommitResponseTopic::default()
                    .with_name(topic.name.clone())
                    .with_partitions(partitions)
            })
            .collect();
        OffsetCommitResponse::default().with_topics(topics)
    }
}
