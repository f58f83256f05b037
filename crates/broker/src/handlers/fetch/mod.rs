//! Fetch: record batches from partitions, as they are in the log.
//!
//! Waits until there are `min_bytes` or `max_wait_ms` have passed, woken when a partition's high watermark moves. The answer is
//! [put together](answer) of the log's own buffers. Every fetch is a full one: the answer's session id is always 0, which
//! KIP-227 has clients take as "no session".

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use tokio::sync::Notify;
use tokio::time::Instant;
use weir_log::{Isolation, LogError, Offset, ReadBatches};

use super::{Api, Context, Reply, decode};
use crate::errors;
use crate::files::may_block;
use crate::request::Malformed;
use crate::security::Operation;
use crate::settings;
use crate::topics::{Partition, Topic};

mod answer;

use answer::{Answer, Diverging, PartitionAnswer, TopicAnswer};

/// The longest a fetch waits, whatever the client asks for.
const MAX_WAIT: Duration = Duration::from_mins(10);

pub(super) const API: Api =
    Api::by_hand::<FetchRequest>((4, 18), |context, body| Box::pin(fetch(context, body)));

async fn fetch(context: &Context, body: BytesMut) -> Result<Reply, Malformed> {
    let request: FetchRequest = decode(body.freeze(), context.version)?;
    let version = context.version;
    // A session that was never given (KIP-227): the client begins anew, without one.
    if request.session_id != 0 && request.session_epoch > 0 {
        let answer = Answer {
            error: Some(ResponseError::FetchSessionIdNotFound),
            topics: Vec::new(),
        };
        return Ok(Reply::Now(answer.encode(version)));
    }
    let plan = Plan::new(context, &request);
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or_default());
    let deadline = Instant::now() + wait.min(MAX_WAIT);
    let notify = Arc::new(Notify::new());
    let waiting: Vec<_> = plan
        .partitions()
        .map(|partition| partition.wait(&notify))
        .collect();
    let answer = loop {
        let (answer, enough) = plan.read();
        if enough || Instant::now() >= deadline {
            break answer;
        }
        drop(answer);
        tokio::select! {
            () = notify.notified() => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = context.closing.cancelled() => {
                let (answer, _) = plan.read();
                break answer;
            }
        }
    };
    drop(waiting);
    Ok(Reply::Now(answer.encode(version)))
}

/// A fetch with its partitions looked up.
struct Plan<'a> {
    topics: Vec<PlannedTopic<'a>>,
    by_id: bool,
    isolation: Isolation,
    min_bytes: usize,
    max_bytes: usize,
}

struct PlannedTopic<'a> {
    asked: &'a FetchTopic,
    topic: Option<Arc<Topic>>,
    partitions: Vec<Found<'a>>,
}

struct Found<'a> {
    asked: &'a FetchPartition,
    partition: Result<Arc<Partition>, ResponseError>,
}

impl<'a> Plan<'a> {
    fn new(context: &Context, request: &'a FetchRequest) -> Self {
        let by_id = context.version >= 13;
        let topics = request
            .topics
            .iter()
            .map(|asked| {
                let (topic, missing) = if by_id {
                    (
                        context.broker.topics.by_id(asked.topic_id),
                        ResponseError::UnknownTopicId,
                    )
                } else {
                    (
                        context.broker.topics.get(&asked.topic),
                        ResponseError::UnknownTopicOrPartition,
                    )
                };
                let allowed = topic
                    .as_ref()
                    .map_or(Ok(()), |topic| context.allows(Operation::Read, &topic.name));
                let partitions = asked
                    .partitions
                    .iter()
                    .map(|at| Found {
                        asked: at,
                        partition: match &topic {
                            Some(_) if allowed.is_err() => {
                                Err(ResponseError::TopicAuthorizationFailed)
                            }
                            Some(topic) => topic
                                .partition(at.partition)
                                .ok_or(ResponseError::UnknownTopicOrPartition),
                            None => Err(missing),
                        },
                    })
                    .collect();
                PlannedTopic {
                    asked,
                    topic,
                    partitions,
                }
            })
            .collect();
        let most = context.broker.settings.get(settings::FETCH_MAX_BYTES);
        Self {
            topics,
            by_id,
            isolation: if request.isolation_level == 1 {
                Isolation::LastStable
            } else {
                Isolation::HighWatermark
            },
            min_bytes: usize::try_from(request.min_bytes).unwrap_or_default(),
            max_bytes: usize::try_from(i64::from(request.max_bytes).min(most)).unwrap_or_default(),
        }
    }

