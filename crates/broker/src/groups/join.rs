//! `JoinGroup`: a member comes in, or says again what it can do.

use super::group::{Group, GroupState, join_error, metadata_error, text};
use super::member::{Member, Protocol};
use super::turn::{CallId, Caller, Turn};
use crate::internal_topics::group_records::group_record;
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};

/// How long a member that has never been in a generation may wait for its first one without a sign of life: its client may
/// have gone away, and its parked request does not tell.
const NEW_MEMBER_JOIN_TIMEOUT_MS: i32 = 5 * 60 * 1_000;

/// The longest `group.instance.id` and protocol name accepted: clients allow themselves 249 characters.
const NAME_MAX_BYTES: usize = 1_024;

/// How many ids may be out that no member has joined with yet. A client that takes an id and does not come back costs its
/// session timeout; more than these at once are no consumers.
const PENDING_MAX: usize = 10_000;

/// The version from which a member must come back with the id it was given (KIP-394).
const KNOWN_MEMBER_ID_REQUIRED_FROM: i16 = 4;
/// The version from which a static leader can be told that its assignment stands (KIP-814).
const SKIP_ASSIGNMENT_FROM: i16 = 9;

impl Group {
    /// Takes a `JoinGroup`. Its answer comes at once or with the group's next generation.
    pub fn join(
        &mut self,
        call: CallId,
        caller: &Caller,
        request: &JoinGroupRequest,
        turn: &mut Turn<'_>,
    ) {
        let member_id = request.member_id.as_str();
        let instance_id = request.group_instance_id.as_deref();
        let protocols = protocols(request);
        let too_long = |text: &str| text.len() > NAME_MAX_BYTES;
        if instance_id.is_some_and(too_long)
            || too_long(&request.protocol_type)
            || too_long(member_id)
            || protocols.iter().any(|protocol| too_long(&protocol.name))
        {
            turn.join(call, join_error(member_id, ResponseError::InvalidRequest));
            return;
        }
        if !self.accepts(member_id) {
            self.remove(member_id, ResponseError::GroupMaxSizeReached, turn);
            turn.join(call, join_error("", ResponseError::GroupMaxSizeReached));
        } else if !self.supports(&request.protocol_type, &protocols) {
            turn.join(
                call,
                join_error(member_id, ResponseError::InconsistentGroupProtocol),
            );
        } else if member_id.is_empty() {
            self.join_without_id(call, caller, request, protocols, turn);
        } else if self.pending_join.contains_key(member_id) {
            if instance_id.is_some() {
                turn.join(call, join_error(member_id, ResponseError::InvalidRequest));
            } else {
                self.add_member(call, caller, request, member_id, protocols, turn);
            }
        } else if let Err(error) = self.validate_member(member_id, instance_id) {
            turn.join(call, join_error(member_id, error));
        } else {
            self.join_again(call, request, protocols, turn);
        }
    }

    fn accepts(&self, member_id: &str) -> bool {
        let max = self.settings.max_size;
        match self.state {
            GroupState::Empty | GroupState::Dead => true,
            GroupState::PreparingRebalance => {
                self.members
                    .get(member_id)
                    .is_some_and(|member| member.awaiting_join.is_some())
                    || self.awaiting_join_count() < max
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.members.contains_key(member_id) || self.members.len() < max
            }
        }
    }

    fn join_without_id(
        &mut self,
        call: CallId,
        caller: &Caller,
        request: &JoinGroupRequest,
        protocols: Vec<Protocol>,
        turn: &mut Turn<'_>,
    ) {
        let suffix = (turn.fresh_id)();
        if let Some(instance) = request.group_instance_id.as_deref() {
            let new_id = format!("{instance}-{suffix}");
            if let Some(old_id) = self.static_members.get(instance).cloned() {
                self.replace_static(call, caller, request, &old_id, &new_id, protocols, turn);
            } else {
                self.add_member(call, caller, request, &new_id, protocols, turn);
            }
            return;
        }
        let client = caller
            .client_id
            .get(..caller.client_id.floor_char_boundary(NAME_MAX_BYTES / 2));
        let new_id = format!("{}-{suffix}", client.unwrap_or_default());
        if caller.api_version < KNOWN_MEMBER_ID_REQUIRED_FROM {
            self.add_member(call, caller, request, &new_id, protocols, turn);
        } else if self.pending_join.len() >= PENDING_MAX {
            turn.join(call, join_error("", ResponseError::GroupMaxSizeReached));
        } else {
            let deadline = turn.after_ms(request.session_timeout_ms);
            self.pending_join.insert(new_id.clone(), deadline);
            self.wake(deadline);
            turn.join(call, join_error(&new_id, ResponseError::MemberIdRequired));
        }
    }

