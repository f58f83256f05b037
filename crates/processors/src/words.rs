//! Running counts of the words of a text topic, each word's newest record in a compacted topic.
//!
//! Result: key = the word, value = `{"count":n}`, header `counted-to` = how far of each input partition is in it. A restart reads
//! the results back and goes on; every input record counts exactly once ([`counts`]). Values that are not UTF-8 are passed
//! over.

mod counts;
mod split;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::{
    ClientError, Created, Event, From, Kafka, NewRecord, Producer, ProducerOptions, Reader,
    ReaderOptions, Record, TopicSpec,
};

use self::counts::{Counts, parse_counted_to};
pub use self::split::{MAX_WORD_CHARS, words};
use crate::{ProcessorError, Progress, Snapshot, Summary};

/// The header that says how far of the input is in a count.
const COUNTED_TO: &str = "counted-to";
/// How often the position is committed: it only spares a restart some reading.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long the last flush may take once told to end.
const LAST_FLUSH: Duration = Duration::from_millis(800);

/// Counts words.
#[derive(Clone)]
pub struct Words {
    /// The text.
    pub topic: String,
    /// The counts: key = word, value = `{"count":n}`, compacted.
    pub to: String,
    /// The name under which the position is kept.
    pub group: String,
    /// Different words held in memory at most.
    pub max_words: usize,
    /// How long a changed count may wait to be written.
    pub flush_ms: u64,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Words {
    /// Counts `topic` into `to`.
    pub fn new(topic: impl Into<String>, to: impl Into<String>) -> Self {
        let to = to.into();
        Self {
            topic: topic.into(),
            group: format!("weir-words-{to}"),
            to,
            max_words: 1_000_000,
            flush_ms: 100,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Counts until `shutdown`.
    pub async fn run(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Summary, ProcessorError> {
        if self.topic == self.to {
            return Err(ProcessorError::ResultTopic {
                topic: self.to,
                why: "it is the topic being counted; name another with --to".to_owned(),
            });
        }
        kafka.topic(&self.topic).await?;
        let created = self.result_topic(kafka, &*progress).await?;
        let counts = tokio::select! {
            counts = self.restore(kafka) => counts?,
            () = shutdown.cancelled() => return Ok(Summary::default()),
        };
        // Without results the position of an earlier run would leave out what it had counted.
        let from = if created == Created::New || counts.len() == 0 {
            From::Start
        } else {
            From::Resume {
                group: self.group.clone(),
            }
        };
        let reader = kafka
            .reader(
                &self.topic,
                from,
                ReaderOptions {
                    commit_as: Some(self.group.clone()),
                    ..ReaderOptions::default()
                },
            )
            .await?;
        let producer = kafka.producer(ProducerOptions {
            linger_ms: 5,
            ..ProducerOptions::default()
        })?;
        let mut counting = Counting {
            flush_every: Duration::from_millis(self.flush_ms),
            to: Arc::from(self.to.as_str()),
            clock: self.clock.clone(),
            // A contradiction found while restoring is written anew soon.
            changed_since: counts.has_changed().then(|| self.clock.monotonic()),
            committed_at: self.clock.monotonic(),
            uncommitted: false,
            summary: Summary::default(),
            no_text: 0,
            read_bytes: 0,
            progress,
            counts,
            reader,
            producer,
        };
        counting.run(&shutdown).await?;
        Ok(counting.summary)
    }

    async fn result_topic(
        &self,
        kafka: &Kafka,
        progress: &dyn Progress,
    ) -> Result<Created, ProcessorError> {
        match kafka.topic(&self.to).await {
            Ok(_) => {
                let settings = kafka.topic_config(&self.to).await.unwrap_or_default();
                let policy = settings
                    .iter()
                    .find(|setting| setting.name == "cleanup.policy")
                    .and_then(|setting| setting.value.as_deref());
                if policy.is_some_and(|policy| policy != "compact") {
                    progress.note(&format!(
                        "topic {:?} has cleanup.policy={}: counts older than its retention will be lost; set it to compact",
                        self.to,
                        policy.unwrap_or_default()
                    ));
                }
                Ok(Created::AlreadyThere)
            }
            Err(ClientError::NoSuchTopic { .. }) => Ok(kafka
                .create_topic(
                    TopicSpec::new(&self.to)
                        .set("cleanup.policy", "compact")
                        // Only closed segments are compacted.
                        .set("segment.ms", "3600000"),
                )
                .await?),
            Err(error) => Err(error.into()),
        }
    }

    /// The counts of earlier runs.
    async fn restore(&self, kafka: &Kafka) -> Result<Counts, ProcessorError> {
        let mut counts = Counts::new(self.max_words);
        let mut reader = kafka
            .reader(&self.to, From::Start, ReaderOptions::default())
            .await?;
        let mut left = reader.positions().len();
        let mut last = (Bytes::new(), Arc::default());
        while left > 0 {
            match reader.next().await? {
                Event::CaughtUp { .. } => left -= 1,
                Event::Record(record) => restore(&mut counts, &record, &mut last).map_err(|why| {
                    ProcessorError::ResultTopic {
                        topic: self.to.clone(),
                        why: format!(
                            "the record at offset {} of partition {} {why}; name a topic of its own with --to",
                            record.offset, record.partition
                        ),
                    }
                })?,
                _ => {}
            }
        }
        Ok(counts)
    }
}

/// The header last read, and what it says: one flush wrote it to many results.
type LastHeader = (Bytes, Arc<counts::CountedTo>);

fn restore(counts: &mut Counts, record: &Record, last: &mut LastHeader) -> Result<(), String> {
    let word = record
        .key
        .as_deref()
        .and_then(|key| std::str::from_utf8(key).ok())
        .ok_or("has no word for a key")?;
    let Some(value) = &record.value else {
        counts.forget(word);
        return Ok(());
    };
    let count = serde_json::from_slice::<serde_json::Value>(value)
        .ok()
        .and_then(|value| value.get("count")?.as_u64())
        .ok_or("holds no {\"count\":n}")?;
    let header = record
        .header(COUNTED_TO)
        .ok_or("has no header counted-to")?;
    if last.0 != header {
        let counted_to = parse_counted_to(header).ok_or("has a counted-to that is none")?;
        *last = (Bytes::copy_from_slice(header), Arc::new(counted_to));
    }
    counts
        .restore(word, count, last.1.clone())
        .map_err(|error| error.to_string())
}

/// A run under way.
struct Counting {
    counts: Counts,
    reader: Reader,
    producer: Producer,
    to: Arc<str>,
    flush_every: Duration,
    clock: Arc<dyn Clock>,
    /// When the first change came that is not yet written.
    changed_since: Option<Duration>,
    committed_at: Duration,
    uncommitted: bool,
    summary: Summary,
    no_text: u64,
    read_bytes: u64,
    progress: Arc<dyn Progress>,
}

impl Counting {
    async fn run(&mut self, shutdown: &CancellationToken) -> Result<(), ProcessorError> {
        loop {
            let now = self.clock.monotonic();
            let flush_in = self
                .changed_since
                .map(|since| (since + self.flush_every).saturating_sub(now));
            if flush_in.is_some_and(|wait| wait.is_zero()) {
                self.flush().await?;
                self.commit_now_and_then().await;
                continue;
            }
            let wait = match (flush_in, self.uncommitted) {
                (Some(wait), _) => Some(wait),
                (None, true) => Some((self.committed_at + COMMIT_EVERY).saturating_sub(now)),
                (None, false) => None,
            };
            let timer = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                event = self.reader.next() => self.take(event?)?,
                () = timer => self.commit_now_and_then().await,
            }
        }
        // What was counted and cannot be written in time is counted again by the next run.
        match tokio::time::timeout(LAST_FLUSH, self.flush()).await {
            Ok(flushed) => flushed?,
            Err(_) => return Ok(()),
        }
        self.committed_at = Duration::ZERO;
        drop(tokio::time::timeout(LAST_FLUSH, self.commit_now_and_then()).await);
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), ProcessorError> {
        match event {
            Event::Record(record) => {
                self.summary.read += 1;
                self.read_bytes += record.value.as_ref().map_or(0, |value| value.len() as u64);
                self.uncommitted = true;
                match record.value.as_deref().map(std::str::from_utf8) {
                    Some(Ok(text)) => self.counts.add(record.partition, record.offset, text)?,
                    None => {}
                    Some(Err(_)) => {
                        self.no_text += 1;
                        if self.no_text == 1 {
                            self.progress.note(&format!(
                                "records that are no text are passed over; the first is at offset {} of partition {}",
                                record.offset, record.partition
                            ));
                        }
                    }
                }
                if self.changed_since.is_none() && self.counts.has_changed() {
                    self.changed_since = Some(self.clock.monotonic());
                }
            }
            Event::Gap {
                partition,
                from,
                to,
            } => self.progress.note(&format!(
                "offsets {from} to {to} of partition {partition} are gone and not counted"
            )),
            Event::Disconnected { why } => self.progress.note(&format!("waiting: {why}")),
            Event::Reconnected => self.progress.note("Kafka answers again"),
            _ => {}
        }
        Ok(())
    }

    /// Writes the counts that changed, and waits until they are acknowledged.
    async fn flush(&mut self) -> Result<(), ProcessorError> {
        self.changed_since = None;
        let changed = self.counts.take_changed(&self.reader.positions());
        if changed.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        for result in &changed {
            let value = format!("{{\"count\":{}}}", result.count);
            let record = NewRecord::new(self.to.clone(), value)
                .key(Bytes::copy_from_slice(result.word.as_bytes()))
                .header(COUNTED_TO, result.counted_to.clone())
                .timestamp(now);
            // `flush` tells of the deliveries.
            drop(self.producer.send(record).await?);
        }
        self.producer.flush().await?;
        self.summary.written += changed.len() as u64;
        self.progress.update(&Snapshot {
            records: self.summary.read,
            bytes: self.read_bytes,
            ..Snapshot::default()
        });
        Ok(())
    }

    async fn commit_now_and_then(&mut self) {
        let now = self.clock.monotonic();
        if !self.uncommitted || now < self.committed_at + COMMIT_EVERY || self.counts.has_changed()
        {
            return;
        }
        self.committed_at = now;
        self.uncommitted = false;
        if let Err(error) = self.reader.commit(&self.reader.positions()).await {
            // The results themselves say how far they are.
            tracing::debug!("{error}");
        }
    }
}
