//! `DeleteRecords` (KIP-107): moves partitions' log start offsets up; -1 stands for the high watermark.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use weir_log::Offset;

use super::{Context, Handler};
use crate::errors;
use crate::files::may_block;
use crate::security::Operation;
use crate::topics::Partition;

pub(crate) struct DeleteRecords;

impl Handler for DeleteRecords {
    type Request = DeleteRecordsRequest;
    const VERSIONS: (i16, i16) = (0, 2);

    async fn handle(context: &Context, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
        let asked = request.topics.iter().flat_map(|topic| {
            let found = context.broker.topics.get(&topic.name);
            let partitions = topic.partitions.iter();
            partitions.filter_map(move |at| found.as_ref()?.partition(at.partition_index))
        });
        super::settle(asked.collect()).await;
        let topics = request
            .topics
            .into_iter()
            .map(|asked| {
                let allowed = context.allows(Operation::Delete, &asked.name);
                let topic = context.broker.topics.get(&asked.name);
                let partitions = asked
                    .partitions
                    .iter()
                    .map(|at| {
                        let deleted = match &topic {
                            _ if allowed.is_err() => Err(ResponseError::TopicAuthorizationFailed),
                            Some(topic) if topic.is_internal() => {
                                Err(ResponseError::InvalidTopicException)
                            }
                            Some(topic) => topic
                                .partition(at.partition_index)
                                .ok_or(ResponseError::UnknownTopicOrPartition)
                                .and_then(|partition| {
                                    may_block(|| delete(&partition, Offset(at.offset)))
                                }),
                            None => Err(ResponseError::UnknownTopicOrPartition),
                        };
                        let result = DeleteRecordsPartitionResult::default()
                            .with_partition_index(at.partition_index);
                        match deleted {
                            Ok(start) => result.with_low_watermark(start.0),
                            Err(error) => {
                                result.with_low_watermark(-1).with_error_code(error.code())
                            }
                        }
                    })
                    .collect();
                DeleteRecordsTopicResult::default()
                    .with_name(asked.name)
                    .with_partitions(partitions)
            })
            .collect();
        DeleteRecordsResponse::default().with_topics(topics)
    }
}

fn delete(partition: &Partition, before: Offset) -> Result<Offset, ResponseError> {
    let policy = partition.log.config().cleanup_policy;
    if policy.compact && !policy.delete {
        return Err(ResponseError::PolicyViolation);
    }
    partition
        .log
        .delete_records_before(before)
        .map_err(|error| errors::of_log(&error))
}
