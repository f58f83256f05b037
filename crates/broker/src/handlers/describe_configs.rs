//! `DescribeConfigs` (KIP-133): settings of topics and of the broker, with where each value comes from.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;

use super::{Context, Handler, text};
use crate::broker::Broker;
use crate::security::Operation;
use crate::settings::topic::{Overrides, TopicSetting};
use crate::settings::{self, Kind, group, topic};

/// Kinds of resources that have settings (`ConfigResource.Type`).
pub(super) mod resource {
    pub(crate) const TOPIC: i8 = 2;
    pub(crate) const BROKER: i8 = 4;
    pub(crate) const BROKER_LOGGER: i8 = 8;
    pub(crate) const CLIENT_METRICS: i8 = 16;
    pub(crate) const GROUP: i8 = 32;
}

/// Where a value comes from (`ConfigSource`).
const OWN_OF_TOPIC: i8 = 1;
const CHANGED: i8 = 2;
const GIVEN_AT_START: i8 = 4;
const DEFAULT: i8 = 5;
const OWN_OF_GROUP: i8 = 8;

/// Where a topic setting's value comes from.
pub(super) fn source(broker: &Broker, overrides: &Overrides, setting: &TopicSetting) -> i8 {
    if overrides.contains_key(setting.name) {
        OWN_OF_TOPIC
    } else {
        server_source(broker, setting.server)
    }
}

fn server_source(broker: &Broker, name: &str) -> i8 {
    if broker.settings.changed(name).is_some() {
        CHANGED
    } else if broker.settings.given(name).is_some() {
        GIVEN_AT_START
    } else {
        DEFAULT
    }
}

pub(crate) struct DescribeConfigs;

impl Handler for DescribeConfigs {
    type Request = DescribeConfigsRequest;
    const VERSIONS: (i16, i16) = (1, 4);

    async fn handle(context: &Context, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
        let results = request
            .resources
            .iter()
            .map(|resource| {
                let result = DescribeConfigsResult::default()
                    .with_resource_type(resource.resource_type)
                    .with_resource_name(resource.resource_name.clone())
                    .with_error_message(None);
                match describe(context, resource) {
                    Ok(found) => result.with_configs(
                        found
                            .into_iter()
                            .filter(|config| wanted(resource, config.name))
                            .map(|config| config.answer(&request))
                            .collect(),
                    ),
                    Err((code, why)) => result
                        .with_error_code(code.code())
                        .with_error_message(Some(text(why))),
                }
            })
            .collect();
        DescribeConfigsResponse::default().with_results(results)
    }
}

/// Of no names asked for, all.
fn wanted(resource: &DescribeConfigsResource, name: &str) -> bool {
    resource
        .configuration_keys
        .as_ref()
        .is_none_or(|keys| keys.iter().any(|key| key.as_str() == name))
}

/// A setting with its value and the values it has hidden, first the one in force.
struct Described {
    name: &'static str,
    kind: Kind,
    meaning: &'static str,
    read_only: bool,
    values: Vec<(&'static str, Option<String>, i8)>,
}

impl Described {
    fn answer(self, request: &DescribeConfigsRequest) -> DescribeConfigsResourceResult {
        let (value, source) = self
            .values
            .first()
            .map_or((None, DEFAULT), |(_, value, source)| {
                (value.clone(), *source)
            });
        let answer = DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(self.name))
            .with_value(value.map(text))
            .with_read_only(self.read_only)
            .with_config_source(source)
            .with_config_type(self.kind.number());
        let answer = answer.with_documentation(
            request
                .include_documentation
                .then(|| StrBytes::from_static_str(self.meaning.trim())),
        );
        if !request.include_synonyms {
            return answer;
        }
        answer.with_synonyms(
            self.values
                .into_iter()
                .filter(|(_, value, _)| value.is_some())
                .map(|(name, value, source)| {
                    DescribeConfigsSynonym::default()
                        .with_name(StrBytes::from_static_str(name))
                        .with_value(value.map(text))
                        .with_source(source)
                })
                .collect(),
        )
    }
}

