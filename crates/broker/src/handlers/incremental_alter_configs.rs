//! `IncrementalAlterConfigs` (KIP-339): changes single settings of a resource and leaves its others.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::incremental_alter_configs_request::AlterableConfig;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::{Context, Handler, alterable, text};
use crate::changes::{self, Change, Refused};
use crate::files::may_block;

pub(crate) struct IncrementalAlterConfigs;

impl Handler for IncrementalAlterConfigs {
    type Request = IncrementalAlterConfigsRequest;
    const VERSIONS: (i16, i16) = (0, 1);

    async fn handle(
        context: &Context,
        request: IncrementalAlterConfigsRequest,
    ) -> IncrementalAlterConfigsResponse {
        let broker = &*context.broker;
        let responses = request
            .resources
            .iter()
            .map(|resource| {
                let altered = alterable(context, resource.resource_type, &resource.resource_name)
                    .and_then(|of| {
                        let wanted = resource
                            .configs
                            .iter()
                            .map(change)
                            .collect::<Result<Vec<_>, _>>()?;
                        may_block(|| {
                            changes::apply(broker, of, &wanted, false, request.validate_only)
                        })
                    });
                let response = AlterConfigsResourceResponse::default()
                    .with_resource_type(resource.resource_type)
                    .with_resource_name(resource.resource_name.clone())
                    .with_error_message(None);
                match altered {
                    Ok(()) => response,
                    Err((code, why)) => response
                        .with_error_code(code.code())
                        .with_error_message(Some(text(why))),
                }
            })
            .collect();
        IncrementalAlterConfigsResponse::default().with_responses(responses)
    }
}

fn change(config: &AlterableConfig) -> Result<(String, Change), Refused> {
    let name = config.name.to_string();
    let change = match (config.config_operation, &config.value) {
        (1, _) => Change::Delete,
        (0, Some(value)) => Change::Set(value.to_string()),
        (2, Some(value)) => Change::Append(value.to_string()),
        (3, Some(value)) => Change::Subtract(value.to_string()),
        (0 | 2 | 3, None) => {
            return Err((
                ResponseError::InvalidRequest,
                format!("Null value not supported for : {name}"),
            ));
        }
        (other, _) => {
            return Err((
                ResponseError::InvalidRequest,
                format!("Unknown operation type {other}."),
            ));
        }
    };
    Ok((name, change))
}
