//! Members that do anything at any time: what must hold nevertheless.

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

#[derive(Debug, Clone)]
enum Action {
    Join { who: usize, protocol: u8 },
    JoinStatic { instance: u8 },
    Sync { who: usize },
    Heartbeat { who: usize },
    Leave { who: usize },
    Commit { who: usize },
    Pass { ms: u64 },
    Refuse { refuse: bool },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (0..6_usize, 0..2_u8).prop_map(|(who, protocol)| Action::Join { who, protocol }),
        2 => (0..2_u8).prop_map(|instance| Action::JoinStatic { instance }),
        5 => (0..6_usize).prop_map(|who| Action::Sync { who }),
        3 => (0..6_usize).prop_map(|who| Action::Heartbeat { who }),
        1 => (0..6_usize).prop_map(|who| Action::Leave { who }),
        1 => (0..6_usize).prop_map(|who| Action::Commit { who }),
        3 => prop_oneof![Just(1_u64), Just(3_000), Just(11_000), Just(61_000)].prop_map(|ms| Action::Pass { ms }),
        1 => any::<bool>().prop_map(|refuse| Action::Refuse { refuse }),
    ]
}

/// What the members believe, from the answers they got.
struct Crowd {
    scene: Scene,
    ids: Vec<String>,
    calls: Vec<CallId>,
}

impl Crowd {
    fn id(&self, who: usize) -> String {
        self.ids.get(who).cloned().unwrap_or_default()
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Join { who, protocol } => {
                let ask = ask().id(&self.id(who)).protocols(&[("range", protocol)]);
                let call = self.scene.join(&ask);
                if let Some(answer) = self.scene.joined(call)
                    && answer.error_code == code(ResponseError::MemberIdRequired)
                {
                    self.ids.push(answer.member_id.to_string());
                }
                self.calls.push(call);
            }
            Action::JoinStatic { instance } => {
                let call = self
                    .scene
                    .join(&ask().instance(if instance == 0 { "a" } else { "b" }));
                self.calls.push(call);
            }
            Action::Sync { who } => {
                let ids: Vec<_> = self.scene.group.member_ids().map(str::to_owned).collect();
                let Some(id) = ids.get(who) else { return };
                let given: Vec<(&str, &'static [u8])> =
                    ids.iter().map(|id| (id.as_str(), &b"work"[..])).collect();
                let generation = self.scene.group.generation();
                let call = self.scene.sync(id, generation, &given);
                self.calls.push(call);
            }
            Action::Heartbeat { who } => {
                let (id, generation) = (self.id(who), self.scene.group.generation());
                let _ = self.scene.heartbeat(&id, generation);
            }
            Action::Leave { who } => {
                let id = self.id(who);
                self.scene.leave(&[(&id, None)]);
            }
            Action::Commit { who } => {
                let (id, generation) = (self.id(who), self.scene.group.generation());
                let _ = self.scene.commit(&id, generation, 0, 1);
            }
            Action::Pass { ms } => self.scene.pass_ms(ms),
            Action::Refuse { refuse } => {
                self.scene.journal.refuse =
                    refuse.then_some(ResponseError::CoordinatorNotAvailable);
            }
        }
    }

    fn check(&self, generation_before: i32) -> Result<(), TestCaseError> {
        let group = &self.scene.group;
        prop_assert!(
            group.generation() >= generation_before,
            "a generation never comes back"
        );
        let members: HashSet<_> = group.member_ids().collect();
        match group.leader() {
            Some(leader) => prop_assert!(members.contains(leader), "the leader is a member"),
            None => prop_assert!(members.is_empty(), "a group with members has a leader"),
        }
        let instances: Vec<_> = group
            .members
            .values()
            .filter_map(|member| member.instance_id.as_deref())
            .collect();
        let distinct: HashSet<_> = instances.iter().collect();
        prop_assert_eq!(instances.len(), distinct.len(), "one member an instance id");
        for (instance, id) in &group.static_members {
            let member = group.members.get(id);
            prop_assert_eq!(
                member.and_then(|member| member.instance_id.as_deref()),
                Some(instance.as_str())
            );
        }
        if group.state() == GroupState::Stable {
            prop_assert!(
                group.members.values().all(|m| m.awaiting_sync.is_none()),
                "nobody waits in a stable group"
            );
        }
        if group.state() == GroupState::Empty {
            prop_assert!(members.is_empty());
        }
        let parked: HashSet<CallId> = group
            .members
            .values()
            .flat_map(|member| member.awaiting_join.into_iter().chain(member.awaiting_sync))
            .collect();
        for call in &self.calls {
            prop_assert!(
                parked.contains(call) != self.scene.answers.contains_key(call),
                "a request is parked or answered, never both or neither"
            );
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_members_do_there_is_one_leader_and_every_request_is_answered(
        actions in proptest::collection::vec(action(), 1..60),
    ) {
        let mut crowd = Crowd { scene: Scene::new(), ids: Vec::new(), calls: Vec::new() };
        for action in &actions {
            let generation = crowd.scene.group.generation();
            crowd.act(action);
            crowd.check(generation)?;
        }
        // Left alone, the group ends empty and owes nobody an answer.
        crowd.scene.journal.refuse = None;
        crowd.scene.pass_ms(3_600_000);
        prop_assert!(crowd.scene.group.member_ids().next().is_none());
        prop_assert_eq!(crowd.scene.group.state(), GroupState::Empty);
        for call in &crowd.calls {
            prop_assert!(crowd.scene.answers.contains_key(call));
        }
    }
}
