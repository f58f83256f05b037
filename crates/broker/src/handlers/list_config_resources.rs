//! `ListConfigResources` (KIP-1142): what has settings. Version 0 is `ListClientMetricsResources` (KIP-714), of which there are none.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::list_config_resources_response::ConfigResource;
use kafka_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};

use super::describe_configs::resource;
use super::{Context, Handler, text};

/// Every kind of resource, in the order they are listed.
const KINDS: [i8; 5] = [
    resource::GROUP,
    resource::CLIENT_METRICS,
    resource::BROKER_LOGGER,
    resource::BROKER,
    resource::TOPIC,
];

pub(crate) struct ListConfigResources;

impl Handler for ListConfigResources {
    type Request = ListConfigResourcesRequest;
    const VERSIONS: (i16, i16) = (0, 1);

    async fn handle(
        context: &Context,
        request: ListConfigResourcesRequest,
    ) -> ListConfigResourcesResponse {
        let broker = &*context.broker;
        let kinds = match (context.version, request.resource_types.as_slice()) {
            (0, _) => vec![resource::CLIENT_METRICS],
            (_, []) => KINDS.to_vec(),
            (_, asked) => asked.to_vec(),
        };
        if kinds.iter().any(|kind| !KINDS.contains(kind)) {
            return ListConfigResourcesResponse::default()
                .with_error_code(ResponseError::UnsupportedVersion.code());
        }
        let mut resources = Vec::new();
        for kind in KINDS.into_iter().filter(|kind| kinds.contains(kind)) {
            let names = match kind {
                resource::GROUP => broker.changes.groups(),
                resource::BROKER | resource::BROKER_LOGGER => vec![broker.node_id.to_string()],
                resource::TOPIC => broker
                    .topics
                    .list()
                    .iter()
                    .map(|topic| topic.name.to_string())
                    .collect(),
                _ => Vec::new(),
            };
            resources.extend(names.into_iter().map(|name| {
                ConfigResource::default()
                    .with_resource_name(text(name))
                    .with_resource_type(kind)
            }));
        }
        ListConfigResourcesResponse::default().with_config_resources(resources)
    }
}
