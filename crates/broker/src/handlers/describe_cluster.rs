//! `DescribeCluster` (KIP-700): the brokers, the controller, the cluster's id.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};

use super::{CLUSTER_OPERATIONS, Context, Handler, OPERATIONS_NOT_ASKED, text};
use crate::settings;

/// `endpoint_type`: brokers. The other one, controllers, is asked of controllers alone (KIP-919).
const BROKERS: i8 = 1;

pub(crate) struct DescribeCluster;

impl Handler for DescribeCluster {
    type Request = DescribeClusterRequest;
    const VERSIONS: (i16, i16) = (0, 2);

    async fn handle(context: &Context, request: DescribeClusterRequest) -> DescribeClusterResponse {
        let broker = &*context.broker;
        let response = DescribeClusterResponse::default().with_endpoint_type(BROKERS);
        if context.version >= 1 && request.endpoint_type != BROKERS {
            return response
                .with_error_code(ResponseError::MismatchedEndpointType.code())
                .with_error_message(Some(text(
                    "The request was sent to an endpoint of the wrong type.",
                )))
                .with_cluster_authorized_operations(OPERATIONS_NOT_ASKED);
        }
        let (host, port) = broker.advertised(&context.connection);
        let rack = broker.settings.get(settings::BROKER_RACK);
        response
            .with_cluster_id(text(&*broker.cluster_id))
            .with_controller_id(BrokerId(broker.node_id))
            .with_brokers(vec![
                DescribeClusterBroker::default()
                    .with_broker_id(BrokerId(broker.node_id))
                    .with_host(text(host))
                    .with_port(port)
                    .with_rack((!rack.is_empty()).then(|| text(rack))),
            ])
            .with_cluster_authorized_operations(if request.include_cluster_authorized_operations {
                CLUSTER_OPERATIONS
            } else {
                OPERATIONS_NOT_ASKED
            })
    }
}
