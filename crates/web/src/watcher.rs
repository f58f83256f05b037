//! What topics there are, what they hold and how fast they grow: the source of the overview.
//!
//! Looks once a second while somebody does, and every [`IDLE_EVERY`] otherwise, so that rates have a past when somebody comes. A look is one
//! request for the topics and one for each topic's ends. What a topic holds is judged by its newest records, read again only now and then.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio_util::sync::CancellationToken;
use weir_base::time::Clock;
use weir_client::{ClientError, Event, From, Kafka, ReaderOptions, Record, TopicInfo};
use weir_media::record::{self, Kind};

use crate::api::{KafkaState, Overview, TopicKind, TopicOverview};
use crate::hub::held;
use crate::lookout::Lookout;
use crate::metrics::Metrics;
use crate::problem::Problem;

/// Between two looks while somebody watches.
const EVERY: Duration = Duration::from_secs(1);
/// Between two looks while nobody does.
const IDLE_EVERY: Duration = Duration::from_secs(5);
/// Kafka's own topics have many partitions and little to tell: they are looked at every so many looks.
const INTERNAL_EVERY: u64 = 10;
/// A growing topic's newest records are read again after this long.
const SAMPLE_EVERY: Duration = Duration::from_secs(30);
/// Topics whose records are read in one look, and how many at a time.
const SAMPLES_A_LOOK: usize = 16;
const AT_A_TIME: usize = 4;
/// How long one topic's records may take.
const SAMPLE_TIMEOUT: Duration = Duration::from_secs(3);
/// How many of the newest records of a partition are judged.
const SAMPLE: u64 = 3;
/// The same of inter-coded video: two seconds and more, which hold a key frame as a rule.
const SAMPLE_OF_VIDEO: u64 = 60;
/// The same where there is nothing but sound in those: half a minute, which holds a picture as a rule.
const SAMPLE_OF_SOUND: u64 = 1_500;
/// Seconds of rates that are kept.
const RATES: usize = 60;

/// Looks at the topics.
pub struct Watcher {
    kafka: Kafka,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    seen: Mutex<BTreeMap<String, Seen>>,
    overview: Lookout<Overview>,
}

/// What is known of one topic.
#[derive(Debug, Clone, Default)]
struct Seen {
    internal: bool,
    /// Where partition 0 ends.
    first_end: i64,
    partitions: u32,
    growth: Growth,
    sample: Option<Sample>,
    sampled_at: Option<Duration>,
}

/// How a topic grows.
#[derive(Debug, Clone, Default, PartialEq)]
struct Growth {
    start: i64,
    end: i64,
    at: Option<Duration>,
    rates: VecDeque<f64>,
    newest_ms: Option<i64>,
}

/// What a topic holds, by its newest records.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// What the newest record is, where that is sound the newest picture beside it; `None` of an empty topic.
    pub kind: Option<Kind>,
    /// Sound stands beside its pictures, or did at an earlier look.
    pub sound: bool,
    /// The newest timestamp.
    pub newest_ms: Option<i64>,
    /// The mean length of those looked at.
    pub mean_len_bytes: f64,
    /// Whether the topic keeps the newest record of each key.
    pub compacted: Option<bool>,
}

impl Sample {
    /// The `content-type` of pictures or sound.
    pub fn content_type(&self) -> Option<&'static str> {
        match self.kind? {
            Kind::Video(codec) => Some(codec.content_type()),
            Kind::Sound(codec) => Some(codec.content_type()),
            _ => None,
        }
    }

    /// The kind as the page names it.
    pub fn topic_kind(&self) -> TopicKind {
        match self.kind {
            None => TopicKind::Empty,
            Some(Kind::Video(_)) => TopicKind::Video,
            Some(Kind::Numbers) => TopicKind::Numbers,
            Some(Kind::Text) => TopicKind::Text,
            Some(Kind::Binary | Kind::Sound(_)) => TopicKind::Binary,
        }
    }
}

