//! `FindCoordinator` (KIP-699, 890): which broker to ask about a group or a transactional id: this one.
//!
//! It is also what brings the internal topics into being, so that a broker nobody uses groups of has none.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::{Context, Handler};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(crate) struct FindCoordinator;

impl Handler for FindCoordinator {
    type Request = FindCoordinatorRequest;
    const VERSIONS: (i16, i16) = (0, 6);

    async fn handle(context: &Context, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
        let ready = match request.key_type {
            GROUP => context.broker.groups.ready().await,
            TRANSACTION => context.broker.transactions.ready().await,
            // Share groups (KIP-932) have no coordinator here.
            _ => Err(ResponseError::InvalidRequest),
        };
        let (host, port) = context.broker.advertised(&context.connection);
        let (host, node_id) = (
            StrBytes::from_string(host),
            BrokerId(context.broker.node_id),
        );
        let message = |error: ResponseError| StrBytes::from_string(error.to_string());
        let response = FindCoordinatorResponse::default();
        if context.version < 4 {
            return match ready {
                Ok(()) => response
                    .with_error_message(Some(StrBytes::from_static_str("NONE")))
                    .with_node_id(node_id)
                    .with_host(host)
                    .with_port(port),
                Err(error) => response
                    .with_error_code(error.code())
                    .with_error_message(Some(message(error)))
                    .with_node_id(BrokerId(-1))
                    .with_port(-1),
            };
        }
        let coordinators = request
            .coordinator_keys
            .into_iter()
            .map(|key| {
                let coordinator = Coordinator::default().with_key(key);
                match ready {
                    Ok(()) => coordinator
                        .with_node_id(node_id)
                        .with_host(host.clone())
                        .with_port(port),
                    Err(error) => coordinator
                        .with_error_code(error.code())
                        .with_error_message(Some(message(error)))
                        .with_node_id(BrokerId(-1))
                        .with_port(-1),
                }
            })
            .collect();
        response.with_coordinators(coordinators)
    }
}
