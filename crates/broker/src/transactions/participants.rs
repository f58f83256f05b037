//! The partitions that take part in transactions: where markers go, and who must hear of them.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use weir_log::{LogError, Offset};

use super::transaction::Producer;
use crate::errors;
use crate::groups::GroupCoordinator;
use crate::internal_topics::journal::Later;
use crate::topics::{CONSUMER_OFFSETS, Topics};

/// There is one coordinator, and it never changes hands.
const COORDINATOR_EPOCH: i32 = 0;

/// What a transaction's end needs of the partitions.
pub trait Participants: Send + Sync + 'static {
    /// Appends a marker and returns its offset; nothing if there is nobody to tell any more: the partition is gone, or a
    /// newer producer has ended the transaction there.
    fn mark(
        &self,
        topic: &str,
        partition: i32,
        producer: Producer,
        commit: bool,
    ) -> Result<Option<i64>, ResponseError>;

    /// Returns when the record at `offset` is durable.
    fn durable<'a>(
        &'a self,
        topic: &'a str,
        partition: i32,
        offset: i64,
    ) -> Later<'a, Result<(), ResponseError>>;

    /// The marker is durable.
    fn marked(&self, topic: &str, partition: i32, producer: Producer, commit: bool);
}

/// The broker's partitions, and the groups whose offsets are in some of them.
pub(crate) struct BrokerPartitions {
    pub topics: Arc<Topics>,
    pub groups: Arc<GroupCoordinator>,
}

impl Participants for BrokerPartitions {
    fn mark(
        &self,
        topic: &str,
        partition: i32,
        producer: Producer,
        commit: bool,
    ) -> Result<Option<i64>, ResponseError> {
        let Some(found) = self.topics.partition(topic, partition) else {
            return Ok(None);
        };
        match found
            .log
            .append_marker(producer.id, producer.epoch, commit, COORDINATOR_EPOCH)
        {
            Ok(appended) => Ok(Some(appended.last_offset.0)),
            Err(
                error @ (LogError::InvalidProducerEpoch { .. }
                | LogError::TransactionCoordinatorFenced { .. }),
            ) => {
                tracing::warn!(topic, partition, %error, "a transaction's marker was not needed");
                Ok(None)
            }
            Err(LogError::Closed { .. }) if self.topics.partition(topic, partition).is_none() => {
                Ok(None)
            }
            Err(error) => {
                tracing::warn!(topic, partition, %error, "a transaction's marker could not be written; tried again");
                Err(errors::of_log(&error))
            }
        }
    }

    fn durable<'a>(
        &'a self,
        topic: &'a str,
        partition: i32,
        offset: i64,
    ) -> Later<'a, Result<(), ResponseError>> {
        Box::pin(async move {
            let Some(found) = self.topics.partition(topic, partition) else {
                return Ok(());
            };
            match found.durable(Offset(offset)).await {
                Ok(()) => Ok(()),
                Err(_) if self.topics.partition(topic, partition).is_none() => Ok(()),
                Err(error) => Err(errors::of_log(&error)),
            }
        })
    }

    fn marked(&self, topic: &str, partition: i32, producer: Producer, commit: bool) {
        if topic == CONSUMER_OFFSETS {
            self.groups
                .complete_transaction(partition, producer.id, commit);
        }
    }
}
