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
    ClientError, Created, Event, From, Kafka, NewRecord, Producer, ProducerOptions, ReaderOptions,
    Record, TopicSpec,
};
use weir_media::numbers::NO_UTF8;

use self::counts::{Changed, Counts, parse_counted_to};
pub use self::split::{MAX_WORD_CHARS, words};
use crate::machine::{Machine, Outlet};
use crate::result_topic::of_results;
use crate::running::Running;
use crate::tally::Tally;
use crate::{ProcessorError, Progress, Summary};

/// The header that says how far of the input is in a count.
const COUNTED_TO: &str = "counted-to";

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
            ..of_results()
        })?;
        producer.tell_standstill(progress.clone());
        Running {
            machine: Counting {
                // A contradiction found while restoring is written anew soon.
                counts,
                to: Arc::from(self.to.as_str()),
                clock: self.clock.clone(),
            },
            inlet: reader,
            outlet: Results(producer),
            flush_every: Duration::from_millis(self.flush_ms),
            clock: self.clock,
            progress,
        }
        .run(&shutdown)
        .await
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

/// The counts as a machine.
struct Counting {
    counts: Counts,
    to: Arc<str>,
    clock: Arc<dyn Clock>,
}

impl Machine for Counting {
    fn take(&mut self, record: &Record, tally: &mut Tally) -> Result<bool, ProcessorError> {
        match record.value.as_deref().map(std::str::from_utf8) {
            Some(Ok(text)) => self.counts.add(record.partition, record.offset, text)?,
            Some(Err(_)) => tally.pass_over(record, NO_UTF8),
            // A record that deletes its key says nothing.
            None => {}
        }
        Ok(true)
    }

    fn missed(&mut self, _partition: i32, _from: i64, _to: i64) {}

    fn pending(&self) -> usize {
        self.counts.changed()
    }

    fn results(&mut self, read_to: &[(i32, i64)]) -> Vec<NewRecord> {
        let now = self.clock.now();
        let changed = self.counts.take_changed(read_to);
        let result = |result: Changed| {
            NewRecord::new(self.to.clone(), format!("{{\"count\":{}}}", result.count))
                .key(Bytes::copy_from_slice(result.word.as_bytes()))
                .header(COUNTED_TO, result.counted_to)
                .timestamp(now)
        };
        changed.into_iter().map(result).collect()
    }
}

/// Any producer of results: each word's newest stands, so nothing else need be known of what is in the topic.
struct Results(Producer);

impl Outlet for Results {
    async fn write(&mut self, results: Vec<NewRecord>) -> Result<(), ProcessorError> {
        for result in results {
            // `flush` tells of the deliveries.
            drop(self.0.send(result).await?);
        }
        Ok(self.0.flush().await?)
    }
}
