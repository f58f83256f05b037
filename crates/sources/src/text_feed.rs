//! Sentences without end: the harbour's reports, so that words can be counted.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::{Kafka, NewRecord, ProducerOptions, TopicSpec};

use crate::due::{Material, send_when_due};
use crate::outlet::Outlet;
use crate::pace::Pacer;
use crate::random::Random;
use crate::{Progress, SourceError, Summary};

/// Publishes made-up reports.
#[derive(Clone)]
pub struct TextFeed {
    /// Where to.
    pub topic: String,
    /// Sentences a second.
    pub per_second: f64,
    /// The same seed gives the same sentences; `None`: others each time.
    pub seed: Option<u64>,
    /// So many sentences; `None`: without end.
    pub count: Option<u64>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl TextFeed {
    /// Two sentences a second.
    pub fn new(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            per_second: 2.0,
            seed: None,
            count: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Publishes until `count` or `shutdown`.
    pub async fn run(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Summary, SourceError> {
        if !(self.per_second > 0.0 && self.per_second <= 10_000.0) {
            return Err(SourceError::Option {
                option: "--rate",
                why: "give more than 0 and at most 10000 sentences a second".to_owned(),
            });
        }
        let mut outlet = Outlet::open(
            kafka,
            TopicSpec::new(&self.topic),
            ProducerOptions::default(),
            self.clock.clone(),
            progress,
        )
        .await?;
        let mut reports = Reports {
            topic: outlet.topic().clone(),
            per_second: self.per_second,
            random: Random::new(self.seed.unwrap_or(self.clock.now().0.unsigned_abs())),
            index: 0,
            count: self.count,
        };
        let ended = send_when_due(&mut reports, &mut outlet, &*self.clock, &shutdown).await?;
        outlet.finish(ended).await
    }
}

/// Report after report.
struct Reports {
    topic: Arc<str>,
    per_second: f64,
    random: Random,
    index: u64,
    count: Option<u64>,
}

impl Material for Reports {
    fn due(&self) -> Option<Duration> {
        self.count
            .is_none_or(|count| self.index < count)
            .then(|| Duration::from_secs_f64(self.index as f64 / self.per_second))
    }

    fn take(&mut self, pacer: &Pacer) -> NewRecord {
        let due = self.due().unwrap_or_default();
        self.index += 1;
        let report = Report::new(&mut self.random);
        NewRecord::new(self.topic.clone(), report.text)
            .key(report.station)
            .timestamp(pacer.wall(i64::try_from(due.as_micros()).unwrap_or(i64::MAX)))
    }

    fn total(&self) -> Option<u64> {
        self.count
    }
}

/// A sentence and who says it.
struct Report {
    station: &'static str,
    text: String,
}

const STATIONS: &[&str] = &[
    "north-pier",
    "lighthouse",
    "lock",
    "fish-quay",
    "pilot-station",
];
const SHIPS: &[&str] = &[
    "ferry",
    "trawler",
    "tug",
    "barge",
    "tanker",
    "schooner",
    "lifeboat",
    "dredger",
    "freighter",
];
const PLACES: &[&str] = &[
    "the north pier",
    "the lighthouse",
    "the lock",
    "the fish quay",
    "the outer harbour",
    "the dry dock",
    "the sandbank",
];
const WINDS: &[&str] = &["north", "east", "south", "west", "north-west", "south-west"];
const SKIES: &[&str] = &["rain", "fog", "sun", "snow", "cloud", "drizzle", "haze"];
const DOINGS: &[&str] = &[
    "waits at",
    "passes",
    "leaves",
    "moors at",
    "unloads at",
    "turns before",
    "signals from",
];
const CARGO: &[&str] = &[
    "herring", "timber", "coal", "grain", "salt", "mail", "cod", "bricks",
];
const WHEN: &[&str] = &[
    "at dawn",
    "before noon",
    "with the tide",
    "after dark",
    "since the bell",
];

impl Report {
    fn new(random: &mut Random) -> Self {
        let mut pick = |words: &[&'static str]| random.one_of(words).unwrap_or_default();
        let station = pick(STATIONS);
        let (ship, place, wind, sky) = (pick(SHIPS), pick(PLACES), pick(WINDS), pick(SKIES));
        let (doing, cargo, when) = (pick(DOINGS), pick(CARGO), pick(WHEN));
        let text = match random.between(0, 6) {
            0 => format!("The {ship} {doing} {place} {when}."),
            1 => format!(
                "Wind {wind}, force {}, with {sky} over {place}.",
                random.between(1, 9)
            ),
            2 => format!("A {ship} with {cargo} {doing} {place}."),
            3 => format!("No {sky} {when}; the wind turns {wind}."),
            4 => format!(
                "{} crates of {cargo} on the {ship} {when}.",
                random.between(2, 90)
            ),
            5 => format!("The pilot boards the {ship} off {place}, {sky} and a {wind} wind."),
            _ => format!("{sky} near {place}: the {ship} sounds its horn."),
        };
        Self { station, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_text_and_not_all_the_same() {
        let mut random = Random::new(1);
        let reports: Vec<Report> = (0..200).map(|_| Report::new(&mut random)).collect();
        let different: std::collections::BTreeSet<&str> =
            reports.iter().map(|report| report.text.as_str()).collect();
        assert!(different.len() > 150);
        for report in &reports {
            let kind = weir_media::record::classify(std::iter::empty(), report.text.as_bytes());
            assert_eq!(kind, weir_media::record::Kind::Text, "{}", report.text);
        }
    }
}
