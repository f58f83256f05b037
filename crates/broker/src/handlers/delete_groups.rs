//! `DeleteGroups` (KIP-229): forgets groups without members, their offsets included.

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use super::{Context, Handler};

pub(crate) struct DeleteGroups;

impl Handler for DeleteGroups {
    type Request = DeleteGroupsRequest;
    const VERSIONS: (i16, i16) = (0, 2);

    async fn handle(context: &Context, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
        let mut results = Vec::with_capacity(request.groups_names.len());
        for id in request.groups_names {
            let result = context.broker.groups.delete(&id).await;
            results.push(
                DeletableGroupResult::default()
                    .with_group_id(id)
                    .with_error_code(result.err().map_or(0, |error| error.code())),
            );
        }
        DeleteGroupsResponse::default().with_results(results)
    }
}