    fn partitions(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .filter_map(|found| found.partition.as_ref().ok())
    }

    /// Reads what there is; true when that is reason to answer.
    fn read(&self) -> (Answer, bool) {
        let mut left = self.max_bytes;
        let mut total = 0;
        let mut at_once = self.partitions().next().is_none();
        let topics = self
            .topics
            .iter()
            .map(|planned| {
                let partitions = planned
                    .partitions
                    .iter()
                    .map(|found| {
                        let answer = self.read_partition(found, left, total == 0);
                        total += answer.len_bytes();
                        left = left.saturating_sub(answer.len_bytes());
                        at_once |= answer.error.is_some() || answer.diverging.is_some();
                        answer
                    })
                    .collect();
                TopicAnswer {
                    name: match &planned.topic {
                        Some(topic) if !self.by_id => Bytes::copy_from_slice(topic.name.as_bytes()),
                        _ => planned.asked.topic.0.clone().into_bytes(),
                    },
                    id: planned.asked.topic_id,
                    partitions,
                }
            })
            .collect();
        let answer = Answer {
            error: None,
            topics,
        };
        (answer, at_once || total >= self.min_bytes)
    }

    fn read_partition(&self, found: &Found<'_>, left: usize, first: bool) -> PartitionAnswer {
        let asked = found.asked;
        let refuse = |error| PartitionAnswer::refused(asked.partition, error);
        let partition = match &found.partition {
            Ok(partition) => partition,
            Err(error) => return refuse(*error),
        };
        let log = &partition.log;
        if let Err(error) =
            super::check_leader_epoch(log.leader_epoch(), asked.current_leader_epoch)
        {
            return refuse(error);
        }
        let offsets = log.offsets();
        let mut answer = PartitionAnswer::empty(asked.partition, offsets);
        if asked.last_fetched_epoch >= 0 {
            let (epoch, end) = log.end_offset_for_epoch(asked.last_fetched_epoch);
            if epoch < asked.last_fetched_epoch || end.0 < asked.fetch_offset {
                answer.diverging = Some(Diverging { epoch, end });
                return answer;
            }
        }
        let most = left.min(usize::try_from(asked.partition_max_bytes).unwrap_or_default());
        // Only the first partition with records may exceed what is asked for, with its first batch (KIP-74).
        if most == 0 && !first {
            return answer;
        }
        let from = Offset(asked.fetch_offset);
        let end = match self.isolation {
            Isolation::LastStable => offsets.last_stable,
            _ => offsets.high_watermark,
        };
        if from >= end && from <= offsets.log_end && from >= offsets.log_start {
            if self.isolation == Isolation::LastStable {
                answer.aborted = Some(Vec::new());
            }
            return answer;
        }
        match read(partition, from, most, self.isolation) {
            Ok(read) => {
                let len: usize = read.batches.iter().map(Bytes::len).sum();
                answer.offsets = read.offsets;
                if self.isolation == Isolation::LastStable {
                    answer.aborted = Some(read.aborted);
                }
                if first || len <= most {
                    answer.batches = read.batches;
                }
                answer
            }
            Err(error) => {
                if !matches!(error, LogError::OffsetOutOfRange { .. }) {
                    tracing::warn!(topic = %partition.topic, partition = partition.index, %error, "fetch failed");
                }
                refuse(errors::of_log(&error))
            }
        }
    }
}

fn read(
    partition: &Partition,
    from: Offset,
    max_bytes: usize,
    isolation: Isolation,
) -> Result<ReadBatches, LogError> {
    may_block(|| partition.log.read(from, max_bytes, isolation))
}
