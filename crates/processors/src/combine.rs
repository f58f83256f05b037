//! Several producers side by side: at each instant of a grid the value of each, and their average.
//!
//! Result: key = `average`, value = `{"t":…,"average":x,"a":…,"b":…,"producers":2,"missing":["c"]}`. Which value a producer has
//! at an instant, and when an instant is given out although a producer has not been heard of, is in [`grid`].

mod grid;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::{Kafka, Record};
use weir_media::numbers;

use self::grid::{Grid, Instant, Rules, Take};
pub use self::grid::{MAX_INSTANTS, MAX_PRODUCERS};
use crate::calculation::{Calculation, Job, Outcome};
use crate::json::Object;
use crate::ledger::Layout;
use crate::sample::{KEY_TOO_LONG, LATE, NO_SUCH_MEMBER, Sample, TIME_JUMPS};
use crate::sum::Sum;
use crate::tally::Tally;
use crate::{ProcessorError, Progress, Summary};

/// The key of every result.
const KEY: &str = "average";
/// The longest name of a producer.
const MAX_NAME_BYTES: usize = 200;
/// Members of a result that a producer's own may not be.
const RESERVED: [&str; 4] = ["t", "average", "producers", "missing"];

/// There are as many producers as can be told apart, and all are there.
const TOO_MANY_PRODUCERS: &str = "more than 250 producers";

