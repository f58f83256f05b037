//! The moving average of each key's numbers: one result for each record that has a number.
//!
//! Result: key = the record's key, value = `{"t":…,"average":x,"count":n}`, where n numbers were averaged. Averages are of a
//! key within its partition, as Kafka's producers send a key's records to one partition.

mod window;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::Kafka;

use self::window::{Number, Window};
use crate::calculation::{Calculation, Job, Outcome};
use crate::json::Object;
use crate::keys::Keys;
use crate::ledger::Layout;
use crate::sample::{Member, Sample};
use crate::tally::Tally;
use crate::{ProcessorError, Progress, Summary};

/// Which of a key's numbers are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// The last so many, this one among them.
    Last(usize),
    /// Those made within this time up to this one.
    Window(Duration),
}

/// The most numbers of [`Span::Last`].
pub const MAX_LAST: usize = 100_000;

/// Averages numbers.
#[derive(Clone)]
pub struct Average {
    /// The numbers.
    pub topic: String,
    /// The averages.
    pub to: String,
    /// Which are averaged.
    pub span: Span,
    /// Which member of the records' objects; `None`: the first number.
    pub member: Option<String>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Average {
    /// The average of the last five.
    pub fn new(topic: impl Into<String>, to: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            to: to.into(),
            span: Span::Last(5),
            member: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Averages until `shutdown`.
    pub async fn run(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Summary, ProcessorError> {
        self.check()?;
        let (span, member) = (self.span, self.member);
        let job = Job {
            topic: &self.topic,
            to: &self.to,
            clock: self.clock,
        };
        let make = |partitions| Averages::new(span, member, partitions);
        job.run(make, kafka, progress, shutdown).await
    }

    fn check(&self) -> Result<(), ProcessorError> {
        let wrong = |option, why: String| Err(ProcessorError::Option { option, why });
        match self.span {
            Span::Last(last) if !(1..=MAX_LAST).contains(&last) => {
                wrong("--last", format!("give 1 to {MAX_LAST}"))
            }
            Span::Window(window) if window < Duration::from_millis(1) => {
                wrong("--window", "give 1ms or more".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The averages of all keys.
struct Averages {
    span: Span,
    member: Member,
    partitions: usize,
    keys: BTreeMap<i32, Keys<Window>>,
    told: bool,
}

impl Averages {
    fn new(span: Span, member: Option<String>, partitions: usize) -> Self {
        Self {
            span,
            member: Member::new(member),
            partitions,
            keys: BTreeMap::new(),
            told: false,
        }
    }
}

impl Calculation for Averages {
    const NAME: &'static str = "average";
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
        if self.partitions > 1
            && sample.key().is_empty()
            && !std::mem::replace(&mut self.told, true)
        {
            tally.note(&format!(
                "records have no key, and the topic has {} partitions: each partition has an average of its own",
                self.partitions
            ));
        }
        let partitions = self.partitions;
        let keys = self
            .keys
            .entry(sample.record.partition)
            .or_insert_with(|| Keys::new(partitions));
        let offset = sample.record.offset;
        let horizon = keys.horizon_at(offset);
        let number = Number {
            offset,
            t_ms: sample.t_ms,
            value,
        };
        let window = keys.came(sample.key(), offset);
        let (average, count) = match self.span {
            Span::Last(last) => window.of_last(last, number, horizon),
            Span::Window(within) => {
                let within_ms = within.as_secs_f64() * 1e3;
                window.within(within_ms, number, sample.log_ms, horizon)
            }
        };
        outcomes.push(Outcome {
            key: sample.record.key.clone(),
            value: Object::at(sample.t_ms)
                .number("average", average)
                .count("count", count as u64)
                .end(),
        });
        tally.forget(keys.forget(offset));
    }

    fn rebuilt_from(&self, partition: i32) -> Option<i64> {
        self.keys.get(&partition)?.oldest()
    }
}

#[cfg(test)]
mod tests;
