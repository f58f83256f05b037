//! The coordinator around the state machines: parked answers, timers, restarts, closed connections.

use super::text;
use crate::groups::GroupCoordinator;
use crate::groups::offsets::{Commit, Committer};
use crate::groups::settings::GroupSettings;
use crate::groups::turn::Caller;
use crate::internal_topics::batch::BatchProducer;
use crate::internal_topics::memory::MemoryTopic;
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{GroupId, JoinGroupRequest, JoinGroupResponse, SyncGroupRequest};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use weir_base::time::{ManualClock, Timestamp};

struct Broker {
    topic: Arc<MemoryTopic>,
    clock: Arc<ManualClock>,
    groups: Arc<GroupCoordinator>,
    closing: CancellationToken,
}

impl Broker {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp(1_700_000_000_000)));
        Self::on(Arc::default(), clock)
    }

    /// A broker that starts on what another one wrote.
    fn on(topic: Arc<MemoryTopic>, clock: Arc<ManualClock>) -> Self {
        let groups = GroupCoordinator::new(GroupSettings::default(), clock.clone(), topic.clone());
        groups.load().unwrap();
        Self {
            topic,
            clock,
            groups: Arc::new(groups),
            closing: CancellationToken::new(),
        }
    }

    fn restart(&self) -> Self {
        Self::on(self.topic.clone(), self.clock.clone())
    }

    async fn join(&self, member_id: &str) -> JoinGroupResponse {
        join(&self.groups, member_id, &self.closing).await
    }

    /// One member in a stable group: its id.
    async fn member(&self) -> String {
        let id = self.join("").await.member_id.to_string();
        let (groups, closing) = (self.groups.clone(), self.closing.clone());
        let joining = tokio::spawn({
            let id = id.clone();
            async move { join(&groups, &id, &closing).await }
        });
        tokio::task::yield_now().await;
        self.pass_ms(3_000);
        let joined = joining.await.unwrap();
        assert_eq!((joined.error_code, joined.generation_id), (0, 1));
        let request = SyncGroupRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_member_id(text(&id))
            .with_generation_id(1);
        let synced = self.groups.sync(&request, &self.closing).await;
        assert_eq!(synced.error_code, 0);
        id
    }

    fn pass_ms(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
        self.groups.tick();
    }

    async fn commit(
        &self,
        producer: Option<BatchProducer>,
        offset: i64,
    ) -> Result<(), ResponseError> {
        let committer = Committer {
            member_id: "",
            instance_id: None,
            generation: -1,
            producer,
        };
        let commit = Commit {
            partition: ("t".into(), 0),
            offset,
            leader_epoch: -1,
            metadata: String::new(),
        };
        self.groups
            .commit("g", &committer, &[commit], None)
            .await?
            .remove(0)
    }

    async fn committed(&self) -> Result<Option<i64>, ResponseError> {
        let (_, value) = self
            .groups
            .fetch("g", Some(&[("t".into(), 0)]), true)
            .await?
            .remove(0);
        Ok(value?.map(|value| value.offset))
    }

    fn state(&self) -> Option<String> {
        self.groups
            .describe("g")
            .map(|group| group.group_state.to_string())
    }
}

async fn join(
    groups: &GroupCoordinator,
    member_id: &str,
    closing: &CancellationToken,
) -> JoinGroupResponse {
    let caller = Caller {
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        api_version: 9,
    };
    let request = JoinGroupRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(text(member_id))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![
            JoinGroupRequestProtocol::default()
                .with_name(text("range"))
                .with_metadata(Bytes::from_static(&[1])),
        ]);
    groups.join(&caller, &request, closing).await
}

#[tokio::test]
async fn a_parked_join_is_answered_when_the_timer_ends() {
    let broker = Broker::new();
    broker.member().await;
    assert_eq!(broker.state().as_deref(), Some("Stable"));
}

#[tokio::test]
async fn the_timers_are_watched_in_the_background() {
    let broker = Broker::new();
    let watching = tokio::spawn(Arc::clone(&broker.groups).run(broker.closing.clone()));
    let id = broker.join("").await.member_id.to_string();
    let (groups, closing) = (broker.groups.clone(), broker.closing.clone());
    let joining = tokio::spawn(async move { join(&groups, &id, &closing).await });
    while !joining.is_finished() {
        broker.clock.advance(Duration::from_millis(500));
        tokio::time::sleep(Duration::from_millis(1)).await;
        broker.groups.tick();
    }
    assert_eq!(joining.await.unwrap().generation_id, 1);
    broker.closing.cancel();
    watching.await.unwrap();
}

