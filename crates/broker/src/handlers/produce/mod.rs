//! Produce: appends record batches to partitions.
//!
//! The body is [read](body) so that each partition's batches remain the buffer the socket filled; the log patches and writes
//! that very buffer. `acks=0` gets no answer, and a failure closes the connection. `acks=1` is answered when the batches are
//! written, `acks=-1` when they are durable, and the connection's next request is handled meanwhile. Versions 0 to 2 are
//! advertised because librdkafka compresses nothing for a broker that doesn't, and refused as Kafka 4 refuses them.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use tokio::time::Instant;
use weir_log::{Appended, LogError, Origin};

use super::{Api, Body, Context, Reply, encode, text, topic_name};
use crate::errors;
use crate::request::Malformed;
use crate::security::Operation;
use crate::topics::{Partition, Topic};

mod body;

use body::{PartitionRecords, Produce, TopicRecords};

/// The oldest version that carries batches of message format 2.
const OLDEST_SERVED: i16 = 3;

/// The version from which producers know `TRANSACTION_ABORTABLE` (KIP-890).
const TRANSACTION_ABORTABLE_FROM: i16 = 11;

pub(super) const API: Api = Api::by_hand::<ProduceRequest>((0, 13), |context, body| {
    Box::pin(async move { produce(context, body) })
});

/// Reads a body and throws it away.
pub(super) fn read(body: BytesMut, version: i16) -> Result<(), Malformed> {
    body::read(body, version).map(|_| ())
}

/// What became of one partition's batches.
struct Outcome {
    index: i32,
    result: Result<Written, Refused>,
}

struct Written {
    partition: Arc<Partition>,
    appended: Appended,
}

struct Refused {
    code: ResponseError,
    why: Option<String>,
    /// The records at fault, by their numbers in the batch (KIP-467).
    records: Vec<i32>,
}

impl From<ResponseError> for Refused {
    fn from(code: ResponseError) -> Self {
        Self {
            code,
            why: None,
            records: Vec::new(),
        }
    }
}

/// The outcomes of a topic's partitions, under the name or id they were asked by.
struct TopicOutcome {
    asked: body::TopicRef,
    partitions: Vec<Outcome>,
}

fn produce(context: &Context, body: BytesMut) -> Result<Reply, Malformed> {
    let version = context.version;
    let request = body::read(body, version)?;
    if version < OLDEST_SERVED {
        return Ok(Reply::Now(refuse_old(&request, version)));
    }
    let (acks, timeout_ms) = (request.acks, request.timeout_ms);
    let outcomes: Vec<TopicOutcome> = request
        .topics
        .into_iter()
        .map(|topic| append_topic(context, acks, request.transactional_id.as_deref(), topic))
        .collect();
    match acks {
        0 => {
            let failed = outcomes
                .iter()
                .flat_map(|topic| &topic.partitions)
                .any(|partition| partition.result.is_err());
            if failed {
                // The one way to tell a client that takes no answers.
                return Err(Malformed("a batch sent with acks=0 was refused"));
            }
            Ok(Reply::None)
        }
        -1 => {
            let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or_default());
            Ok(Reply::Later(Box::pin(async move {
                let outcomes = wait_until_durable(outcomes, timeout).await;
                answer(outcomes, version)
            })))
        }
        _ => Ok(Reply::Now(answer(outcomes, version))),
    }
}

fn append_topic(
    context: &Context,
    acks: i16,
    transactional_id: Option<&str>,
    asked: TopicRecords,
) -> TopicOutcome {
    let (topic, missing) = match &asked.topic {
        body::TopicRef::Name(name) => (
            context.broker.topics.get(name),
            ResponseError::UnknownTopicOrPartition,
        ),
        body::TopicRef::Id(id) => (
            context.broker.topics.by_id(*id),
            ResponseError::UnknownTopicId,
        ),
    };
    let partitions = asked
        .partitions
        .into_iter()
        .map(|records| Outcome {
            index: records.index,
            result: match &topic {
                Some(topic) => append(context, acks, transactional_id, topic, records),
                None => Err(missing.into()),
            },
        })
        .collect();
    TopicOutcome {
        asked: asked.topic,
        partitions,
    }
}

