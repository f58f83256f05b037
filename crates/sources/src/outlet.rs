//! Where a source's records go: the topic, made if need be; the producer; what was acknowledged so far.
//!
//! Deliveries are looked at in the order they were handed over, so that the counts are of records acknowledged and the
//! first failure ends the source with its reason.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_base::time::Clock;
use weir_client::{
    ClientError, Created, DeliveryFuture, Kafka, NewRecord, Producer, ProducerOptions, TopicSpec,
};

use crate::{Ended, Progress, Snapshot, SourceError, Summary};

/// Kafka's default for `max.message.bytes`.
const DEFAULT_MAX_MESSAGE_BYTES: usize = 1_048_588;
/// What a batch of one record adds to it: batch header 61, record header at most 21, and a little for long headers.
const BATCH_OVERHEAD_BYTES: usize = 128;
/// Ctrl-C ends a source in less than a second; what is not acknowledged by then is told.
const LAST_FLUSH: Duration = Duration::from_millis(800);
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// Sentences about damage that are kept.
const MAX_DAMAGE: usize = 100;

/// A topic to be written to.
pub(crate) struct Target {
    pub(crate) topic: Arc<str>,
    pub(crate) max_message_bytes: usize,
    /// It was not there before.
    pub(crate) created: Created,
}

impl Target {
    /// Makes the topic if it is not there.
    pub(crate) async fn open(kafka: &Kafka, spec: TopicSpec) -> Result<Self, SourceError> {
        let topic: Arc<str> = Arc::from(spec.name.as_str());
        let wanted = spec
            .config
            .iter()
            .find(|(key, _)| key == "max.message.bytes")
            .and_then(|(_, value)| value.parse().ok());
        let created = match kafka.topic(&topic).await {
            Ok(_) => Created::AlreadyThere,
            Err(ClientError::NoSuchTopic { .. }) => kafka.create_topic(spec).await?,
            Err(error) => return Err(error.into()),
        };
        let max_message_bytes = match (created, wanted) {
            (Created::New, Some(limit)) => limit,
            _ => topic_limit(kafka, &topic).await,
        };
        Ok(Self {
            topic,
            max_message_bytes,
            created,
        })
    }
}

/// The longest value that is sure to go into a record without headers, where a batch may have so many bytes.
pub(crate) fn max_value_bytes(max_message_bytes: usize) -> usize {
    max_message_bytes.saturating_sub(BATCH_OVERHEAD_BYTES)
}

/// Records on their way into one topic.
pub(crate) struct Outlet {
    producer: Producer,
    topic: Arc<str>,
    max_message_bytes: usize,
    under_way: VecDeque<(DeliveryFuture, u64)>,
    records: u64,
    bytes: u64,
    passed_over: u64,
    damage: Vec<String>,
    clock: Arc<dyn Clock>,
    started: Duration,
    told: Duration,
    progress: Arc<dyn Progress>,
}

