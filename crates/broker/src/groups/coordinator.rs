//! The group coordinator's asynchronous shell: finds a request's group, gives its state machine a turn, and sees to it that
//! answers leave when what they promise is durable.
//!
//! One mutex a group, held for a step and never across an await. A request that must wait (`JoinGroup`, `SyncGroup`) parks as a
//! oneshot under the number its group knows it by; if its connection ends meanwhile, the answer goes nowhere. Timers of all
//! groups lie in one ordered set, which [`GroupCoordinator::run`] watches.

use super::group::{Group, GroupState, join_error, sync_error, text};
use super::offsets::{Commit, Committer, TopicPartition};
use super::settings::GroupSettings;
use super::turn::{CallId, Caller, Reply, Turn};
use crate::internal_topics::group_records::OffsetValue;
use crate::internal_topics::java_hash::partition_for;
use crate::internal_topics::journal::{InternalTopic, Now, PartitionJournal};
use crate::internal_topics::store::TopicStore;
use crate::settings::Settings;
use crate::topics::Topics;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    GroupId, JoinGroupRequest, JoinGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use weir_base::time::Clock;

/// Timers are looked at no more often than this.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// The coordinator of all groups: there is one broker, so it is every group's.
pub struct GroupCoordinator {
    settings: Arc<GroupSettings>,
    clock: Arc<dyn Clock>,
    topic: Arc<dyn InternalTopic>,
    groups: Mutex<HashMap<String, Arc<Cell>>>,
    timers: Mutex<BTreeSet<(Duration, String)>>,
    timers_changed: Notify,
    /// Which groups of a partition hold offsets of a producer's open transaction.
    open_transactions: Mutex<HashMap<(i32, i64), HashSet<String>>>,
}

struct Cell {
    partition: i32,
    inner: Mutex<Inner>,
}

struct Inner {
    group: Group,
    parked: HashMap<CallId, oneshot::Sender<Parked>>,
    next_call: u64,
    /// The last offset that any step of this group appended.
    last_appended: Option<i64>,
    scheduled: Option<Duration>,
    /// No longer in the map: whoever still holds it must look again.
    gone: bool,
}

/// An answer and the offset that must be durable before it leaves.
struct Parked {
    reply: Reply,
    durable: Option<i64>,
}

/// Commits that are written but perhaps not durable.
#[derive(Debug)]
pub struct WrittenCommits {
    results: Vec<Result<(), ResponseError>>,
    last_offset: Option<i64>,
}