/// Combines producers.
#[derive(Clone)]
pub struct Combine {
    /// The producers' numbers.
    pub topic: String,
    /// The results.
    pub to: String,
    /// The producers to combine; `None`: all that come.
    pub keys: Option<Vec<String>>,
    /// From one instant to the next.
    pub every: Duration,
    /// How long, in event time, an instant waits for a producer that is there but late.
    pub late: Duration,
    /// How old a producer's value may be.
    pub silent: Duration,
    /// Which member of the records' objects; `None`: each number is a producer of its own.
    pub member: Option<String>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Combine {
    /// All producers, every second.
    pub fn new(topic: impl Into<String>, to: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            to: to.into(),
            keys: None,
            every: Duration::from_secs(1),
            late: Duration::from_secs(2),
            silent: Duration::from_secs(10),
            member: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Combines until `shutdown`.
    pub async fn run(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Summary, ProcessorError> {
        self.check()?;
        let job = Job {
            topic: &self.topic,
            to: &self.to,
            clock: self.clock.clone(),
        };
        let make = |partitions| Combined::new(&self, partitions);
        job.run(make, kafka, progress, shutdown).await
    }

    fn check(&self) -> Result<(), ProcessorError> {
        let wrong = |option, why: String| Err(ProcessorError::Option { option, why });
        if self.every < Duration::from_millis(1)
            || !self.every.subsec_nanos().is_multiple_of(1_000_000)
        {
            return wrong("--every", "give whole milliseconds, 1ms or more".to_owned());
        }
        if self.silent < self.every {
            return wrong(
                "--silent",
                "give no less than --every, or no producer has a value at two instants".to_owned(),
            );
        }
        let instants = (self.silent + self.late).as_millis() / self.every.as_millis();
        if instants > MAX_INSTANTS {
            return wrong(
                "--every",
                format!(
                    "--silent and --late are {instants} times as long; at most {MAX_INSTANTS} are accepted"
                ),
            );
        }
        let Some(keys) = &self.keys else {
            return Ok(());
        };
        if keys.is_empty() || keys.len() > MAX_PRODUCERS {
            return wrong("--keys", format!("name 1 to {MAX_PRODUCERS} producers"));
        }
        match keys.iter().find(|key| key.len() > MAX_NAME_BYTES) {
            Some(_) => wrong(
                "--keys",
                format!("a name has at most {MAX_NAME_BYTES} bytes"),
            ),
            None => Ok(()),
        }
    }
}

/// All producers' values on their way to instants.
struct Combined {
    member: Option<String>,
    grid: Grid,
    instants: Vec<Instant>,
}

impl Combined {
    fn new(options: &Combine, partitions: usize) -> Self {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        Self {
            member: options.member.clone(),
            grid: Grid::new(Rules {
                every_ms: options.every.as_millis() as i64,
                late_ms: ms(options.late),
                silent_ms: ms(options.silent),
                named: options.keys.clone(),
                partitions,
            }),
            instants: Vec::new(),
        }
    }

    /// The producers of a record, named as the page names its series, each with its number.
    fn producers(
        &self,
        sample: &Sample<'_>,
        tally: &mut Tally,
    ) -> impl Iterator<Item = (String, f64)> + use<> {
        let key = shown(sample.key());
        let alone = sample.numbers.len() == 1 || self.member.is_some();
        let found: Vec<(String, f64)> = sample
            .numbers
            .iter()
            .filter(|(name, _)| self.member.as_ref().is_none_or(|wanted| wanted == name))
            .map(|(member, value)| {
                let name = match &key {
                    None => member.clone(),
                    Some(key) if alone => key.clone(),
                    Some(key) => format!("{key}.{member}"),
                };
                (name, *value)
            })
            .collect();
        if found.is_empty() {
            tally.pass_over(sample.record, NO_SUCH_MEMBER);
        }
        found.into_iter()
    }
}

impl Calculation for Combined {
    const NAME: &'static str = "combine";
    const LAYOUT: Layout = Layout::One;

    fn resume(&mut self, newest: &Record) -> Result<(), String> {
        // `t` is the time of every result; its other members may be called anything.
        let t_ms = newest
            .value
            .as_deref()
            .and_then(|value| numbers::parse(value).ok()?.time_ms)
            .ok_or("has no time `t`")?;
        self.grid.resume(t_ms);
        Ok(())
    }

    fn take(
        &mut self,
        sample: &Sample<'_>,
        live: bool,
        tally: &mut Tally,
        outcomes: &mut Vec<Outcome>,
    ) {
        for (name, value) in self.producers(sample, tally) {
            if name.len() > MAX_NAME_BYTES {
                tally.pass_over(sample.record, KEY_TOO_LONG);
                continue;
            }
            let taken = self.grid.take(&name, value, sample);
            match taken {
                Take::Taken => {}
                Take::Late => tally.pass_over(sample.record, LATE),
                Take::Refuted => tally.pass_over(sample.record, TIME_JUMPS),
                Take::TooMany => tally.pass_over(sample.record, TOO_MANY_PRODUCERS),
                Take::Forgot(producers) => tally.forget(producers),
            }
        }
        if !live {
            return;
        }
        self.grid.give(&mut self.instants);
        outcomes.extend(self.instants.drain(..).map(|instant| Outcome {
            key: Some(Bytes::from_static(KEY.as_bytes())),
            value: show(&instant),
        }));
    }

    fn rebuilt_from(&self, partition: i32) -> Option<i64> {
        self.grid.rebuilt_from(partition)
    }
}

/// A key as a name: text as it is, other bytes in hexadecimal behind `0x`; none where there is no key.
fn shown(key: &[u8]) -> Option<String> {
    if key.is_empty() {
        return None;
    }
    let text = std::str::from_utf8(key)
        .ok()
        .filter(|text| !text.chars().any(char::is_control));
    Some(match text {
        Some(text) => text.to_owned(),
        None => key.iter().fold("0x".to_owned(), |mut name, byte| {
            for digit in [byte >> 4, byte & 0xf] {
                name.push(char::from_digit(digit.into(), 16).unwrap_or('?'));
            }
            name
        }),
    })
}

fn show(instant: &Instant) -> String {
    let average = Sum::of(instant.values.iter().map(|(_, value)| *value));
    let mut object =
        Object::at(instant.t_ms).number("average", average.mean(instant.values.len().max(1)));
    for (name, value) in &instant.values {
        // A producer that is called like a member of every result has its own beside it.
        object = if RESERVED.contains(&name.as_str()) {
            object.number(&format!("{name}_"), *value)
        } else {
            object.number(name, *value)
        };
    }
    object = object.count("producers", instant.values.len() as u64);
    if !instant.missing.is_empty() {
        let missing: Vec<&str> = instant.missing.iter().map(String::as_str).collect();
        object = object.names("missing", &missing);
    }
    object.end()
}

#[cfg(test)]
mod tests;
