//! `OffsetForLeaderEpoch` (KIP-320): where a leader epoch ends, by which a consumer finds out that records it read are gone.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::{Context, Handler};
use crate::security::Operation;

pub(crate) struct OffsetForLeaderEpoch;

impl Handler for OffsetForLeaderEpoch {
    type Request = OffsetForLeaderEpochRequest;
    const VERSIONS: (i16, i16) = (2, 4);

    async fn handle(
        context: &Context,
        request: OffsetForLeaderEpochRequest,
    ) -> OffsetForLeaderEpochResponse {
        let topics = request
            .topics
            .into_iter()
            .map(|asked| {
                let allowed = context.allows(Operation::Describe, &asked.topic);
                let topic = context.broker.topics.get(&asked.topic);
                let partitions = asked
                    .partitions
                    .iter()
                    .map(|at| {
                        let found = topic
                            .as_ref()
                            .and_then(|topic| topic.partition(at.partition))
                            .ok_or(ResponseError::UnknownTopicOrPartition)
                            .and_then(|partition| {
                                allowed?;
                                super::check_leader_epoch(
                                    partition.log.leader_epoch(),
                                    at.current_leader_epoch,
                                )?;
                                Ok(partition.log.end_offset_for_epoch(at.leader_epoch))
                            });
                        let answer = EpochEndOffset::default().with_partition(at.partition);
                        match found {
                            Ok((epoch, end)) => {
                                answer.with_leader_epoch(epoch).with_end_offset(end.0)
                            }
                            Err(error) => answer.with_error_code(error.code()),
                        }
                    })
                    .collect();
                OffsetForLeaderTopicResult::default()
                    .with_topic(asked.topic)
                    .with_partitions(partitions)
            })
            .collect();
        OffsetForLeaderEpochResponse::default().with_topics(topics)
    }
}
