//! `AlterConfigs` (KIP-133): replaces all of a resource's own settings by those given.

use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::{Context, Handler, alterable, text};
use crate::changes::{self, Change};
use crate::files::may_block;

pub(crate) struct AlterConfigs;

impl Handler for AlterConfigs {
    type Request = AlterConfigsRequest;
    const VERSIONS: (i16, i16) = (0, 2);

    async fn handle(context: &Context, request: AlterConfigsRequest) -> AlterConfigsResponse {
        let broker = &*context.broker;
        let responses = request
            .resources
            .iter()
            .map(|resource| {
                // A setting without a value falls back, as one that is not named does.
                let wanted: Vec<(String, Change)> = resource
                    .configs
                    .iter()
                    .filter_map(|config| {
                        let value = config.value.as_ref()?;
                        Some((config.name.to_string(), Change::Set(value.to_string())))
                    })
                    .collect();
                let altered = alterable(context, resource.resource_type, &resource.resource_name)
                    .and_then(|of| {
                        may_block(|| {
                            changes::apply(broker, of, &wanted, true, request.validate_only)
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
        AlterConfigsResponse::default().with_responses(responses)
    }
}
