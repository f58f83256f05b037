//! Where a partition begins and ends, and what offset a time has.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};
use weir_base::time::Timestamp;

use crate::context::Context;
use crate::error::code_of;
use crate::kafka::ASK_TIMEOUT;
use crate::{ClientError, Kafka};

/// Where a partition begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The partition.
    pub partition: i32,
    /// The oldest record's offset.
    pub start: i64,
    /// The offset the next record will have, as far as readers may see.
    pub end: i64,
}

/// The first record at or after a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOffset {
    /// The partition.
    pub partition: i32,
    /// Its offset; `None` where all records are older.
    pub offset: Option<i64>,
}

/// `ListOffsets` takes these in a time's place (Kafka protocol, API 2): the next offset, the oldest offset.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// How long a partition the metadata names may be unknown to its leader, which hears of a new topic a moment later.
const UNKNOWN_GRACE: Duration = Duration::from_secs(2);
/// Between two tries.
const RETRY_AFTER: Duration = Duration::from_millis(50);

impl Kafka {
    /// Where each partition of `topic` begins and ends.
    pub async fn watermarks(&self, topic: &str) -> Result<Vec<Watermarks>, ClientError> {
        let partitions = self.partition_ids(topic).await?;
        self.watermarks_of(topic, &partitions).await
    }

    /// The first record of each partition with this timestamp or a later one.
    pub async fn offsets_at(
        &self,
        topic: &str,
        at: Timestamp,
    ) -> Result<Vec<TimedOffset>, ClientError> {
        let partitions = self.partition_ids(topic).await?;
        self.offsets_at_of(topic, &partitions, at).await
    }

    pub(crate) async fn partition_ids(&self, topic: &str) -> Result<Vec<i32>, ClientError> {
        Ok(self
            .topic(topic)
            .await?
            .partitions
            .iter()
            .map(|partition| partition.id)
            .collect())
    }

    /// Where these partitions of `topic` begin and end.
    pub async fn watermarks_of(
        &self,
        topic: &str,
        partitions: &[i32],
    ) -> Result<Vec<Watermarks>, ClientError> {
        let (name, ids) = (topic.to_owned(), partitions.to_vec());
        self.ask(&format!("read the ends of topic {topic:?}"), move |query| {
            let asked = Instant::now();
            let start = list_offsets(query, &name, &ids, EARLIEST, asked)?;
            let end = list_offsets(query, &name, &ids, LATEST, asked)?;
            Ok(start
                .into_iter()
                .zip(end)
                .map(|((partition, start), (_, end))| Watermarks {
                    partition,
                    start: start.unwrap_or(0),
                    end: end.unwrap_or(0),
                })
                .collect())
        })
        .await
    }

    pub(crate) async fn offsets_at_of(
        &self,
        topic: &str,
        partitions: &[i32],
        at: Timestamp,
    ) -> Result<Vec<TimedOffset>, ClientError> {
        let (name, ids) = (topic.to_owned(), partitions.to_vec());
        // A time before the epoch is before every record; -1 and -2 would mean something else.
        let at_ms = at.0.max(0);
        self.ask(
            &format!("look up a time in topic {topic:?}"),
            move |query| {
                Ok(list_offsets(query, &name, &ids, at_ms, Instant::now())?
                    .into_iter()
                    .map(|(partition, offset)| TimedOffset { partition, offset })
                    .collect())
            },
        )
        .await
    }
}

/// The offsets that belong to `time`, in the order of `partitions`. While leaders change or have yet to hear of a new topic it is
/// asked again, until [`ASK_TIMEOUT`] from `asked` on has passed.
fn list_offsets(
    query: &BaseConsumer<Context>,
    topic: &str,
    partitions: &[i32],
    time: i64,
    asked: Instant,
) -> KafkaResult<Vec<(i32, Option<i64>)>> {
    loop {
        let left = ASK_TIMEOUT.saturating_sub(asked.elapsed());
        let error = match list_offsets_once(query, topic, partitions, time, left) {
            Ok(offsets) => return Ok(offsets),
            Err(error) => error,
        };
        let until = patience(&error);
        if asked.elapsed() + RETRY_AFTER >= until {
            return Err(error);
        }
        std::thread::sleep(RETRY_AFTER);
        // The library keeps who leads in a cache; asking for the topic renews it.
        drop(query.fetch_metadata(Some(topic), until.saturating_sub(asked.elapsed())));
    }
}

/// How long trying on may help with an error (those `org.apache.kafka.common.errors.RetriableException` covers); zero for others.
fn patience(error: &KafkaError) -> Duration {
    match code_of(error) {
        Some(
            Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::ReplicaNotAvailable
            | Code::OffsetNotAvailable
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::KafkaStorageError,
        ) => ASK_TIMEOUT,
        Some(Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::UnknownTopic) => {
            UNKNOWN_GRACE
        }
        _ => Duration::ZERO,
    }
}

/// One `ListOffsets` for all partitions.
fn list_offsets_once(
    query: &BaseConsumer<Context>,
    topic: &str,
    partitions: &[i32],
    time: i64,
    timeout: Duration,
) -> KafkaResult<Vec<(i32, Option<i64>)>> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        // The library wants the time where the offset stands; as a raw value, -1 and -2 pass through.
        list.add_partition_offset(topic, *partition, Offset::from_raw(time))?;
    }
    let found = query.offsets_for_times(list, timeout)?;
    let mut offsets = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let Some(element) = found.find_partition(topic, *partition) else {
            offsets.push((*partition, None));
            continue;
        };
        element.error()?;
        offsets.push((
            *partition,
            match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            },
        ));
    }
    Ok(offsets)
}