impl Outlet {
    /// Makes the topic if it is not there, and a producer.
    pub(crate) async fn open(
        kafka: &Kafka,
        topic: TopicSpec,
        options: ProducerOptions,
        clock: Arc<dyn Clock>,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, SourceError> {
        let target = Target::open(kafka, topic).await?;
        let started = clock.monotonic();
        let producer = kafka.producer(ProducerOptions {
            max_batch_bytes: max_value_bytes(target.max_message_bytes),
            ..options
        })?;
        producer.tell_standstill(progress.clone());
        Ok(Self {
            producer,
            topic: target.topic,
            max_message_bytes: target.max_message_bytes,
            under_way: VecDeque::new(),
            records: 0,
            bytes: 0,
            passed_over: 0,
            damage: Vec::new(),
            clock,
            started,
            told: started,
            progress,
        })
    }

    pub(crate) fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The longest value that is sure to go into a record without headers.
    pub(crate) fn max_value_bytes(&self) -> usize {
        max_value_bytes(self.max_message_bytes)
    }

    /// Whether the topic takes a record of this size.
    pub(crate) fn takes(&self, record: &NewRecord) -> bool {
        record.len_bytes() + BATCH_OVERHEAD_BYTES + 8 * record.headers.len()
            <= self.max_message_bytes
    }

    /// Hands a record over, waiting for room; `false` if told to end meanwhile.
    pub(crate) async fn send(
        &mut self,
        record: NewRecord,
        shutdown: &CancellationToken,
    ) -> Result<bool, SourceError> {
        self.collect()?;
        let bytes = record.value.as_ref().map_or(0, |value| value.len() as u64);
        let delivery = tokio::select! {
            biased;
            delivery = self.producer.send(record) => delivery?,
            () = shutdown.cancelled() => return Ok(false),
        };
        self.under_way.push_back((delivery, bytes));
        Ok(true)
    }

    /// Counts the deliveries that have come in.
    fn collect(&mut self) -> Result<(), SourceError> {
        while let Some((delivery, bytes)) = self.under_way.front_mut() {
            let bytes = *bytes;
            match delivery.try_outcome() {
                None => break,
                Some(Ok(_)) => {
                    self.records += 1;
                    self.bytes += bytes;
                    self.under_way.pop_front();
                }
                Some(Err(error)) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Tells how far it is, now and then.
    pub(crate) fn tell(&mut self, position: impl FnOnce() -> Snapshot) {
        let now = self.clock.monotonic();
        if now.saturating_sub(self.told) < TELL_EVERY {
            return;
        }
        self.told = now;
        let snapshot = Snapshot {
            records: self.records,
            bytes: self.bytes,
            ..position()
        };
        self.progress.update(&snapshot);
    }

    /// Tells a person something.
    pub(crate) fn note(&self, text: &str) {
        self.progress.note(text);
    }

    /// Tells a person that what it publishes from is not there just now.
    pub(crate) fn waiting(&self, why: &str) {
        self.progress.waiting(why);
    }

    /// Tells a person that it is there again.
    pub(crate) fn going_on(&self, text: &str) {
        self.progress.going_on(text);
    }

    /// Why a picture is not sent that the topic does not take.
    pub(crate) fn too_large(&self, record: &NewRecord, which: &str) -> String {
        format!(
            "{which} was left out: it has {} bytes and topic {:?} takes {}; raise the topic's max.message.bytes",
            record.len_bytes(),
            self.topic,
            self.max_message_bytes,
        )
    }

    /// Something was not sent: counts it and tells it.
    pub(crate) fn pass_over(&mut self, count: u64, why: Option<String>) {
        self.passed_over += count;
        if let Some(why) = why {
            self.progress.note(&why);
            if self.damage.len() < MAX_DAMAGE {
                self.damage.push(why);
            }
        }
    }

    /// Waits for what is under way, for not quite a second if told to end.
    pub(crate) async fn finish(mut self, ended: Ended) -> Result<Summary, SourceError> {
        let flushed = match ended {
            Ended::Finished => {
                // A failure is told by the delivery it belongs to.
                drop(self.producer.flush().await);
                true
            }
            Ended::Shutdown => tokio::time::timeout(LAST_FLUSH, self.producer.flush())
                .await
                .is_ok(),
        };
        self.collect()?;
        if !flushed {
            self.progress.note(&format!(
                "ended with {} records handed over that Kafka had not acknowledged; they may be in topic {:?} or not",
                self.under_way.len(),
                self.topic
            ));
        }
        let snapshot = Snapshot {
            records: self.records,
            bytes: self.bytes,
            ..Snapshot::default()
        };
        self.progress.update(&snapshot);
        Ok(Summary {
            records: self.records,
            bytes: self.bytes,
            passed_over: self.passed_over,
            damage: self.damage,
            took: self.clock.monotonic().saturating_sub(self.started),
            ended,
        })
    }
}

/// The topic's `max.message.bytes`; Kafka's default where it may not be read.
pub(crate) async fn topic_limit(kafka: &Kafka, topic: &str) -> usize {
    match kafka.topic_config(topic).await {
        Ok(settings) => settings
            .iter()
            .find(|setting| setting.name == "max.message.bytes")
            .and_then(|setting| setting.value.as_ref()?.parse().ok())
            .unwrap_or(DEFAULT_MAX_MESSAGE_BYTES),
        Err(error) => {
            tracing::debug!("{error}");
            DEFAULT_MAX_MESSAGE_BYTES
        }
    }
}
