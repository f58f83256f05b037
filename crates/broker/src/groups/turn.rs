//! What a group's state machine is handed for one step, and what it leaves there: time in, records and answers out.

use crate::internal_topics::journal::{Journal, Now};
use kafka_protocol::messages::{JoinGroupResponse, SyncGroupResponse};
use std::time::Duration;

/// A parked request, by the number its group's shell gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// The answer to a parked request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To a `JoinGroup`.
    Join(JoinGroupResponse),
    /// To a `SyncGroup`.
    Sync(SyncGroupResponse),
}

/// One step of a group.
pub struct Turn<'a> {
    /// When it happens.
    pub now: Now,
    /// Where its records go.
    pub journal: &'a mut dyn Journal,
    /// The rest of a new member's id, unlike any other.
    pub fresh_id: &'a mut dyn FnMut() -> String,
    /// Answers to requests, this one or parked ones.
    pub replies: Vec<(CallId, Reply)>,
}

impl<'a> Turn<'a> {
    /// A step at `now`.
    pub fn new(
        now: Now,
        journal: &'a mut dyn Journal,
        fresh_id: &'a mut dyn FnMut() -> String,
    ) -> Self {
        Self {
            now,
            journal,
            fresh_id,
            replies: Vec::new(),
        }
    }

    pub(super) fn join(&mut self, call: CallId, response: JoinGroupResponse) {
        self.replies.push((call, Reply::Join(response)));
    }

    pub(super) fn sync(&mut self, call: CallId, response: SyncGroupResponse) {
        self.replies.push((call, Reply::Sync(response)));
    }

    pub(super) fn after_ms(&self, ms: i32) -> Duration {
        self.now.monotonic + Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }
}

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its client id.
    pub client_id: String,
    /// The address it came from, as Kafka shows it: with a slash in front.
    pub client_host: String,
    /// The request's version.
    pub api_version: i16,
}
