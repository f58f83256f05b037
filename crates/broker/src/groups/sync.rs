//! `SyncGroup` and Heartbeat: the leader's assignment goes to the members, and members say that they live.

use super::group::{Group, GroupState, metadata_error, sync_error, text};
use super::turn::{CallId, Turn};
use crate::internal_topics::group_records::group_record;
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use std::collections::BTreeMap;

impl Group {
    /// Takes a `SyncGroup`. Its answer comes at once or with the leader's assignment.
    pub fn sync(&mut self, call: CallId, request: &SyncGroupRequest, turn: &mut Turn<'_>) {
        let member_id = request.member_id.as_str();
        if let Err(error) = self.validate_sync(request) {
            turn.sync(call, sync_error(error));
            return;
        }
        match self.state {
            GroupState::Empty | GroupState::Dead => {
                turn.sync(call, sync_error(ResponseError::UnknownMemberId));
            }
            GroupState::PreparingRebalance => {
                turn.sync(call, sync_error(ResponseError::RebalanceInProgress));
            }
            GroupState::Stable => {
                self.has_synced(member_id);
                let response = self.synced(member_id);
                turn.sync(call, response);
            }
            GroupState::CompletingRebalance => {
                self.has_synced(member_id);
                let earlier = self
                    .members
                    .get_mut(member_id)
                    .and_then(|member| member.awaiting_sync.replace(call));
                if let Some(earlier) = earlier {
                    turn.sync(earlier, sync_error(ResponseError::RebalanceInProgress));
                }
                if self.is_leader(member_id) {
                    self.take_assignment(request, turn);
                }
            }
        }
    }

    fn validate_sync(&self, request: &SyncGroupRequest) -> Result<(), ResponseError> {
        if self.state == GroupState::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        self.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        let differs = |asked: Option<&str>, own: Option<&str>| {
            asked
                .zip(own)
                .is_some_and(|(asked, own)| !asked.is_empty() && asked != own)
        };
        if differs(
            request.protocol_type.as_deref(),
            self.protocol_type.as_deref(),
        ) || differs(request.protocol_name.as_deref(), self.protocol.as_deref())
        {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn has_synced(&mut self, member_id: &str) {
        self.pending_sync.remove(member_id);
        if self.pending_sync.is_empty() {
            self.sync_deadline = None;
        }
    }

    fn take_assignment(&mut self, request: &SyncGroupRequest, turn: &mut Turn<'_>) {
        let mut given: BTreeMap<&str, Bytes> = request
            .assignments
            .iter()
            .map(|assignment| {
                (
                    assignment.member_id.as_str(),
                    Bytes::copy_from_slice(&assignment.assignment),
                )
            })
            .collect();
        let value = self.value(|id, _| given.get(id).cloned().unwrap_or_default());
        if let Err(error) = turn
            .journal
            .append(&[group_record(&self.id, Some(&value))], None)
        {
            tracing::warn!(group = self.id, %error, "the group's assignment could not be written down; it rebalances");
            self.reset_assignments(metadata_error(error), turn);
            self.rebalance_or_complete_join(turn);
            return;
        }
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            member.assignment = given.remove(id.as_str()).unwrap_or_default();
            if let Some(call) = member.awaiting_sync.take() {
                let response = self.synced(&id);
                turn.sync(call, response);
                self.touch(&id, turn);
            }
        }
        self.transition(GroupState::Stable, turn);
    }

    fn synced(&self, member_id: &str) -> SyncGroupResponse {
        SyncGroupResponse::default()
            .with_protocol_type(self.protocol_type.as_deref().map(text))
            .with_protocol_name(self.protocol.as_deref().map(text))
            .with_assignment(
                self.members
                    .get(member_id)
                    .map(|member| member.assignment.clone())
                    .unwrap_or_default(),
            )
    }

    /// Takes a Heartbeat: an error says what the member has to do.
    pub fn heartbeat(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        turn: &Turn<'_>,
    ) -> Result<(), ResponseError> {
        if self.state == GroupState::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        self.validate_member(member_id, instance_id)?;
        if generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        match self.state {
            GroupState::Empty | GroupState::Dead => Err(ResponseError::UnknownMemberId),
            GroupState::PreparingRebalance => {
                self.touch(member_id, turn);
                Err(ResponseError::RebalanceInProgress)
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.touch(member_id, turn);
                Ok(())
            }
        }
    }
}
