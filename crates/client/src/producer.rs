//! Records in, deliveries out, a bounded number of bytes under way.
//!
//! The bound is on bytes, not on records: a record takes its size plus a fixed overhead, gives it back when it is delivered
//! or given up, and [`Producer::send`] waits for room. Nothing is dropped to make room.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use weir_base::time::Timestamp;

use crate::context::{Background, Context, Trouble, locked};
use crate::error::{check_topic_name, code_of, property_error, words};
use crate::kafka::{NO_TOPIC, hopeless, refused};
use crate::standstill::Standstill;
use crate::{ClientError, Kafka, NewRecord, Record};

/// What the library keeps for a record besides its bytes, roughly.
const OVERHEAD_BYTES: usize = 256;
/// The library's own bound on a batch, a little under Kafka's default for `max.message.bytes`.
const LIBRARY_BATCH_BYTES: usize = 1_000_000;
/// How long a new producer tries to hear of the cluster before it has records.
const WARM_UP_TIMEOUT: Duration = Duration::from_secs(2);

/// How many replicas must have a record before it counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// All in-sync replicas; with the embedded broker: synced to disk. Records are sent exactly once (KIP-98).
    #[default]
    All,
    /// The leader alone.
    Leader,
    /// None: delivery is not known.
    None,
}

/// How record batches are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the codecs' own")]
pub enum Compression {
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// How a producer works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerOptions {
    /// How long a record may wait for others to share a batch; 0 to 5 for what is live.
    pub linger_ms: u32,
    /// Compression of batches; pictures do not compress.
    pub compression: Option<Compression>,
    /// What counts as delivered.
    pub acks: Acks,
    /// Bytes that may be under way before [`Producer::send`] waits.
    pub max_in_flight_bytes: usize,
    /// The largest record batch, for topics whose `max.message.bytes` is small; a record larger than this goes alone.
    pub max_batch_bytes: usize,
    /// How long an undeliverable record is tried before its delivery fails; 0: for ever.
    pub delivery_timeout_ms: u32,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            linger_ms: 0,
            compression: None,
            acks: Acks::All,
            max_in_flight_bytes: 16 << 20,
            max_batch_bytes: LIBRARY_BATCH_BYTES,
            delivery_timeout_ms: 120_000,
        }
    }
}

/// Where a record ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// The partition.
    pub partition: i32,
    /// The offset; -1 where `acks` is `None`.
    pub offset: i64,
}

/// Sends records. Clones share one connection and one bound.
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Inner>,
    timeout_ms: u32,
}

struct Inner {
    producer: Arc<Background<ThreadedProducer<Context>>>,
    room: Arc<Semaphore>,
    room_bytes: u32,
    /// The first delivery that failed since the last flush.
    failed: Arc<Mutex<Option<ClientError>>>,
    standstill: Arc<Standstill>,
}

/// A record on its way to the library.
struct Outgoing<'a> {
    len_bytes: usize,
    topic: &'a Arc<str>,
    partition: Option<i32>,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    timestamp: Option<Timestamp>,
}

/// What the library is to be told so that it does not stamp a record itself, as it does where it is given 0. -1 stands for no time
/// in the protocol too.
fn time_as_read(at: Option<Timestamp>) -> Timestamp {
    match at {
        None => Timestamp(-1),
        Some(Timestamp(0)) => Timestamp(1),
        Some(at) => at,
    }
}

fn owned_headers<'a>(
    count: usize,
    headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
) -> Option<OwnedHeaders> {
    (count > 0).then(|| {
        headers.fold(
            OwnedHeaders::new_with_capacity(count),
            |headers, (key, value)| headers.insert(Header { key, value }),
        )
    })
}

/// What is remembered of a record while it is under way.
pub(crate) struct InFlight {
    outcome: oneshot::Sender<Result<Delivered, ClientError>>,
    failed: Arc<Mutex<Option<ClientError>>>,
    standstill: Arc<Standstill>,
    topic: Arc<str>,
    len_bytes: usize,
    timeout_ms: u32,
    _room: OwnedSemaphorePermit,
}

