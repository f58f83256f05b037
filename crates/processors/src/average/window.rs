//! A key's newest numbers and their mean.
//!
//! By number, the window is the last so many as they came. By time, it is those made within a duration up to the newest, in
//! the order of their times; a number that comes out of order is averaged with what of its own time is still held. A time
//! that is far off (`event_time`) stands alone; is it confirmed by the next, the window begins anew with the two.

use std::collections::VecDeque;

use crate::event_time::{EventTime, Verdict};
use crate::keys::Held;
use crate::sum::Sum;

/// A number of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    pub(super) offset: i64,
    pub(super) t_ms: f64,
    pub(super) value: f64,
}

/// Numbers of a key, with their mean at hand.
#[derive(Default)]
pub(super) struct Window {
    numbers: VecDeque<Number>,
    sum: Sum,
    /// Taken away since the sum was last made from the numbers themselves.
    taken_away: usize,
    time: EventTime,
    doubted: Option<Number>,
}

impl Held for Window {
    fn oldest(&self) -> Option<i64> {
        self.numbers
            .iter()
            .chain(&self.doubted)
            .map(|number| number.offset)
            .min()
    }
}

impl Window {
    /// The mean of the last so many and how many they are; numbers before `horizon` are not held.
    pub(super) fn of_last(&mut self, last: usize, number: Number, horizon: i64) -> (f64, usize) {
        self.insert(self.numbers.len(), number);
        while self.numbers.len() > last || self.is_front(|front| front.offset < horizon) {
            self.drop_front();
        }
        self.mean()
    }

    /// The mean of those made within a time up to this one, and how many they are.
    pub(super) fn within(
        &mut self,
        within_ms: f64,
        number: Number,
        log_ms: i64,
        horizon: i64,
    ) -> (f64, usize) {
        let judged = self.time.judge(number.t_ms, log_ms, within_ms);
        let doubted = self.doubted.take();
        match (judged.verdict, doubted) {
            (Verdict::Doubted, _) => {
                self.doubted = Some(number);
                return (number.value, 1);
            }
            (Verdict::Confirms { .. }, Some(doubted)) => {
                self.numbers.clear();
                self.sum = Sum::default();
                self.insert(0, doubted);
            }
            _ => {}
        }
        let at = self
            .numbers
            .partition_point(|held| held.t_ms <= number.t_ms);
        self.insert(at, number);
        let newest_ms = self.time.newest_ms().unwrap_or(number.t_ms);
        while self.is_front(|front| front.t_ms <= newest_ms - within_ms || front.offset < horizon) {
            self.drop_front();
        }
        if number.t_ms >= newest_ms && !self.numbers.is_empty() {
            return self.mean();
        }
        let near = self
            .numbers
            .iter()
            .filter(|held| held.t_ms <= number.t_ms && held.t_ms > number.t_ms - within_ms)
            .map(|held| held.value);
        match near.clone().count() {
            // So late that nothing of its time is held, itself neither.
            0 => (number.value, 1),
            count => (Sum::of(near).mean(count), count),
        }
    }

    fn mean(&self) -> (f64, usize) {
        (self.sum.mean(self.numbers.len()), self.numbers.len())
    }

    fn insert(&mut self, at: usize, number: Number) {
        self.numbers.insert(at, number);
        self.sum.add(number.value);
    }

    fn is_front(&self, so: impl FnOnce(&Number) -> bool) -> bool {
        self.numbers.front().is_some_and(so)
    }

    fn drop_front(&mut self) {
        let Some(number) = self.numbers.pop_front() else {
            return;
        };
        self.sum.take_away(number.value);
        self.taken_away += 1;
        if self.taken_away > self.numbers.len() {
            self.taken_away = 0;
            self.sum = Sum::of(self.numbers.iter().map(|held| held.value));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(offset: i64, t_s: f64, value: f64) -> Number {
        Number {
            offset,
            t_ms: t_s * 1e3,
            value,
        }
    }

    /// The means of a window of 10 s; `(t, value)` in s, the log's own time stands still.
    fn within(numbers: &[(f64, f64)]) -> Vec<(f64, usize)> {
        let mut window = Window::default();
        numbers
            .iter()
            .enumerate()
            .map(|(at, (t_s, value))| {
                window.within(1e4, number(at as i64, *t_s, *value), 0, i64::MIN)
            })
            .collect()
    }

    #[test]
    fn the_last_so_many_are_averaged_from_the_first_on() {
        let mut window = Window::default();
        let means: Vec<_> = [1.0, 2.0, 6.0, 10.0, 11.0]
            .iter()
            .enumerate()
            .map(|(at, value)| window.of_last(3, number(at as i64, 0.0, *value), 0))
            .collect();
        assert_eq!(means, [(1.0, 1), (1.5, 2), (3.0, 3), (6.0, 3), (9.0, 3)]);
        assert_eq!(window.oldest(), Some(2));
    }

    #[test]
    fn numbers_before_the_horizon_are_not_held() {
        let mut window = Window::default();
        window.of_last(5, number(0, 0.0, 1.0), -10);
        assert_eq!(window.of_last(5, number(20, 0.0, 3.0), 10), (3.0, 1));
    }

    #[test]
    fn those_of_the_time_up_to_each_are_averaged() {
        assert_eq!(
            within(&[(0.0, 1.0), (5.0, 2.0), (9.9, 6.0), (10.0, 4.0), (19.0, 8.0)]),
            [(1.0, 1), (1.5, 2), (3.0, 3), (4.0, 3), (6.0, 3)]
        );
    }

    #[test]
    fn one_out_of_order_is_averaged_with_those_of_its_own_time() {
        assert_eq!(
            within(&[(0.0, 1.0), (5.0, 2.0), (8.0, 6.0), (6.0, 30.0), (9.0, 1.0)])[3..],
            [(11.0, 3), (8.0, 5)]
        );
    }

    #[test]
    fn a_single_time_far_off_stands_alone_and_a_clock_that_was_set_begins_anew() {
        assert_eq!(
            within(&[(0.0, 1.0), (9_000.0, 50.0), (1.0, 3.0)]),
            [(1.0, 1), (50.0, 1), (2.0, 2)]
        );
        assert_eq!(
            within(&[(9_000.0, 50.0), (0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]),
            [(50.0, 1), (1.0, 1), (2.0, 2), (3.0, 3)]
        );
    }

    proptest! {
        #[test]
        fn the_mean_at_hand_is_the_mean_of_the_numbers(
            last in 1_usize..20,
            values in prop::collection::vec(-1e6_f64..1e6, 1..200),
        ) {
            let mut window = Window::default();
            for (at, value) in values.iter().enumerate() {
                let (mean, count) = window.of_last(last, number(at as i64, 0.0, *value), 0);
                let begin = (at + 1).saturating_sub(last);
                let expected = values[begin..=at].iter().sum::<f64>() / (at + 1 - begin) as f64;
                prop_assert_eq!(count, at + 1 - begin);
                prop_assert!((mean - expected).abs() <= 1e-9 * 1e6, "{mean} {expected}");
            }
        }
    }
}
