//! A group as the log has it: records of `__consumer_offsets` applied one after another, oldest first.
//!
//! Members come back as they were in their generation and have a session timeout to say that they live; a rebalance that
//! was under way is forgotten, and its members start it anew.

use super::group::{Group, GroupState};
use super::member::{Member, Protocol};
use super::offsets::Committed;
use super::turn::Now;
use crate::internal_topics::group_records::{GroupValue, OffsetValue};
use std::time::Duration;

impl Group {
    /// A committed offset, or its tombstone, stood in the log at `record_offset`.
    pub(super) fn load_offset(
        &mut self,
        partition: (String, i32),
        value: Option<OffsetValue>,
        producer_id: Option<i64>,
        record_offset: i64,
    ) {
        match value {
            Some(value) => self.offsets.put(
                producer_id,
                partition,
                Committed {
                    value,
                    record_offset,
                },
            ),
            None => self.offsets.forget(&partition),
        }
    }

    /// The group's metadata stood in the log.
    pub(super) fn load_metadata(&mut self, value: GroupValue, now: Now) {
        self.state = if value.members.is_empty() {
            GroupState::Empty
        } else {
            GroupState::Stable
        };
        self.previous_state = GroupState::Empty;
        self.state_since_ms = Some(value.state_timestamp_ms).filter(|&ms| ms != -1);
        self.generation = value.generation;
        self.protocol_type = Some(value.protocol_type).filter(|text| !text.is_empty());
        self.protocol = value.protocol;
        self.members.clear();
        self.static_members.clear();
        self.wake_at = None;
        for stored in value.members {
            let deadline = now.monotonic
                + Duration::from_millis(u64::try_from(stored.session_timeout_ms).unwrap_or(0));
            self.wake(deadline);
            let member = Member {
                instance_id: stored.instance_id,
                client_id: stored.client_id,
                client_host: stored.client_host,
                rebalance_timeout_ms: stored.rebalance_timeout_ms,
                session_timeout_ms: stored.session_timeout_ms,
                protocols: self
                    .protocol
                    .iter()
                    .map(|name| Protocol {
                        name: name.clone(),
                        metadata: stored.subscription.clone(),
                    })
                    .collect(),
                assignment: stored.assignment,
                is_new: false,
                awaiting_join: None,
                awaiting_sync: None,
                heartbeat_deadline: Some(deadline),
            };
            self.add(&stored.member_id, member);
        }
        self.leader = value
            .leader
            .filter(|id| self.members.contains_key(id))
            .or_else(|| self.members.keys().next().cloned());
        self.subscribed_topics = self.compute_subscribed_topics();
    }
}