impl InFlight {
    pub(crate) fn delivered(self, partition: i32, offset: i64) {
        self.standstill.settled();
        // Nobody may be waiting: the future need not be kept.
        drop(self.outcome.send(Ok(Delivered { partition, offset })));
    }

    pub(crate) fn failed(self, error: &KafkaError, trouble: &Trouble) {
        self.standstill.settled();
        let topic = &self.topic;
        let what = format!("send to topic {topic:?}");
        let error = match code_of(error) {
            Some(Code::MessageSizeTooLarge) => ClientError::RecordTooLarge {
                topic: topic.to_string(),
                len_bytes: self.len_bytes,
            },
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => ClientError::NoSuchTopic {
                topic: topic.to_string(),
            },
            Some(Code::MessageTimedOut) => self.gave_up(&what, trouble),
            Some(Code::PurgeQueue | Code::PurgeInflight) => ClientError::Closed {
                what: "the record was delivered".to_owned(),
            },
            Some(code) => refused(&what, code),
            None => ClientError::Refused {
                what: format!("cannot {what}"),
                why: error.to_string(),
            },
        };
        locked(&self.failed).get_or_insert_with(|| error.clone());
        drop(self.outcome.send(Err(error)));
    }

    /// Why it was not acknowledged in all the time there was.
    fn gave_up(&self, what: &str, trouble: &Trouble) -> ClientError {
        if let Some((code, why)) = trouble.hopeless() {
            return hopeless(code, why);
        }
        if let Some(why) = self.standstill.why() {
            return why;
        }
        match trouble.last() {
            Some((_, why)) => ClientError::Refused {
                what: format!("cannot {what} within {} s", self.timeout_ms / 1_000),
                why,
            },
            None => ClientError::TimedOut {
                what: format!("cannot {what}"),
                after: Duration::from_millis(self.timeout_ms.into()),
            },
        }
    }
}

impl Kafka {
    /// A producer. Nothing is sent or connected yet.
    pub fn producer(&self, options: ProducerOptions) -> Result<Producer, ClientError> {
        self.producer_with(options, &[])
    }

    /// A producer for records that must lie in their partition one after the other as they were sent: a record that cannot be
    /// delivered is tried for as long as it takes, and one that is refused ends the producer before the next can pass it. The
    /// deliveries say why; what else was under way is given up, and where the partition ends must be asked anew.
    pub fn gapless_producer(&self, options: ProducerOptions) -> Result<Producer, ClientError> {
        let without_end = ProducerOptions {
            acks: Acks::All,
            delivery_timeout_ms: 0,
            ..options
        };
        self.producer_with(without_end, &[("enable.gapless.guarantee", "true")])
    }

    /// A producer with properties that the options do not know.
    pub(crate) fn producer_with(
        &self,
        options: ProducerOptions,
        properties: &[(&str, &str)],
    ) -> Result<Producer, ClientError> {
        let linger_ms = options.linger_ms.to_string();
        let timeout_ms = options.delivery_timeout_ms.to_string();
        let batch_bytes = options.max_batch_bytes.max(1).to_string();
        let mut fixed = vec![
            ("linger.ms", linger_ms.as_str()),
            ("message.timeout.ms", timeout_ms.as_str()),
            // `Producer::send` bounds what is under way; the library's own bounds would refuse instead of wait.
            ("queue.buffering.max.messages", "0"),
            ("queue.buffering.max.kbytes", "2147483647"),
        ];
        // The topic's max.message.bytes decides what is too large, not the sender. A batch stays under Kafka's default limit.
        if !self.is_set("message.max.bytes") {
            fixed.push(("message.max.bytes", "1000000000"));
        }
        // The same key goes to the same partition as with Kafka's Java client.
        if !self.is_set("partitioner") {
            fixed.push(("partitioner", "murmur2_random"));
        }
        match options.acks {
            Acks::All => fixed.extend([("acks", "all"), ("enable.idempotence", "true")]),
            Acks::Leader => fixed.extend([("acks", "1"), ("enable.idempotence", "false")]),
            Acks::None => fixed.extend([("acks", "0"), ("enable.idempotence", "false")]),
        }
        if let Some(compression) = options.compression {
            fixed.push((
                "compression.codec",
                match compression {
                    Compression::Gzip => "gzip",
                    Compression::Snappy => "snappy",
                    Compression::Lz4 => "lz4",
                    Compression::Zstd => "zstd",
                },
            ));
        }
        if options.max_batch_bytes < LIBRARY_BATCH_BYTES {
            fixed.push(("batch.size", &batch_bytes));
        }
        fixed.extend(properties);
        let producer: ThreadedProducer<Context> = self
            .config(&fixed)
            .create_with_context(Context::default())
            .map_err(|error| property_error(&error))?;
        let producer = Arc::new(Background::new(producer));
        self.warm_up(&producer);
        let room_bytes = u32::try_from(options.max_in_flight_bytes)
            .unwrap_or(u32::MAX)
            .max(1);
        let inner = Arc::new(Inner {
            producer,
            room: Arc::new(Semaphore::new(room_bytes as usize)),
            room_bytes,
            failed: Arc::default(),
            standstill: Arc::default(),
        });
        self.watch_over(&inner, options.acks);
        Ok(Producer {
            inner,
            timeout_ms: options.delivery_timeout_ms,
        })
    }
}

