//! Producers' values put on a grid of instants in event time, the multiples of `every` since 1970.
//!
//! - A producer's value at an instant is its last at or before it, and not older than `silent`. So of what falls between two
//!   instants only the last is held, and what is held is bounded by the grid, not by how fast producers are.
//! - An instant is given out once every producer that is there has delivered something at or after it. A producer whose last
//!   value is older than `silent` is silent: it is not waited for, and is `missing`. One that is there but late is waited for
//!   until the newest event time has passed the instant by `late`; then it goes without it.
//! - A value that comes when its instant has been given out is late: it counts for the instants to come alone.
//! - At the start nobody knows who is there: unless the producers are named, the first instants wait `late` in any case. One that
//!   is named and has never come is always late.
//! - An instant at which nobody has a value is not given out, unless one comes before a later instant is.
//! - Time is event time: where no records come it stands still. The newest event time is the newest of the producers that
//!   have been heard of within `silent` by the records' timestamps, and among the last [`HEARD_WITHIN`] values. A time that
//!   jumps is doubted (`event_time`); has every producer's clock gone back by more than `silent`, the grid goes back with them
//!   and instants come again.

use std::collections::BTreeMap;

use super::Sample;
use crate::event_time::{EventTime, Verdict};
use crate::keys::HORIZON;

/// Producers that are told apart: with the other members a result stays within the numbers a value may hold.
pub const MAX_PRODUCERS: usize = 250;
/// Instants from the oldest value held to the newest.
pub const MAX_INSTANTS: u128 = 10_000;

/// Values after which it is looked for producers that have gone.
const FORGET_EVERY: u64 = 1_000;

/// Values among which a producer that is there comes.
const HEARD_WITHIN: u64 = 10_000;

/// How values are put together.
pub(super) struct Rules {
    pub(super) every_ms: i64,
    pub(super) late_ms: f64,
    pub(super) silent_ms: f64,
    /// The producers that are waited for from the beginning, and no others are taken.
    pub(super) named: Option<Vec<String>>,
    /// Of the input.
    pub(super) partitions: usize,
}

/// All producers' values that are still of use.
pub(super) struct Grid {
    rules: Rules,
    producers: BTreeMap<String, Producer>,
    /// The next instant, as a multiple of `every`.
    next: Option<i64>,
    /// The first event time, until those who are there are known.
    first_ms: Option<f64>,
    knows_who_is_there: bool,
    /// The timestamp of the record taken last.
    log_ms: i64,
    /// Values taken.
    taken: u64,
    /// Whether the clocks may have gone back. Of several partitions one may have been left far behind by the others, and after
    /// a restart nobody else has been heard of yet: that is no sign of it, only a clock that was seen to go back is.
    clocks_go_back: bool,
}

/// What becomes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// It has its place, or waits to be confirmed, or nobody asked for this producer.
    Taken,
    /// The instants it belongs to have been given out.
    Late,
    /// The producer's value before it had a wrong time, and has no place.
    Refuted,
    /// There is no room for another producer.
    TooMany,
    /// It has its place, and so many producers that were silent for long gave theirs up.
    Forgot(usize),
}

/// An instant with who has a value at it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Instant {
    pub(super) t_ms: f64,
    pub(super) values: Vec<(String, f64)>,
    pub(super) missing: Vec<String>,
}

/// A producer's values that are still of use.
#[derive(Default)]
struct Producer {
    /// By the instant at or after it, the last value before that instant.
    values: BTreeMap<i64, Value>,
    time: EventTime,
    doubted: Option<Value>,
    /// Where it was last believed.
    last: Option<(i32, i64)>,
    /// How many values of all had been taken then.
    heard_at: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Value {
    t_ms: f64,
    number: f64,
    partition: i32,
    offset: i64,
}

impl Grid {
    pub(super) fn new(rules: Rules) -> Self {
        let named = rules.named.iter().flatten();
        let producers = named
            .map(|name| (name.clone(), Producer::default()))
            .collect();
        Self {
            producers,
            next: None,
            first_ms: None,
            knows_who_is_there: rules.named.is_some(),
            log_ms: 0,
            taken: 0,
            clocks_go_back: rules.partitions == 1,
            rules,
        }
    }

