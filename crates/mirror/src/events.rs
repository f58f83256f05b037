//! What a mirror tells: people as sentences, scripts as JSON objects.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::error::Side;

/// Something a mirror tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Told {
    /// It begins.
    Begun {
        /// The source's addresses.
        from: String,
        /// The target's addresses.
        to: String,
        /// How many topics.
        topics: usize,
    },
    /// A topic is mirrored from now on.
    Topic {
        /// Its name.
        topic: String,
        /// How many partitions it has.
        partitions: usize,
        /// It was made at the target.
        created: bool,
        /// Its records have times of the source's log (`LogAppendTime`), which stay as they are; the target does not stamp anew.
        stamped: bool,
    },
    /// How far a topic is; comes with every look at which that changed.
    Progress(TopicProgress),
    /// A setting of a topic was changed at the target, or refused there.
    Setting {
        /// The topic.
        topic: String,
        /// The setting's name.
        name: String,
        /// Its value at the source.
        value: String,
        /// Why it is not so at the target.
        refused: Option<String>,
    },
    /// A topic waits until somebody mends what stops it.
    Stopped {
        /// Its name.
        topic: String,
        /// What stops it, and the remedy.
        why: String,
    },
    /// A group's position is not mirrored.
    GroupLeft {
        /// Its name.
        group: String,
        /// Why.
        why: String,
    },
    /// A side does not answer just now.
    Waiting {
        /// Which.
        side: Side,
        /// What happened.
        why: String,
    },
    /// It answers again.
    GoingOn {
        /// Which.
        side: Side,
    },
    /// Something a person should know.
    Note {
        /// A sentence.
        text: String,
    },
    /// Everything that was at the source when the mirror began, and all groups' positions, are at the target.
    CaughtUp {
        /// How many offsets the source has grown by since; not all of them are there.
        since: i64,
    },
    /// Nothing has come at the source for some seconds, and everything it has, groups' positions too, is at the target.
    SafeToSwitch {
        /// How many topics.
        topics: usize,
        /// How many groups.
        groups: usize,
        /// Topics whose offsets differ on the two sides.
        moved: Vec<String>,
        /// Groups that still have members at the source.
        reading: Vec<String>,
    },
    /// That is so no longer.
    NotSafe {
        /// What is missing.
        why: String,
    },
}

/// How far a topic is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicProgress {
    /// Its name.
    pub topic: String,
    /// How many offsets at the source are not at the target yet.
    pub behind: i64,
    /// Records mirrored by this run.
    pub records: u64,
    /// Bytes of their keys, values and headers.
    pub bytes: u64,
    /// Whether every record has the same offset on both sides.
    pub same_offsets: bool,
}

/// Where it is told.
pub(crate) struct Events {
    tell: Arc<dyn Fn(&Told) + Send + Sync>,
    /// Sides that do not answer, as was told.
    waiting: Mutex<BTreeSet<Side>>,
}

impl Events {
    pub(crate) fn new(tell: Arc<dyn Fn(&Told) + Send + Sync>) -> Self {
        Self {
            tell,
            waiting: Mutex::default(),
        }
    }

    pub(crate) fn tell(&self, told: &Told) {
        (self.tell)(told);
    }

    pub(crate) fn note(&self, text: &str) {
        let text = text.to_owned();
        self.tell(&Told::Note { text });
    }

    /// A side does not answer; told once.
    pub(crate) fn waiting(&self, side: Side, why: &str) {
        if self.sides(|sides| sides.insert(side)) {
            let why = why.to_owned();
            self.tell(&Told::Waiting { side, why });
        }
    }

    /// It answers; told if the other thing was.
    pub(crate) fn going_on(&self, side: Side) {
        if self.sides(|sides| sides.remove(&side)) {
            self.tell(&Told::GoingOn { side });
        }
    }

    fn sides<T>(&self, change: impl FnOnce(&mut BTreeSet<Side>) -> T) -> T {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut waiting)
    }
}
