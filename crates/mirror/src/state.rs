//! How far each topic is: written by its carrier, read by whoever tells it or moves groups' positions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::runs::Runs;

/// Every topic that is mirrored.
#[derive(Default)]
pub(crate) struct Topics(Mutex<BTreeMap<Arc<str>, Topic>>);

/// A topic that is mirrored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topic {
    /// By number.
    pub(crate) places: BTreeMap<i32, Place>,
    /// Records mirrored by this run of the program.
    pub(crate) records: u64,
    /// Bytes of their keys, values and headers.
    pub(crate) bytes: u64,
    /// Why it is not mirrored just now.
    pub(crate) stopped: Option<String>,
}

/// How far a partition is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// What is planned.
    pub(crate) runs: Runs,
    /// The source offset up to which everything is acknowledged by the target.
    pub(crate) mirrored: i64,
    /// The target offset that belongs to it.
    pub(crate) target: i64,
    /// Where the source ended at the last look.
    pub(crate) end: Option<i64>,
    /// There is no record for readers up to here behind `mirrored` in the source.
    pub(crate) nothing_to: i64,
}

impl Place {
    /// The source offset up to which the target has all there is.
    pub(crate) fn done(&self) -> i64 {
        self.mirrored.max(self.nothing_to)
    }

    /// Where a group that stands at `source` goes on in the target, and whether that is where it stands.
    pub(crate) fn position(&self, source: i64) -> (i64, bool) {
        if source <= self.mirrored {
            (self.runs.target_of(source).min(self.target), true)
        } else {
            // Behind the source's end a group waits for what comes next, or is set back by its own rule.
            let beyond = self
                .end
                .is_some_and(|end| source > end && self.done() >= end);
            let whole = source <= self.nothing_to || beyond;
            (self.target, whole)
        }
    }
}

impl Topic {
    /// Whether every record has the same offset on both sides.
    pub(crate) fn is_same(&self) -> bool {
        self.places.values().all(|place| place.runs.is_same())
    }
}

impl Topics {
    /// All of them.
    pub(crate) fn all(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Topic>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at one, which is there from then on, or changes it.
    pub(crate) fn with<T>(&self, topic: &Arc<str>, look: impl FnOnce(&mut Topic) -> T) -> T {
        look(self.all().entry(topic.clone()).or_default())
    }

    /// Looks at a partition or changes it.
    pub(crate) fn place<T>(
        &self,
        topic: &Arc<str>,
        partition: i32,
        look: impl FnOnce(&mut Place) -> T,
    ) -> T {
        self.with(topic, |topic| {
            look(topic.places.entry(partition).or_default())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_never_goes_on_behind_what_is_acknowledged() {
        let mut place = Place::default();
        for source in [3, 4, 8, 9] {
            place.runs.take(source);
        }
        // Planned are four, acknowledged two.
        (place.mirrored, place.target) = (5, 2);
        assert_eq!(place.position(4), (1, true));
        assert_eq!(place.position(5), (2, true));
        assert_eq!(place.position(9), (2, false));
        (place.mirrored, place.target) = (10, 4);
        assert_eq!(place.position(9), (3, true));
        // A transaction's marker is all there is behind the last record.
        assert_eq!(place.position(11), (4, false));
        place.end = Some(11);
        assert_eq!(place.position(99), (4, false));
        place.nothing_to = 11;
        assert_eq!(place.position(11), (4, true));
        assert_eq!(place.position(99), (4, true));
    }
}
