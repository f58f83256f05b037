//! When it is safe to switch: nothing comes at the source any more, and everything it has is at the target.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::events::Told;
use crate::groups::Looked;

/// So many looks one after the other must find the source where it was.
const QUIET_LOOKS: u32 = 3;

/// How each topic was found by a look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// Where the source's partitions end, by topic.
    pub(crate) ends: BTreeMap<Arc<str>, Vec<(i32, i64)>>,
    /// How far each topic is behind these ends.
    pub(crate) behind: BTreeMap<Arc<str>, i64>,
    /// Topics that wait until somebody mends what stops them.
    pub(crate) stopped: Vec<Arc<str>>,
    /// Topics whose offsets differ on the two sides.
    pub(crate) moved: Vec<Arc<str>>,
    /// Groups.
    pub(crate) groups: Looked,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Safe {
    last: BTreeMap<Arc<str>, Vec<(i32, i64)>>,
    quiet: u32,
    /// What was told last.
    told: Option<bool>,
}

impl Safe {
    /// Takes up a look; gives what is to be told, if that has changed.
    pub(crate) fn look(&mut self, look: &Look) -> Option<Told> {
        if look.ends == self.last {
            self.quiet = self.quiet.saturating_add(1);
        } else {
            self.quiet = 0;
            self.last.clone_from(&look.ends);
        }
        let missing = missing(look)
            .or_else(|| (self.quiet < QUIET_LOOKS).then(|| "--from still gets records".to_owned()));
        let safe = missing.is_none();
        let before = self.told;
        match missing {
            None if before != Some(true) => {
                self.told = Some(true);
                Some(Told::SafeToSwitch {
                    topics: look.ends.len(),
                    groups: look.groups.groups,
                    moved: look.moved.iter().map(ToString::to_string).collect(),
                    reading: look.groups.reading.clone(),
                })
            }
            Some(why) if before == Some(true) => {
                self.told = Some(safe);
                Some(Told::NotSafe { why })
            }
            _ => None,
        }
    }

    /// A side does not answer: nobody knows.
    pub(crate) fn unknown(&mut self, why: &str) -> Option<Told> {
        self.quiet = 0;
        (self.told.replace(false) == Some(true)).then(|| Told::NotSafe {
            why: why.to_owned(),
        })
    }
}

/// What the target lacks.
fn missing(look: &Look) -> Option<String> {
    if let Some(topic) = look.stopped.first() {
        return Some(format!("topic {topic:?} is not mirrored"));
    }
    let behind = look.behind.iter().find(|(_, behind)| **behind > 0);
    if let Some((topic, behind)) = behind {
        return Some(format!("topic {topic:?} is behind by {behind}"));
    }
    let group = look.groups.behind.first()?;
    Some(format!("the position of group {group:?} is not there yet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(end: i64, behind: i64) -> Look {
        let topic: Arc<str> = Arc::from("t");
        Look {
            ends: BTreeMap::from([(topic.clone(), vec![(0, end)])]),
            behind: BTreeMap::from([(topic, behind)]),
            ..Look::default()
        }
    }

    fn safe_after(safe: &mut Safe, look: &Look, looks: u32) -> Vec<Told> {
        (0..looks).filter_map(|_| safe.look(look)).collect()
    }

    #[test]
    fn it_is_safe_once_nothing_has_come_for_some_looks_and_everything_is_there() {
        let mut safe = Safe::default();
        assert_eq!(safe_after(&mut safe, &look(5, 2), 9), []);
        let told = safe_after(&mut safe, &look(5, 0), 9);
        assert!(matches!(told[..], [Told::SafeToSwitch { topics: 1, .. }]));
        let told = safe_after(&mut safe, &look(6, 0), 1);
        assert!(matches!(&told[..], [Told::NotSafe { why }] if why.contains("still gets")));
        let told = safe_after(&mut safe, &look(6, 0), 9);
        assert!(matches!(told[..], [Told::SafeToSwitch { .. }]));
    }

    #[test]
    fn a_source_that_grows_is_never_safe() {
        let mut safe = Safe::default();
        for end in 0..20 {
            assert_eq!(safe.look(&look(end, 0)), None);
        }
    }

    #[test]
    fn a_topic_that_is_stopped_and_a_group_that_is_behind_keep_it_from_being_safe() {
        let mut safe = Safe::default();
        let mut stopped = look(5, 0);
        stopped.stopped.push(Arc::from("t"));
        assert_eq!(safe_after(&mut safe, &stopped, 9), []);
        let mut group = look(5, 0);
        group.groups.behind.push("g".to_owned());
        assert_eq!(safe_after(&mut safe, &group, 9), []);
        assert_eq!(safe_after(&mut safe, &look(5, 0), 9).len(), 1);
        let told = safe.unknown("gone");
        assert!(matches!(told, Some(Told::NotSafe { .. })));
        assert_eq!(safe.unknown("gone"), None);
        assert_eq!(safe_after(&mut safe, &look(5, 0), QUIET_LOOKS - 1), []);
        assert_eq!(safe_after(&mut safe, &look(5, 0), 1).len(), 1);
    }
}
