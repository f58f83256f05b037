//! `SyncGroup` (KIP-559): a member asks for its assignment; the leader brings everyone's.
//!
//! The answer comes with the leader's request, so this handler may wait for it.

use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use super::{Context, Handler};

pub(crate) struct SyncGroup;

impl Handler for SyncGroup {
    type Request = SyncGroupRequest;
    const VERSIONS: (i16, i16) = (0, 5);

    async fn handle(context: &Context, request: SyncGroupRequest) -> SyncGroupResponse {
        context.broker.groups.sync(&request, &context.closing).await
    }
}
