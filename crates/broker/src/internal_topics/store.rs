//! The internal topics as the broker keeps them: partitions like any other's, made when they are first needed.

use std::sync::Arc;

use bytes::BytesMut;
use kafka_protocol::error::ResponseError;
use weir_log::{Isolation, LogError, Offset, Origin};

use super::batch::{self, Content};
use super::journal::{Appended, InternalTopic, Later};
use crate::errors;
use crate::settings::topic::Overrides;
use crate::settings::{self, Settings};
use crate::topics::{CONSUMER_OFFSETS, Partition, TRANSACTION_STATE, Topics};

/// How much is read of a partition at once when its state is loaded.
const READ_BYTES: usize = 1024 * 1024;

/// One internal topic.
pub(crate) struct TopicStore {
    topics: Arc<Topics>,
    name: &'static str,
    partitions: i32,
    overrides: Overrides,
}

impl TopicStore {
    /// `__consumer_offsets`.
    pub fn consumer_offsets(topics: &Arc<Topics>, settings: &Settings) -> Self {
        let segment_bytes = settings.get(settings::OFFSETS_TOPIC_SEGMENT_BYTES);
        Self::new(
            topics,
            CONSUMER_OFFSETS,
            settings.get(settings::OFFSETS_TOPIC_NUM_PARTITIONS) as i32,
            &[("compression.type", "producer")],
            segment_bytes,
        )
    }

    /// `__transaction_state`.
    pub fn transaction_state(topics: &Arc<Topics>, settings: &Settings) -> Self {
        let segment_bytes = settings.get(settings::TRANSACTION_STATE_LOG_SEGMENT_BYTES);
        Self::new(
            topics,
            TRANSACTION_STATE,
            settings.get(settings::TRANSACTION_STATE_LOG_NUM_PARTITIONS) as i32,
            &[
                ("compression.type", "uncompressed"),
                ("min.insync.replicas", "1"),
                ("unclean.leader.election.enable", "false"),
            ],
            segment_bytes,
        )
    }

    fn new(
        topics: &Arc<Topics>,
        name: &'static str,
        partitions: i32,
        settings: &[(&str, &str)],
        segment_bytes: i64,
    ) -> Self {
        let mut overrides: Overrides = settings
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        overrides.insert("cleanup.policy".into(), "compact".into());
        overrides.insert("segment.bytes".into(), segment_bytes.to_string());
        Self {
            topics: Arc::clone(topics),
            name,
            partitions,
            overrides,
        }
    }

    fn partition(&self, partition: i32) -> Result<Arc<Partition>, ResponseError> {
        self.topics
            .partition(self.name, partition)
            .ok_or(ResponseError::CoordinatorNotAvailable)
    }
}

impl InternalTopic for TopicStore {
    fn partitions(&self) -> i32 {
        self.topics
            .get(self.name)
            .map_or(self.partitions, |topic| topic.partitions().len() as i32)
    }

    fn ensure(&self) -> Later<'_, Result<(), ResponseError>> {
        Box::pin(async {
            if self.topics.get(self.name).is_some() {
                return Ok(());
            }
            let (topics, name) = (Arc::clone(&self.topics), self.name);
            let (partitions, overrides) = (self.partitions, self.overrides.clone());
            let made = tokio::task::spawn_blocking(move || {
                topics
                    .get_or_create(name, partitions, overrides)
                    .map(|_| ())
            })
            .await;
            match made {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => {
                    tracing::warn!(topic = self.name, %error, "the internal topic could not be made");
                    Err(ResponseError::CoordinatorNotAvailable)
                }
                Err(_) => Err(ResponseError::CoordinatorNotAvailable),
            }
        })
    }

    fn append(&self, partition: i32, batch: BytesMut) -> Result<Appended, ResponseError> {
        let appended = self
            .partition(partition)?
            .append(batch, Origin::Coordinator)
            .map_err(|error| refused(&error))?;
        Ok(Appended {
            base_offset: appended.base_offset.0,
            last_offset: appended.last_offset.0,
        })
    }

    fn durable(&self, partition: i32, last_offset: i64) -> Later<'_, Result<(), ResponseError>> {
        Box::pin(async move {
            self.partition(partition)?
                .durable(Offset(last_offset))
                .await
                .map_err(|error| refused(&error))
        })
    }

    fn read(&self, partition: i32, each: &mut dyn FnMut(Content)) -> Result<(), ResponseError> {
        let Some(partition) = self.topics.partition(self.name, partition) else {
            return Ok(());
        };
        let offsets = partition.log.offsets();
        let mut next = offsets.log_start;
        while next < offsets.log_end {
            let read = partition
                .log
                .read(next, READ_BYTES, Isolation::LogEnd)
                .map_err(|error| refused(&error))?;
            let mut advanced = false;
            for batches in read.batches {
                let mut rest = &batches[..];
                while !rest.is_empty() {
                    let Some((after, len)) = batch::extent(rest) else {
                        break;
                    };
                    match batch::decode(rest) {
                        Ok((content, _)) => each(content),
                        Err(error) => {
                            tracing::warn!(topic = self.name, partition = partition.index, offset = next.0, %error, "a batch could not be read and was passed over");
                        }
                    }
                    next = Offset(after.max(next.0 + 1));
                    advanced = true;
                    rest = rest.get(len..).unwrap_or_default();
                }
            }
            if !advanced {
                break;
            }
        }
        Ok(())
    }
}

/// What a client is told when the coordinator cannot write: to try again, unless what it sent is too large.
fn refused(error: &LogError) -> ResponseError {
    match errors::of_log(error) {
        code @ (ResponseError::MessageTooLarge
        | ResponseError::RecordListTooLarge
        | ResponseError::InvalidProducerEpoch
        | ResponseError::TransactionCoordinatorFenced) => code,
        _ => ResponseError::CoordinatorNotAvailable,
    }
}
