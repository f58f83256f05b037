//! When something is due, from the clock alone: decides, never waits itself.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, Timestamp};

/// Maps times of the material to times on the wall.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pacer {
    /// The monotonic time at which the material's zero was due.
    zero: Duration,
    /// The wall clock then.
    wall: Timestamp,
}

impl Pacer {
    /// The material's zero is now.
    pub(crate) fn start(clock: &dyn Clock) -> Self {
        Self {
            zero: clock.monotonic(),
            wall: clock.now(),
        }
    }

    /// How long to wait until `at` of the material; nothing if it is due.
    pub(crate) fn wait(&self, at: Duration, clock: &dyn Clock) -> Duration {
        (self.zero + at).saturating_sub(clock.monotonic())
    }

    /// By how much `at` of the material is overdue.
    pub(crate) fn late(&self, at: Duration, clock: &dyn Clock) -> Duration {
        clock.monotonic().saturating_sub(self.zero + at)
    }

    /// How far the material is by the clock.
    pub(crate) fn elapsed(&self, clock: &dyn Clock) -> Duration {
        clock.monotonic().saturating_sub(self.zero)
    }

    /// The wall clock's time for a time of the material.
    pub(crate) fn wall(&self, at_us: i64) -> Timestamp {
        self.wall.plus_ms(at_us.div_euclid(1_000))
    }

    /// Goes on as if the time lost had not been: what is `late` now is due now.
    pub(crate) fn forgive(&mut self, late: Duration) {
        self.zero += late;
        self.wall = self
            .wall
            .plus_ms(i64::try_from(late.as_millis()).unwrap_or(i64::MAX));
    }
}

/// Waits, unless told to end: then says so.
pub(crate) async fn sleep(wait: Duration, shutdown: &CancellationToken) -> bool {
    if wait.is_zero() {
        return !shutdown.is_cancelled();
    }
    tokio::select! {
        () = tokio::time::sleep(wait) => true,
        () = shutdown.cancelled() => false,
    }
}

#[cfg(test)]
mod tests {
    use weir_base::time::ManualClock;

    use super::*;

    #[test]
    fn what_is_ahead_is_waited_for_and_what_is_behind_is_late() {
        let clock = ManualClock::new(Timestamp(1_000_000));
        let pacer = Pacer::start(&clock);
        let at = Duration::from_millis(40);
        assert_eq!(pacer.wait(at, &clock), at);
        clock.advance(Duration::from_millis(30));
        assert_eq!(pacer.wait(at, &clock), Duration::from_millis(10));
        assert_eq!(pacer.late(at, &clock), Duration::ZERO);
        clock.advance(Duration::from_millis(30));
        assert_eq!(pacer.wait(at, &clock), Duration::ZERO);
        assert_eq!(pacer.late(at, &clock), Duration::from_millis(20));
        assert_eq!(pacer.wall(40_000), Timestamp(1_000_040));
    }

    #[test]
    fn a_wall_clock_that_is_set_back_moves_no_due_time() {
        let clock = ManualClock::new(Timestamp(1_000_000));
        let pacer = Pacer::start(&clock);
        clock.set(Timestamp(0));
        assert_eq!(
            pacer.wait(Duration::from_secs(1), &clock),
            Duration::from_secs(1)
        );
        assert_eq!(pacer.wall(1_000_000), Timestamp(1_001_000));
    }

    #[test]
    fn time_forgiven_is_not_made_up_for_in_a_rush() {
        let clock = ManualClock::new(Timestamp(0));
        let mut pacer = Pacer::start(&clock);
        clock.advance(Duration::from_secs(10));
        let at = Duration::from_secs(1);
        pacer.forgive(pacer.late(at, &clock));
        assert_eq!(pacer.late(at, &clock), Duration::ZERO);
        assert_eq!(
            pacer.wait(Duration::from_secs(2), &clock),
            Duration::from_secs(1)
        );
        assert_eq!(pacer.wall(1_000_000), Timestamp(10_000));
    }
}
