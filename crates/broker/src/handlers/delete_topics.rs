//! `DeleteTopics`: by name, or from version 6 on by id as well (KIP-516). Each topic is answered on its own.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};

use super::{Context, Handler, text, topic_name};
use crate::errors;
use crate::files::may_block;
use crate::security::Operation;
use crate::settings;

pub(crate) struct DeleteTopics;

impl Handler for DeleteTopics {
    type Request = DeleteTopicsRequest;
    const VERSIONS: (i16, i16) = (1, 6);

    async fn handle(context: &Context, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
        let asked = request.topics.into_iter().chain(
            request
                .topic_names
                .into_iter()
                .map(|name| DeleteTopicState::default().with_name(Some(name))),
        );
        let responses = asked
            .map(|topic| may_block(|| delete(context, &topic)))
            .collect();
        DeleteTopicsResponse::default().with_responses(responses)
    }
}

fn delete(context: &Context, asked: &DeleteTopicState) -> DeletableTopicResult {
    let (broker, version) = (&*context.broker, context.version);
    let result = DeletableTopicResult::default()
        .with_name(asked.name.clone())
        .with_topic_id(asked.topic_id);
    let refuse = |result: DeletableTopicResult, code: ResponseError, why: &str| {
        result
            .with_error_code(code.code())
            .with_error_message(Some(text(why)))
    };
    if !broker.settings.get(settings::DELETE_TOPIC_ENABLE) {
        // Versions before 3 do not know the other code.
        let code = if version < 3 {
            ResponseError::InvalidRequest
        } else {
            ResponseError::TopicDeletionDisabled
        };
        return refuse(result, code, "Topic deletion is disabled.");
    }
    let topic = match &asked.name {
        Some(_) if !asked.topic_id.is_nil() => {
            return refuse(
                result,
                ResponseError::InvalidRequest,
                "Topic name and topic ID can not both be specified.",
            );
        }
        Some(name) => broker.topics.get(name),
        None => broker.topics.by_id(asked.topic_id),
    };
    let Some(topic) = topic else {
        let code = match asked.name {
            Some(_) => ResponseError::UnknownTopicOrPartition,
            None => ResponseError::UnknownTopicId,
        };
        return refuse(
            result,
            code,
            "This server does not host this topic-partition.",
        );
    };
    if let Err(error) = context.allows(Operation::Delete, &topic.name) {
        return refuse(result, error, &error.to_string());
    }
    let result = result
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.id);
    if topic.is_internal() {
        return refuse(
            result,
            ResponseError::InvalidTopicException,
            "The topic is the broker's own.",
        );
    }
    match broker.topics.delete(&topic) {
        Ok(()) => {
            // A topic made under this name later must not begin where groups left this one.
            broker.groups.forget_topic(&topic.name);
            tracing::info!(topic = %topic.name, "topic deleted");
            result
        }
        Err(error) => refuse(result, errors::of_topic(&error), &error.to_string()),
    }
}
