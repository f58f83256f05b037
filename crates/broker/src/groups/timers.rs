//! A group's timers: what ends when nobody says anything.

use super::group::{Group, GroupState, JoinTimer};
use super::turn::Turn;
use kafka_protocol::ResponseError;
use std::time::Duration;

impl Group {
    /// When it must be called again at the latest, if nothing happens before.
    pub fn wake_at(&self) -> Option<Duration> {
        self.wake_at
    }

    /// Ends every timer whose time has come.
    pub fn tick(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.monotonic;
        let due = |deadline: Duration| deadline <= now;

        if let Some(
            timer @ (JoinTimer::Initial { deadline, .. } | JoinTimer::Rebalance { deadline }),
        ) = self.join_timer
            && due(deadline)
        {
            self.join_timer = None;
            self.join_timer_ended(timer, turn);
        }
        if self.sync_deadline.is_some_and(due) {
            self.sync_timer_ended(turn);
        }
        let pending: Vec<String> = self
            .pending_join
            .iter()
            .filter(|(_, deadline)| due(**deadline))
            .map(|(id, _)| id.clone())
            .collect();
        for id in pending {
            self.pending_join.remove(&id);
            self.someone_left(turn);
        }
        let silent: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| member.heartbeat_deadline.is_some_and(due))
            .map(|(id, _)| id.clone())
            .collect();
        for id in silent {
            self.heartbeat_missed(&id, turn);
        }
        self.wake_at = self.earliest_deadline();
    }

    fn heartbeat_missed(&mut self, id: &str, turn: &mut Turn<'_>) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        // An earlier step of this tick may have heard of it, or a new generation may have begun.
        if member
            .heartbeat_deadline
            .is_none_or(|deadline| deadline > turn.now.monotonic)
        {
            return;
        }
        member.heartbeat_deadline = None;
        if member.is_satisfied() {
            return;
        }
        tracing::info!(
            group = self.id,
            member = id,
            "member gave no sign of life for its session timeout and is out"
        );
        self.remove(id, ResponseError::UnknownMemberId, turn);
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance => {
                self.rebalance_or_complete_join(turn);
            }
            GroupState::PreparingRebalance if self.all_have_joined() => self.complete_join(turn),
            GroupState::PreparingRebalance | GroupState::Empty | GroupState::Dead => {}
        }
    }

    /// A member that never came, which the join phase may have been waiting for.
    pub(super) fn someone_left(&mut self, turn: &mut Turn<'_>) {
        if self.state == GroupState::PreparingRebalance && self.all_have_joined() {
            self.complete_join(turn);
        }
    }
}
