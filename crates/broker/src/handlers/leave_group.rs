//! `LeaveGroup` (KIP-345, 800): a member goes; from version 3 on several may be put out at once.

use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::{Context, Handler};

pub(crate) struct LeaveGroup;

impl Handler for LeaveGroup {
    type Request = LeaveGroupRequest;
    const VERSIONS: (i16, i16) = (0, 5);

    async fn handle(context: &Context, request: LeaveGroupRequest) -> LeaveGroupResponse {
        let members = if context.version >= 3 {
            request.members
        } else {
            vec![MemberIdentity::default().with_member_id(request.member_id)]
        };
        let result = context
            .broker
            .groups
            .leave(&request.group_id, &members)
            .await;
        let response = LeaveGroupResponse::default();
        match result {
            Err(error) => response.with_error_code(error.code()),
            Ok(members) if context.version >= 3 => response.with_members(members),
            Ok(members) => {
                response.with_error_code(members.first().map_or(0, |member| member.error_code))
            }
        }
    }
}
