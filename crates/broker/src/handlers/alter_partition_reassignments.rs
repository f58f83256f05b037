//! `AlterPartitionReassignments` (KIP-455): partitions can be assigned to this broker, where they are, and to no other.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};

use super::{Context, Handler, text};
use crate::broker::Broker;

pub(crate) struct AlterPartitionReassignments;

impl Handler for AlterPartitionReassignments {
    type Request = AlterPartitionReassignmentsRequest;
    const VERSIONS: (i16, i16) = (0, 1);

    async fn handle(
        context: &Context,
        request: AlterPartitionReassignmentsRequest,
    ) -> AlterPartitionReassignmentsResponse {
        let broker = &*context.broker;
        let responses = request
            .topics
            .into_iter()
            .map(|asked| {
                let topic = broker.topics.get(&asked.name);
                let partitions = asked
                    .partitions
                    .iter()
                    .map(|at| {
                        let known = topic
                            .as_ref()
                            .and_then(|topic| topic.partition(at.partition_index))
                            .is_some();
                        let response = ReassignablePartitionResponse::default()
                            .with_partition_index(at.partition_index)
                            .with_error_message(None);
                        match check(broker, at, known) {
                            Ok(()) => response,
                            Err((code, why)) => response
                                .with_error_code(code.code())
                                .with_error_message(Some(text(why))),
                        }
                    })
                    .collect();
                ReassignableTopicResponse::default()
                    .with_name(asked.name)
                    .with_partitions(partitions)
            })
            .collect();
        AlterPartitionReassignmentsResponse::default()
            .with_error_message(None)
            .with_allow_replication_factor_change(request.allow_replication_factor_change)
            .with_responses(responses)
    }
}

fn check(
    broker: &Broker,
    asked: &ReassignablePartition,
    known: bool,
) -> Result<(), (ResponseError, String)> {
    if !known {
        return Err((
            ResponseError::UnknownTopicOrPartition,
            "Unable to find the partition.".to_owned(),
        ));
    }
    match asked.replicas.as_deref() {
        None => Err((
            ResponseError::NoReassignmentInProgress,
            "No partition reassignment is in progress.".to_owned(),
        )),
        Some([id]) if id.0 == broker.node_id => Ok(()),
        Some([]) => Err((
            ResponseError::InvalidReplicaAssignment,
            "The manual partition assignment includes an empty replica list.".to_owned(),
        )),
        Some(_) => Err((
            ResponseError::InvalidReplicaAssignment,
            format!(
                "The manual partition assignment includes a broker that is not registered; there is broker {} alone.",
                broker.node_id
            ),
        )),
    }
}
