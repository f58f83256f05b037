//! What the group state machine promises, in scenes: members join, time passes, members leave.

mod commits;
mod joining;
mod leaving;
mod random;
mod restart;
mod shell;
mod statics;

use super::group::{Group, GroupState};
use super::offsets::{Commit, Committer};
use super::settings::GroupSettings;
use super::turn::{CallId, Caller, Reply, Turn};
use crate::internal_topics::batch::{BatchProducer, KeyedRecord};
use crate::internal_topics::journal::{Journal, Now};
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, JoinGroupRequest, JoinGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Group {
    fn state(&self) -> GroupState {
        self.state
    }

    fn generation(&self) -> i32 {
        self.generation
    }

    fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    fn member_ids(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// Offsets were committed without any member ever: a simple consumer's group.
    fn is_simple(&self) -> bool {
        self.protocol_type.is_none()
            && self.state == GroupState::Empty
            && self.pending_join.is_empty()
    }
}

/// A journal in memory, which can refuse.
#[derive(Default)]
struct Memory {
    records: Vec<(Option<i64>, KeyedRecord)>,
    refuse: Option<ResponseError>,
}

impl Journal for Memory {
    fn append(
        &mut self,
        records: &[KeyedRecord],
        producer: Option<BatchProducer>,
    ) -> Result<i64, ResponseError> {
        if let Some(error) = self.refuse {
            return Err(error);
        }
        let base = self.records.len() as i64;
        let producer = producer.map(|producer| producer.id);
        self.records
            .extend(records.iter().map(|record| (producer, record.clone())));
        Ok(base)
    }
}

/// A group, a clock and everyone who waits for an answer.
struct Scene {
    group: Group,
    now_ms: u64,
    journal: Memory,
    answers: BTreeMap<CallId, Reply>,
    next_call: u64,
    ids: u64,
}

/// How a member asks to join.
#[derive(Clone)]
struct Ask {
    member_id: String,
    instance_id: Option<String>,
    protocols: Vec<(&'static str, Vec<u8>)>,
    session_timeout_ms: i32,
    rebalance_timeout_ms: i32,
    version: i16,
}

fn ask() -> Ask {
    Ask {
        member_id: String::new(),
        instance_id: None,
        protocols: vec![("range", vec![1])],
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        version: 9,
    }
}

impl Ask {
    fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.member_id);
        self
    }
    fn instance(mut self, id: &str) -> Self {
        self.instance_id = Some(id.to_owned());
        self
    }
    fn version(mut self, version: i16) -> Self {
        self.version = version;
        self
    }
    fn protocols(mut self, protocols: &[(&'static str, u8)]) -> Self {
        self.protocols = protocols
            .iter()
            .map(|&(name, metadata)| (name, vec![metadata]))
            .collect();
        self
    }
}

impl Scene {
    fn new() -> Self {
        Self::with(GroupSettings::default())
    }

    fn with(settings: GroupSettings) -> Self {
        Self {
            group: Group::new("g", Arc::new(settings)),
            now_ms: 1_000,
            journal: Memory::default(),
            answers: BTreeMap::new(),
            next_call: 0,
            ids: 0,
        }
    }

    fn without_delay() -> Self {
        Self::with(GroupSettings {
            initial_rebalance_delay_ms: 0,
            ..GroupSettings::default()
        })
    }

    fn turn<T>(&mut self, act: impl FnOnce(&mut Group, &mut Turn<'_>) -> T) -> T {
        let now = Now {
            monotonic: Duration::from_millis(self.now_ms),
            wall_ms: 1_700_000_000_000 + self.now_ms as i64,
        };
        let ids = &mut self.ids;
        let mut fresh = || {
            *ids += 1;
            ids.to_string()
        };
        let mut turn = Turn::new(now, &mut self.journal, &mut fresh);
        let result = act(&mut self.group, &mut turn);
        if self
            .group
            .wake_at()
            .is_some_and(|wake_at| wake_at <= now.monotonic)
        {
            self.group.tick(&mut turn);
        }
        for (call, reply) in turn.replies {
            assert!(
                self.answers.insert(call, reply).is_none(),
                "answered twice: {call:?}"
            );
        }
        result
    }

    fn call(&mut self) -> CallId {
        self.next_call += 1;
        CallId(self.next_call)
    }

    /// Time passes, and the group is woken as it asked to be.
    fn pass_ms(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while let Some(wake_at) = self.group.wake_at() {
            let wake_ms = wake_at.as_millis() as u64;
            if wake_ms > end {
                break;
            }
            self.now_ms = self.now_ms.max(wake_ms);
            self.turn(|_, _| ());
        }
        self.now_ms = end;
    }

    /// Time passes until the join phase ends.
    fn wait_for_generation(&mut self) {
        for _ in 0..10_000 {
            if self.group.state() != GroupState::PreparingRebalance {
                return;
            }
            self.pass_ms(10);
        }
        panic!("the join phase does not end");
    }

    fn join(&mut self, ask: &Ask) -> CallId {
        let call = self.call();
        let caller = Caller {
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            api_version: ask.version,
        };
        let request = JoinGroupRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_member_id(text(&ask.member_id))
            .with_group_instance_id(ask.instance_id.as_deref().map(text))
            .with_session_timeout_ms(ask.session_timeout_ms)
            .with_rebalance_timeout_ms(ask.rebalance_timeout_ms)
            .with_protocol_type(text("consumer"))
            .with_protocols(
                ask.protocols
                    .iter()
                    .map(|(name, metadata)| {
                        JoinGroupRequestProtocol::default()
                            .with_name(text(name))
                            .with_metadata(Bytes::from(metadata.clone()))
                    })
                    .collect(),
            );
        self.turn(|group, turn| group.join(call, &caller, &request, turn));
        call
    }

    /// Joins as clients do: takes the id it is given and asks again with it.
    fn come(&mut self, ask: Ask) -> (String, CallId) {
        let call = self.join(&ask);
        match self.joined(call) {
            Some(answer) if answer.error_code == ResponseError::MemberIdRequired.code() => {
                let id = answer.member_id.to_string();
                let call = self.join(&ask.id(&id));
                (id, call)
            }
            _ => (String::new(), call),
        }
    }

    fn joined(&self, call: CallId) -> Option<JoinGroupResponse> {
        match self.answers.get(&call) {
            Some(Reply::Join(answer)) => Some(answer.clone()),
            Some(Reply::Sync(_)) => panic!("a join was answered as a sync"),
            None => None,
        }
    }

    fn synced(&self, call: CallId) -> Option<SyncGroupResponse> {
        match self.answers.get(&call) {
            Some(Reply::Sync(answer)) => Some(answer.clone()),
            Some(Reply::Join(_)) => panic!("a sync was answered as a join"),
            None => None,
        }
    }

    fn sync(
        &mut self,
        member_id: &str,
        generation: i32,
        assignments: &[(&str, &'static [u8])],
    ) -> CallId {
        self.sync_as(member_id, None, generation, assignments)
    }

    fn sync_as(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        assignments: &[(&str, &'static [u8])],
    ) -> CallId {
        let call = self.call();
        let request = SyncGroupRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_member_id(text(member_id))
            .with_group_instance_id(instance_id.map(text))
            .with_generation_id(generation)
            .with_assignments(
                assignments
                    .iter()
                    .map(|(id, assignment)| {
                        SyncGroupRequestAssignment::default()
                            .with_member_id(text(id))
                            .with_assignment(Bytes::from_static(assignment))
                    })
                    .collect(),
            );
        self.turn(|group, turn| group.sync(call, &request, turn));
        call
    }

    fn heartbeat(&mut self, member_id: &str, generation: i32) -> Result<(), ResponseError> {
        self.turn(|group, turn| group.heartbeat(member_id, None, generation, turn))
    }

    fn leave(&mut self, identities: &[(&str, Option<&str>)]) -> Vec<i16> {
        let members: Vec<_> = identities
            .iter()
            .map(|(id, instance)| {
                MemberIdentity::default()
                    .with_member_id(text(id))
                    .with_group_instance_id(instance.map(text))
            })
            .collect();
        self.turn(|group, turn| group.leave(&members, turn))
            .unwrap()
            .iter()
            .map(|member| member.error_code)
            .collect()
    }

    fn commit(
        &mut self,
        member_id: &str,
        generation: i32,
        partition: i32,
        offset: i64,
    ) -> Result<(), ResponseError> {
        self.commit_in(None, member_id, generation, partition, offset)
    }

    fn commit_in(
        &mut self,
        producer: Option<BatchProducer>,
        member_id: &str,
        generation: i32,
        partition: i32,
        offset: i64,
    ) -> Result<(), ResponseError> {
        let committer = Committer {
            member_id,
            instance_id: None,
            generation,
            producer,
        };
        let commit = Commit {
            partition: ("t".into(), partition),
            offset,
            leader_epoch: -1,
            metadata: String::new(),
        };
        self.turn(|group, turn| group.commit(&committer, &[commit], None, turn))?
            .remove(0)
    }

    fn committed(&self, partition: i32) -> Option<i64> {
        self.group
            .offsets()
            .get(&("t".into(), partition))
            .map(|offset| offset.value.offset)
    }

    /// A stable group of this many dynamic members; the first leads.
    fn stable(count: usize) -> (Self, Vec<String>) {
        let mut scene = Self::new();
        let mut ids = Vec::new();
        let mut calls = Vec::new();
        for _ in 0..count {
            let (id, call) = scene.come(ask());
            ids.push(id);
            calls.push(call);
        }
        scene.wait_for_generation();
        for call in calls {
            assert_eq!(scene.joined(call).unwrap().error_code, 0);
        }
        scene.settle(&ids);
        (scene, ids)
    }

    /// Everyone syncs, the leader with an assignment for each: its member id's last byte.
    fn settle(&mut self, ids: &[String]) {
        let generation = self.group.generation();
        let leader = self.group.leader().unwrap().to_owned();
        let all: Vec<(&str, &'static [u8])> =
            ids.iter().map(|id| (id.as_str(), &b"work"[..])).collect();
        let mut calls = Vec::new();
        for id in ids {
            let given = if *id == leader { &all[..] } else { &[] };
            calls.push(self.sync(id, generation, given));
        }
        for call in calls {
            let answer = self.synced(call).unwrap();
            assert_eq!(
                (answer.error_code, &answer.assignment[..]),
                (0, &b"work"[..])
            );
        }
        assert_eq!(self.group.state(), GroupState::Stable);
    }
}

fn code(error: ResponseError) -> i16 {
    error.code()
}
