//! How long to wait before the next try: longer each time, short again after it has worked for a while.
//!
//! Decides, never waits itself.

use std::time::Duration;

/// Before the second try.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait: somebody stands in front of the camera that was plugged in again.
const LONGEST: Duration = Duration::from_secs(30);
/// What has worked for so long is not the same failure again.
const WORKED: Duration = Duration::from_mins(1);

/// The waits between tries.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// How long to wait after a try that worked for `worked` (nothing if it did not).
    pub fn after(&mut self, worked: Duration) -> Duration {
        if worked >= WORKED {
            self.next = FIRST;
        }
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..8)
            .map(|_| backoff.after(Duration::from_secs(3)).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn after_it_has_worked_for_a_minute_waits_are_short_again() {
        let mut backoff = Backoff::default();
        for _ in 0..8 {
            backoff.after(Duration::ZERO);
        }
        assert_eq!(backoff.after(Duration::from_mins(1)).as_secs(), 1);
        assert_eq!(backoff.after(Duration::ZERO).as_secs(), 2);
    }
}
