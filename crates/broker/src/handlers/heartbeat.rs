//! `Heartbeat`: a member says that it lives, and learns whether it has to join again.

use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::{Context, Handler};

pub(crate) struct Heartbeat;

impl Handler for Heartbeat {
    type Request = HeartbeatRequest;
    const VERSIONS: (i16, i16) = (0, 4);

    async fn handle(context: &Context, request: HeartbeatRequest) -> HeartbeatResponse {
        let result = context.broker.groups.heartbeat(
            &request.group_id,
            &request.member_id,
            request.group_instance_id.as_deref(),
            request.generation_id,
        );
        HeartbeatResponse::default().with_error_code(result.err().map_or(0, |error| error.code()))
    }
}
