//! Made-up sensors: numbers that wander.
//!
//! Each value is `{"t":"2026-01-31T12:00:00.000Z","value":21.5}`: `t` when it was measured, evenly spaced. With bursty
//! arrival several are sent at once some time after they were measured, so that creation and arrival differ.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock, Timestamp};
use weir_client::{Kafka, NewRecord, ProducerOptions, TopicSpec};

use crate::due::{Material, send_when_due};
use crate::outlet::Outlet;
use crate::pace::Pacer;
use crate::random::Random;
use crate::{Progress, SourceError, Summary};

/// A burst holds what was measured within this time.
const LONGEST_BURST: Duration = Duration::from_secs(3);

/// When values come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arrival {
    /// One after another, evenly.
    #[default]
    Uniform,
    /// Measured evenly, sent several at once after a pause.
    Bursty,
}

/// Publishes one or several sensors.
#[derive(Clone)]
pub struct Sensors {
    /// Where to.
    pub topic: String,
    /// The sensor's name, the records' key; several are told apart by `-1`, `-2`, ….
    pub name: String,
    /// Values a second of each sensor.
    pub per_second: f64,
    /// The least and the greatest value.
    pub range: (f64, f64),
    /// When values come.
    pub arrival: Arrival,
    /// How many sensors.
    pub producers: u32,
    /// So many values of each; `None`: without end.
    pub count: Option<u64>,
    /// The same seed gives the same numbers; `None`: others each time.
    pub seed: Option<u64>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Sensors {
    /// One sensor, five values a second between 0 and 100.
    pub fn new(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            name: "sensor".to_owned(),
            per_second: 5.0,
            range: (0.0, 100.0),
            arrival: Arrival::Uniform,
            producers: 1,
            count: None,
            seed: None,
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
        self.check()?;
        let mut outlet = Outlet::open(
            kafka,
            TopicSpec::new(&self.topic),
            ProducerOptions::default(),
            self.clock.clone(),
            progress,
        )
        .await?;
        let mut field = Field::new(&self, outlet.topic().clone());
        let ended = send_when_due(&mut field, &mut outlet, &*self.clock, &shutdown).await?;
        outlet.finish(ended).await
    }

    fn check(&self) -> Result<(), SourceError> {
        let wrong = |option, why: &str| {
            Err(SourceError::Option {
                option,
                why: why.to_owned(),
            })
        };
        let (low, high) = self.range;
        if !(self.per_second > 0.0 && self.per_second <= 100_000.0) {
            return wrong(
                "--rate",
                "give more than 0 and at most 100000 values a second",
            );
        }
        if !(low.is_finite() && high.is_finite() && low < high && (high - low).is_finite()) {
            return wrong("--range", "give MIN..MAX with MIN less than MAX");
        }
        if !(1..=10_000).contains(&self.producers) {
            return wrong("--producers", "give 1 to 10000");
        }
        Ok(())
    }
}

/// `{"t":"…","value":…}`.
fn json(measured: Timestamp, value: f64) -> String {
    let time = jiff::Timestamp::from_millisecond(measured.0).unwrap_or_default();
    format!("{{\"t\":\"{time:.3}\",\"value\":{value}}}")
}

/// A value to be sent.
#[derive(Debug, Clone, PartialEq)]
struct Value {
    name: String,
    number: f64,
    /// Since the start.
    measured: Duration,
    due: Duration,
}

/// All sensors, their values in the order they are due.
struct Field {
    topic: Arc<str>,
    sensors: Vec<Sensor>,
    /// When each sensor's next value is due.
    due: BinaryHeap<Reverse<(Duration, usize)>>,
    total: Option<u64>,
}

impl Field {
    fn new(options: &Sensors, topic: Arc<str>) -> Self {
        let seed = options.seed.unwrap_or_else(|| {
            options.clock.now().0.unsigned_abs() ^ options.clock.monotonic().as_nanos() as u64
        });
        let sensors: Vec<Sensor> = (0..options.producers)
            .map(|index| {
                let name = if options.producers == 1 {
                    options.name.clone()
                } else {
                    format!("{}-{}", options.name, index + 1)
                };
                let random = Random::new(seed.wrapping_add(u64::from(index).wrapping_mul(7_919)));
                Sensor::new(name, options, random)
            })
            .collect();
        let due = sensors
            .iter()
            .enumerate()
            .filter_map(|(index, sensor)| Some(Reverse((sensor.due()?, index))))
            .collect();
        Self {
            topic,
            sensors,
            due,
            total: options
                .count
                .map(|count| count * u64::from(options.producers)),
        }
    }

