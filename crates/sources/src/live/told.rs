//! Something that may happen thirty times a second, told every ten seconds at most.

use std::time::Duration;

const EVERY: Duration = Duration::from_secs(10);

/// Counts what is told now and then.
#[derive(Debug, Default)]
pub(crate) struct NowAndThen {
    count: u64,
    told: Option<Duration>,
}

impl NowAndThen {
    /// Once more; how often since it was last told, if it is to be told now.
    pub(crate) fn count(&mut self, now: Duration) -> Option<u64> {
        self.count += 1;
        if self
            .told
            .is_some_and(|told| now.saturating_sub(told) < EVERY)
        {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_those_after_it_together() {
        let mut told = NowAndThen::default();
        assert_eq!(told.count(Duration::from_secs(1)), Some(1));
        assert_eq!(told.count(Duration::from_secs(2)), None);
        assert_eq!(told.count(Duration::from_secs(10)), None);
        assert_eq!(told.count(Duration::from_secs(11)), Some(3));
    }
}
