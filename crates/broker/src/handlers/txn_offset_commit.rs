//! `TxnOffsetCommit` (KIP-98, 447): a group's offsets as part of a transaction: seen when it commits, and never when it aborts.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

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
        let exists = |topic: &str, partition: i32| {
            context.broker.topics.partition(topic, partition).is_some()
        };
        let commits: Vec<Commit> = request
            .topics
            .iter()
            .flat_map(|topic| {
                topic
                    .partitions
                    .iter()
                    .map(move |partition| (topic, partition))
            })
            .filter(|(topic, partition)| exists(&topic.name, partition.partition_index))
            .map(|(topic, partition)| Commit {
                partition: (topic.name.to_string(), partition.partition_index),
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: partition
                    .committed_metadata
                    .as_deref()
                    .unwrap_or_default()
                    .to_owned(),
            })
            .collect();
        let result = commit(context, &request, &commits).await;
        let mut answers = commits
            .iter()
            .map(|commit| &commit.partition)
            .zip(result.iter().flatten())
            .peekable();
        let topics = request
            .topics
            .iter()
            .map(|topic| {
                let partitions = topic
                    .partitions
                    .iter()
                    .map(|partition| {
                        let index = partition.partition_index;
                        // Answers stand in the request's order: this partition's is the next one, or it has none.
                        let answer = answers.next_if(|((name, of), _)| {
                            name.as_str() == topic.name.as_str() && *of == index
                        });
                        let code = match (&result, answer) {
                            (Err(error), _) | (Ok(_), Some((_, Err(error)))) => error.code(),
                            (Ok(_), Some((_, Ok(())))) => 0,
                            (Ok(_), None) => ResponseError::UnknownTopicOrPartition.code(),
                        };
                        TxnOffsetCommitResponsePartition::default()
                            .with_partition_index(index)
                            .with_error_code(code)
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
