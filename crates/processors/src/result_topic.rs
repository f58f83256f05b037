//! The topic that results go to: made where there is none, read for the newest results of an earlier run, and written.
//!
//! One processor writes a result topic. That no other does is seen from the offsets of what was written: they follow one
//! another without a gap, or somebody else wrote in between and results would be doubled.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_client::{
    ClientError, Event, From, Kafka, NewRecord, Producer, ProducerOptions, ReaderOptions, Record,
    TopicSpec, Watermarks,
};

use crate::ledger::Layout;
use crate::machine::Outlet;
use crate::{ProcessorError, Progress};

/// Settings that say how long a topic is kept; results take them over from their input.
const KEPT_LIKE_INPUT: [&str; 4] = [
    "retention.ms",
    "retention.bytes",
    "segment.ms",
    "segment.bytes",
];
/// How far back the newest result of a partition is looked for: seldom is the last offset no record.
const LOOK_BACK: [u64; 3] = [1, 1_000, u64::MAX];

/// How results are written: they wait for as long as the topic takes none, and reading waits with them.
pub(crate) fn of_results() -> ProducerOptions {
    ProducerOptions {
        delivery_timeout_ms: 0,
        ..ProducerOptions::default()
    }
}

/// A topic for results.
pub(crate) struct ResultTopic {
    name: String,
    partitions: i32,
    producer: Producer,
    /// The offset that the next result has, by partition; those not in it are not known.
    next: BTreeMap<i32, i64>,
    marks: Vec<Watermarks>,
}

impl ResultTopic {
    /// Opens `to`; where there is none it is made, kept like `topic` and with partitions for `layout`.
    pub(crate) async fn open(
        kafka: &Kafka,
        topic: &str,
        to: &str,
        layout: Layout,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, ProcessorError> {
        if topic == to {
            return Err(ProcessorError::ResultTopic {
                topic: to.to_owned(),
                why: "it is the topic that is read; name another with --to".to_owned(),
            });
        }
        let input = kafka.topic(topic).await?;
        let info = match kafka.topic(to).await {
            Err(ClientError::NoSuchTopic { .. }) => {
                let mut spec = TopicSpec::new(to).partitions(match layout {
                    Layout::Same => input.partitions.len() as i32,
                    Layout::One => 1,
                });
                // Who may not read the settings gets the broker's defaults.
                for setting in kafka.topic_config(topic).await.unwrap_or_default() {
                    if let (false, true, Some(value)) = (
                        setting.default,
                        KEPT_LIKE_INPUT.contains(&setting.name.as_str()),
                        setting.value,
                    ) {
                        spec = spec.set(setting.name, value);
                    }
                }
                kafka.create_topic(spec).await?;
                kafka.topic(to).await?
            }
            found => found?,
        };
        let producer = kafka.producer(of_results())?;
        producer.tell_standstill(progress);
        Ok(Self {
            name: to.to_owned(),
            partitions: info.partitions.len() as i32,
            producer,
            next: BTreeMap::new(),
            marks: Vec::new(),
        })
    }

    /// How many partitions it has.
    pub(crate) fn partitions(&self) -> i32 {
        self.partitions
    }

    /// The newest record of each partition that has one. Nothing that is written after this by another goes unseen.
    pub(crate) async fn newest(&mut self, kafka: &Kafka) -> Result<Vec<Record>, ProcessorError> {
        let mut marks = kafka.watermarks(&self.name).await?;
        loop {
            let newest = self.look(kafka, &marks).await?;
            let now = kafka.watermarks(&self.name).await?;
            if now == marks {
                self.next = marks.iter().map(|m| (m.partition, m.end)).collect();
                self.marks = marks;
                return Ok(newest.into_values().collect());
            }
            // A run that was killed a moment ago had one under way.
            marks = now;
        }
    }

    async fn look(
        &self,
        kafka: &Kafka,
        marks: &[Watermarks],
    ) -> Result<BTreeMap<i32, Record>, ProcessorError> {
        let filled = marks.iter().filter(|m| m.end > m.start).count();
        let mut newest = BTreeMap::new();
        for back in LOOK_BACK {
            if newest.len() >= filled {
                break;
            }
            let mut reader = kafka
                .reader(&self.name, From::Last(back), ReaderOptions::default())
                .await?;
            let mut left = reader.positions().len();
            while left > 0 {
                match reader.next().await? {
                    Event::CaughtUp { .. } => left -= 1,
                    Event::Record(record) => drop(newest.insert(record.partition, record)),
                    _ => {}
                }
            }
        }
        Ok(newest)
    }

    /// Whether there were results in some partition, and none is left of them.
    pub(crate) fn has_lost_results(&self, newest: &[Record]) -> bool {
        self.marks.iter().any(|mark| {
            mark.end > 0
                && !newest
                    .iter()
                    .any(|record| record.partition == mark.partition)
        })
    }
}

impl Outlet for ResultTopic {
    async fn write(&mut self, results: Vec<NewRecord>) -> Result<(), ProcessorError> {
        let mut under_way = Vec::with_capacity(results.len());
        for result in results {
            under_way.push(self.producer.send(result).await?);
        }
        for delivery in under_way {
            let delivered = delivery.await?;
            // A broker that had the batch already when it was sent again names no offset.
            if delivered.offset < 0 {
                self.next.remove(&delivered.partition);
                continue;
            }
            let next = self.next.insert(delivered.partition, delivered.offset + 1);
            if next.is_some_and(|next| next != delivered.offset) {
                return Err(ProcessorError::ResultTopic {
                    topic: self.name.clone(),
                    why: format!(
                        "something else writes to it too, seen at offset {} of partition {}; results would be doubled. Let one processor alone write to it, or name another with --to",
                        delivered.offset, delivered.partition
                    ),
                });
            }
        }
        Ok(())
    }
}
