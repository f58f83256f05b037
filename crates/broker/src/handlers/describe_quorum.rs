//! `DescribeQuorum` (KIP-595): the voters on the cluster's metadata, which is this broker alone.
//!
//! Metadata is in files here and not in a log; its end is told as 0.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use kafka_protocol::messages::{BrokerId, DescribeQuorumRequest, DescribeQuorumResponse};

use super::{Context, Handler, text};

/// The topic Kafka keeps its metadata in.
const METADATA_TOPIC: &str = "__cluster_metadata";

pub(crate) struct DescribeQuorum;

impl Handler for DescribeQuorum {
    type Request = DescribeQuorumRequest;
    const VERSIONS: (i16, i16) = (0, 2);

    async fn handle(context: &Context, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
        let broker = &*context.broker;
        let node = BrokerId(broker.node_id);
        let now = broker.clock.now().0;
        let topics = request
            .topics
            .into_iter()
            .map(|asked| {
                let partitions = asked
                    .partitions
                    .iter()
                    .map(|at| {
                        let data = PartitionData::default()
                            .with_partition_index(at.partition_index)
                            .with_error_message(None);
                        if asked.topic_name.as_str() != METADATA_TOPIC || at.partition_index != 0 {
                            return data
                                .with_error_code(ResponseError::UnknownTopicOrPartition.code());
                        }
                        let voter = ReplicaState::default()
                            .with_replica_id(node)
                            .with_log_end_offset(0);
                        let voter = if context.version >= 1 {
                            voter
                                .with_last_fetch_timestamp(now)
                                .with_last_caught_up_timestamp(now)
                        } else {
                            voter
                        };
                        data.with_leader_id(node)
                            .with_leader_epoch(0)
                            .with_current_voters(vec![voter])
                    })
                    .collect();
                TopicData::default()
                    .with_topic_name(asked.topic_name)
                    .with_partitions(partitions)
            })
            .collect();
        let response = DescribeQuorumResponse::default()
            .with_error_message(None)
            .with_topics(topics);
        if context.version < 2 {
            return response;
        }
        let (host, port) = broker.advertised(&context.connection);
        response.with_nodes(vec![Node::default().with_node_id(node).with_listeners(
            vec![
                Listener::default()
                    .with_name(text("PLAINTEXT"))
                    .with_host(text(host))
                    .with_port(port as u16),
            ],
        )])
    }
}
