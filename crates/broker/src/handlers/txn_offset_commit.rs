//! `TxnOffsetCommit` (KIP-98, 447): a group's offsets as part of a transaction: seen when it commits, and never when it aborts.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use super::commits::{self, Asked};
use super::{Context, Handler};
use crate::groups::offsets::{Commit, Committer};
use crate::internal_topics::batch::BatchProducer;
use crate::topics::CONSUMER_OFFSETS;
use crate::transactions::transaction::Producer;

pub(crate) struct TxnOffsetCommit;

impl Handler for TxnOffsetCommit {
    type Request = TxnOffsetCommitRequest;
    const VERSIONS: (i16, i16) = (0, 4);

    async fn handle(context: &Context, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
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
        let result = commit(context, &request, &commits).await;
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
                        TxnOffsetCommitResponsePartition::default()
                            .with_partition_index(index)
                            .with_error_code(code(&topic.name, index))
                    })
                    .collect();
                TxnOffsetCommitResponseTopic::default()
                    .with_name(topic.name.clone())
                    .with_partitions(partitions)
            })
            .collect();
        TxnOffsetCommitResponse::default().with_topics(topics)
    }
}

async fn commit(
    context: &Context,
    request: &TxnOffsetCommitRequest,
    commits: &[Commit],
) -> Result<Vec<Result<(), ResponseError>>, ResponseError> {
    let broker = &context.broker;
    let group_id = request.group_id.as_str();
    broker.groups.ready().await?;
    let partition = broker.groups.partition_for(group_id);
    let producer = Producer {
        id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    let committer = Committer {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
        producer: Some(BatchProducer {
            id: producer.id,
            epoch: producer.epoch,
        }),
    };
    let written = broker.transactions.within(
        &request.transactional_id,
        producer,
        CONSUMER_OFFSETS,
        partition,
        || {
            broker
                .groups
                .write_commits(group_id, &committer, commits, None)
        },
    )?;
    broker.groups.commits_durable(group_id, written?).await
}
