//! One time line over whatever publishers do to theirs: it starts near zero and never runs backwards.
//!
//! A publisher that starts anew begins at zero again, one without `pts` has only wall-clock times, a camera's clock may jump.
//! Players end or stall on each of these, so such breaks are closed here. Within a publisher's run its times stand as they are.

/// What a gap must exceed to count as a break rather than as a slow picture rate.
const BREAK_US: i64 = 10_000_000;
/// Publishers' times above this (10 years) are no times since a start.
const SINCE_START_US: i64 = 315_360_000_000_000;
/// How far B-frames may lie before the picture in front of them.
const REORDERED_US: i64 = 1_000_000;
/// Until two pictures have told: 25 a second.
const FIRST_STEP_US: i64 = 40_000;

/// Lays pictures one behind the other.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    shift_us: i64,
    last: Option<Placed>,
}

/// A picture's place on the time line.
#[allow(
    clippy::struct_field_names,
    reason = "units stand at the ends of names"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// When it is shown.
    pub pts_us: i64,
    /// When it is decoded; never before the picture in front of it.
    pub dts_us: i64,
    /// How long it stands: as long as the one in front did, for its own successor has not come yet.
    pub duration_us: i64,
    /// What was added to the publisher's times.
    pub shift_us: i64,
}

impl Timeline {
    /// Places the next picture in decode order. A picture without a `dts` is decoded when it is shown or, if that
    /// would be before the one in front (B-frames), right behind that one.
    pub fn place(&mut self, pts_us: i64, dts_us: Option<i64>) -> Placed {
        let given_us = dts_us.unwrap_or(pts_us);
        let at_us = given_us.saturating_add(self.shift_us);
        let placed = match self.last {
            None => {
                if !(0..SINCE_START_US).contains(&given_us) {
                    self.shift_us = 0_i64.saturating_sub(given_us);
                }
                self.placed(
                    pts_us,
                    given_us.saturating_add(self.shift_us),
                    FIRST_STEP_US,
                )
            }
            Some(last) => {
                let step_us = at_us.saturating_sub(last.dts_us);
                let longest_us = BREAK_US.max(last.duration_us.saturating_mul(4));
                if dts_us.is_none() && (-REORDERED_US..0).contains(&step_us) {
                    self.placed(pts_us, last.dts_us.saturating_add(1), last.duration_us)
                } else if step_us < 0 || step_us > longest_us {
                    let next_us = last.dts_us.saturating_add(last.duration_us);
                    self.shift_us = next_us.saturating_sub(given_us);
                    self.placed(pts_us, next_us, last.duration_us)
                } else if step_us == 0 {
                    self.placed(pts_us, at_us, last.duration_us)
                } else {
                    self.placed(pts_us, at_us, step_us)
                }
            }
        };
        self.last = Some(placed);
        placed
    }

    /// The newest picture's place.
    pub fn last(&self) -> Option<Placed> {
        self.last
    }

    fn placed(&self, pts_us: i64, dts_us: i64, duration_us: i64) -> Placed {
        Placed {
            pts_us: pts_us.saturating_add(self.shift_us).max(0),
            dts_us,
            duration_us,
            shift_us: self.shift_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_publishers_own_times_stand_as_they_are() {
        let mut line = Timeline::default();
        for n in 0..5 {
            let placed = line.place(n * 20_000 + 40_000, Some(n * 20_000));
            assert_eq!(placed.dts_us, n * 20_000);
            assert_eq!(placed.pts_us, n * 20_000 + 40_000);
            assert_eq!(placed.duration_us, if n == 0 { 40_000 } else { 20_000 });
            assert_eq!(placed.shift_us, 0);
        }
    }

    #[test]
    fn a_publisher_that_starts_anew_goes_on_behind_the_last_picture() {
        let mut line = Timeline::default();
        line.place(1_000_000, Some(1_000_000));
        line.place(1_040_000, Some(1_040_000));
        let anew = line.place(0, Some(0));
        assert_eq!(anew.dts_us, 1_080_000);
        assert_eq!(line.place(40_000, Some(40_000)).dts_us, 1_120_000);
    }

    #[test]
    fn wall_clock_times_and_negative_ones_start_at_zero() {
        for first in [1_790_000_000_000_000, -80_000] {
            let mut line = Timeline::default();
            assert_eq!(line.place(first, None).dts_us, 0);
            assert_eq!(line.place(first + 40_000, None).dts_us, 40_000);
        }
    }

    #[test]
    fn a_leap_is_closed_and_a_slow_rate_is_not() {
        let mut line = Timeline::default();
        line.place(0, Some(0));
        line.place(5_000_000, Some(5_000_000));
        assert_eq!(line.place(20_000_000, Some(20_000_000)).dts_us, 20_000_000);
        let leapt = line.place(90_000_000_000, Some(90_000_000_000));
        assert_eq!(leapt.dts_us, 35_000_000);
    }

    #[test]
    fn b_frames_without_dts_keep_their_place_in_the_order_shown() {
        let mut line = Timeline::default();
        let shown: Vec<_> = [0, 120_000, 40_000, 80_000, 240_000]
            .map(|pts| line.place(pts, None))
            .into();
        assert_eq!(
            shown.iter().map(|p| p.pts_us).collect::<Vec<_>>(),
            [0, 120_000, 40_000, 80_000, 240_000]
        );
        assert!(shown.windows(2).all(|two| two[0].dts_us < two[1].dts_us));
    }

    proptest! {
        #[test]
        fn whatever_times_come_it_never_runs_backwards(times in prop::collection::vec((any::<i64>(), any::<Option<i64>>()), 1..50)) {
            let mut line = Timeline::default();
            let mut last = 0;
            for (pts, dts) in times {
                let placed = line.place(pts, dts);
                prop_assert!(placed.dts_us >= last);
                prop_assert!(placed.pts_us >= 0);
                prop_assert!(placed.duration_us > 0);
                last = placed.dts_us;
            }
        }
    }
}