    /// A member the group already knows.
    fn join_again(
        &mut self,
        call: CallId,
        request: &JoinGroupRequest,
        protocols: Vec<Protocol>,
        turn: &mut Turn<'_>,
    ) {
        let member_id = request.member_id.as_str();
        let unchanged = self
            .members
            .get(member_id)
            .is_some_and(|member| member.matches(&protocols));
        match self.state {
            // Its answer got lost: it may have it again.
            GroupState::CompletingRebalance if unchanged => {
                let response = self.joined(member_id, self.is_leader(member_id));
                turn.join(call, response);
            }
            GroupState::Stable if unchanged && !self.is_leader(member_id) => {
                let response = self.joined(member_id, false);
                turn.join(call, response);
            }
            GroupState::PreparingRebalance
            | GroupState::CompletingRebalance
            | GroupState::Stable => {
                self.update_member(member_id, request, protocols);
                self.park_join(member_id, call, turn);
                self.rebalance_or_complete_join(turn);
            }
            GroupState::Empty | GroupState::Dead => {
                turn.join(call, join_error(member_id, ResponseError::UnknownMemberId));
            }
        }
    }

    fn add_member(
        &mut self,
        call: CallId,
        caller: &Caller,
        request: &JoinGroupRequest,
        member_id: &str,
        protocols: Vec<Protocol>,
        turn: &mut Turn<'_>,
    ) {
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.to_string());
        }
        if self.state == GroupState::PreparingRebalance && self.previous_state == GroupState::Empty
        {
            self.new_member_added = true;
        }
        let deadline = turn.after_ms(NEW_MEMBER_JOIN_TIMEOUT_MS);
        self.add(
            member_id,
            Member {
                instance_id: request.group_instance_id.as_deref().map(str::to_owned),
                client_id: caller.client_id.clone(),
                client_host: caller.client_host.clone(),
                rebalance_timeout_ms: rebalance_timeout_ms(request),
                session_timeout_ms: request.session_timeout_ms,
                protocols,
                assignment: Bytes::new(),
                is_new: true,
                awaiting_join: Some(call),
                awaiting_sync: None,
                heartbeat_deadline: Some(deadline),
            },
        );
        self.wake(deadline);
        self.rebalance_or_complete_join(turn);
    }

    fn update_member(
        &mut self,
        member_id: &str,
        request: &JoinGroupRequest,
        protocols: Vec<Protocol>,
    ) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.protocols = protocols;
            member.rebalance_timeout_ms = rebalance_timeout_ms(request);
            member.session_timeout_ms = request.session_timeout_ms;
        }
    }

    /// A static member came back without its member id, after a restart: it takes the place of its former self, which is
    /// fenced, and the others need not know (KIP-345).
    #[allow(clippy::too_many_arguments)] // The one place where a request meets both of a member's ids.
    fn replace_static(
        &mut self,
        call: CallId,
        caller: &Caller,
        request: &JoinGroupRequest,
        old_id: &str,
        new_id: &str,
        protocols: Vec<Protocol>,
        turn: &mut Turn<'_>,
    ) {
        let leader_before = self.leader.clone();
        let Some(mut member) = self.members.remove(old_id) else {
            turn.join(call, join_error("", ResponseError::UnknownMemberId));
            return;
        };
        let former = member.clone();
        if let Some(parked) = member.awaiting_join.take() {
            turn.join(parked, join_error(old_id, ResponseError::FencedInstanceId));
        }
        if let Some(parked) = member.awaiting_sync.take() {
            turn.sync(
                parked,
                super::group::sync_error(ResponseError::FencedInstanceId),
            );
        }
        self.pending_sync.remove(old_id);
        member.is_new = false;
        if let Some(instance) = &member.instance_id {
            self.static_members
                .insert(instance.clone(), new_id.to_owned());
        }
        if self.is_leader(old_id) {
            self.leader = Some(new_id.to_owned());
        }
        self.members.insert(new_id.to_owned(), member);
        self.touch(new_id, turn);
        self.update_member(new_id, request, protocols);

        match self.state {
            GroupState::Stable if self.select_protocol() == self.protocol => {
                let value = self.value(|_, member| member.assignment.clone());
                let record = group_record(&self.id, Some(&value));
                if let Err(error) = turn.journal.append(&[record], None) {
                    self.members.remove(new_id);
                    if let Some(instance) = &former.instance_id {
                        self.static_members
                            .insert(instance.clone(), old_id.to_owned());
                    }
                    self.leader.clone_from(&leader_before);
                    let former = Member {
                        awaiting_join: None,
                        awaiting_sync: None,
                        ..former
                    };
                    self.members.insert(old_id.to_owned(), former);
                    self.touch(old_id, turn);
                    turn.join(call, join_error("", metadata_error(error)));
                    return;
                }
                let response = if caller.api_version >= SKIP_ASSIGNMENT_FROM {
                    let is_leader = self.is_leader(new_id);
                    self.joined(new_id, is_leader)
                        .with_skip_assignment(is_leader)
                } else {
                    // An older client that is told it leads would compute an assignment nobody asked for: it is shown the
                    // leader's former id, so that it takes itself for a follower.
                    self.joined(new_id, false)
                        .with_leader(text(leader_before.as_deref().unwrap_or_default()))
                };
                turn.join(call, response);
            }
            GroupState::Stable => {
                self.park_join(new_id, call, turn);
                self.rebalance_or_complete_join(turn);
            }
            GroupState::CompletingRebalance => {
                self.park_join(new_id, call, turn);
                self.prepare_rebalance(turn);
            }
            GroupState::PreparingRebalance => {
                self.park_join(new_id, call, turn);
                self.maybe_complete_join(turn);
            }
            GroupState::Empty | GroupState::Dead => {
                self.remove(new_id, ResponseError::UnknownMemberId, turn);
                turn.join(call, join_error("", ResponseError::UnknownMemberId));
            }
        }
    }

    /// The answer that a member is in the current generation; the leader is also told who else is.
    pub(super) fn joined(&self, member_id: &str, with_members: bool) -> JoinGroupResponse {
        let members = if with_members {
            self.members
                .iter()
                .map(|(id, member)| {
                    JoinGroupResponseMember::default()
                        .with_member_id(text(id))
                        .with_group_instance_id(member.instance_id.as_deref().map(text))
                        .with_metadata(member.metadata(self.protocol.as_deref()))
                })
                .collect()
        } else {
            Vec::new()
        };
        JoinGroupResponse::default()
            .with_generation_id(self.generation)
            .with_protocol_type(self.protocol_type.as_deref().map(text))
            .with_protocol_name(self.protocol.as_deref().map(text))
            .with_leader(text(self.leader.as_deref().unwrap_or_default()))
            .with_member_id(text(member_id))
            .with_members(members)
    }
}

/// The request's protocols, each name once, in bytes of their own: a member outlives the frame it came in.
fn protocols(request: &JoinGroupRequest) -> Vec<Protocol> {
    let mut protocols: Vec<Protocol> = Vec::new();
    for protocol in &request.protocols {
        if protocols
            .iter()
            .all(|earlier| earlier.name != *protocol.name)
        {
            protocols.push(Protocol {
                name: protocol.name.to_string(),
                metadata: Bytes::copy_from_slice(&protocol.metadata),
            });
        }
    }
    protocols
}

/// Version 0 has no rebalance timeout: its session timeout stands for both.
fn rebalance_timeout_ms(request: &JoinGroupRequest) -> i32 {
    if request.rebalance_timeout_ms < 0 {
        request.session_timeout_ms
    } else {
        request.rebalance_timeout_ms
    }
}
