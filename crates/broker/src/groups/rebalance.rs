//! A rebalance: everyone is asked to join again, and the next generation begins when all have or time is up.

use super::group::{Group, GroupState, JoinTimer, sync_error};
use super::turn::Turn;
use crate::internal_topics::group_records::group_record;
use bytes::Bytes;
use kafka_protocol::ResponseError;
use std::time::Duration;

impl Group {
    /// Starts a rebalance where one may start, else ends the join phase if this was all it waited for.
    pub(super) fn rebalance_or_complete_join(&mut self, turn: &mut Turn<'_>) {
        match self.state {
            GroupState::Empty | GroupState::CompletingRebalance | GroupState::Stable => {
                self.prepare_rebalance(turn);
            }
            GroupState::PreparingRebalance | GroupState::Dead => self.maybe_complete_join(turn),
        }
    }

    pub(super) fn prepare_rebalance(&mut self, turn: &mut Turn<'_>) {
        if self.state == GroupState::CompletingRebalance {
            self.reset_assignments(ResponseError::RebalanceInProgress, turn);
        }
        self.pending_sync.clear();
        self.sync_deadline = None;
        let initial = self.state == GroupState::Empty;
        self.transition(GroupState::PreparingRebalance, turn);
        if initial {
            let delay_ms = self.settings.initial_rebalance_delay_ms;
            self.set_initial_timer(
                delay_ms,
                (self.rebalance_timeout_ms() - delay_ms).max(0),
                turn,
            );
        } else if self.all_have_joined() {
            self.complete_join(turn);
        } else {
            self.set_rebalance_timer(turn);
        }
    }

    /// Ends the join phase if everyone has joined, unless the first members of a group are still waiting for others.
    pub(super) fn maybe_complete_join(&mut self, turn: &mut Turn<'_>) {
        if self.state == GroupState::PreparingRebalance
            && self.previous_state != GroupState::Empty
            && self.all_have_joined()
        {
            self.complete_join(turn);
        }
    }

    fn set_initial_timer(&mut self, delay_ms: i32, remaining_ms: i32, turn: &Turn<'_>) {
        let deadline = turn.after_ms(delay_ms);
        self.join_timer = Some(JoinTimer::Initial {
            deadline,
            delay_ms,
            remaining_ms,
        });
        self.wake(deadline);
    }

    fn set_rebalance_timer(&mut self, turn: &Turn<'_>) {
        // At least a moment, so that a group whose members allow none does not come round at once.
        let deadline = turn.after_ms(self.rebalance_timeout_ms().max(1));
        self.join_timer = Some(JoinTimer::Rebalance { deadline });
        self.wake(deadline);
    }

    pub(super) fn join_timer_ended(&mut self, timer: JoinTimer, turn: &mut Turn<'_>) {
        match timer {
            JoinTimer::Initial {
                delay_ms,
                remaining_ms,
                ..
            } if self.new_member_added && remaining_ms != 0 => {
                self.new_member_added = false;
                let next_ms = self.settings.initial_rebalance_delay_ms.min(remaining_ms);
                self.set_initial_timer(next_ms, (remaining_ms - delay_ms).max(0), turn);
            }
            JoinTimer::Initial { .. } | JoinTimer::Rebalance { .. } => self.complete_join(turn),
        }
    }

    /// Begins the next generation with those who joined.
    pub(super) fn complete_join(&mut self, turn: &mut Turn<'_>) {
        self.join_timer = None;
        if self.state != GroupState::PreparingRebalance {
            return;
        }
        // A static member that has not joined keeps its place until its session ends (KIP-345).
        let absent: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| member.awaiting_join.is_none() && member.instance_id.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        for id in absent {
            self.remove(&id, ResponseError::UnknownMemberId, turn);
        }
        if !self.members.is_empty() && !self.elect_joined_leader() {
            self.set_rebalance_timer(turn);
            return;
        }

        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.pending_sync.clear();
        self.new_member_added = false;
        if self.members.is_empty() {
            self.protocol = None;
            self.leader = None;
            self.subscribed_topics = self.compute_subscribed_topics();
            self.transition(GroupState::Empty, turn);
            let record = group_record(&self.id, Some(&self.value(|_, _| Bytes::new())));
            if let Err(error) = turn.journal.append(&[record], None) {
                tracing::warn!(group = self.id, %error, "the group's last member left, which could not be written down");
            }
            return;
        }
        self.protocol = self.select_protocol();
        self.subscribed_topics = self.compute_subscribed_topics();
        self.transition(GroupState::CompletingRebalance, turn);
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let response = self.joined(&id, self.is_leader(&id));
            if let Some(member) = self.members.get_mut(&id) {
                member.is_new = false;
                if let Some(call) = member.awaiting_join.take() {
                    turn.join(call, response);
                }
            }
            self.touch(&id, turn);
            self.pending_sync.insert(id);
        }
        let deadline = turn.after_ms(self.rebalance_timeout_ms());
        self.sync_deadline = Some(deadline);
        self.wake(deadline);
    }

    /// The leader must be one of those who joined: another takes over from one who has not.
    fn elect_joined_leader(&mut self) -> bool {
        let joined = |group: &Self, id: &str| {
            group
                .members
                .get(id)
                .is_some_and(|member| member.awaiting_join.is_some())
        };
        if self.leader.as_deref().is_some_and(|id| joined(self, id)) {
            return true;
        }
        let next = self
            .members
            .iter()
            .find(|(_, member)| member.awaiting_join.is_some())
            .map(|(id, _)| id.clone());
        if next.is_some() {
            self.leader = next;
            return true;
        }
        false
    }

    /// Members that have not asked for their assignment in time are out, and the others share anew.
    pub(super) fn sync_timer_ended(&mut self, turn: &mut Turn<'_>) {
        self.sync_deadline = None;
        if !matches!(
            self.state,
            GroupState::CompletingRebalance | GroupState::Stable
        ) || self.pending_sync.is_empty()
        {
            return;
        }
        for id in std::mem::take(&mut self.pending_sync) {
            self.remove(&id, ResponseError::UnknownMemberId, turn);
        }
        self.prepare_rebalance(turn);
    }

    /// Nobody has an assignment any more, and whoever waits for one is told why.
    pub(super) fn reset_assignments(&mut self, error: ResponseError, turn: &mut Turn<'_>) {
        let mut answered: Vec<String> = Vec::new();
        for (id, member) in &mut self.members {
            member.assignment = Bytes::new();
            if let Some(call) = member.awaiting_sync.take() {
                turn.sync(call, sync_error(error));
                answered.push(id.clone());
            }
        }
        for id in answered {
            self.touch(&id, turn);
        }
    }

    /// When the earliest timer ends.
    pub(super) fn earliest_deadline(&self) -> Option<Duration> {
        let join = match self.join_timer {
            Some(JoinTimer::Initial { deadline, .. } | JoinTimer::Rebalance { deadline }) => {
                Some(deadline)
            }
            None => None,
        };
        let members = self
            .members
            .values()
            .filter_map(|member| member.heartbeat_deadline);
        let pending = self.pending_join.values().copied();
        join.into_iter()
            .chain(self.sync_deadline)
            .chain(members)
            .chain(pending)
            .min()
    }
}
