//! When a picture was taken, by the server's own clock where that can be believed.
//!
//! A sender report (RFC 3550 §6.4.1) says which wall-clock time a time of the pictures is. Many cameras' clocks are set to
//! anything; a time that does not lie shortly before the picture's arrival is not believed, nor is one that stands still, and then
//! the picture counts as taken when it arrived.

use weir_base::time::Timestamp;

/// The longest that a picture is believed to have been under way.
const MAX_UNDER_WAY_MS: i64 = 10_000;
/// Two clocks that are set by the network still differ by this much.
const SKEW_MS: i64 = 50;
/// Seconds from 1900, where NTP begins, to 1970.
const NTP_TO_UNIX_S: i64 = 2_208_988_800;

/// Reckons capture times.
#[derive(Debug, Default)]
pub(super) struct CaptureClock {
    /// The wall clock at the pictures' time zero, as the server says.
    zero_ms: Option<i64>,
    /// Of the picture before.
    before_us: Option<i64>,
}

impl CaptureClock {
    /// A sender report: `ntp` (seconds since 1900 in 32.32 bits) is when the pictures' time was `time_us`.
    pub(super) fn report(&mut self, time_us: i64, ntp: u64) {
        let seconds = (ntp >> 32) as i64 - NTP_TO_UNIX_S;
        let millis = (((ntp & 0xffff_ffff) * 1_000) >> 32) as i64;
        let wall_ms = seconds * 1_000 + millis;
        self.zero_ms = Some(wall_ms.saturating_sub(time_us.div_euclid(1_000)));
    }

    /// When the picture of `time_us` that has arrived at `arrived` was taken.
    pub(super) fn at(&mut self, time_us: i64, arrived: Timestamp) -> Timestamp {
        let before_us = self.before_us.replace(time_us);
        let said = self
            .zero_ms
            .filter(|_| before_us.is_none_or(|before_us| before_us < time_us))
            .map(|zero_ms| Timestamp(zero_ms.saturating_add(time_us.div_euclid(1_000))));
        said.filter(|said| (-SKEW_MS..=MAX_UNDER_WAY_MS).contains(&arrived.since_ms(*said)))
            .map_or(arrived, |said| said.min(arrived))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_500);

    fn ntp(at: Timestamp) -> u64 {
        let seconds = (at.0.div_euclid(1_000) + NTP_TO_UNIX_S) as u64;
        let millis = at.0.rem_euclid(1_000) as u64;
        seconds << 32 | ((millis << 32) / 1_000 + 1)
    }

    #[test]
    fn a_server_whose_clock_is_right_says_when_a_picture_was_taken() {
        let mut clock = CaptureClock::default();
        assert_eq!(clock.at(0, NOW), NOW);
        clock.report(2_000_000, ntp(NOW));
        assert_eq!(clock.at(2_040_000, NOW.plus_ms(140)), NOW.plus_ms(40));
        assert_eq!(clock.at(2_080_000, NOW.plus_ms(60)), NOW.plus_ms(60));
    }

    #[test]
    fn a_server_whose_clock_is_wrong_is_not_believed() {
        for wrong in [
            Timestamp(0),
            NOW.plus_ms(3_600_000),
            NOW.plus_ms(-3_600_000),
        ] {
            let mut clock = CaptureClock::default();
            clock.report(0, ntp(wrong));
            assert_eq!(clock.at(0, NOW), NOW);
        }
        let mut clock = CaptureClock::default();
        clock.report(0, ntp(NOW));
        assert_eq!(clock.at(0, NOW.plus_ms(5)), NOW);
        assert_eq!(clock.at(0, NOW.plus_ms(45)), NOW.plus_ms(45));
        let mut clock = CaptureClock::default();
        clock.report(i64::MIN, u64::MAX);
        assert_eq!(clock.at(i64::MAX, NOW), NOW);
    }
}
