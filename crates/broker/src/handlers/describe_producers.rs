//! `DescribeProducers` (KIP-664): the producers with an id that a partition remembers, and their ongoing transactions.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};

use super::{Context, Handler};
use crate::security::Operation;

pub(crate) struct DescribeProducers;

impl Handler for DescribeProducers {
    type Request = DescribeProducersRequest;
    const VERSIONS: (i16, i16) = (0, 0);

    async fn handle(
        context: &Context,
        request: DescribeProducersRequest,
    ) -> DescribeProducersResponse {
        let topics = request
            .topics
            .into_iter()
            .map(|asked| {
                let allowed = context.allows(Operation::Read, &asked.name);
                let topic = context.broker.topics.get(&asked.name);
                let partitions = asked
                    .partition_indexes
                    .iter()
                    .map(|index| {
                        let response = PartitionResponse::default().with_partition_index(*index);
                        if let Err(error) = allowed {
                            return response.with_error_code(error.code());
                        }
                        match topic.as_ref().and_then(|topic| topic.partition(*index)) {
                            None => response
                                .with_error_code(ResponseError::UnknownTopicOrPartition.code()),
                            Some(partition) => response.with_active_producers(
                                partition.log.producers().iter().map(state).collect(),
                            ),
                        }
                    })
                    .collect();
                TopicResponse::default()
                    .with_name(asked.name)
                    .with_partitions(partitions)
            })
            .collect();
        DescribeProducersResponse::default().with_topics(topics)
    }
}

fn state(entry: &weir_log::ProducerEntry) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(entry.producer_id))
        .with_producer_epoch(i32::from(entry.epoch))
        .with_last_sequence(entry.last_sequence)
        .with_last_timestamp(entry.last_timestamp.0)
        .with_coordinator_epoch(entry.coordinator_epoch)
        .with_current_txn_start_offset(entry.current_txn_first_offset.map_or(-1, |first| first.0))
}
