//! A group's state, and the changes every kind of request shares: members in and out, state transitions, the vote.

use super::member::{Member, Protocol};
use super::offsets::Offsets;
use super::settings::GroupSettings;
use super::turn::{CallId, Turn};
use crate::internal_topics::group_records::{GroupValue, MemberValue};
use crate::internal_topics::primitives::{Malformed, Reader};
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{JoinGroupResponse, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// The protocol type of consumers.
pub const CONSUMER: &str = "consumer";

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupState {
    /// No members; may hold offsets.
    Empty,
    /// Waiting for its members to join again.
    PreparingRebalance,
    /// Waiting for the leader's assignment.
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
    /// Forgotten.
    Dead,
}

impl GroupState {
    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

/// The timer of the join phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JoinTimer {
    /// An empty group's first members wait for others (KIP-134): until `deadline`, extended by new arrivals while some
    /// of `remaining_ms` is left.
    Initial {
        deadline: Duration,
        delay_ms: i32,
        remaining_ms: i32,
    },
    /// Members have until then to join again.
    Rebalance { deadline: Duration },
}

/// A consumer group, as the classic protocol has it.
#[derive(Debug)]
pub struct Group {
    pub(super) id: String,
    pub(super) settings: Arc<GroupSettings>,
    pub(super) state: GroupState,
    pub(super) previous_state: GroupState,
    pub(super) state_since_ms: Option<i64>,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) members: BTreeMap<String, Member>,
    pub(super) static_members: HashMap<String, String>,
    /// Members that were given an id and have until then to join with it (KIP-394).
    pub(super) pending_join: BTreeMap<String, Duration>,
    /// Members of this generation whose `SyncGroup` has not come yet.
    pub(super) pending_sync: BTreeSet<String>,
    pub(super) new_member_added: bool,
    pub(super) join_timer: Option<JoinTimer>,
    pub(super) sync_deadline: Option<Duration>,
    /// The topics its consumers subscribe to, if their subscriptions can be read.
    pub(super) subscribed_topics: Option<BTreeSet<String>>,
    pub(super) offsets: Offsets,
    /// No timer ends before this.
    pub(super) wake_at: Option<Duration>,
}

impl Group {
    /// A group without members or offsets.
    pub fn new(id: &str, settings: Arc<GroupSettings>) -> Self {
        Self {
            id: id.to_owned(),
            settings,
            state: GroupState::Empty,
            previous_state: GroupState::Dead,
            state_since_ms: None,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: HashMap::new(),
            pending_join: BTreeMap::new(),
            pending_sync: BTreeSet::new(),
            new_member_added: false,
            join_timer: None,
            sync_deadline: None,
            subscribed_topics: None,
            offsets: Offsets::default(),
            wake_at: None,
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its committed offsets.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Nothing about it is worth keeping: no member, no offset, and no generation that the log knows of.
    pub fn is_blank(&self) -> bool {
        self.state == GroupState::Dead
            || (self.state == GroupState::Empty
                && self.generation == 0
                && self.protocol_type.is_none()
                && self.members.is_empty()
                && self.pending_join.is_empty()
                && self.offsets.is_empty())
    }

    pub(super) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    pub(super) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    pub(super) fn transition(&mut self, to: GroupState, turn: &Turn<'_>) {
        tracing::debug!(
            group = self.id,
            from = self.state.name(),
            to = to.name(),
            generation = self.generation,
            "group changes"
        );
        self.previous_state = self.state;
        self.state = to;
        self.state_since_ms = Some(turn.now.wall_ms);
    }

    /// Some timer ends at `deadline`.
    pub(super) fn wake(&mut self, deadline: Duration) {
        self.wake_at = Some(
            self.wake_at
                .map_or(deadline, |earlier| earlier.min(deadline)),
        );
    }

    pub(super) fn awaiting_join_count(&self) -> usize {
        self.members
            .values()
            .filter(|member| member.awaiting_join.is_some())
            .count()
    }

    pub(super) fn all_have_joined(&self) -> bool {
        self.pending_join.is_empty()
            && self
                .members
                .values()
                .all(|member| member.awaiting_join.is_some())
    }

    pub(super) fn rebalance_timeout_ms(&self) -> i32 {
        self.members
            .values()
            .map(|member| member.rebalance_timeout_ms)
            .max()
            .unwrap_or(0)
            .max(0)
    }

    pub(super) fn add(&mut self, id: &str, member: Member) {
        if let Some(instance) = &member.instance_id {
            self.static_members.insert(instance.clone(), id.to_owned());
        }
        if self.leader.is_none() {
            self.leader = Some(id.to_owned());
        }
        self.pending_join.remove(id);
        self.members.insert(id.to_owned(), member);
    }

    /// Takes a member or pending member out; its parked requests are answered with `error`, so that none is forgotten.
    pub(super) fn remove(&mut self, id: &str, error: ResponseError, turn: &mut Turn<'_>) {
        self.pending_join.remove(id);
        self.pending_sync.remove(id);
        let Some(mut member) = self.members.remove(id) else {
            return;
        };
        if let Some(instance) = &member.instance_id {
            self.static_members.remove(instance);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        if let Some(call) = member.awaiting_join.take() {
            turn.join(call, join_error("", error));
        }
        if let Some(call) = member.awaiting_sync.take() {
            turn.sync(call, sync_error(error));
        }
    }

    /// The member must be in the group, and be the one its instance id belongs to (KIP-345).
    pub(super) fn validate_member(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), ResponseError> {
        if let Some(instance) = instance_id {
            match self.static_members.get(instance) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(current) if current != member_id => {
                    return Err(ResponseError::FencedInstanceId);
                }
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) {
            Ok(())
        } else {
            Err(ResponseError::UnknownMemberId)
        }
    }

    /// Whether a member with these protocols can be in this group beside those already there.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state == GroupState::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|offered| {
                self.members
                    .values()
                    .all(|member| member.protocols.iter().any(|own| own.name == offered.name))
            })
    }

