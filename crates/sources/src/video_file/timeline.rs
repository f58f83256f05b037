//! From a file's times to the publisher's: starting at zero, going on forward lap after lap; and which pictures are taken.

/// So much sound in front of the first picture goes with it, for decoders to settle by.
const SETTLING_US: i64 = 100_000;

/// Times since the publisher's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) pts_us: i64,
    pub(super) dts_us: i64,
}

/// The publisher's time line.
#[derive(Debug, Default)]
#[allow(
    clippy::struct_field_names,
    reason = "units stand at the ends of names"
)]
pub(super) struct Timeline {
    /// The file's time that is the lap's zero: its first picture's.
    zero_us: Option<i64>,
    /// The publisher's time at which the lap began.
    base_us: i64,
    /// Where the lap ends as far as it is known.
    end_us: i64,
    /// The latest picture of the lap, and the time to it from the one shown before: what a picture without a duration lasts.
    latest_us: i64,
    step_us: i64,
}

impl Timeline {
    /// Where a picture of the file belongs.
    pub(super) fn place(&mut self, pts_us: i64, dts_us: i64, duration_us: i64) -> Placed {
        let zero_us = *self.zero_us.get_or_insert(pts_us);
        let at_us = pts_us.saturating_sub(zero_us);
        if at_us > self.latest_us {
            self.step_us = at_us - self.latest_us;
            self.latest_us = at_us;
        }
        let lasts_us = if duration_us > 0 {
            duration_us
        } else {
            self.step_us.max(1)
        };
        self.end_us = self.end_us.max(at_us.saturating_add(lasts_us));
        Placed {
            pts_us: self.base_us.saturating_add(at_us),
            dts_us: self.base_us.saturating_add(dts_us.saturating_sub(zero_us)),
        }
    }

    /// Whether the lap has a picture.
    pub(super) fn has_begun(&self) -> bool {
        self.zero_us.is_some()
    }

    /// Where sound of the file belongs; `None` before the first picture, and where it would sound in the next lap.
    pub(super) fn place_sound(&self, pts_us: i64, within_lap: bool) -> Option<i64> {
        let at_us = pts_us.saturating_sub(self.zero_us?);
        let fits = at_us >= -SETTLING_US && !(within_lap && at_us >= self.end_us);
        fits.then(|| self.base_us.saturating_add(at_us))
    }

    /// The file begins again; time goes on.
    pub(super) fn next_lap(&mut self) {
        self.base_us = self.base_us.saturating_add(self.end_us);
        self.end_us = 0;
        self.latest_us = 0;
        self.zero_us = None;
    }
}

/// Takes so many pictures a second.
#[derive(Debug)]
pub(super) struct Thin {
    interval_us: f64,
    next_us: f64,
}

impl Thin {
    pub(super) fn new(fps: f64) -> Self {
        Self {
            interval_us: 1e6 / fps,
            next_us: f64::MIN,
        }
    }

    /// Whether the picture shown at `pts_us` is one of them.
    pub(super) fn takes(&mut self, pts_us: i64) -> bool {
        // A millisecond: containers round times.
        if (pts_us as f64) + 1_000.0 < self.next_us {
            return false;
        }
        let next_us = self.next_us + self.interval_us;
        // At the start and after a gap the beat begins anew.
        self.next_us = if next_us <= pts_us as f64 {
            pts_us as f64 + self.interval_us
        } else {
            next_us
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lap(timeline: &mut Timeline, units: &[(i64, i64, i64)]) -> Vec<(i64, i64)> {
        units
            .iter()
            .map(|(pts, dts, duration)| {
                let placed = timeline.place(*pts, *dts, *duration);
                (placed.pts_us, placed.dts_us)
            })
            .collect()
    }

    #[test]
    fn a_file_that_does_not_start_at_zero_is_published_from_zero_with_its_distances() {
        let mut timeline = Timeline::default();
        assert_eq!(
            lap(
                &mut timeline,
                &[(5_000, 4_000, 10), (5_080, 4_040, 10), (5_040, 4_080, 10)]
            ),
            [(0, -1_000), (80, -960), (40, -920)]
        );
    }

    #[test]
    fn the_next_lap_begins_where_the_last_picture_has_been_shown() {
        let mut timeline = Timeline::default();
        let units = [(0, -40, 40), (120, 0, 40), (40, 40, 40), (80, 80, 40)];
        lap(&mut timeline, &units);
        timeline.next_lap();
        assert_eq!(
            lap(&mut timeline, &units),
            [(160, 120), (280, 160), (200, 200), (240, 240)]
        );
        timeline.next_lap();
        assert_eq!(lap(&mut timeline, &units)[0], (320, 280));
    }

    #[test]
    fn sound_lies_on_the_pictures_line_and_does_not_run_into_the_next_lap() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.place_sound(5_000, false), None);
        lap(&mut timeline, &[(5_000, 5_000, 10), (5_010, 5_010, 10)]);
        assert_eq!(timeline.place_sound(4_990, true), Some(-10));
        assert_eq!(timeline.place_sound(5_015, true), Some(15));
        assert_eq!(timeline.place_sound(5_020, true), None);
        assert_eq!(timeline.place_sound(5_020, false), Some(20));
        assert_eq!(timeline.place_sound(-200_000, false), None);
        timeline.next_lap();
        lap(&mut timeline, &[(5_000, 5_000, 10)]);
        assert_eq!(timeline.place_sound(5_002, true), Some(22));
    }

    #[test]
    fn decode_times_go_forward_over_every_lap() {
        let mut timeline = Timeline::default();
        let units = [
            (0, -80, 0),
            (80, -40, 0),
            (40, 0, 0),
            (160, 40, 0),
            (120, 80, 0),
        ];
        let mut last = i64::MIN;
        for _ in 0..5 {
            for (pts, dts) in lap(&mut timeline, &units) {
                assert!(dts > last && dts <= pts, "{dts} after {last}");
                last = dts;
            }
            timeline.next_lap();
        }
    }

    #[test]
    fn a_last_picture_without_a_duration_lasts_as_long_as_the_one_before_it() {
        let mut timeline = Timeline::default();
        lap(&mut timeline, &[(0, 0, 0), (40, 40, 0), (80, 80, 0)]);
        timeline.next_lap();
        assert_eq!(timeline.place(0, 0, 0).pts_us, 120);
    }

    #[test]
    fn times_at_the_ends_of_their_range_break_nothing() {
        let mut timeline = Timeline::default();
        for time in [i64::MIN, i64::MAX, 0, -1] {
            timeline.place(time, time, i64::MAX);
            timeline.next_lap();
        }
    }

    #[test]
    fn so_many_pictures_a_second_are_taken_evenly() {
        for (fps, want) in [
            (30.0, 300),
            (10.0, 100),
            (1.0, 10),
            (25.0, 250),
            (60.0, 300),
        ] {
            let mut thin = Thin::new(fps);
            let taken = (0..300)
                .filter(|index| thin.takes(index * 1_000_000 / 30))
                .count();
            assert_eq!(taken, want, "{fps}");
        }
    }

    #[test]
    fn after_a_gap_no_pictures_are_made_up_for() {
        let mut thin = Thin::new(10.0);
        let times = [0, 50_000, 100_000, 5_000_000, 5_050_000, 5_100_000];
        let taken: Vec<i64> = times.into_iter().filter(|t| thin.takes(*t)).collect();
        assert_eq!(taken, [0, 100_000, 5_000_000, 5_100_000]);
    }
}
