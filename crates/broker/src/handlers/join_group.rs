//! `JoinGroup` (KIP-62, 345, 394, 559, 800, 814): a consumer comes into its group, or says again what it can do.
//!
//! The answer comes with the group's next generation, so this handler may wait as long as a rebalance takes.

use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;

use super::{Context, Handler};
use crate::groups::turn::Caller;

pub(crate) struct JoinGroup;

impl Handler for JoinGroup {
    type Request = JoinGroupRequest;
    const VERSIONS: (i16, i16) = (0, 9);

    async fn handle(context: &Context, request: JoinGroupRequest) -> JoinGroupResponse {
        let caller = Caller {
            client_id: context.client_id.clone(),
            client_host: format!("/{}", context.connection.peer.ip()),
            api_version: context.version,
        };
        let response = context
            .broker
            .groups
            .join(&caller, &request, &context.closing)
            .await;
        // Before KIP-559 the field could not be null.
        if context.version < 7 && response.protocol_name.is_none() {
            response.with_protocol_name(Some(StrBytes::new()))
        } else {
            response
        }
    }
}
