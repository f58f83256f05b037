//! A group as the log has it: records of `__consumer_offsets` applied one after another, oldest first.
//!
//! Members come back as they were in their generation and have a session timeout to say that they live; a rebalance that
//! was under way is forgotten, and its members start it anew.

use super::coordinator::GroupCoordinator;
use super::group::{Group, GroupState};
use super::member::{Member, Protocol};
use super::offsets::Committed;
use crate::internal_topics::batch::Content;
use crate::internal_topics::group_records::{self, GroupRecord, GroupValue, OffsetValue};
use crate::internal_topics::journal::Now;
use kafka_protocol::ResponseError;
use std::collections::HashMap;
use std::time::Duration;

impl GroupCoordinator {
    /// Reads every group back. To be called once, before the first request; it reads files.
    pub fn load(&self) -> Result<(), ResponseError> {
        for partition in 0..self.topic().partitions() {
            let mut loading = Loading {
                coordinator: self,
                groups: HashMap::new(),
                refused: 0,
            };
            self.topic()
                .read(partition, &mut |content| loading.apply(content))?;
            if loading.refused > 0 {
                tracing::warn!(
                    partition,
                    records = loading.refused,
                    "records of __consumer_offsets could not be read and were passed over"
                );
            }
            for (_, group) in loading.groups {
                if !group.is_blank() {
                    self.adopt(group);
                }
            }
        }
        Ok(())
    }
}

struct Loading<'a> {
    coordinator: &'a GroupCoordinator,
    groups: HashMap<String, Group>,
    refused: usize,
}

impl Loading<'_> {
    fn apply(&mut self, content: Content) {
        match content {
            Content::Marker { producer, commit } => {
                for group in self.groups.values_mut() {
                    group.complete_transaction(producer.id, commit);
                }
            }
            Content::Records { producer, records } => {
                for (offset, record) in records {
                    match group_records::decode(&record) {
                        Ok(record) => self.record(record, producer.map(|one| one.id), offset),
                        Err(_) => self.refused += 1,
                    }
                }
            }
        }
    }

    fn record(&mut self, record: GroupRecord, producer_id: Option<i64>, offset: i64) {
        let now = self.coordinator.now();
        match record {
            GroupRecord::Unknown { .. } => {}
            GroupRecord::Offset {
                group,
                topic,
                partition,
                value,
            } => self
                .group(&group)
                .load_offset((topic, partition), value, producer_id, offset),
            GroupRecord::Group {
                group,
                value: Some(value),
            } => self.group(&group).load_metadata(value, now),
            // Its offsets have tombstones of their own.
            GroupRecord::Group { group, value: None } => {
                let offsets = self
                    .groups
                    .remove(&group)
                    .map(|former| former.offsets)
                    .unwrap_or_default();
                if !offsets.is_empty() {
                    self.group(&group).offsets = offsets;
                }
            }
        }
    }

    fn group(&mut self, id: &str) -> &mut Group {
        let settings = self.coordinator.shared_settings();
        self.groups
            .entry(id.to_owned())
            .or_insert_with(|| Group::new(id, settings))
    }
}

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
