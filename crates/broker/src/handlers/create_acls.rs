//! `CreateAcls` (KIP-140): adds access rules. Which of them are enforced, [`crate::security`] says.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::{CreateAclsRequest, CreateAclsResponse};

use super::{Context, Handler, text};
use crate::security::Acl;

pub(crate) struct CreateAcls;

impl Handler for CreateAcls {
    type Request = CreateAclsRequest;
    const VERSIONS: (i16, i16) = (1, 3);

    async fn handle(context: &Context, request: CreateAclsRequest) -> CreateAclsResponse {
        let asked: Vec<Acl> = request
            .creations
            .into_iter()
            .map(|acl| Acl {
                resource_type: acl.resource_type,
                resource_name: acl.resource_name.to_string(),
                pattern_type: acl.resource_pattern_type,
                principal: acl.principal.to_string(),
                host: acl.host.to_string(),
                operation: acl.operation,
                permission: acl.permission_type,
            })
            .collect();
        let sound: Vec<Acl> = asked
            .iter()
            .filter(|acl| acl.check().is_ok())
            .cloned()
            .collect();
        let added = context.broker.acls.add(&sound);
        if sound.iter().any(|acl| !acl.is_about_a_topic()) {
            tracing::warn!(
                "access rules that are not about topics are kept and shown, and not enforced"
            );
        }
        let results = asked
            .iter()
            .map(|acl| {
                let result = AclCreationResult::default().with_error_message(None);
                match (acl.check(), &added) {
                    (Err(why), _) => result
                        .with_error_code(ResponseError::InvalidRequest.code())
                        .with_error_message(Some(text(why))),
                    (Ok(()), Err(error)) => result
                        .with_error_code(ResponseError::KafkaStorageError.code())
                        .with_error_message(Some(text(error.to_string()))),
                    (Ok(()), Ok(())) => result,
                }
            })
            .collect();
        CreateAclsResponse::default().with_results(results)
    }
}
