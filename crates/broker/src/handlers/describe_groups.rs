//! `DescribeGroups` (KIP-345, 430): groups with their members, subscriptions and assignments.

use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse};

use super::{Context, Handler};
use crate::groups::requests::describe_missing;

/// What anyone may do with a group where nobody is refused anything: read, delete, describe, and the group's settings
/// (KIP-430; bits are Kafka's `AclOperation` codes 3, 6, 8, 10, 11).
const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

pub(crate) struct DescribeGroups;

impl Handler for DescribeGroups {
    type Request = DescribeGroupsRequest;
    const VERSIONS: (i16, i16) = (0, 6);

    async fn handle(context: &Context, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
        let groups = request
            .groups
            .iter()
            .map(|id| {
                let described = context
                    .broker
                    .groups
                    .describe(id)
                    .unwrap_or_else(|| describe_missing(id, context.version));
                if request.include_authorized_operations {
                    described.with_authorized_operations(GROUP_OPERATIONS)
                } else {
                    described
                }
            })
            .collect();
        DescribeGroupsResponse::default().with_groups(groups)
    }
}