    /// The vote: each member votes for the first of its protocols that all support; the most votes win, and among equals
    /// the one voted for first.
    pub(super) fn select_protocol(&self) -> Option<String> {
        let supported_by_all = |name: &str| {
            self.members
                .values()
                .all(|member| member.protocols.iter().any(|own| own.name == name))
        };
        let mut votes: Vec<(&str, usize)> = Vec::new();
        for member in self.members.values() {
            let Some(choice) = member
                .protocols
                .iter()
                .find(|protocol| supported_by_all(&protocol.name))
            else {
                continue;
            };
            match votes.iter_mut().find(|(name, _)| *name == choice.name) {
                Some((_, count)) => *count += 1,
                None => votes.push((&choice.name, 1)),
            }
        }
        let most = votes.iter().map(|&(_, count)| count).max()?;
        votes
            .iter()
            .find(|&&(_, count)| count == most)
            .map(|&(name, _)| name.to_owned())
    }

    pub(super) fn touch(&mut self, member_id: &str, turn: &Turn<'_>) {
        let Some(member) = self.members.get_mut(member_id) else {
            return;
        };
        let deadline = turn.after_ms(member.session_timeout_ms);
        member.heartbeat_deadline = Some(deadline);
        self.wake(deadline);
    }

    pub(super) fn compute_subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if !self.uses_consumer_protocol() {
            return None;
        }
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscribed(&member.metadata(self.protocol.as_deref())).ok()?);
        }
        Some(topics)
    }

    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribed_topics.as_ref().map_or_else(
            || self.uses_consumer_protocol(),
            |topics| topics.contains(topic),
        )
    }

    /// The group as its record has it, with the assignments given.
    pub(super) fn value(&self, assignment: impl Fn(&str, &Member) -> Bytes) -> GroupValue {
        GroupValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_timestamp_ms: self.state_since_ms.unwrap_or(-1),
            members: self
                .members
                .iter()
                .map(|(id, member)| MemberValue {
                    member_id: id.clone(),
                    instance_id: member.instance_id.clone(),
                    client_id: member.client_id.clone(),
                    client_host: member.client_host.clone(),
                    rebalance_timeout_ms: member.rebalance_timeout_ms,
                    session_timeout_ms: member.session_timeout_ms,
                    subscription: member.metadata(self.protocol.as_deref()),
                    assignment: assignment(id, member),
                })
                .collect(),
        }
    }

    pub(super) fn park_join(&mut self, member_id: &str, call: CallId, turn: &mut Turn<'_>) {
        let Some(member) = self.members.get_mut(member_id) else {
            return;
        };
        // A second JoinGroup of the same member comes from a client that gave up its first one.
        if let Some(earlier) = member.awaiting_join.replace(call) {
            turn.join(
                earlier,
                join_error(member_id, ResponseError::RebalanceInProgress),
            );
        }
    }
}

/// The topics in a consumer's subscription (`ConsumerProtocolSubscription`, whose first fields every version shares).
fn subscribed(metadata: &[u8]) -> Result<Vec<String>, Malformed> {
    let mut reader = Reader::new(metadata);
    reader.i16("subscription's version")?;
    (0..reader.count(2, "topics")?)
        .map(|_| reader.string("topic"))
        .collect()
}

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(super) fn join_error(member_id: &str, error: ResponseError) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(error.code())
        .with_generation_id(-1)
        .with_member_id(text(member_id))
        .with_protocol_name(None)
}

pub(super) fn sync_error(error: ResponseError) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(error.code())
}

/// What a member is told when its group could not be written down.
pub(super) fn metadata_error(error: ResponseError) -> ResponseError {
    match error {
        ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge => {
            ResponseError::UnknownServerError
        }
        other => other,
    }
}