/// A partition's committed offset, or why it cannot be told.
pub type Fetched = (TopicPartition, Result<Option<OffsetValue>, ResponseError>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl GroupCoordinator {
    /// The coordinator of the groups that `topics` holds. It reads files.
    pub fn open(
        topics: &Arc<Topics>,
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, ResponseError> {
        let topic = TopicStore::consumer_offsets(topics, settings);
        let groups = Self::new(GroupSettings::from(settings), clock, Arc::new(topic));
        groups.load()?;
        Ok(Arc::new(groups))
    }

    /// A coordinator without groups; [`Self::load`] brings back those the topic holds.
    pub fn new(
        settings: GroupSettings,
        clock: Arc<dyn Clock>,
        topic: Arc<dyn InternalTopic>,
    ) -> Self {
        Self {
            settings: Arc::new(settings),
            clock,
            topic,
            groups: Mutex::default(),
            timers: Mutex::default(),
            timers_changed: Notify::new(),
            open_transactions: Mutex::default(),
        }
    }

    pub(super) fn shared_settings(&self) -> Arc<GroupSettings> {
        Arc::clone(&self.settings)
    }

    /// Makes `__consumer_offsets` unless it is there.
    pub async fn ready(&self) -> Result<(), ResponseError> {
        self.topic.ensure().await
    }

    /// The partition of `__consumer_offsets` that holds a group.
    pub fn partition_for(&self, group_id: &str) -> i32 {
        partition_for(group_id, self.topic.partitions())
    }

    pub(super) fn topic(&self) -> &dyn InternalTopic {
        &*self.topic
    }

    pub(super) fn now(&self) -> Now {
        Now::of(&*self.clock)
    }

    /// Puts a group read from the log in its place.
    pub(super) fn adopt(&self, group: Group) {
        let id = group.id().to_owned();
        let partition = self.partition_for(&id);
        {
            let mut open = lock(&self.open_transactions);
            for producer in group.offsets().pending_producers() {
                open.entry((partition, producer))
                    .or_default()
                    .insert(id.clone());
            }
        }
        let cell = Arc::new(Cell::of(group, partition));
        self.schedule(&mut lock(&cell.inner));
        lock(&self.groups).insert(id, cell);
    }

    fn cell(&self, group_id: &str, make: bool) -> Option<Arc<Cell>> {
        let mut groups = lock(&self.groups);
        if let Some(cell) = groups.get(group_id) {
            return Some(Arc::clone(cell));
        }
        if !make {
            return None;
        }
        let group = Group::new(group_id, Arc::clone(&self.settings));
        let cell = Arc::new(Cell::of(group, self.partition_for(group_id)));
        groups.insert(group_id.to_owned(), Arc::clone(&cell));
        Some(cell)
    }

    /// Does `act` under a group's lock. Nothing if there is no such group (and none is to be made). The offset returned is
    /// the last this step appended.
    fn step<T>(
        &self,
        group_id: &str,
        make: bool,
        act: impl FnOnce(&mut Step<'_>) -> T,
    ) -> Option<(T, Option<i64>)> {
        loop {
            let cell = self.cell(group_id, make)?;
            let mut step = Step {
                coordinator: self,
                partition: cell.partition,
                inner: lock(&cell.inner),
                appended: None,
            };
            if step.inner.gone {
                continue;
            }
            let result = act(&mut step);
            let Step {
                mut inner,
                appended,
                ..
            } = step;
            if inner.group.is_blank() {
                inner.gone = true;
                inner.parked.clear();
                self.unschedule(&mut inner);
                lock(&self.groups).remove(group_id);
            }
            return Some((result, appended));
        }
    }

    /// One turn of a group that exists.
    fn on<T>(
        &self,
        group_id: &str,
        act: impl FnOnce(&mut Group, &mut Turn<'_>) -> T,
    ) -> Option<(T, Option<i64>)> {
        self.step(group_id, false, |step| step.turn(act))
    }

    fn schedule(&self, inner: &mut Inner) {
        let Some(wake_at) = inner.group.wake_at() else {
            return;
        };
        // Too early is fine: the timer finds nothing due and is set anew. So a heartbeat need not move it.
        if inner.scheduled.is_some_and(|at| at <= wake_at) {
            return;
        }
        let id = inner.group.id().to_owned();
        let mut timers = lock(&self.timers);
        if let Some(at) = inner.scheduled.replace(wake_at) {
            timers.remove(&(at, id.clone()));
        }
        let first = timers.first().is_none_or(|(at, _)| wake_at < *at);
        timers.insert((wake_at, id));
        drop(timers);
        if first {
            self.timers_changed.notify_one();
        }
    }

    fn unschedule(&self, inner: &mut Inner) {
        if let Some(at) = inner.scheduled.take() {
            lock(&self.timers).remove(&(at, inner.group.id().to_owned()));
        }
    }

    async fn durable(&self, group_id: &str, offset: Option<i64>) -> Result<(), ResponseError> {
        match offset {
            Some(offset) => {
                self.topic
                    .durable(self.partition_for(group_id), offset)
                    .await
            }
            None => Ok(()),
        }
    }

    /// Watches the timers until `closing` is cancelled.
    pub async fn run(self: Arc<Self>, closing: CancellationToken) {
        let interval = Duration::from_millis(self.settings.offsets_retention_check_interval_ms);
        let mut check_at = self.clock.monotonic() + interval;
        loop {
            let next = lock(&self.timers).first().map(|(at, _)| *at);
            let until = next.map_or(check_at, |at| at.min(check_at));
            let sleep = until
                .saturating_sub(self.clock.monotonic())
                .max(SHORTEST_SLEEP);
            tokio::select! {
                () = closing.cancelled() => return,
                () = self.timers_changed.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
            self.tick();
            if self.clock.monotonic() >= check_at {
                self.expire_offsets();
                check_at = self.clock.monotonic() + interval;
            }
        }
    }

    /// Ends every timer whose time has come.
    pub fn tick(&self) {
        let now = self.clock.monotonic();
        loop {
            let due = {
                let mut timers = lock(&self.timers);
                match timers.first() {
                    Some((at, _)) if *at <= now => timers.pop_first(),
                    _ => None,
                }
            };
            let Some((at, id)) = due else {
                return;
            };
            self.step(&id, false, |step| {
                if step.inner.scheduled == Some(at) {
                    step.inner.scheduled = None;
                }
                step.turn(|_, _| ());
            });
        }
    }

    /// Forgets offsets whose time is over, and groups nothing is left of.
    pub fn expire_offsets(&self) {
        for id in self.ids() {
            let result = self.on(&id, super::group::Group::expire);
            if let Some((Err(error), _)) = result {
                tracing::warn!(group = id, %error, "outdated offsets could not be forgotten; tried again later");
            }
        }
    }

    /// Forgets the offsets of a topic that was deleted.
    pub fn forget_topic(&self, topic: &str) {
        for id in self.ids() {
            let result = self.on(&id, |group, turn| {
                group.forget_partitions(|(of, _)| of == topic, turn)
            });
            if let Some((Err(error), _)) = result {
                tracing::warn!(group = id, topic, %error, "offsets of a deleted topic could not be forgotten");
            }
        }
    }

    fn ids(&self) -> Vec<String> {
        lock(&self.groups).keys().cloned().collect()
    }

    async fn parked(
        &self,
        group_id: &str,
        waiting: oneshot::Receiver<Parked>,
        closing: &CancellationToken,
    ) -> Result<Reply, ResponseError> {
        let parked = tokio::select! {
            parked = waiting => parked.map_err(|_| ResponseError::CoordinatorNotAvailable)?,
            () = closing.cancelled() => return Err(ResponseError::CoordinatorNotAvailable),
        };
        self.durable(group_id, parked.durable).await?;
        Ok(parked.reply)
    }

    /// `JoinGroup`.
    pub async fn join(
        &self,
        caller: &Caller,
        request: &JoinGroupRequest,
        closing: &CancellationToken,
    ) -> JoinGroupResponse {
        let id = request.group_id.as_str();
        let member_id = request.member_id.as_str();
        if let Err(error) = check_group_id(id) {
            return join_error(member_id, error);
        }
        if request.session_timeout_ms < self.settings.min_session_timeout_ms
            || request.session_timeout_ms > self.settings.max_session_timeout_ms
        {
            return join_error(member_id, ResponseError::InvalidSessionTimeout);
        }
        if let Err(error) = self.ready().await {
            return join_error(member_id, error);
        }
        let stepped = self.step(id, member_id.is_empty(), |step| {
            let (call, waiting) = step.park();
            step.turn(|group, turn| group.join(call, caller, request, turn));
            waiting
        });
        let Some((waiting, _)) = stepped else {
            return join_error(member_id, ResponseError::UnknownMemberId);
        };
        match self.parked(id, waiting, closing).await {
            Ok(Reply::Join(response)) => response,
            Ok(Reply::Sync(_)) => join_error(member_id, ResponseError::UnknownServerError),
            Err(error) => join_error(member_id, error),
        }
    }

    /// `SyncGroup`.
    pub async fn sync(
        &self,
        request: &SyncGroupRequest,
        closing: &CancellationToken,
    ) -> SyncGroupResponse {
        let id = request.group_id.as_str();
        if let Err(error) = check_group_id(id) {
            return sync_error(error);
        }
        let stepped = self.step(id, false, |step| {
            let (call, waiting) = step.park();
            step.turn(|group, turn| group.sync(call, request, turn));
            waiting
        });
        let Some((waiting, _)) = stepped else {
            return sync_error(ResponseError::UnknownMemberId);
        };
        match self.parked(id, waiting, closing).await {
            Ok(Reply::Sync(response)) => response,
            Ok(Reply::Join(_)) => sync_error(ResponseError::UnknownServerError),
            Err(error) => sync_error(error),
        }
    }

    /// Heartbeat.
    pub fn heartbeat(
        &self,
        group_id: &str,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), ResponseError> {
        check_group_id(group_id)?;
        self.on(group_id, |group, turn| {
            group.heartbeat(member_id, instance_id, generation, turn)
        })
        .map_or(Err(ResponseError::UnknownMemberId), |(result, _)| result)
    }

    /// `LeaveGroup`.
    pub async fn leave(
        &self,
        group_id: &str,
        members: &[MemberIdentity],
    ) -> Result<Vec<MemberResponse>, ResponseError> {
        check_group_id(group_id)?;
        let Some((result, appended)) = self.on(group_id, |group, turn| group.leave(members, turn))
        else {
            return Ok(members
                .iter()
                .map(|identity| {
                    MemberResponse::default()
                        .with_member_id(identity.member_id.clone())
                        .with_group_instance_id(identity.group_instance_id.clone())
                        .with_error_code(ResponseError::UnknownMemberId.code())
                })
                .collect());
        };
        self.durable(group_id, appended).await?;
        result
    }

    /// `OffsetCommit`: refused as a whole, or answered for each in the order given.
    pub async fn commit(
        &self,
        group_id: &str,
        committer: &Committer<'_>,
        commits: &[Commit],
        retention_ms: Option<i64>,
    ) -> Result<Vec<Result<(), ResponseError>>, ResponseError> {
        self.ready().await?;
        let written = self.write_commits(group_id, committer, commits, retention_ms)?;
        self.commits_durable(group_id, written).await
    }

    /// The first half of a commit: it is in the log when this returns, and may not be answered yet.
    pub fn write_commits(
        &self,
        group_id: &str,
        committer: &Committer<'_>,
        commits: &[Commit],
        retention_ms: Option<i64>,
    ) -> Result<WrittenCommits, ResponseError> {
        check_group_id(group_id)?;
        let make = committer.generation < 0;
        let (results, last_offset) = self
            .step(group_id, make, |step| {
                step.turn(|group, turn| group.commit(committer, commits, retention_ms, turn))
            })
            .ok_or(ResponseError::IllegalGeneration)?;
        if let (Some(producer), Some(_)) = (committer.producer, last_offset) {
            lock(&self.open_transactions)
                .entry((self.partition_for(group_id), producer.id))
                .or_default()
                .insert(group_id.to_owned());
        }
        Ok(WrittenCommits {
            results: results?,
            last_offset,
        })
    }

    /// The second half: it is durable when this returns.
    pub async fn commits_durable(
        &self,
        group_id: &str,
        written: WrittenCommits,
    ) -> Result<Vec<Result<(), ResponseError>>, ResponseError> {
        self.durable(group_id, written.last_offset).await?;
        Ok(written.results)
    }

    /// The end of a producer's transaction in a partition of `__consumer_offsets`.
    pub fn complete_transaction(&self, partition: i32, producer_id: i64, commit: bool) {
        let groups = lock(&self.open_transactions).remove(&(partition, producer_id));
        for id in groups.into_iter().flatten() {
            self.on(&id, |group, _| {
                group.complete_transaction(producer_id, commit);
            });
        }
    }

    /// `OffsetFetch`: the committed offsets of these partitions, or of all.
    pub async fn fetch(
        &self,
        group_id: &str,
        partitions: Option<&[TopicPartition]>,
        require_stable: bool,
    ) -> Result<Vec<Fetched>, ResponseError> {
        let look = |group: &Group| -> Vec<Fetched> {
            let one = |partition: &TopicPartition| {
                let value = if require_stable && group.offsets().is_pending(partition) {
                    Err(ResponseError::UnstableOffsetCommit)
                } else {
                    Ok(group
                        .offsets()
                        .get(partition)
                        .map(|offset| offset.value.clone()))
                };
                (partition.clone(), value)
            };
            match partitions {
                Some(partitions) => partitions.iter().map(one).collect(),
                None => group
                    .offsets()
                    .iter()
                    .map(|(partition, _)| one(partition))
                    .collect(),
            }
        };
        let found = self.step(group_id, false, |step| {
            (look(&step.inner.group), step.inner.last_appended)
        });
        match found {
            Some(((fetched, last_appended), _)) => {
                // What is shown must not be taken back by a power cut.
                self.durable(group_id, last_appended).await?;
                Ok(fetched)
            }
            None => Ok(partitions
                .unwrap_or_default()
                .iter()
                .map(|partition| (partition.clone(), Ok(None)))
                .collect()),
        }
    }

    /// `OffsetDelete`: refused as a whole, or answered for each in the order given.
    pub async fn delete_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<(), ResponseError>>, ResponseError> {
        check_group_id(group_id)?;
        let (result, appended) = self
            .on(group_id, |group, turn| {
                group.delete_offsets(partitions, turn)
            })
            .ok_or(ResponseError::GroupIdNotFound)?;
        self.durable(group_id, appended).await?;
        result
    }

    /// `DeleteGroups`, one of them.
    pub async fn delete(&self, group_id: &str) -> Result<(), ResponseError> {
        let (result, appended) = self
            .on(group_id, super::group::Group::delete)
            .ok_or(ResponseError::GroupIdNotFound)?;
        self.durable(group_id, appended).await?;
        result
    }

    /// `DescribeGroups`, one of them; nothing if there is no such group.
    pub fn describe(&self, group_id: &str) -> Option<DescribedGroup> {
        self.step(group_id, false, |step| step.inner.group.describe())
            .map(|(described, _)| described)
    }

    /// `ListGroups`.
    pub fn list(&self) -> Vec<ListedGroup> {
        let mut listed: Vec<_> = self
            .ids()
            .iter()
            .filter_map(|id| self.step(id, false, |step| step.inner.group.listed()))
            .map(|(listed, _)| listed)
            .collect();
        listed.sort_by(|a, b| a.group_id.as_str().cmp(b.group_id.as_str()));
        listed
    }
}

/// A group's lock, held.
struct Step<'a> {
    coordinator: &'a GroupCoordinator,
    partition: i32,
    inner: MutexGuard<'a, Inner>,
    appended: Option<i64>,
}

impl Step<'_> {
    /// Gives the state machine a turn, and its answers to whom they belong.
    fn turn<T>(&mut self, act: impl FnOnce(&mut Group, &mut Turn<'_>) -> T) -> T {
        let now = self.coordinator.now();
        let mut journal = PartitionJournal::new(&*self.coordinator.topic, self.partition, now);
        let mut fresh_id = || uuid::Uuid::new_v4().to_string();
        let mut turn = Turn::new(now, &mut journal, &mut fresh_id);
        let inner = &mut *self.inner;
        let result = act(&mut inner.group, &mut turn);
        // What is due is due now: with an initial delay of 0 the first generation begins at once.
        if inner
            .group
            .wake_at()
            .is_some_and(|wake_at| wake_at <= now.monotonic)
        {
            inner.group.tick(&mut turn);
        }
        let replies = std::mem::take(&mut turn.replies);
        let durable = journal.last_offset;
        self.appended = durable.or(self.appended);
        inner.last_appended = durable.or(inner.last_appended);
        for (call, reply) in replies {
            if let Some(waiting) = inner.parked.remove(&call) {
                // Nobody takes it if the connection has ended meanwhile.
                let _ = waiting.send(Parked { reply, durable });
            }
        }
        self.coordinator.schedule(inner);
        result
    }

    /// A place for an answer that may come later.
    fn park(&mut self) -> (CallId, oneshot::Receiver<Parked>) {
        let call = CallId(self.inner.next_call);
        self.inner.next_call += 1;
        let (answer, waiting) = oneshot::channel();
        self.inner.parked.insert(call, answer);
        (call, waiting)
    }
}

impl Cell {
    fn of(group: Group, partition: i32) -> Self {
        Self {
            partition,
            inner: Mutex::new(Inner {
                group,
                parked: HashMap::new(),
                next_call: 0,
                last_appended: None,
                scheduled: None,
                gone: false,
            }),
        }
    }
}

/// A group id is not empty and fits the length field of the record it is kept in.
pub fn check_group_id(group_id: &str) -> Result<(), ResponseError> {
    if group_id.is_empty() || group_id.len() > i16::MAX as usize {
        Err(ResponseError::InvalidGroupId)
    } else {
        Ok(())
    }
}

/// How a group that does not exist is described: dead, to versions that have no error for it.
pub fn describe_missing(group_id: &GroupId, version: i16) -> DescribedGroup {
    let described = DescribedGroup::default()
        .with_group_id(group_id.clone())
        .with_group_state(text(GroupState::Dead.name()));
    if version >= 6 {
        described
            .with_error_code(ResponseError::GroupIdNotFound.code())
            .with_error_message(Some(text(&format!(
                "Group {} not found.",
                group_id.as_str()
            ))))
    } else {
        described
    }
}
