//! `OffsetDelete` (KIP-496): forgets committed offsets of topics that no consumer of the group subscribes to.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::{Context, Handler};

pub(crate) struct OffsetDelete;

impl Handler for OffsetDelete {
    type Request = OffsetDeleteRequest;
    const VERSIONS: (i16, i16) = (0, 0);

    async fn handle(context: &Context, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
        let exists = |topic: &str, partition: i32| {
            context.broker.topics.partition(topic, partition).is_some()
        };
        let partitions: Vec<_> = request
            .topics
            .iter()
            .flat_map(|topic| {
                topic
                    .partitions
                    .iter()
                    .map(|partition| (topic.name.to_string(), partition.partition_index))
            })
            .collect();
        let known: Vec<_> = partitions
            .iter()
            .filter(|(topic, partition)| exists(topic, *partition))
            .cloned()
            .collect();
        let results = match context
            .broker
            .groups
            .delete_offsets(&request.group_id, &known)
            .await
        {
            Ok(results) => results,
            Err(error) => return OffsetDeleteResponse::default().with_error_code(error.code()),
        };
        let mut answers = known.iter().zip(results).peekable();
        let topics = request
            .topics
            .iter()
            .map(|topic| {
                let partitions = topic
                    .partitions
                    .iter()
                    .map(|partition| {
                        let index = partition.partition_index;
                        // Answers stand in the request's order: this partition's is the next one, or it has none.
                        let answer = answers.next_if(|((name, of), _)| {
                            name.as_str() == topic.name.as_str() && *of == index
                        });
                        let code = match answer {
                            Some((_, Ok(()))) => 0,
                            Some((_, Err(error))) => error.code(),
                            None => ResponseError::UnknownTopicOrPartition.code(),
                        };
                        OffsetDeleteResponsePartition::default()
                            .with_partition_index(index)
                            .with_error_code(code)
                    })
                    .collect();
                OffsetDeleteResponseTopic::default()
                    .with_name(topic.name.clone())
                    .with_partitions(partitions)
            })
            .collect();
        OffsetDeleteResponse::default().with_topics(topics)
    }
}