    /// The instant at `t_ms` is the last that was given out.
    pub(super) fn resume(&mut self, t_ms: f64) {
        self.next = Some((t_ms / self.rules.every_ms as f64).floor() as i64 + 1);
        self.knows_who_is_there = true;
    }

    /// Takes a producer's value up.
    pub(super) fn take(&mut self, name: &str, value: f64, sample: &Sample<'_>) -> Take {
        let before = self.producers.len();
        self.taken += 1;
        if self.taken.is_multiple_of(FORGET_EVERY) {
            self.forget_absent(sample);
        }
        if !self.producers.contains_key(name) {
            if self.rules.named.is_some() {
                return Take::Taken;
            }
            if self.producers.len() >= MAX_PRODUCERS && !self.make_room() {
                return Take::TooMany;
            }
        }
        let forgot = before - self.producers.len();
        self.log_ms = sample.log_ms;
        let value = Value {
            t_ms: sample.t_ms,
            number: value,
            partition: sample.record.partition,
            offset: sample.record.offset,
        };
        let every_ms = self.rules.every_ms;
        let producer = self.producers.entry(name.to_owned()).or_default();
        let judged = producer
            .time
            .judge(value.t_ms, sample.log_ms, self.rules.silent_ms);
        let doubted = producer.doubted.take();
        let taken = match (judged.verdict, doubted) {
            (Verdict::Doubted, _) => {
                producer.doubted = Some(value);
                return if judged.refuted {
                    Take::Refuted
                } else {
                    Take::Taken
                };
            }
            (Verdict::Confirms { set_back }, Some(doubted)) => {
                if set_back {
                    producer.values.clear();
                    self.clocks_go_back = true;
                }
                producer.put(doubted, every_ms, self.next);
                producer.put(value, every_ms, self.next)
            }
            _ => producer.put(value, every_ms, self.next),
        };
        producer.last = Some((value.partition, value.offset));
        producer.heard_at = self.taken;
        self.first_ms.get_or_insert(value.t_ms);
        self.next.get_or_insert(cell(value.t_ms, every_ms));
        match taken {
            _ if judged.refuted => Take::Refuted,
            Take::Taken if forgot > 0 => Take::Forgot(forgot),
            taken => taken,
        }
    }

    /// Gives out the instants that are due.
    pub(super) fn give(&mut self, instants: &mut Vec<Instant>) {
        let (Some(newest_ms), Some(first_ms)) = (self.newest_ms(), self.first_ms) else {
            return;
        };
        let every_ms = self.rules.every_ms as f64;
        if let Some(next) = &mut self.next
            && self.clocks_go_back
            && newest_ms + self.rules.silent_ms < (*next - 1) as f64 * every_ms
        {
            *next = cell(newest_ms, self.rules.every_ms);
            self.clocks_go_back = self.rules.partitions == 1;
        }
        // That nobody has a value at an instant is not kept: until a later one is given out it may still get one, and a run
        // that goes on after a restart sees the same.
        let mut looked_at = self.next;
        while let Some(next) = looked_at {
            let t_ms = next as f64 * every_ms;
            if newest_ms < t_ms {
                break;
            }
            if newest_ms < t_ms + self.rules.late_ms {
                self.knows_who_is_there |= newest_ms >= first_ms + self.rules.late_ms;
                if !self.knows_who_is_there || self.waits_for_somebody(t_ms) {
                    break;
                }
            }
            if let Some(instant) = self.instant(next, t_ms) {
                instants.push(instant);
                self.next = Some(next + 1);
                looked_at = self.next;
                for producer in self.producers.values_mut() {
                    producer.forget_before(self.next);
                }
            } else {
                // On to where somebody has a value again.
                let values = self.producers.values();
                looked_at = values
                    .filter_map(|producer| producer.first_after(next))
                    .min();
            }
        }
    }

