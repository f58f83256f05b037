//! `CreateTopics` (KIP-4): makes topics, or says whether they could be made (`validate_only`).
//!
//! Each topic is answered on its own. With one broker there is one replica; asking for more is refused as Kafka refuses it.

use std::collections::HashMap;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::{Context, Handler, text};
use crate::broker::Broker;
use crate::errors;
use crate::files::may_block;
use crate::security::Operation;
use crate::settings;
use crate::settings::topic::{self, Overrides};

pub(crate) struct CreateTopics;

/// A refusal: the code and a sentence.
type Refused = (ResponseError, String);

impl Handler for CreateTopics {
    type Request = CreateTopicsRequest;
    const VERSIONS: (i16, i16) = (2, 7);

    async fn handle(context: &Context, request: CreateTopicsRequest) -> CreateTopicsResponse {
        let mut times: HashMap<StrBytes, usize> = HashMap::new();
        for topic in &request.topics {
            *times.entry(topic.name.0.clone()).or_default() += 1;
        }
        let broker = &*context.broker;
        let mut results: Vec<CreatableTopicResult> = Vec::new();
        for asked in &request.topics {
            let made = match times.get(&asked.name.0) {
                Some(1) => may_block(|| create(context, asked, request.validate_only)),
                Some(_) => {
                    times.remove(&asked.name.0);
                    Err((
                        ResponseError::InvalidRequest,
                        "Duplicate topic name.".to_owned(),
                    ))
                }
                None => continue,
            };
            let result = CreatableTopicResult::default()
                .with_name(asked.name.clone())
                .with_error_message(None);
            results.push(match made {
                Ok(made) => result
                    .with_topic_id(made.id)
                    .with_num_partitions(made.partitions)
                    .with_replication_factor(1)
                    .with_configs(Some(configs(broker, &made.overrides))),
                Err((code, why)) => result
                    .with_error_code(code.code())
                    .with_error_message(Some(text(why)))
                    .with_num_partitions(-1)
                    .with_replication_factor(-1)
                    .with_configs(Some(Vec::new())),
            });
        }
        CreateTopicsResponse::default().with_topics(results)
    }
}

struct Made {
    id: Uuid,
    partitions: i32,
    overrides: Overrides,
}

fn create(context: &Context, asked: &CreatableTopic, validate_only: bool) -> Result<Made, Refused> {
    let broker = &*context.broker;
    context
        .allows(Operation::Create, &asked.name)
        .map_err(|error| (error, error.to_string()))?;
    let topic_refused =
        |error: crate::topics::TopicError| (errors::of_topic(&error), error.to_string());
    crate::topics::check_name(&asked.name).map_err(topic_refused)?;
    if crate::topics::is_internal(&asked.name) {
        return Err((
            ResponseError::InvalidTopicException,
            format!("Topic '{}' is the broker's own.", asked.name.as_str()),
        ));
    }
    let partitions = partitions(broker, asked)?;
    let mut overrides = Overrides::new();
    for config in &asked.configs {
        topic::check(&config.name, config.value.as_deref())
            .map_err(|why| (ResponseError::InvalidConfig, why))?;
        overrides.insert(
            config.name.to_string(),
            config
                .value
                .as_deref()
                .unwrap_or_default()
                .trim()
                .to_owned(),
        );
    }
    broker
        .topics
        .check_new(&asked.name, partitions)
        .map_err(topic_refused)?;
    if validate_only {
        return Ok(Made {
            id: Uuid::nil(),
            partitions,
            overrides,
        });
    }
    let topic = broker
        .topics
        .create(&asked.name, partitions, overrides.clone())
        .map_err(topic_refused)?;
    tracing::info!(topic = %topic.name, partitions, "topic created");
    Ok(Made {
        id: topic.id,
        partitions,
        overrides,
    })
}

/// How many partitions a topic is to get; refuses replicas that there is no broker for.
fn partitions(broker: &Broker, asked: &CreatableTopic) -> Result<i32, Refused> {
    if asked.assignments.is_empty() {
        if !matches!(asked.replication_factor, -1 | 1) {
            let factor = asked.replication_factor;
            return Err((
                ResponseError::InvalidReplicationFactor,
                if factor > 1 {
                    format!(
                        "Unable to replicate the partition {factor} time(s): The target replication factor of {factor} cannot be reached because only 1 broker(s) are registered."
                    )
                } else {
                    "Replication factor must be larger than 0, or -1 to use the default value."
                        .to_owned()
                },
            ));
        }
        return match asked.num_partitions {
            -1 => Ok(broker.settings.get(settings::NUM_PARTITIONS) as i32),
            count if count > 0 => Ok(count),
            _ => Err((
                ResponseError::InvalidPartitions,
                "Number of partitions was set to an invalid non-positive value.".to_owned(),
            )),
        };
    }
    if asked.num_partitions != -1 || asked.replication_factor != -1 {
        return Err((
            ResponseError::InvalidRequest,
            "A manual partition assignment was specified, but numPartitions or replicationFactor was not set to -1."
                .to_owned(),
        ));
    }
    let mut indexes: Vec<i32> = asked
        .assignments
        .iter()
        .map(|assignment| assignment.partition_index)
        .collect();
    indexes.sort_unstable();
    let consecutive = indexes.iter().zip(0..).all(|(index, due)| *index == due);
    let here = asked.assignments.iter().all(
        |assignment| matches!(assignment.broker_ids.as_slice(), [id] if id.0 == broker.node_id),
    );
    if !(consecutive && here) {
        return Err((
            ResponseError::InvalidReplicaAssignment,
            format!(
                "partitions should be numbered from 0 on, each with broker {} as its only replica.",
                broker.node_id
            ),
        ));
    }
    Ok(indexes.len() as i32)
}

/// All settings of a topic as it came out (KIP-525).
fn configs(broker: &Broker, overrides: &Overrides) -> Vec<CreatableTopicConfigs> {
    topic::TABLE
        .iter()
        .map(|setting| {
            let own = overrides.get(setting.name).cloned();
            let config = CreatableTopicConfigs::default()
                .with_name(StrBytes::from_static_str(setting.name))
                .with_config_source(super::describe_configs::source(broker, overrides, setting));
            let value = own.or_else(|| topic::fallback(setting, &broker.settings));
            config.with_value(value.map(text))
        })
        .collect()
}