    fn next(&mut self) -> Option<Value> {
        let Reverse((_, index)) = self.due.pop()?;
        let sensor = self.sensors.get_mut(index)?;
        let value = sensor.take();
        if let Some(due) = sensor.due() {
            self.due.push(Reverse((due, index)));
        }
        Some(value)
    }
}

impl Material for Field {
    fn due(&self) -> Option<Duration> {
        self.due.peek().map(|Reverse((due, _))| *due)
    }

    fn take(&mut self, pacer: &Pacer) -> NewRecord {
        let Some(value) = self.next() else {
            unreachable!("`due` has found one");
        };
        let measured = pacer.wall(i64::try_from(value.measured.as_micros()).unwrap_or(i64::MAX));
        NewRecord::new(self.topic.clone(), json(measured, value.number))
            .key(value.name)
            .timestamp(measured)
    }

    fn total(&self) -> Option<u64> {
        self.total
    }
}

/// One sensor: when its values are measured and sent, and what they are.
struct Sensor {
    name: String,
    walk: Walk,
    interval: Duration,
    arrival: Arrival,
    count: Option<u64>,
    random: Random,
    /// The next value's number.
    index: u64,
    /// The number of the last value of the burst.
    burst_end: u64,
}

impl Sensor {
    fn new(name: String, options: &Sensors, mut random: Random) -> Self {
        let walk = Walk::new(options.range, &mut random);
        let mut sensor = Self {
            name,
            walk,
            interval: Duration::from_secs_f64(1.0 / options.per_second),
            arrival: options.arrival,
            count: options.count,
            random,
            index: 0,
            burst_end: 0,
        };
        sensor.begin_burst();
        sensor
    }

    fn measured(&self, index: u64) -> Duration {
        Duration::from_secs_f64(self.interval.as_secs_f64() * index as f64)
    }

    fn due(&self) -> Option<Duration> {
        if self.count.is_some_and(|count| self.index >= count) {
            return None;
        }
        Some(self.measured(self.burst_end))
    }

    fn begin_burst(&mut self) {
        self.burst_end = match self.arrival {
            Arrival::Uniform => self.index,
            Arrival::Bursty => {
                let most = (LONGEST_BURST.as_secs_f64() / self.interval.as_secs_f64()) as u64;
                self.index + self.random.between(1, most.clamp(2, 1_000_000))
            }
        };
        if let Some(count) = self.count {
            self.burst_end = self.burst_end.min(count.saturating_sub(1)).max(self.index);
        }
    }

    fn take(&mut self) -> Value {
        let value = Value {
            name: self.name.clone(),
            number: self.walk.next(&mut self.random),
            measured: self.measured(self.index),
            due: self.measured(self.burst_end),
        };
        self.index += 1;
        if self.index > self.burst_end {
            self.begin_burst();
        }
        value
    }
}

/// A number that wanders smoothly inside its range: its speed changes at random, it turns at the ends.
struct Walk {
    low: f64,
    high: f64,
    at: f64,
    speed: f64,
    /// Values are rounded to a multiple of this, so that they read as a meter's.
    decimals: i32,
}

impl Walk {
    fn new((low, high): (f64, f64), random: &mut Random) -> Self {
        let span = high - low;
        Self {
            low,
            high,
            at: low + span * (0.25 + 0.5 * random.unit()),
            speed: 0.0,
            // Four digits of the range.
            decimals: (4.0 - span.log10().ceil()).clamp(0.0, 12.0) as i32,
        }
    }

