//! The publisher's time line over whatever a camera's clock does: it begins near zero and never runs backwards.
//!
//! A camera's times keep their distances as long as they are sound. Where it begins anew, leaps or stands still, the time of
//! arrival says where the line goes on.

/// A step of the camera's time may differ by this much from that of arrival: networks and busy machines hold pictures up.
const BREAK_US: i64 = 10_000_000;
/// How far apart the times shown and decoded of one picture may lie.
const MAX_REORDER_US: i64 = 10_000_000;

/// Lays pictures one behind the other, in decode order.
#[derive(Debug, Default)]
pub(super) struct Line {
    last: Option<Last>,
    /// What is to be added to the camera's times.
    shift_us: Option<i64>,
}

#[allow(
    clippy::struct_field_names,
    reason = "units stand at the ends of names"
)]
#[derive(Debug, Clone, Copy)]
struct Last {
    /// On the line.
    dts_us: i64,
    /// The camera's.
    given_us: i64,
    arrived_us: i64,
}

impl Line {
    /// The pts and dts of a picture that arrived so long after the publisher's start.
    pub(super) fn place(&mut self, pts_us: i64, given_us: i64, arrived_us: i64) -> (i64, i64) {
        let shift_us = self.shift_us.filter(|_| {
            self.last
                .is_some_and(|last| last.goes_on(given_us, arrived_us))
        });
        let earliest_us = self.last.map_or(0, |last| last.dts_us.saturating_add(1));
        let dts_us = if let Some(shift_us) = shift_us {
            given_us.saturating_add(shift_us).max(earliest_us)
        } else {
            let dts_us = arrived_us.max(earliest_us);
            self.shift_us = Some(dts_us.saturating_sub(given_us));
            dts_us
        };
        self.last = Some(Last {
            dts_us,
            given_us,
            arrived_us,
        });
        let reorder_us = pts_us
            .saturating_sub(given_us)
            .clamp(-MAX_REORDER_US, MAX_REORDER_US);
        (dts_us.saturating_add(reorder_us), dts_us)
    }

    /// What comes next counts from somewhere else.
    pub(super) fn cut(&mut self) {
        self.shift_us = None;
    }
}

impl Last {
    /// Whether the camera's time is sound at the next picture.
    fn goes_on(&self, given_us: i64, arrived_us: i64) -> bool {
        let step_us = given_us.saturating_sub(self.given_us);
        let waited_us = arrived_us.saturating_sub(self.arrived_us);
        let behind_us = arrived_us.saturating_sub(self.dts_us.saturating_add(step_us));
        step_us > 0 && step_us < waited_us.saturating_add(BREAK_US) && behind_us < BREAK_US
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cameras_own_distances_stand_however_unevenly_its_pictures_arrive() {
        let mut line = Line::default();
        let arrivals = [500_000, 501_000, 650_000, 651_000];
        let placed: Vec<_> = arrivals
            .into_iter()
            .zip([7_000_000_000, 7_000_040_000, 7_000_080_000, 7_000_120_000])
            .map(|(arrived, time)| line.place(time, time, arrived).1)
            .collect();
        assert_eq!(placed, [500_000, 540_000, 580_000, 620_000]);
    }

    #[test]
    fn after_it_broke_off_the_time_of_arrival_says_where_it_goes_on() {
        let mut line = Line::default();
        line.place(0, 0, 100_000);
        line.place(40_000, 40_000, 140_000);
        line.cut();
        assert_eq!(line.place(0, 0, 5_000_000).1, 5_000_000);
        assert_eq!(line.place(40_000, 40_000, 5_001_000).1, 5_040_000);
    }

    #[test]
    fn a_leap_in_either_direction_is_none_on_the_line() {
        for leap in [90_000_000_000, -90_000_000_000] {
            let mut line = Line::default();
            line.place(0, 0, 0);
            assert_eq!(line.place(leap, leap, 40_000).1, 40_000);
            assert_eq!(line.place(leap + 40_000, leap + 40_000, 80_000).1, 80_000);
        }
    }

    #[test]
    fn where_a_clock_stands_still_or_goes_too_slowly_pictures_lie_as_they_arrive() {
        let mut line = Line::default();
        let still = [0, 40_000, 80_000].map(|arrived| line.place(0, 0, arrived).1);
        assert_eq!(still, [0, 40_000, 80_000]);
        let mut line = Line::default();
        let slow = (0..60).map(|second| line.place(second, second, second * 1_000_000).1);
        assert!(slow.last().is_some_and(|dts_us| dts_us > 49_000_000));
    }

    #[test]
    fn pictures_shown_in_another_order_keep_their_distance_to_their_decode_time() {
        let mut line = Line::default();
        assert_eq!(line.place(80, 0, 1_000), (1_080, 1_000));
        assert_eq!(line.place(40, 40, 1_001), (1_040, 1_040));
    }

    proptest! {
        #[test]
        fn whatever_times_come_decode_times_go_forward(
            times in prop::collection::vec((any::<i64>(), any::<i64>(), 0_i64..10_000_000, any::<bool>()), 1..60),
        ) {
            let mut line = Line::default();
            let (mut last, mut arrived) = (-1, 0_i64);
            for (pts, dts, waited, cut) in times {
                arrived += waited;
                if cut {
                    line.cut();
                }
                let (_, placed) = line.place(pts, dts, arrived);
                prop_assert!(placed > last || placed == i64::MAX);
                last = placed;
            }
        }
    }
}
