//! The windows of one key that are open.
//!
//! A window is closed, and given out, when the key's own event time has passed its end by `late`, or when by the records'
//! timestamps the key has been silent for a window and `late`. What comes for a closed window is late. Event time is the
//! key's own: another sensor's clock closes nothing. A time that jumps is doubted (`event_time`); has the key's clock been
//! set back, its windows are closed and it begins anew where the clock is.

use crate::event_time::{EventTime, Verdict};
use crate::keys::Held;
use crate::sample::Sample;
use crate::sum::Sum;

/// How long windows are and how long they wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) window_ms: i64,
    pub(super) late_ms: f64,
}

/// A key's open windows.
#[derive(Default)]
pub(super) struct Windows {
    /// In the order of time; few, since `late` is short beside a window.
    open: Vec<Open>,
    /// The first window, as a multiple of its length, that has not been closed.
    first_open: Option<i64>,
    time: EventTime,
    doubted: Option<Doubted>,
}

#[derive(Clone, Copy)]
struct Doubted {
    t_ms: f64,
    value: f64,
    offset: i64,
}

struct Open {
    index: i64,
    min: f64,
    max: f64,
    sum: Sum,
    count: usize,
    first_offset: i64,
}

/// A window that is given out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Closed {
    pub(super) index: i64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) mean: f64,
    pub(super) count: usize,
}

/// What becomes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It is in its window, or waits to be confirmed.
    Taken,
    /// Its window is closed.
    Late,
    /// The key's number before it had a wrong time, and is in no window.
    Refuted,
}

impl Held for Windows {
    fn oldest(&self) -> Option<i64> {
        self.open
            .iter()
            .map(|open| open.first_offset)
            .chain(self.doubted.map(|doubted| doubted.offset))
            .min()
    }

    fn is_due(&self) -> bool {
        !self.open.is_empty()
    }
}

impl Windows {
    /// Puts a number into its window and closes those that are over.
    pub(super) fn put(
        &mut self,
        rules: Rules,
        sample: &Sample<'_>,
        value: f64,
        closed: &mut Vec<Closed>,
    ) -> Put {
        let tolerance_ms = rules.window_ms as f64 + rules.late_ms;
        let judged = self.time.judge(sample.t_ms, sample.log_ms, tolerance_ms);
        let number = Doubted {
            t_ms: sample.t_ms,
            value,
            offset: sample.record.offset,
        };
        let taken = match (judged.verdict, self.doubted.take()) {
            (Verdict::Doubted, _) => {
                self.doubted = Some(number);
                Put::Taken
            }
            (Verdict::Confirms { set_back }, Some(doubted)) => {
                if set_back {
                    self.close_all(closed);
                    self.first_open = None;
                }
                self.add(rules, doubted);
                self.add(rules, number)
            }
            _ => self.add(rules, number),
        };
        let newest_ms = self.time.newest_ms().unwrap_or(sample.t_ms);
        let first_open = rules.index(newest_ms - rules.late_ms);
        while self
            .open
            .first()
            .is_some_and(|open| open.index < first_open)
        {
            closed.push(self.open.remove(0).close());
        }
        self.first_open = self.first_open.max(Some(first_open));
        if judged.refuted { Put::Refuted } else { taken }
    }

    /// Whether nothing has come for so long by the records' timestamps, and something is to be given out.
    pub(super) fn is_silent(&self, log_ms: i64, silent_ms: i64) -> bool {
        let last_ms = self.time.log_ms();
        !self.open.is_empty()
            && last_ms.is_some_and(|last_ms| log_ms.saturating_sub(last_ms) > silent_ms)
    }

    /// Closes all windows.
    pub(super) fn close_all(&mut self, closed: &mut Vec<Closed>) {
        if let Some(last) = self.open.last() {
            self.first_open = self.first_open.max(Some(last.index + 1));
        }
        closed.extend(self.open.drain(..).map(Open::close));
    }

    fn add(&mut self, rules: Rules, number: Doubted) -> Put {
        let index = rules.index(number.t_ms);
        if self.first_open.is_some_and(|first| index < first) {
            return Put::Late;
        }
        let at = self.open.partition_point(|open| open.index < index);
        match self.open.get_mut(at) {
            Some(open) if open.index == index => open.add(number.value),
            _ => self.open.insert(
                at,
                Open {
                    index,
                    min: number.value,
                    max: number.value,
                    sum: Sum::of([number.value]),
                    count: 1,
                    first_offset: number.offset,
                },
            ),
        }
        Put::Taken
    }
}

impl Rules {
    /// The window that a time is in, as a multiple of its length.
    fn index(self, t_ms: f64) -> i64 {
        (t_ms / self.window_ms as f64).floor() as i64
    }
}

impl Open {
    fn add(&mut self, value: f64) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum.add(value);
        self.count += 1;
    }

    fn close(self) -> Closed {
        Closed {
            index: self.index,
            min: self.min,
            max: self.max,
            mean: self.sum.mean(self.count),
            count: self.count,
        }
    }
}
