//! Decode times for containers and protocols that only say when a picture is shown.
//!
//! With a reorder depth of `d`, at most `d` pictures are decoded before one that is shown earlier; so the `n`-th decoded
//! picture may take the time of the `n − d`-th shown one: it is known by then, never later than the picture's own, and never
//! goes back. The first `d` pictures get times before the first shown one, a picture's duration apart.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::{cmp::Reverse, collections::BinaryHeap};

/// Derives dts from pts.
#[derive(Debug, Clone)]
pub struct DecodeTimes {
    depth: usize,
    duration_us: i64,
    waiting: BinaryHeap<Reverse<i64>>,
    last_us: i64,
}

impl DecodeTimes {
    /// `duration_us` is what lies between two pictures, as near as is known.
    pub fn new(depth: u32, duration_us: i64) -> DecodeTimes {
        DecodeTimes {
            depth: depth.min(16) as usize,
            duration_us,
            waiting: BinaryHeap::new(),
            last_us: i64::MIN,
        }
    }

    /// The dts of the next picture in decode order.
    pub fn next(&mut self, pts_us: i64) -> i64 {
        if self.waiting.is_empty() && self.last_us == i64::MIN {
            // Stand-ins for the pictures before the first.
            for before in (1..=self.depth as i64).rev() {
                self.waiting.push(Reverse(
                    pts_us.saturating_sub(before.saturating_mul(self.duration_us)),
                ));
            }
        }
        self.waiting.push(Reverse(pts_us));
        let dts_us = self.waiting.pop().map_or(pts_us, |Reverse(us)| us);
        self.last_us = dts_us.min(pts_us).max(self.last_us);
        self.last_us
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn b_frames_get_decode_times_before_their_own() {
        let mut times = DecodeTimes::new(2, 40);
        let pts = [0, 160, 80, 40, 120, 320, 240, 200, 280];
        let dts: Vec<_> = pts.into_iter().map(|pts| times.next(pts)).collect();
        assert_eq!(dts, [-80, -40, 0, 40, 80, 120, 160, 200, 240]);
    }

    #[test]
    fn without_reordering_both_times_are_the_same() {
        let mut times = DecodeTimes::new(0, 40);
        assert_eq!([5, 9, 100].map(|pts| times.next(pts)), [5, 9, 100]);
    }

    proptest! {
        #[test]
        fn decode_times_never_go_back(depth in 0u32..20, pts in prop::collection::vec(any::<i64>(), 1..60)) {
            let mut times = DecodeTimes::new(depth, 40_000);
            let dts: Vec<_> = pts.iter().map(|pts| times.next(*pts)).collect();
            prop_assert!(dts.is_sorted());
        }
    }
}