    /// Reading the partition from here on makes what is held anew.
    pub(super) fn rebuilt_from(&self, partition: i32) -> Option<i64> {
        let of_producer = |producer: &Producer| {
            let values = producer.values.values().chain(&producer.doubted);
            values
                .map(|value| (value.partition, value.offset))
                .chain(producer.last)
                .filter(|(p, _)| *p == partition)
                .map(|(_, offset)| offset)
                .min()
        };
        self.producers.values().filter_map(of_producer).min()
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let values = self.producers.values();
        values.map(|producer| producer.values.len()).sum()
    }

    /// The newest event time of those that were heard of just now.
    fn newest_ms(&self) -> Option<f64> {
        let heard = self.producers.values().filter(|producer| {
            producer.time.log_ms().is_some_and(|log_ms| {
                self.log_ms.saturating_sub(log_ms) as f64 <= self.rules.silent_ms
                    && self.taken - producer.heard_at <= HEARD_WITHIN
            })
        });
        heard
            .filter_map(|producer| producer.time.newest_ms())
            .max_by(f64::total_cmp)
    }

    /// Whether a producer that is not silent has delivered nothing at or after the time.
    fn waits_for_somebody(&self, t_ms: f64) -> bool {
        self.producers.values().any(|producer| {
            producer.time.newest_ms().is_none_or(|newest_ms| {
                newest_ms < t_ms && newest_ms >= t_ms - self.rules.silent_ms
            })
        })
    }

    /// Who has which value at an instant; `None` if nobody has one.
    fn instant(&self, next: i64, t_ms: f64) -> Option<Instant> {
        let mut instant = Instant {
            t_ms,
            values: Vec::new(),
            missing: Vec::new(),
        };
        for (name, producer) in &self.producers {
            let last = producer.values.range(..=next).next_back();
            match last {
                Some((_, value)) if value.t_ms >= t_ms - self.rules.silent_ms => {
                    instant.values.push((name.clone(), value.number));
                }
                _ => instant.missing.push(name.clone()),
            }
        }
        (!instant.values.is_empty()).then_some(instant)
    }

    /// Forgets producers that have not come among the newest records.
    fn forget_absent(&mut self, sample: &Sample<'_>) {
        let horizon = HORIZON / self.rules.partitions.max(1) as i64;
        let (partition, offset) = (sample.record.partition, sample.record.offset);
        self.producers.retain(|_, producer| {
            producer
                .last
                .is_none_or(|(p, last)| p != partition || last >= offset - horizon)
        });
    }

    /// Forgets the producer that has been silent for longest; `false` if none is silent.
    fn make_room(&mut self) -> bool {
        let Some(newest_ms) = self.newest_ms() else {
            return false;
        };
        let silent = self.producers.iter().filter_map(|(name, producer)| {
            let last_ms = producer.time.newest_ms()?;
            (last_ms < newest_ms - self.rules.silent_ms).then_some((last_ms, name))
        });
        let longest = silent.min_by(|a, b| a.0.total_cmp(&b.0));
        let Some(name) = longest.map(|(_, name)| name.clone()) else {
            return false;
        };
        self.producers.remove(&name).is_some()
    }
}

impl Producer {
    fn put(&mut self, value: Value, every_ms: i64, next: Option<i64>) -> Take {
        let at = cell(value.t_ms, every_ms);
        let held = self.values.entry(at).or_insert(value);
        if value.t_ms >= held.t_ms {
            *held = value;
        }
        self.forget_before(next);
        if next.is_some_and(|next| at < next) {
            Take::Late
        } else {
            Take::Taken
        }
    }

    /// Of what lies before the next instant the last is held.
    fn forget_before(&mut self, next: Option<i64>) {
        let Some(next) = next else {
            return;
        };
        let last = self.values.range(..=next).next_back().map(|(at, _)| *at);
        if let Some(last) = last {
            while let Some(first) = self.values.first_entry() {
                if *first.key() >= last {
                    break;
                }
                first.remove();
            }
        }
    }

    fn first_after(&self, next: i64) -> Option<i64> {
        self.values.range(next + 1..).next().map(|(at, _)| *at)
    }
}

/// The instant at or after a time.
fn cell(t_ms: f64, every_ms: i64) -> i64 {
    (t_ms / every_ms as f64).ceil() as i64
}
