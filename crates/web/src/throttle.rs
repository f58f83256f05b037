//! How often may be posted to `/ingest`: by each sender, and by all together.
//!
//! Token buckets: a second's worth may come at once, then as many as the rate says. A sender is an IPv4 address, or the /64 network of
//! an IPv6 one, which a single machine has to itself (RFC 6177 §2). Senders are remembered while their bucket is not full again, and no
//! more than [`MAX_SENDERS`] of them; those that come when all are remembered share one bucket.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::Duration;

use weir_base::units::Rate;

use crate::hub::held;

/// Senders remembered at a time.
const MAX_SENDERS: usize = 10_000;
/// Between two looks for those that need not be remembered, once there are so many.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Who may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// The sender, for so long.
    Sender(Duration),
    /// Everybody, for so long.
    Total(Duration),
}

/// What counts requests.
#[derive(Debug)]
pub struct Throttle {
    each: Rate,
    total: Rate,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    senders: HashMap<IpAddr, Bucket>,
    /// When those whose bucket is full were last forgotten.
    swept: Duration,
    others: Bucket,
    total: Bucket,
}

/// How much of a second's worth was left, and when.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Duration,
}

impl Bucket {
    fn full(rate: Rate, now: Duration) -> Self {
        Self {
            left: capacity(rate),
            at: now,
        }
    }

    fn fill(&mut self, rate: Rate, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.left = (self.left + passed * rate.per_second).min(capacity(rate));
        self.at = now.max(self.at);
    }

    /// How long it takes until there is one to take.
    fn wait(&self, rate: Rate) -> Option<Duration> {
        let missing = 1.0 - self.left;
        (missing > 0.0).then(|| {
            Duration::try_from_secs_f64(missing / rate.per_second).unwrap_or(Duration::MAX)
        })
    }
}

fn capacity(rate: Rate) -> f64 {
    rate.per_second.max(1.0)
}

impl Throttle {
    /// `each`: of one sender, `total`: of all together.
    pub fn new(each: Rate, total: Rate) -> Self {
        let state = State {
            senders: HashMap::new(),
            swept: Duration::ZERO,
            others: Bucket::full(each, Duration::ZERO),
            total: Bucket::full(total, Duration::ZERO),
        };
        Self {
            each,
            total,
            state: Mutex::new(state),
        }
    }

    /// Counts a request of `sender` at the monotonic time `now`, or says for how long it may not go on. What is refused does not count.
    pub fn take(&self, sender: IpAddr, now: Duration) -> Result<(), Limited> {
        let mut state = held(&self.state);
        let State {
            senders,
            swept,
            others,
            total,
        } = &mut *state;
        let sender = network(sender);
        // Not for each of a million strangers: a second later a bucket is full again.
        let due = now.saturating_sub(*swept) >= SWEEP_EVERY;
        if senders.len() >= MAX_SENDERS && due {
            *swept = now;
            senders.retain(|_, bucket| {
                bucket.fill(self.each, now);
                bucket.left < capacity(self.each)
            });
        }
        let bucket = if senders.len() >= MAX_SENDERS {
            senders.get_mut(&sender).unwrap_or(others)
        } else {
            let new = || Bucket::full(self.each, now);
            senders.entry(sender).or_insert_with(new)
        };
        bucket.fill(self.each, now);
        total.fill(self.total, now);
        if let Some(wait) = bucket.wait(self.each) {
            return Err(Limited::Sender(wait));
        }
        if let Some(wait) = total.wait(self.total) {
            return Err(Limited::Total(wait));
        }
        bucket.left -= 1.0;
        total.left -= 1.0;
        Ok(())
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn throttle(each: f64, total: f64) -> Throttle {
        let rate = |per_second| Rate { per_second };
        Throttle::new(rate(each), rate(total))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_seconds_worth_may_come_at_once_and_then_as_much_as_the_rate_says() {
        let throttle = throttle(10.0, 1_000.0);
        let sender = ip("10.0.0.1");
        let ok = (0..100)
            .filter(|_| throttle.take(sender, S).is_ok())
            .count();
        assert_eq!(ok, 10);
        let Err(Limited::Sender(wait)) = throttle.take(sender, S) else {
            panic!("it may not go on");
        };
        assert_eq!(wait, Duration::from_millis(100));
        assert_eq!(throttle.take(sender, S + wait), Ok(()));
        assert!(throttle.take(sender, S + wait).is_err());
        assert_eq!(throttle.take(ip("10.0.0.2"), S), Ok(()));
        let ok = (0..100)
            .filter(|_| throttle.take(sender, 100 * S).is_ok())
            .count();
        assert_eq!(ok, 10, "what was not used is not saved up");
    }

    #[test]
    fn all_together_have_a_limit_and_what_is_refused_does_not_count() {
        let throttle = throttle(10.0, 15.0);
        for n in 0..30 {
            let _ = throttle.take(ip("10.0.0.1"), S + n * Duration::from_nanos(1));
        }
        for _ in 0..5 {
            assert_eq!(throttle.take(ip("10.0.0.2"), S), Ok(()));
        }
        for _ in 0..100 {
            assert!(matches!(
                throttle.take(ip("10.0.0.2"), S),
                Err(Limited::Total(_))
            ));
        }
        assert_eq!(throttle.take(ip("10.0.0.2"), 2 * S), Ok(()));
    }

    #[test]
    fn a_rate_below_one_a_second_lets_one_through_and_then_makes_wait() {
        let throttle = throttle(0.1, 1_000.0);
        assert_eq!(throttle.take(ip("::1"), S), Ok(()));
        assert_eq!(throttle.take(ip("::1"), S), Err(Limited::Sender(10 * S)));
    }

    #[test]
    fn an_address_in_ipv6_s_clothes_is_the_same_and_a_machine_has_one_network() {
        assert_eq!(network(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
        assert_eq!(network(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
    }

    #[test]
    fn a_million_senders_cost_ten_thousand_places_and_known_ones_keep_theirs() {
        let throttle = throttle(2.0, 1e9);
        let known = ip("192.168.0.1");
        throttle.take(known, S).unwrap();
        let passed = (0..1_000_000_u32)
            .filter(|n| {
                throttle
                    .take(Ipv4Addr::from_bits(0x0a00_0000 + n).into(), S)
                    .is_ok()
            })
            .count();
        assert_eq!(held(&throttle.state).senders.len(), MAX_SENDERS);
        assert_eq!(passed, MAX_SENDERS - 1 + 2);
        assert_eq!(throttle.take(known, S), Ok(()));
        assert!(throttle.take(known, S).is_err());
        // Later all of them are forgotten.
        assert_eq!(throttle.take(ip("10.99.0.1"), 10 * S), Ok(()));
        assert_eq!(held(&throttle.state).senders.len(), 1);
    }
}
