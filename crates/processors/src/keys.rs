//! What is held of each key of one partition, in bounded memory.
//!
//! A key that has not come among the newest [`HORIZON`] records is forgotten, and of more than [`MAX_KEYS`] the one that came
//! least recently; what is held of a key reaches no further back either. So a restart need not read more than that again.
//! Both bounds are for the topic and shared out among its partitions.

use std::collections::HashMap;

/// Records of the input in which a key must come again.
pub(crate) const HORIZON: i64 = 1_000_000;
/// Keys that are held.
pub(crate) const MAX_KEYS: usize = 100_000;
/// Records after which it is looked for what can be forgotten, where there are fewer keys than that.
const SWEEP_EVERY: i64 = 1_000;

/// What is held of a key.
pub(crate) trait Held: Default {
    /// The oldest offset this was made of; `None` if none is needed to have it again.
    fn oldest(&self) -> Option<i64>;
    /// Whether something of it has still to be given out: it is not forgotten for not having come.
    fn is_due(&self) -> bool {
        false
    }
}

/// The keys of one partition.
pub(crate) struct Keys<S> {
    held: HashMap<Box<[u8]>, Entry<S>>,
    horizon: i64,
    most: usize,
    /// Where it was last looked for what can be forgotten.
    swept_at: i64,
    /// Nothing that is held was made of an older record.
    oldest: Option<i64>,
}

struct Entry<S> {
    last: i64,
    state: S,
}

impl<S: Held> Keys<S> {
    /// For one of `partitions`.
    pub(crate) fn new(partitions: usize) -> Self {
        let partitions = partitions.max(1);
        Self::bounded(
            (HORIZON / partitions as i64).max(1),
            (MAX_KEYS / partitions).max(1),
        )
    }

    fn bounded(horizon: i64, most: usize) -> Self {
        Self {
            held: HashMap::new(),
            horizon,
            most,
            swept_at: 0,
            oldest: None,
        }
    }

    /// The oldest offset that what is held of a key may be made of when the record at `offset` has come.
    pub(crate) fn horizon_at(&self, offset: i64) -> i64 {
        offset.saturating_sub(self.horizon)
    }

    /// What is held of a key that has come at `offset`.
    pub(crate) fn came(&mut self, key: &[u8], offset: i64) -> &mut S {
        let oldest = *self.oldest.get_or_insert(offset);
        if offset < oldest {
            // The log was made anew.
            self.held.clear();
            self.oldest = Some(offset);
            self.swept_at = offset;
        }
        let horizon = self.horizon_at(offset);
        if !self.held.contains_key(key) {
            self.held.insert(
                key.into(),
                Entry {
                    last: offset,
                    state: S::default(),
                },
            );
        }
        let Some(entry) = self.held.get_mut(key) else {
            unreachable!("it was just put there");
        };
        if entry.last < horizon && !entry.state.is_due() {
            entry.state = S::default();
        }
        entry.last = offset;
        &mut entry.state
    }

    /// Forgets what is to be forgotten when the record at `offset` has come, now and then; how many keys that were.
    pub(crate) fn forget(&mut self, offset: i64) -> usize {
        let before = self.held.len();
        let every = SWEEP_EVERY.max(before as i64);
        if before <= self.most && offset < self.swept_at.saturating_add(every) {
            return 0;
        }
        self.swept_at = offset;
        let horizon = self.horizon_at(offset);
        self.held
            .retain(|_, entry| entry.last >= horizon || entry.state.is_due());
        if self.held.len() > self.most {
            self.forget_least_recent();
        }
        self.oldest = self
            .held
            .values()
            .map(|entry| entry.state.oldest().unwrap_or(entry.last).min(entry.last))
            .min()
            .or(Some(offset));
        before - self.held.len()
    }

    /// An eighth at once, so that it is seldom done.
    fn forget_least_recent(&mut self) {
        let mut last: Vec<i64> = self.held.values().map(|entry| entry.last).collect();
        let surplus = last.len() - (self.most - self.most / 8);
        let (_, cut, _) = last.select_nth_unstable(surplus - 1);
        let cut = *cut;
        self.held.retain(|_, entry| entry.last > cut);
    }

    /// Reading from here on makes what is held anew; `None` while nothing has come.
    pub(crate) fn oldest(&self) -> Option<i64> {
        self.oldest
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&[u8], &mut S)> {
        self.held
            .iter_mut()
            .map(|(key, entry)| (&**key, &mut entry.state))
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Offsets(Vec<i64>);

    impl Held for Offsets {
        fn oldest(&self) -> Option<i64> {
            self.0.first().copied()
        }
    }

    #[test]
    fn a_million_keys_take_no_more_room_than_the_bound_and_the_latest_are_held() {
        let mut keys: Keys<Offsets> = Keys::new(1);
        let mut forgotten = 0;
        for offset in 0..1_000_000_i64 {
            keys.came(format!("key-{offset}").as_bytes(), offset)
                .0
                .push(offset);
            forgotten += keys.forget(offset);
            assert!(keys.len() <= MAX_KEYS);
        }
        assert_eq!(forgotten + keys.len(), 1_000_000);
        assert!(keys.len() > MAX_KEYS / 2);
        assert_eq!(keys.came(b"key-999999", 1_000_000).0, [999_999]);
        assert!(keys.came(b"key-0", 1_000_001).0.is_empty());
    }

    #[test]
    fn a_key_that_does_not_come_again_is_forgotten_and_holds_no_restart_back() {
        let mut keys: Keys<Offsets> = Keys::bounded(5_000, 100);
        keys.came(b"once", 0).0.push(0);
        for offset in 1..20_000 {
            let held = keys.came(b"often", offset);
            held.0 = vec![offset];
            keys.forget(offset);
        }
        assert_eq!(keys.len(), 1);
        assert!(keys.oldest().unwrap() > 15_000);
        assert!(keys.came(b"once", 20_000).0.is_empty());
    }

    #[test]
    fn a_key_that_comes_again_too_late_begins_anew_though_nobody_looked_for_it() {
        let mut keys: Keys<Offsets> = Keys::bounded(10, 100);
        keys.came(b"a", 0).0.push(0);
        assert_eq!(keys.came(b"a", 10).0, [0]);
        assert!(keys.came(b"a", 21).0.is_empty());
    }

    #[test]
    fn reading_from_the_oldest_on_has_all_that_is_held() {
        let mut keys: Keys<Offsets> = Keys::bounded(1_000_000, 100);
        keys.came(b"a", 50).0.push(50);
        for offset in 51..9_000 {
            keys.came(b"b", offset).0 = vec![offset];
            keys.forget(offset);
            assert_eq!(keys.oldest(), Some(50));
        }
    }
}
