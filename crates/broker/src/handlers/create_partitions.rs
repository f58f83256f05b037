//! `CreatePartitions` (KIP-195): gives topics more partitions, or says whether it could (`validate_only`).

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::{Context, Handler, text};
use crate::errors;
use crate::files::may_block;
use crate::security::Operation;
use crate::topics::MAX_NEW_PARTITIONS;

pub(crate) struct CreatePartitions;

impl Handler for CreatePartitions {
    type Request = CreatePartitionsRequest;
    const VERSIONS: (i16, i16) = (0, 3);

    async fn handle(
        context: &Context,
        request: CreatePartitionsRequest,
    ) -> CreatePartitionsResponse {
        let results = request
            .topics
            .iter()
            .map(|topic| {
                let result = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
                match may_block(|| grow(context, topic, request.validate_only)) {
                    Ok(()) => result,
                    Err((code, why)) => result
                        .with_error_code(code.code())
                        .with_error_message(Some(text(why))),
                }
            })
            .collect();
        CreatePartitionsResponse::default().with_results(results)
    }
}

fn grow(
    context: &Context,
    asked: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), (ResponseError, String)> {
    let broker = &*context.broker;
    context
        .allows(Operation::Alter, &asked.name)
        .map_err(|error| (error, error.to_string()))?;
    let topic = broker.topics.get(&asked.name).ok_or_else(|| {
        (
            ResponseError::UnknownTopicOrPartition,
            "This server does not host this topic-partition.".to_owned(),
        )
    })?;
    let now = topic.partitions().len() as i32;
    let refuse = |why| Err((ResponseError::InvalidPartitions, why));
    if asked.count == now {
        return refuse(format!("Topic already has {now} partition(s)."));
    }
    if asked.count < now {
        return refuse(format!(
            "The topic {} currently has {now} partition(s); {} would not be an increase.",
            asked.name.as_str(),
            asked.count
        ));
    }
    if asked.count > MAX_NEW_PARTITIONS {
        return refuse(format!(
            "A topic has at most {MAX_NEW_PARTITIONS} partitions here."
        ));
    }
    if let Some(assignments) = &asked.assignments {
        let here = assignments.iter().all(
            |assignment| matches!(assignment.broker_ids.as_slice(), [id] if id.0 == broker.node_id),
        );
        if assignments.len() as i32 != asked.count - now || !here {
            return Err((
                ResponseError::InvalidReplicaAssignment,
                format!(
                    "each of the {} new partitions needs broker {} as its only replica.",
                    asked.count - now,
                    broker.node_id
                ),
            ));
        }
    }
    if validate_only {
        return Ok(());
    }
    broker
        .topics
        .add_partitions(&topic, asked.count)
        .map_err(|error| (errors::of_topic(&error), error.to_string()))
}