#[tokio::test]
async fn a_join_whose_connection_ends_is_let_go() {
    let broker = Broker::new();
    let id = broker.join("").await.member_id.to_string();
    let connection = CancellationToken::new();
    let (groups, closing) = (broker.groups.clone(), connection.clone());
    let joining = tokio::spawn(async move { join(&groups, &id, &closing).await });
    tokio::task::yield_now().await;
    connection.cancel();
    assert_eq!(
        joining.await.unwrap().error_code,
        ResponseError::CoordinatorNotAvailable.code()
    );
    broker.pass_ms(3_000);
    assert_eq!(
        broker.state().as_deref(),
        Some("CompletingRebalance"),
        "its membership ends with its session, not with its connection"
    );
}

#[tokio::test]
async fn groups_and_offsets_survive_a_restart() {
    let broker = Broker::new();
    let id = broker.member().await;
    let committer = Committer {
        member_id: &id,
        instance_id: None,
        generation: 1,
        producer: None,
    };
    let commit = Commit {
        partition: ("t".into(), 0),
        offset: 5,
        leader_epoch: 2,
        metadata: "note".into(),
    };
    let results = broker
        .groups
        .commit("g", &committer, &[commit], None)
        .await
        .unwrap();
    assert_eq!(results, [Ok(())]);

    let broker = broker.restart();
    assert_eq!(broker.state().as_deref(), Some("Stable"));
    assert_eq!(broker.groups.heartbeat("g", &id, None, 1), Ok(()));
    assert_eq!(broker.committed().await, Ok(Some(5)));
    broker.pass_ms(10_001);
    assert_eq!(
        broker.state().as_deref(),
        Some("Empty"),
        "silent since the restart"
    );
    assert_eq!(broker.restart().state().as_deref(), Some("Empty"));
}

#[tokio::test]
async fn a_deleted_group_stays_deleted() {
    let broker = Broker::new();
    broker.commit(None, 5).await.unwrap();
    assert_eq!(broker.groups.list().len(), 1);
    broker.groups.delete("g").await.unwrap();
    assert_eq!(
        broker.groups.delete("g").await,
        Err(ResponseError::GroupIdNotFound)
    );
    let broker = broker.restart();
    assert!(broker.groups.list().is_empty());
    assert_eq!(broker.committed().await, Ok(None));
}

#[tokio::test]
async fn a_transactions_offsets_are_seen_after_its_marker_only() {
    let producer = BatchProducer { id: 7, epoch: 0 };
    for (restart, commit) in [(false, true), (false, false), (true, true), (true, false)] {
        let mut broker = Broker::new();
        broker.commit(None, 5).await.unwrap();
        broker.commit(Some(producer), 9).await.unwrap();
        if restart {
            broker = broker.restart();
        }
        assert_eq!(
            broker.committed().await,
            Err(ResponseError::UnstableOffsetCommit)
        );
        let partition = broker.groups.partition_for("g");
        broker.topic.mark(partition, producer, commit);
        broker
            .groups
            .complete_transaction(partition, producer.id, commit);
        let expected = Ok(Some(if commit { 9 } else { 5 }));
        assert_eq!(broker.committed().await, expected);
        assert_eq!(broker.restart().committed().await, expected);
    }
}

#[tokio::test]
async fn nothing_is_kept_of_requests_that_came_to_nothing() {
    let broker = Broker::new();
    let unknown = ResponseError::UnknownMemberId;
    assert_eq!(
        broker.join("nobody").await.error_code,
        unknown.code(),
        "no such group"
    );
    assert_eq!(
        broker.groups.heartbeat("g", "nobody", None, 1),
        Err(unknown)
    );
    let leaving = [MemberIdentity::default().with_member_id(text("nobody"))];
    let left = broker.groups.leave("g", &leaving).await.unwrap();
    assert_eq!(left[0].error_code, unknown.code());
    for id in ["", &"x".repeat(40_000)] {
        assert_eq!(
            broker.groups.heartbeat(id, "m", None, 1),
            Err(ResponseError::InvalidGroupId)
        );
    }
    broker.join("").await;
    assert_eq!(
        broker.groups.list().len(),
        1,
        "an id is out that somebody may come back with"
    );
    broker.pass_ms(10_001);
    assert!(broker.groups.list().is_empty());
    assert_eq!(broker.topic.len(), 0);
}

#[tokio::test]
async fn a_commit_that_is_refused_is_not_seen() {
    let broker = Broker::new();
    broker
        .topic
        .refuse(Some(ResponseError::CoordinatorNotAvailable));
    assert!(broker.commit(None, 5).await.is_err());
    assert_eq!(broker.committed().await, Ok(None));
    assert!(broker.groups.list().is_empty());
}

#[tokio::test]
async fn a_deleted_topics_offsets_are_forgotten() {
    let broker = Broker::new();
    broker.commit(None, 5).await.unwrap();
    broker.groups.forget_topic("t");
    assert_eq!(broker.committed().await, Ok(None));
    assert_eq!(broker.restart().committed().await, Ok(None));
}
