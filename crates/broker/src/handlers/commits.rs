//! What `OffsetCommit` and `TxnOffsetCommit` share: a request's partitions become the commits of those that exist, and what became
//! of these is answered partition by partition, in the request's order.

use std::iter::Peekable;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;

use super::Context;
use crate::groups::offsets::Commit;

/// One partition of a request.
pub(super) struct Asked<'a> {
    pub topic: &'a TopicName,
    pub partition: i32,
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: Option<&'a str>,
}

/// The commits of those partitions that exist.
pub(super) fn of_existing<'a>(
    context: &Context,
    asked: impl Iterator<Item = Asked<'a>>,
) -> Vec<Commit> {
    let topics = &context.broker.topics;
    asked
        .filter(|asked| topics.partition(asked.topic, asked.partition).is_some())
        .map(|asked| Commit {
            partition: (asked.topic.to_string(), asked.partition),
            offset: asked.offset,
            leader_epoch: asked.leader_epoch,
            metadata: asked.metadata.unwrap_or_default().to_owned(),
        })
        .collect()
}

/// The error codes of a request's partitions, asked for in the request's order. `result` has one entry a commit.
pub(super) fn codes<'a>(
    commits: &'a [Commit],
    result: &'a Result<Vec<Result<(), ResponseError>>, ResponseError>,
) -> impl FnMut(&TopicName, i32) -> i16 + 'a {
    let committed = commits.iter().map(|commit| &commit.partition);
    let mut answers: Peekable<_> = committed.zip(result.iter().flatten()).peekable();
    move |topic, partition| {
        if let Err(error) = result {
            return error.code();
        }
        // Commits stand in the request's order: this partition's is the next one, or it has none.
        let own = |((name, index), _): &(&(String, i32), &Result<(), ResponseError>)| {
            name.as_str() == topic.as_str() && *index == partition
        };
        match answers.next_if(own) {
            Some((_, Ok(()))) => 0,
            Some((_, Err(error))) => error.code(),
            None => ResponseError::UnknownTopicOrPartition.code(),
        }
    }
}