impl Growth {
    /// Takes what one look found.
    fn look(&mut self, start: i64, end: i64, at: Duration, now_ms: i64) {
        if let Some(before) = self.at {
            let passed_s = at.saturating_sub(before).as_secs_f64();
            if passed_s > 0.0 {
                // A topic deleted and made anew has a smaller end.
                let rate = (end - self.end).max(0) as f64 / passed_s;
                let seconds = (passed_s.round() as usize).clamp(1, RATES);
                self.rates.extend(std::iter::repeat_n(rate, seconds));
                let surplus = self.rates.len().saturating_sub(RATES);
                self.rates.drain(..surplus);
            }
            if end > self.end {
                self.newest_ms = Some(now_ms);
            }
        }
        self.start = start;
        self.end = end;
        self.at = Some(at);
    }
}

impl Watcher {
    /// Starts looking.
    pub fn start(
        kafka: Kafka,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        let watcher = Arc::new(Self {
            kafka,
            overview: Lookout::new(clock.clone()),
            clock,
            metrics,
            seen: Mutex::default(),
        });
        let looking = watcher.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = looking.run() => {}
                () = shutdown.cancelled() => {}
            }
        });
        watcher
    }

    /// The overview, for those who watch.
    pub fn overview(&self) -> &Lookout<Overview> {
        &self.overview
    }

    /// Where partition 0 of `topic` ended at the last look.
    pub fn end_offset(&self, topic: &str) -> Option<i64> {
        held(&self.seen).get(topic).map(|seen| seen.first_end)
    }

    /// Whether Kafka answered at the last look.
    pub fn kafka_answers(&self) -> Option<KafkaState> {
        Some(self.overview.glance()?.kafka.clone())
    }

    /// What `topic` holds; 404 if there is none.
    pub async fn sample(&self, topic: &str) -> Result<Sample, Problem> {
        let known = held(&self.seen).get(topic).and_then(|seen| seen.sample);
        if let Some(sample) = known.filter(|sample| sample.kind.is_some()) {
            return Ok(sample);
        }
        let info = self.kafka.topic(topic).await?;
        let sample = tokio::time::timeout(SAMPLE_TIMEOUT, sample(&self.kafka, &info))
            .await
            .map_err(|_| {
                Problem::new(
                    axum::http::StatusCode::GATEWAY_TIMEOUT,
                    format!("Kafka gave none of the records of topic {topic:?} in time"),
                )
            })??;
        let mut seen = held(&self.seen);
        let entry = seen.entry(topic.to_owned()).or_default();
        entry.sample = Some(sample);
        entry.sampled_at = Some(self.clock.monotonic());
        Ok(sample)
    }

    async fn run(&self) {
        let mut gone: Option<i64> = None;
        for looks in 0_u64.. {
            let now_ms = self.clock.now().0;
            let internal = looks.is_multiple_of(INTERNAL_EVERY);
            let kafka = match self.look(internal).await {
                Ok(()) => {
                    gone = None;
                    KafkaState::Connected
                }
                Err(error) => KafkaState::Disconnected {
                    since_ms: *gone.get_or_insert(now_ms),
                    why: error.to_string(),
                },
            };
            self.publish(kafka);
            if self.overview.is_watched() {
                tokio::time::sleep(EVERY).await;
            } else {
                self.overview.until_asked(IDLE_EVERY).await;
            }
        }
    }

    /// One look; `internal`: at Kafka's own topics too.
    async fn look(&self, internal: bool) -> Result<(), ClientError> {
        let topics = self.kafka.topics().await?;
        let names: HashSet<_> = topics.iter().map(|topic| topic.name.clone()).collect();
        let ends: Vec<_> = stream::iter(topics)
            .filter(|topic| std::future::ready(internal || !topic.internal))
            .map(|topic| async move {
                let marks = self.kafka.watermarks(&topic.name).await;
                (topic, marks)
            })
            .buffer_unordered(AT_A_TIME)
            .collect()
            .await;
        let (at, now_ms) = (self.clock.monotonic(), self.clock.now().0);
        let mut to_sample = Vec::new();
        {
            let mut seen = held(&self.seen);
            seen.retain(|name, _| names.contains(name));
            for (topic, marks) in ends {
                let Ok(marks) = marks else { continue };
                let entry = seen.entry(topic.name.clone()).or_default();
                entry.internal = topic.internal;
                entry.partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
                let start = marks.iter().map(|m| m.start).sum();
                let end = marks.iter().map(|m| m.end).sum();
                entry.first_end = marks.first().map_or(0, |m| m.end);
                let grew = end != entry.growth.end;
                entry.growth.look(start, end, at, now_ms);
                let due = entry
                    .sampled_at
                    .is_none_or(|before| at.saturating_sub(before) > SAMPLE_EVERY);
                let empty = entry.sample.is_none_or(|sample| sample.kind.is_none());
                let wanted = entry.sampled_at.is_none() || (grew && (due || empty));
                if wanted && !topic.internal && to_sample.len() < SAMPLES_A_LOOK {
                    entry.sampled_at = Some(at);
                    to_sample.push(topic);
                }
            }
        }
        let samples: Vec<_> = stream::iter(to_sample)
            .map(|topic| async move {
                let found = tokio::time::timeout(SAMPLE_TIMEOUT, sample(&self.kafka, &topic)).await;
                (topic.name, found)
            })
            .buffer_unordered(AT_A_TIME)
            .collect()
            .await;
        let mut seen = held(&self.seen);
        for (topic, found) in samples {
            if let (Some(entry), Ok(Ok(sample))) = (seen.get_mut(&topic), found) {
                entry.growth.newest_ms = entry.growth.newest_ms.max(sample.newest_ms);
                let heard = entry.sample.is_some_and(|before| before.sound);
                entry.sample = Some(Sample {
                    sound: sample.sound || heard,
                    ..sample
                });
            }
        }
        Ok(())
    }

    fn publish(&self, kafka: KafkaState) {
        let connected = kafka == KafkaState::Connected;
        let topics: Vec<_> = held(&self.seen)
            .iter()
            .map(|(name, seen)| overview_of(name, seen, connected))
            .collect();
        self.metrics.kafka_connected.set(u64::from(connected));
        self.metrics.topics.set(topics.len() as u64);
        self.overview.show(Overview {
            server_time_ms: self.clock.now().0,
            bootstrap: self.kafka.bootstrap().to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            kafka,
            topics,
        });
    }
}