    fn next(&mut self, random: &mut Random) -> f64 {
        let span = self.high - self.low;
        self.speed = 0.9 * self.speed + span * 0.012 * (random.unit() - 0.5);
        self.at += self.speed;
        if self.at < self.low {
            self.at = (self.low + (self.low - self.at)).min(self.high);
            self.speed = self.speed.abs();
        } else if self.at > self.high {
            self.at = (self.high - (self.at - self.high)).max(self.low);
            self.speed = -self.speed.abs();
        }
        let unit = 10_f64.powi(self.decimals);
        let rounded = (self.at * unit).round() / unit;
        if rounded.is_finite() {
            rounded.clamp(self.low, self.high)
        } else {
            self.at
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Sensors {
        Sensors {
            seed: Some(1),
            count: Some(1_000),
            ..Sensors::new("t")
        }
    }

    fn values(options: &Sensors) -> Vec<Value> {
        let mut field = Field::new(options, Arc::from("t"));
        std::iter::from_fn(|| field.next()).collect()
    }

    #[test]
    fn values_stay_in_their_range_and_move_smoothly() {
        for range in [(0.0, 100.0), (-40.0, -39.5), (1e9, 2e9), (-1e-6, 1e-6)] {
            let values = values(&Sensors { range, ..options() });
            assert_eq!(values.len(), 1_000);
            let span = range.1 - range.0;
            let mut least = f64::MAX;
            let mut greatest = f64::MIN;
            for pair in values.windows(2) {
                assert!((range.0..=range.1).contains(&pair[0].number));
                assert!((pair[1].number - pair[0].number).abs() < span * 0.1);
                least = least.min(pair[0].number);
                greatest = greatest.max(pair[0].number);
            }
            assert!(greatest - least > span * 0.2, "{range:?} hardly moved");
        }
    }

    #[test]
    fn uniform_values_are_sent_when_they_are_measured_and_evenly() {
        let values = values(&options());
        for (index, value) in values.iter().enumerate() {
            assert_eq!(value.measured, value.due);
            assert_eq!(value.measured, Duration::from_millis(200 * index as u64));
        }
    }

    #[test]
    fn bursty_values_are_measured_evenly_and_sent_several_at_once_never_before() {
        let values = values(&Sensors {
            arrival: Arrival::Bursty,
            ..options()
        });
        assert_eq!(values.len(), 1_000);
        let mut sizes = std::collections::BTreeMap::new();
        for (index, value) in values.iter().enumerate() {
            assert_eq!(value.measured, Duration::from_millis(200 * index as u64));
            assert!(value.due >= value.measured);
            assert!(value.due <= value.measured + LONGEST_BURST);
            *sizes.entry(value.due).or_insert(0) += 1;
        }
        assert!(sizes.values().any(|size| *size > 2), "{sizes:?}");
    }

    #[test]
    fn several_sensors_have_names_and_numbers_of_their_own() {
        let values = values(&Sensors {
            producers: 3,
            count: Some(50),
            ..options()
        });
        assert_eq!(values.len(), 150);
        let of = |name: &str| -> Vec<f64> {
            values
                .iter()
                .filter(|value| value.name == name)
                .map(|value| value.number)
                .collect()
        };
        assert_eq!(of("sensor-1").len(), 50);
        assert_ne!(of("sensor-1"), of("sensor-2"));
        assert_ne!(of("sensor-2"), of("sensor-3"));
        assert!(values.windows(2).all(|pair| pair[0].due <= pair[1].due));
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        assert_eq!(values(&options()), values(&options()));
    }

    #[test]
    fn a_value_is_json_with_its_time() {
        assert_eq!(
            json(Timestamp(1_769_860_800_005), 21.5),
            r#"{"t":"2026-01-31T12:00:00.005Z","value":21.5}"#
        );
    }

    #[test]
    fn options_that_cannot_be_are_refused_by_name() {
        for (sensors, option) in [
            (
                Sensors {
                    per_second: 0.0,
                    ..options()
                },
                "--rate",
            ),
            (
                Sensors {
                    per_second: f64::NAN,
                    ..options()
                },
                "--rate",
            ),
            (
                Sensors {
                    range: (1.0, 1.0),
                    ..options()
                },
                "--range",
            ),
            (
                Sensors {
                    range: (f64::MIN, f64::MAX),
                    ..options()
                },
                "--range",
            ),
            (
                Sensors {
                    producers: 0,
                    ..options()
                },
                "--producers",
            ),
        ] {
            let error = sensors.check().unwrap_err().to_string();
            assert!(error.starts_with(option), "{error}");
        }
    }
}
