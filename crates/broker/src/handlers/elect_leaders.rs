//! `ElectLeaders` (KIP-460): there is one replica of everything, which leads already.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};

use super::{Context, Handler, text};

pub(crate) struct ElectLeaders;

impl Handler for ElectLeaders {
    type Request = ElectLeadersRequest;
    const VERSIONS: (i16, i16) = (0, 2);

    async fn handle(context: &Context, request: ElectLeadersRequest) -> ElectLeadersResponse {
        // Of no partitions named, all are meant, and those that need no election are not mentioned.
        let results = request
            .topic_partitions
            .unwrap_or_default()
            .into_iter()
            .map(|asked| {
                let topic = context.broker.topics.get(&asked.topic);
                let partitions = asked
                    .partitions
                    .iter()
                    .map(|index| {
                        let (code, why) = match topic.as_ref().and_then(|t| t.partition(*index)) {
                            Some(_) => (
                                ResponseError::ElectionNotNeeded,
                                "Leader election not needed for topic partition.",
                            ),
                            None => (
                                ResponseError::UnknownTopicOrPartition,
                                "No such topic or partition.",
                            ),
                        };
                        PartitionResult::default()
                            .with_partition_id(*index)
                            .with_error_code(code.code())
                            .with_error_message(Some(text(why)))
                    })
                    .collect();
                ReplicaElectionResult::default()
                    .with_topic(asked.topic)
                    .with_partition_result(partitions)
            })
            .collect();
        ElectLeadersResponse::default().with_replica_election_results(results)
    }
}