fn overview_of(name: &str, seen: &Seen, connected: bool) -> TopicOverview {
    let growth = &seen.growth;
    let records = (growth.end - growth.start).max(0);
    let newest = growth.rates.back().copied();
    let records_per_s = newest.filter(|_| connected).unwrap_or(0.0);
    let mean_len_bytes = seen.sample.map_or(0.0, |sample| sample.mean_len_bytes);
    TopicOverview {
        name: name.to_owned(),
        internal: seen.internal,
        kind: match seen.sample {
            Some(sample) => sample.topic_kind(),
            // Kafka's own records are not read.
            None if seen.internal && records > 0 => TopicKind::Binary,
            None => TopicKind::Empty,
        },
        content_type: seen
            .sample
            .and_then(|sample| sample.content_type())
            .map(str::to_owned),
        sound: seen.sample.is_some_and(|sample| sample.sound),
        partitions: seen.partitions,
        start_offset_sum: growth.start,
        records,
        records_per_s,
        bytes_per_s: records_per_s * mean_len_bytes,
        size_bytes_estimate: seen.sample.map(|_| records as f64 * mean_len_bytes),
        newest_ms: growth.newest_ms,
        compacted: seen.sample.and_then(|sample| sample.compacted),
        rates: growth.rates.iter().copied().collect(),
    }
}

/// The newest `count` records of each partition.
async fn last(kafka: &Kafka, topic: &TopicInfo, count: u64) -> Result<Vec<Record>, ClientError> {
    let mut reader = kafka
        .reader(&topic.name, From::Last(count), ReaderOptions::default())
        .await?;
    let mut caught_up = 0;
    let mut records = Vec::new();
    while caught_up < topic.partitions.len() {
        match reader.next().await? {
            Event::Record(record) => records.push(record),
            Event::CaughtUp { .. } => caught_up += 1,
            Event::Disconnected { why } => {
                return Err(ClientError::Unreachable {
                    bootstrap: kafka.bootstrap().to_owned(),
                    cause: why,
                });
            }
            _ => {}
        }
    }
    Ok(records)
}