impl Kafka {
    /// Finds out what records wait for that are not acknowledged.
    fn watch_over(&self, inner: &Arc<Inner>, acks: Acks) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (standstill, inner) = (inner.standstill.clone(), Arc::downgrade(inner));
        let waiting = move || {
            let inner = inner.upgrade()?;
            Some(inner.room.available_permits() < inner.room_bytes as usize)
        };
        runtime.spawn(standstill.watch(self.clone(), acks, waiting));
    }

    /// The library asks for its producer id (KIP-98) half a second after it was started, or when it hears of the cluster; so
    /// that the first record need not wait for the former, this asks after the cluster.
    fn warm_up(&self, producer: &Arc<Background<ThreadedProducer<Context>>>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (kafka, producer) = (self.clone(), Arc::downgrade(producer));
        runtime.spawn(async move {
            if kafka.reach().await.is_err() {
                return;
            }
            // Nobody waits for it: a failure shows where a record is sent.
            drop(tokio::task::spawn_blocking(move || {
                // The first answer replaces the bootstrap address by the broker it belongs to; the second comes from that
                // broker, which can then be asked for an id.
                for _ in 0..2 {
                    let producer = producer.upgrade()?;
                    producer
                        .client()
                        .fetch_metadata(Some(NO_TOPIC), WARM_UP_TIMEOUT)
                        .ok()?;
                }
                Some(())
            }));
        });
    }
}

impl Producer {
    /// Hands a record over; waits while too many bytes are under way. The future says what became of it; it need not be
    /// polled for the record to be sent.
    ///
    /// A record larger than the whole bound goes alone.
    pub async fn send(&self, record: NewRecord) -> Result<DeliveryFuture, ClientError> {
        let headers = owned_headers(
            record.headers.len(),
            record
                .headers
                .iter()
                .map(|(key, value)| (&**key, Some(&**value))),
        );
        let outgoing = Outgoing {
            len_bytes: record.len_bytes(),
            topic: &record.topic,
            partition: record.partition,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            timestamp: record.timestamp,
        };
        self.hand_over(outgoing, headers).await
    }

    /// Hands over a record as it was read, to the topic and partition of the same name and number, with its time, or none where it
    /// has none. (Of 1970's first millisecond, 0, it becomes the second.)
    pub async fn send_as_read(&self, record: &Record) -> Result<DeliveryFuture, ClientError> {
        let headers = owned_headers(
            record.headers.len(),
            record
                .headers
                .iter()
                .map(|(key, value)| (&**key, value.as_deref())),
        );
        let outgoing = Outgoing {
            len_bytes: record.len_bytes(),
            topic: &record.topic,
            partition: Some(record.partition),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            timestamp: Some(time_as_read(record.timestamp)),
        };
        self.hand_over(outgoing, headers).await
    }