fn append(
    context: &Context,
    acks: i16,
    transactional_id: Option<&str>,
    topic: &Topic,
    asked: PartitionRecords,
) -> Result<Written, Refused> {
    if !matches!(acks, -1..=1) {
        return Err(ResponseError::InvalidRequiredAcks.into());
    }
    if topic.is_internal() {
        return Err(ResponseError::InvalidTopicException.into());
    }
    context.allows(Operation::Write, &topic.name)?;
    let partition = topic
        .partition(asked.index)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    if acks == -1 && topic.min_insync_replicas() > 1 {
        return Err(Refused {
            code: ResponseError::NotEnoughReplicas,
            records: Vec::new(),
            why: Some("min.insync.replicas asks for more replicas than the one there is".into()),
        });
    }
    let records = asked.records.ok_or_else(|| Refused {
        code: ResponseError::InvalidRecord,
        records: Vec::new(),
        why: Some("a partition without records was produced to".into()),
    })?;
    // KIP-110: a consumer may not know zstd before version 7 of Produce and 10 of Fetch.
    if context.version < 7 && body::compression(&records) == Some(body::ZSTD) {
        return Err(ResponseError::UnsupportedCompressionType.into());
    }
    let transaction = body::transaction(&records);
    let append = || partition.append(records, Origin::Client);
    let appended = match (transaction, transactional_id) {
        (None, _) => append(),
        // Clients of a cluster with access control are refused by this very code.
        (Some(_), None) => return Err(ResponseError::TransactionalIdAuthorizationFailed.into()),
        (Some(producer), Some(id)) => context
            .broker
            .transactions
            .within(id, producer, &topic.name, asked.index, append)
            .map_err(|code| not_in_transaction(code, context.version))?,
    };
    let appended = appended.map_err(|error| Refused {
        code: errors::of_log(&error),
        why: Some(error.to_string()),
        records: match error {
            LogError::RecordsWithoutKey { indexes } => indexes,
            _ => Vec::new(),
        },
    })?;
    Ok(Written {
        partition,
        appended,
    })
}

/// Why a record is not taken in its producer's transaction, in the words producers know from Produce (KIP-890).
fn not_in_transaction(code: ResponseError, version: i16) -> ResponseError {
    match code {
        ResponseError::ProducerFenced => ResponseError::InvalidProducerEpoch,
        // The last transaction is still being completed: to be tried again.
        ResponseError::ConcurrentTransactions => ResponseError::NotEnoughReplicas,
        ResponseError::InvalidTxnState if version >= TRANSACTION_ABORTABLE_FROM => {
            ResponseError::TransactionAbortable
        }
        code => code,
    }
}

async fn wait_until_durable(
    mut outcomes: Vec<TopicOutcome>,
    timeout: Duration,
) -> Vec<TopicOutcome> {
    let deadline = Instant::now() + timeout;
    for outcome in outcomes
        .iter_mut()
        .flat_map(|topic| topic.partitions.iter_mut())
    {
        let Ok(written) = &outcome.result else {
            continue;
        };
        let durable = written.partition.durable(written.appended.last_offset);
        let failure = match tokio::time::timeout_at(deadline, durable).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => errors::of_log(&error),
            Err(_) => ResponseError::RequestTimedOut,
        };
        outcome.result = Err(failure.into());
    }
    outcomes
}

fn answer(outcomes: Vec<TopicOutcome>, version: i16) -> Body {
    let responses = outcomes
        .into_iter()
        .map(|topic| {
            let partitions = topic
                .partitions
                .into_iter()
                .map(|outcome| partition(outcome, version))
                .collect();
            let response = TopicProduceResponse::default().with_partition_responses(partitions);
            match topic.asked {
                body::TopicRef::Name(name) => response.with_name(topic_name(&name)),
                body::TopicRef::Id(id) => response.with_topic_id(id),
            }
        })
        .collect();
    let response = ProduceResponse::default().with_responses(responses);
    encode(&response, version).unwrap_or_default()
}

fn partition(outcome: Outcome, version: i16) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(outcome.index);
    match outcome.result {
        Ok(Written { appended, .. }) => response
            .with_base_offset(appended.base_offset.0)
            .with_log_append_time_ms(appended.log_append_time.map_or(-1, |time| time.0))
            .with_log_start_offset(appended.log_start_offset.0),
        Err(refused) => response
            .with_error_code(refused.code.code())
            .with_record_errors(if version >= 8 {
                refused.records.into_iter().map(record_error).collect()
            } else {
                Vec::new()
            })
            .with_error_message(refused.why.map(text))
            .with_base_offset(-1)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(-1),
    }
}

fn record_error(index: i32) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage::default()
        .with_batch_index(index)
        .with_batch_index_error_message(Some(text(
            "Compacted topic cannot accept message without key.",
        )))
}

/// `UNSUPPORTED_VERSION` for every partition, in the versions that the codec no longer knows.
fn refuse_old(request: &Produce, version: i16) -> Body {
    let mut bytes = BytesMut::new();
    let code = ResponseError::UnsupportedVersion.code();
    bytes.put_i32(request.topics.len() as i32);
    for topic in &request.topics {
        let body::TopicRef::Name(name) = &topic.topic else {
            continue;
        };
        bytes.put_i16(name.len() as i16);
        bytes.put_slice(name.as_bytes());
        bytes.put_i32(topic.partitions.len() as i32);
        for partition in &topic.partitions {
            bytes.put_i32(partition.index);
            bytes.put_i16(code);
            bytes.put_i64(-1);
            if version >= 2 {
                bytes.put_i64(-1);
            }
        }
    }
    if version >= 1 {
        bytes.put_i32(0);
    }
    vec![bytes.freeze()]
}
