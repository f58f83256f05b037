//! Metadata: the brokers, and topics with their partitions and leaders.
//!
//! Of no topics named, all. A topic that is named and not there comes into being if the client allows it (version 4 on) and
//! `auto.create.topics.enable` says so; else it is answered with `UNKNOWN_TOPIC_OR_PARTITION`. Ids are looked up, never made.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse};

use super::{
    CLUSTER_OPERATIONS, Context, Handler, OPERATIONS_NOT_ASKED, TOPIC_OPERATIONS, text, topic_name,
};
use crate::broker::Broker;
use crate::errors;
use crate::files::may_block;
use crate::security::Operation;
use crate::settings;
use crate::topics::Topic;

pub(crate) struct Metadata;

impl Handler for Metadata {
    type Request = MetadataRequest;
    const VERSIONS: (i16, i16) = (0, 13);

    async fn handle(context: &Context, request: MetadataRequest) -> MetadataResponse {
        let broker = &*context.broker;
        let (host, port) = broker.advertised(&context.connection);
        let topic_operations = if request.include_topic_authorized_operations {
            TOPIC_OPERATIONS
        } else {
            OPERATIONS_NOT_ASKED
        };
        let may_create = context.version < 4 || request.allow_auto_topic_creation;
        let topics = match request.topics {
            Some(topics) if !(topics.is_empty() && context.version == 0) => topics
                .into_iter()
                .map(|topic| named(context, topic, may_create))
                .collect(),
            _ => broker
                .topics
                .list()
                .iter()
                .filter(|topic| context.allows(Operation::Describe, &topic.name).is_ok())
                .map(|topic| describe(broker, topic))
                .collect::<Vec<_>>(),
        };
        let rack = broker.settings.get(settings::BROKER_RACK);
        MetadataResponse::default()
            .with_brokers(vec![
                MetadataResponseBroker::default()
                    .with_node_id(BrokerId(broker.node_id))
                    .with_host(text(host))
                    .with_port(port)
                    .with_rack((!rack.is_empty()).then(|| text(rack))),
            ])
            .with_cluster_id(Some(text(&*broker.cluster_id)))
            .with_controller_id(BrokerId(broker.node_id))
            .with_cluster_authorized_operations(if request.include_cluster_authorized_operations {
                CLUSTER_OPERATIONS
            } else {
                OPERATIONS_NOT_ASKED
            })
            .with_topics(
                topics
                    .into_iter()
                    .map(|topic| topic.with_topic_authorized_operations(topic_operations))
                    .collect(),
            )
    }
}

fn named(
    context: &Context,
    asked: MetadataRequestTopic,
    may_create: bool,
) -> MetadataResponseTopic {
    let (broker, version) = (&*context.broker, context.version);
    let Some(name) = asked.name else {
        return match broker.topics.by_id(asked.topic_id) {
            Some(topic) if context.allows(Operation::Describe, &topic.name).is_ok() => {
                describe(broker, &topic)
            }
            // Versions before 12 cannot say that there is no name.
            _ => MetadataResponseTopic::default()
                .with_error_code(ResponseError::UnknownTopicId.code())
                .with_name((version < 12).then(|| topic_name("")))
                .with_topic_id(asked.topic_id),
        };
    };
    if let Err(error) = context.allows(Operation::Describe, &name) {
        return MetadataResponseTopic::default()
            .with_error_code(error.code())
            .with_name(Some(name));
    }
    let found = match broker.topics.get(&name) {
        Some(topic) => Ok(topic),
        None if may_create && broker.settings.get(settings::AUTO_CREATE_TOPICS_ENABLE) => {
            may_block(|| broker.create_by_default(&name))
        }
        None => crate::topics::check_name(&name).and(Err(crate::topics::TopicError::Unknown)),
    };
    match found {
        Ok(topic) => describe(broker, &topic),
        Err(error) => MetadataResponseTopic::default()
            .with_error_code(errors::of_topic(&error).code())
            .with_name(Some(name)),
    }
}

fn describe(broker: &Broker, topic: &Arc<Topic>) -> MetadataResponseTopic {
    let node = BrokerId(broker.node_id);
    MetadataResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.id)
        .with_is_internal(topic.is_internal())
        .with_partitions(
            topic
                .partitions()
                .iter()
                .map(|partition| {
                    MetadataResponsePartition::default()
                        .with_partition_index(partition.index)
                        .with_leader_id(node)
                        .with_leader_epoch(partition.log.leader_epoch())
                        .with_replica_nodes(vec![node])
                        .with_isr_nodes(vec![node])
                })
                .collect(),
        )
}