    async fn hand_over(
        &self,
        record: Outgoing<'_>,
        headers: Option<OwnedHeaders>,
    ) -> Result<DeliveryFuture, ClientError> {
        let len_bytes = record.len_bytes;
        let wanted = u32::try_from(len_bytes + OVERHEAD_BYTES)
            .unwrap_or(u32::MAX)
            .min(self.inner.room_bytes);
        let Ok(room) = self.inner.room.clone().acquire_many_owned(wanted).await else {
            unreachable!("the semaphore is never closed");
        };
        check_topic_name(record.topic)?;
        self.inner.standstill.sent_to(record.topic);
        let (outcome, receiver) = oneshot::channel();
        let in_flight = Box::new(InFlight {
            outcome,
            failed: self.inner.failed.clone(),
            standstill: self.inner.standstill.clone(),
            topic: record.topic.clone(),
            len_bytes,
            timeout_ms: self.timeout_ms,
            _room: room,
        });
        let sent = self.inner.producer.send(BaseRecord::<[u8], [u8], _> {
            topic: record.topic,
            partition: record.partition,
            payload: record.value,
            key: record.key,
            timestamp: record.timestamp.map(|at| at.0),
            headers,
            delivery_opaque: in_flight,
        });
        match sent {
            Ok(()) => Ok(DeliveryFuture { receiver }),
            Err((error, _)) => Err(match code_of(&error) {
                Some(Code::MessageSizeTooLarge) => ClientError::RecordTooLarge {
                    topic: record.topic.to_string(),
                    len_bytes,
                },
                Some(Code::UnknownPartition) => ClientError::NoSuchPartition {
                    topic: record.topic.to_string(),
                    partition: record.partition.unwrap_or(-1),
                },
                Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => {
                    ClientError::NoSuchTopic {
                        topic: record.topic.to_string(),
                    }
                }
                Some(Code::Fatal) => match self.inner.producer.client().fatal_error() {
                    Some((code, why)) => ClientError::Refused {
                        what: format!("the producer cannot go on ({})", words(code)),
                        why,
                    },
                    None => refused("send", Code::Fatal),
                },
                Some(code) => refused(&format!("send to topic {:?}", record.topic), code),
                None => ClientError::Refused {
                    what: format!("cannot send to topic {:?}", record.topic),
                    why: error.to_string(),
                },
            }),
        }
    }

    /// Waits until every record handed over so far is delivered or given up, and says why the first that was given up
    /// since the last flush was.
    pub async fn flush(&self) -> Result<(), ClientError> {
        // All the room there is: nothing is under way then.
        drop(self.inner.room.acquire_many(self.inner.room_bytes).await);
        self.take_failure().map_or(Ok(()), Err)
    }

    /// Bytes under way, as far as the bound counts them.
    pub fn in_flight_bytes(&self) -> usize {
        (self.inner.room_bytes as usize).saturating_sub(self.inner.room.available_permits())
    }

    /// What looks after its records.
    pub(crate) fn watched(&self) -> &Standstill {
        &self.inner.standstill
    }

    /// The library's producer.
    pub(crate) fn library(&self) -> Arc<Background<ThreadedProducer<Context>>> {
        self.inner.producer.clone()
    }

    /// Why the first record given up since the last look was.
    pub(crate) fn take_failure(&self) -> Option<ClientError> {
        locked(&self.inner.failed).take()
    }
}

/// What became of a record.
#[must_use = "a delivery that nobody looks at is a loss that nobody sees; `Producer::flush` tells of it too"]
pub struct DeliveryFuture {
    receiver: oneshot::Receiver<Result<Delivered, ClientError>>,
}

impl DeliveryFuture {
    /// What became of the record, if that is known by now.
    pub fn try_outcome(&mut self) -> Option<Result<Delivered, ClientError>> {
        match self.receiver.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(never_known())),
        }
    }
}

fn never_known() -> ClientError {
    ClientError::Closed {
        what: "the record was delivered".to_owned(),
    }
}

impl Future for DeliveryFuture {
    type Output = Result<Delivered, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Self::Output> {
        Poll::Ready(
            ready!(Pin::new(&mut self.receiver).poll(context))
                .unwrap_or_else(|_| Err(never_known())),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_was_read_is_never_stamped_with_the_time_of_now() {
        for (read, told) in [
            (None, -1),
            (Some(0), 1),
            (Some(1), 1),
            (Some(1_700_000_000_000), 1_700_000_000_000),
        ] {
            assert_eq!(time_as_read(read.map(Timestamp)), Timestamp(told));
        }
    }
}