fn describe(
    context: &Context,
    resource: &DescribeConfigsResource,
) -> Result<Vec<Described>, (ResponseError, String)> {
    let broker = &*context.broker;
    match resource.resource_type {
        resource::TOPIC => {
            context
                .allows(Operation::DescribeConfigs, &resource.resource_name)
                .map_err(|error| (error, error.to_string()))?;
            describe_topic(broker, &resource.resource_name)
        }
        resource::BROKER => {
            super::check_broker_name(broker, &resource.resource_name)?;
            Ok(if resource.resource_name.is_empty() {
                Vec::new()
            } else {
                describe_broker(context)
            })
        }
        resource::BROKER_LOGGER => {
            super::check_broker_name(broker, &resource.resource_name)?;
            Ok(Vec::new())
        }
        resource::CLIENT_METRICS | resource::GROUP if resource.resource_name.is_empty() => Err((
            ResponseError::InvalidRequest,
            "The name of the resource is missing.".to_owned(),
        )),
        resource::CLIENT_METRICS => Ok(Vec::new()),
        resource::GROUP => Ok(describe_group(broker, &resource.resource_name)),
        other => Err((
            ResponseError::InvalidRequest,
            format!("Unsupported resource type: {other}"),
        )),
    }
}

fn describe_topic(broker: &Broker, name: &str) -> Result<Vec<Described>, (ResponseError, String)> {
    crate::topics::check_name(name)
        .map_err(|error| (crate::errors::of_topic(&error), error.to_string()))?;
    let topic = broker.topics.get(name).ok_or_else(|| {
        (
            ResponseError::UnknownTopicOrPartition,
            "This server does not host this topic-partition.".to_owned(),
        )
    })?;
    let overrides = topic.overrides();
    Ok(topic::TABLE
        .iter()
        .map(|setting| {
            let mut values = Vec::new();
            if let Some(own) = overrides.get(setting.name) {
                values.push((setting.name, Some(own.clone()), OWN_OF_TOPIC));
            }
            let name = if setting.server.is_empty() {
                setting.name
            } else {
                setting.server
            };
            let fallback = topic::fallback(setting, &broker.settings);
            values.push((name, fallback, server_source(broker, setting.server)));
            Described {
                name: setting.name,
                kind: setting.kind,
                meaning: setting.meaning,
                read_only: false,
                values,
            }
        })
        .collect())
}

fn describe_broker(context: &Context) -> Vec<Described> {
    let broker = &*context.broker;
    settings::TABLE
        .iter()
        .map(|setting| {
            let mut values = Vec::new();
            if let Some(changed) = broker.settings.changed(setting.name) {
                values.push((setting.name, Some(changed), CHANGED));
            }
            if let Some(given) = broker.settings.given(setting.name) {
                values.push((setting.name, Some(given.to_owned()), GIVEN_AT_START));
            }
            if setting.name == settings::ADVERTISED_LISTENERS.name && values.is_empty() {
                let (host, port) = broker.advertised(&context.connection);
                let address = Some(format!("PLAINTEXT://{host}:{port}"));
                values.push((setting.name, address, GIVEN_AT_START));
            }
            values.push((setting.name, setting.default.map(str::to_owned), DEFAULT));
            Described {
                name: setting.name,
                kind: setting.kind,
                meaning: setting.meaning,
                read_only: !setting.dynamic,
                values,
            }
        })
        .collect()
}

fn describe_group(broker: &Broker, name: &str) -> Vec<Described> {
    let own = broker.changes.of_group(name);
    group::TABLE
        .iter()
        .map(|setting| {
            let mut values = Vec::new();
            if let Some(own) = own.get(setting.name) {
                values.push((setting.name, Some(own.clone()), OWN_OF_GROUP));
            }
            values.push((setting.name, Some(setting.default.to_owned()), DEFAULT));
            Described {
                name: setting.name,
                kind: setting.kind,
                meaning: setting.meaning,
                read_only: false,
                values,
            }
        })
        .collect()
}
