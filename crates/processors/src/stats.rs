//! Least, greatest and mean number of each key in windows of event time that follow one another.
//!
//! Result: key = the records' key, value = `{"t":…,"min":…,"max":…,"mean":…,"count":n}`, where `t` is the window's beginning:
//! windows begin at the multiples of their length since 1970. How a window is filled and when it is given out is in
//! [`windows`].

mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::Kafka;

use self::windows::{Closed, Put, Rules, Windows};
use crate::calculation::{Calculation, Job, Outcome};
use crate::json::Object;
use crate::keys::Keys;
use crate::ledger::Layout;
use crate::sample::{LATE, Member, Sample, TIME_JUMPS};
use crate::tally::Tally;
use crate::{ProcessorError, Progress, Summary};

/// Counts and measures numbers, window by window.
#[derive(Clone)]
pub struct Stats {
    /// The numbers.
    pub topic: String,
    /// The results.
    pub to: String,
    /// How long a window is.
    pub window: Duration,
    /// How long, in event time, a window waits for what is late.
    pub late: Duration,
    /// Which member of the records' objects; `None`: the first number.
    pub member: Option<String>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Stats {
    /// Windows of ten seconds.
    pub fn new(topic: impl Into<String>, to: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            to: to.into(),
            window: Duration::from_secs(10),
            late: Duration::from_secs(2),
            member: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Counts and measures until `shutdown`.
    pub async fn run(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Summary, ProcessorError> {
        if self.window < Duration::from_millis(1)
            || !self.window.subsec_nanos().is_multiple_of(1_000_000)
        {
            return Err(ProcessorError::Option {
                option: "--window",
                why: "give whole milliseconds, 1ms or more".to_owned(),
            });
        }
        let job = Job {
            topic: &self.topic,
            to: &self.to,
            clock: self.clock.clone(),
        };
        let make = |partitions| Measures::new(&self, partitions);
        job.run(make, kafka, progress, shutdown).await
    }
}

/// The windows of all keys.
struct Measures {
    rules: Rules,
    member: Member,
    partitions: usize,
    keys: BTreeMap<i32, Partition>,
    closed: Vec<Closed>,
}

struct Partition {
    keys: Keys<Windows>,
    /// When, by the records' timestamps, it was last looked for keys that have fallen silent: in steps.
    looked: Option<i64>,
}

impl Measures {
    fn new(options: &Stats, partitions: usize) -> Self {
        Self {
            rules: Rules {
                window_ms: options.window.as_millis() as i64,
                late_ms: options.late.as_secs_f64() * 1e3,
            },
            member: Member::new(options.member.clone()),
            partitions,
            keys: BTreeMap::new(),
            closed: Vec::new(),
        }
    }

    fn outcome(key: Option<Bytes>, closed: &Closed, rules: Rules) -> Outcome {
        Outcome {
            key,
            value: Object::at((closed.index * rules.window_ms) as f64)
                .number("min", closed.min)
                .number("max", closed.max)
                .number("mean", closed.mean)
                .count("count", closed.count as u64)
                .end(),
        }
    }
}

impl Partition {
    /// Closes the windows of keys that have fallen silent. This comes at the same records whenever they are read.
    fn look(&mut self, log_ms: i64, rules: Rules, outcomes: &mut Vec<Outcome>) {
        let silent_ms = rules.window_ms.saturating_add(rules.late_ms as i64);
        let step = log_ms.div_euclid((silent_ms / 4).max(1_000));
        let before = self.looked.replace(step);
        // Timestamps of several producers go to and fro a little; a clock that was set goes far.
        match before {
            Some(before) if step > before || step < before - 1 => {}
            Some(before) => {
                self.looked = Some(before);
                return;
            }
            None => return,
        }
        let mut fallen_silent: Vec<(Bytes, Vec<Closed>)> = self
            .keys
            .iter_mut()
            .filter(|(_, windows)| windows.is_silent(log_ms, silent_ms))
            .map(|(key, windows)| {
                let mut closed = Vec::new();
                windows.close_all(&mut closed);
                (Bytes::copy_from_slice(key), closed)
            })
            .filter(|(_, closed)| !closed.is_empty())
            .collect();
        // Always in the same order: a restart may have to go on in the middle.
        fallen_silent.sort_by(|a, b| a.0.cmp(&b.0));
        for (key, closed) in fallen_silent {
            let key = (!key.is_empty()).then_some(key);
            let given = closed
                .iter()
                .map(|closed| Measures::outcome(key.clone(), closed, rules));
            outcomes.extend(given);
        }
    }
}

impl Calculation for Measures {
    const NAME: &'static str = "stats";
    const LAYOUT: Layout = Layout::Same;

    fn take(
        &mut self,
        sample: &Sample<'_>,
        _live: bool,
        tally: &mut Tally,
        outcomes: &mut Vec<Outcome>,
    ) {
        let Some(value) = self.member.of(sample, tally) else {
            return;
        };
        let (rules, partitions) = (self.rules, self.partitions);
        let partition = self
            .keys
            .entry(sample.record.partition)
            .or_insert_with(|| Partition {
                keys: Keys::new(partitions),
                looked: None,
            });
        let offset = sample.record.offset;
        partition.look(sample.log_ms, rules, outcomes);
        let windows = partition.keys.came(sample.key(), offset);
        self.closed.clear();
        match windows.put(rules, sample, value, &mut self.closed) {
            Put::Taken => {}
            Put::Late => tally.pass_over(sample.record, LATE),
            Put::Refuted => tally.pass_over(sample.record, TIME_JUMPS),
        }
        let key = &sample.record.key;
        let given = self
            .closed
            .iter()
            .map(|closed| Self::outcome(key.clone(), closed, rules));
        outcomes.extend(given);
        tally.forget(partition.keys.forget(offset));
    }

    fn rebuilt_from(&self, partition: i32) -> Option<i64> {
        self.keys.get(&partition)?.keys.oldest()
    }
}

#[cfg(test)]
mod tests;
