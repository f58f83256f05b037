//! What a producer's times say of its clock: in flow event times in the order of arrival, out flows whether to believe each.
//!
//! A time is believed if it is at most `tolerance` behind the producer's newest, and ahead of it by no more than `tolerance`
//! and what passed on the log's own clock (the records' timestamps) meanwhile. One that is further off, because a clock was
//! set or a record is wrong, is doubted until the producer's next record: agrees that one with it, both are believed and the
//! producer's time goes on from there; else the doubted one was wrong. So a single wrong time moves nothing, and a clock
//! that was set is followed one record later.

/// A producer's time, as far as it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct EventTime {
    newest: Option<Moment>,
    doubted: Option<Moment>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Moment {
    event_ms: f64,
    log_ms: i64,
}

/// What to think of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It follows those before.
    Follows,
    /// It is far off; the next record tells.
    Doubted,
    /// It agrees with the doubted one before: that one is to be believed too.
    Confirms {
        /// The producer's clock went back.
        set_back: bool,
    },
}

/// A verdict, and whether the record doubted before turned out wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) refuted: bool,
}

impl EventTime {
    /// The newest time believed since the clock was last set, in ms.
    pub(crate) fn newest_ms(&self) -> Option<f64> {
        self.newest.map(|moment| moment.event_ms)
    }

    /// The timestamp of the record believed last.
    pub(crate) fn log_ms(&self) -> Option<i64> {
        self.newest.map(|moment| moment.log_ms)
    }

    /// Judges the time of the producer's next record, whose own timestamp is `log_ms`.
    pub(crate) fn judge(&mut self, event_ms: f64, log_ms: i64, tolerance_ms: f64) -> Judgement {
        let moment = Moment { event_ms, log_ms };
        let Some(newest) = self.newest else {
            self.newest = Some(moment);
            return Judgement {
                verdict: Verdict::Follows,
                refuted: false,
            };
        };
        if newest.is_followed_by(moment, tolerance_ms) {
            self.newest = Some(newest.and(moment));
            return Judgement {
                verdict: Verdict::Follows,
                refuted: self.doubted.take().is_some(),
            };
        }
        match self.doubted.replace(moment) {
            Some(doubted) if doubted.is_followed_by(moment, tolerance_ms) => {
                self.newest = Some(doubted.and(moment));
                self.doubted = None;
                Judgement {
                    verdict: Verdict::Confirms {
                        set_back: doubted.event_ms < newest.event_ms,
                    },
                    refuted: false,
                }
            }
            before => Judgement {
                verdict: Verdict::Doubted,
                refuted: before.is_some(),
            },
        }
    }
}

impl Moment {
    fn is_followed_by(self, next: Self, tolerance_ms: f64) -> bool {
        let ahead_ms = next.event_ms - self.event_ms;
        let passed_ms = next.log_ms.saturating_sub(self.log_ms).max(0) as f64;
        -tolerance_ms <= ahead_ms && ahead_ms <= tolerance_ms + passed_ms
    }

    fn and(self, next: Self) -> Self {
        Self {
            event_ms: self.event_ms.max(next.event_ms),
            log_ms: next.log_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLLOWS: Verdict = Verdict::Follows;
    const DOUBTED: Verdict = Verdict::Doubted;
    const BACK: Verdict = Verdict::Confirms { set_back: true };
    const ON: Verdict = Verdict::Confirms { set_back: false };

    /// Judges with a tolerance of 10 s; `(event, log)` in s.
    fn judge(times: &[(i64, i64)]) -> Vec<(Verdict, bool)> {
        let mut time = EventTime::default();
        times
            .iter()
            .map(|(event_s, log_s)| {
                let judged = time.judge(*event_s as f64 * 1e3, log_s * 1_000, 1e4);
                (judged.verdict, judged.refuted)
            })
            .collect()
    }

    #[test]
    fn times_in_order_and_a_little_out_of_it_are_believed() {
        assert_eq!(
            judge(&[(100, 0), (101, 1), (95, 2), (110, 3), (100, 4)]),
            [(FOLLOWS, false); 5]
        );
    }

    #[test]
    fn a_single_time_far_ahead_or_behind_moves_nothing() {
        assert_eq!(
            judge(&[(100, 0), (90_000, 1), (101, 2), (3, 3), (102, 4)]),
            [
                (FOLLOWS, false),
                (DOUBTED, false),
                (FOLLOWS, true),
                (DOUBTED, false),
                (FOLLOWS, true)
            ]
        );
        assert_eq!(
            judge(&[(100, 0), (90_000, 1), (3, 2), (101, 3)]),
            [
                (FOLLOWS, false),
                (DOUBTED, false),
                (DOUBTED, true),
                (FOLLOWS, true)
            ]
        );
    }

    #[test]
    fn a_clock_that_was_set_is_followed_one_record_later() {
        assert_eq!(
            judge(&[(5_000, 0), (100, 1), (101, 2), (102, 3)]),
            [
                (FOLLOWS, false),
                (DOUBTED, false),
                (BACK, false),
                (FOLLOWS, false)
            ]
        );
        assert_eq!(
            judge(&[(100, 0), (5_000, 1), (5_001, 2), (5_002, 3)]),
            [
                (FOLLOWS, false),
                (DOUBTED, false),
                (ON, false),
                (FOLLOWS, false)
            ]
        );
    }

    #[test]
    fn a_pause_that_the_log_saw_too_is_no_jump() {
        assert_eq!(
            judge(&[(100, 0), (30_100, 30_000), (30_101, 30_001)]),
            [(FOLLOWS, false); 3]
        );
    }
}
