//! `DeleteAcls` (KIP-140): removes the access rules that filters pick, and says which those were.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_acls_response::{
    DeleteAclsFilterResult, DeleteAclsMatchingAcl,
};
use kafka_protocol::messages::{DeleteAclsRequest, DeleteAclsResponse};

use super::{Context, Handler, text};
use crate::security::{Acl, AclFilter};

pub(crate) struct DeleteAcls;

impl Handler for DeleteAcls {
    type Request = DeleteAclsRequest;
    const VERSIONS: (i16, i16) = (1, 3);

    async fn handle(context: &Context, request: DeleteAclsRequest) -> DeleteAclsResponse {
        let results = request
            .filters
            .into_iter()
            .map(|asked| {
                let filter = AclFilter {
                    resource_type: asked.resource_type_filter,
                    resource_name: asked.resource_name_filter.map(|name| name.to_string()),
                    pattern_type: asked.pattern_type_filter,
                    principal: asked.principal_filter.map(|name| name.to_string()),
                    host: asked.host_filter.map(|host| host.to_string()),
                    operation: asked.operation,
                    permission: asked.permission_type,
                };
                let removed =
                    filter
                        .check()
                        .map_err(|why| (ResponseError::InvalidRequest, why))
                        .and_then(|()| {
                            context.broker.acls.remove(&filter).map_err(|error| {
                                (ResponseError::KafkaStorageError, error.to_string())
                            })
                        });
                let result = DeleteAclsFilterResult::default().with_error_message(None);
                match removed {
                    Ok(removed) => {
                        result.with_matching_acls(removed.iter().map(matching).collect())
                    }
                    Err((code, why)) => result
                        .with_error_code(code.code())
                        .with_error_message(Some(text(why))),
                }
            })
            .collect();
        DeleteAclsResponse::default().with_filter_results(results)
    }
}

fn matching(acl: &Acl) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl::default()
        .with_error_message(None)
        .with_resource_type(acl.resource_type)
        .with_resource_name(text(&*acl.resource_name))
        .with_pattern_type(acl.pattern_type)
        .with_principal(text(&*acl.principal))
        .with_host(text(&*acl.host))
        .with_operation(acl.operation)
        .with_permission_type(acl.permission)
}
