//! `DescribeAcls` (KIP-140): the access rules that a filter picks, grouped by resource.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use kafka_protocol::messages::{DescribeAclsRequest, DescribeAclsResponse};

use super::{Context, Handler, text};
use crate::security::AclFilter;

pub(crate) struct DescribeAcls;

impl Handler for DescribeAcls {
    type Request = DescribeAclsRequest;
    const VERSIONS: (i16, i16) = (1, 3);

    async fn handle(context: &Context, request: DescribeAclsRequest) -> DescribeAclsResponse {
        let filter = AclFilter {
            resource_type: request.resource_type_filter,
            resource_name: request.resource_name_filter.map(|name| name.to_string()),
            pattern_type: request.pattern_type_filter,
            principal: request.principal_filter.map(|name| name.to_string()),
            host: request.host_filter.map(|host| host.to_string()),
            operation: request.operation,
            permission: request.permission_type,
        };
        let response = DescribeAclsResponse::default().with_error_message(None);
        if let Err(why) = filter.check() {
            return response
                .with_error_code(ResponseError::InvalidRequest.code())
                .with_error_message(Some(text(why)));
        }
        let found = context.broker.acls.find(&filter);
        let resources = found
            .chunk_by(|a, b| {
                (a.resource_type, &a.resource_name, a.pattern_type)
                    == (b.resource_type, &b.resource_name, b.pattern_type)
            })
            .filter_map(|acls| {
                let first = acls.first()?;
                let descriptions = acls
                    .iter()
                    .map(|acl| {
                        AclDescription::default()
                            .with_principal(text(&*acl.principal))
                            .with_host(text(&*acl.host))
                            .with_operation(acl.operation)
                            .with_permission_type(acl.permission)
                    })
                    .collect();
                Some(
                    DescribeAclsResource::default()
                        .with_resource_type(first.resource_type)
                        .with_resource_name(text(&*first.resource_name))
                        .with_pattern_type(first.pattern_type)
                        .with_acls(descriptions),
                )
            })
            .collect();
        response.with_resources(resources)
    }
}