/// Reads a topic's newest records.
async fn sample(kafka: &Kafka, topic: &TopicInfo) -> Result<Sample, ClientError> {
    let kind_of = |record: &Record| {
        record::classify(
            record.header_pairs(),
            record.value.as_deref().unwrap_or_default(),
        )
    };
    let is_inter =
        |record: &Record| matches!(kind_of(record), Kind::Video(codec) if codec.is_inter());
    let is_sound = |record: &Record| matches!(kind_of(record), Kind::Sound(_));
    let mut records = last(kafka, topic, SAMPLE).await?;
    if records
        .iter()
        .any(|record| is_inter(record) || is_sound(record))
    {
        // Key frames are many times larger than what lies between them: a mean without one says nothing.
        records = last(kafka, topic, SAMPLE_OF_VIDEO).await?;
    }
    if !records.is_empty() && records.iter().all(is_sound) {
        records = last(kafka, topic, SAMPLE_OF_SOUND).await?;
    }
    let settings = kafka.topic_config(&topic.name).await.ok();
    let compacted = settings.and_then(|settings| {
        let policy = settings.into_iter().find(|s| s.name == "cleanup.policy")?;
        Some(policy.value?.contains("compact"))
    });
    let with_value = || records.iter().filter(|record| record.value.is_some());
    // Sound stands beside pictures, and is what a topic holds only where there is nothing else.
    let newest = with_value().max_by_key(|r| (!is_sound(r), r.timestamp, r.offset));
    let kind = newest.map(kind_of);
    // Stills beside video do not make it a topic of stills.
    let video = with_value()
        .map(kind_of)
        .find(|kind| matches!(kind, Kind::Video(codec) if codec.is_inter()));
    let is_still = matches!(kind, Some(Kind::Video(codec)) if !codec.is_inter());
    let len_bytes: usize = records.iter().map(Record::len_bytes).sum();
    Ok(Sample {
        sound: records.iter().any(is_sound),
        kind: video.filter(|_| is_still).or(kind),
        newest_ms: records
            .iter()
            .filter_map(|r| r.timestamp)
            .max()
            .map(|t| t.0),
        mean_len_bytes: len_bytes as f64 / records.len().max(1) as f64,
        compacted,
    })
}

#[cfg(test)]
mod tests {
    use weir_media::Codec;

    use super::*;

    fn at(s: f64) -> Duration {
        Duration::from_secs_f64(s)
    }

    #[test]
    fn a_rate_is_growth_over_time_and_the_last_minute_is_kept() {
        let mut growth = Growth::default();
        growth.look(0, 100, at(0.0), 1_000);
        assert!(growth.rates.is_empty());
        growth.look(0, 130, at(1.0), 2_000);
        growth.look(10, 140, at(2.0), 3_000);
        assert_eq!(growth.rates, [30.0, 10.0]);
        assert_eq!(growth.newest_ms, Some(3_000));
        for second in 3..200 {
            growth.look(10, 140, at(f64::from(second)), 9_000);
        }
        assert_eq!(growth.rates.len(), RATES);
        assert_eq!(growth.newest_ms, Some(3_000));
    }

    #[test]
    fn a_look_after_five_seconds_fills_five_places_and_a_topic_made_anew_has_no_negative_rate() {
        let mut growth = Growth::default();
        growth.look(0, 0, at(0.0), 0);
        growth.look(0, 50, at(5.0), 0);
        assert_eq!(growth.rates, [10.0; 5]);
        growth.look(0, 3, at(6.0), 0);
        assert_eq!(growth.rates.back(), Some(&0.0));
    }

    #[test]
    fn size_and_bytes_a_second_are_reckoned_from_the_mean_length() {
        let mut seen = Seen::default();
        seen.growth.look(10, 20, at(0.0), 0);
        seen.growth.look(10, 30, at(1.0), 5);
        seen.sample = Some(Sample {
            kind: Some(Kind::Video(Codec::Jpeg)),
            sound: false,
            newest_ms: Some(1),
            mean_len_bytes: 100.0,
            compacted: Some(false),
        });
        let overview = overview_of("cam", &seen, true);
        assert_eq!(overview.records, 20);
        assert_eq!(overview.size_bytes_estimate, Some(2_000.0));
        assert!((overview.bytes_per_s - 1_000.0).abs() < 1e-6);
        assert_eq!(overview.content_type.as_deref(), Some("image/jpeg"));
        assert!(overview_of("cam", &seen, false).records_per_s < 1e-9);
    }
}
