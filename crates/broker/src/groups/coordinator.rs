//! The group coordinator's asynchronous shell: finds a request's group, gives its state machine a turn, and hands answers to
//! those who wait. `requests` has what each request makes of that.
//!
//! One mutex a group, held for a step and never across an await. A request that must wait (`JoinGroup`, `SyncGroup`) parks as a
//! oneshot under the number its group knows it by; if its connection ends meanwhile, the answer goes nowhere. Timers of all
//! groups lie in one ordered set, which [`GroupCoordinator::run`] watches.

use super::group::Group;
use super::settings::GroupSettings;
use super::turn::{CallId, Reply, Turn};
use crate::internal_topics::java_hash::partition_for;
use crate::internal_topics::journal::{InternalTopic, Now, PartitionJournal};
use crate::internal_topics::store::TopicStore;
use crate::settings::Settings;
use crate::topics::Topics;
use kafka_protocol::ResponseError;
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
    pub(super) settings: Arc<GroupSettings>,
    clock: Arc<dyn Clock>,
    topic: Arc<dyn InternalTopic>,
    groups: Mutex<HashMap<String, Arc<Cell>>>,
    timers: Mutex<BTreeSet<(Duration, String)>>,
    timers_changed: Notify,
    /// Which groups of a partition hold offsets of a producer's open transaction.
    pub(super) open_transactions: Mutex<HashMap<(i32, i64), HashSet<String>>>,
}

struct Cell {
    partition: i32,
    inner: Mutex<Inner>,
}

pub(super) struct Inner {
    pub(super) group: Group,
    parked: HashMap<CallId, oneshot::Sender<Parked>>,
    next_call: u64,
    /// The last offset that any step of this group appended.
    pub(super) last_appended: Option<i64>,
    scheduled: Option<Duration>,
    /// No longer in the map: whoever still holds it must look again.
    gone: bool,
}

/// An answer and the offset that must be durable before it leaves.
pub(super) struct Parked {
    pub(super) reply: Reply,
    pub(super) durable: Option<i64>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
    pub(super) fn step<T>(
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
    pub(super) fn on<T>(
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

    pub(super) async fn durable(
        &self,
        group_id: &str,
        offset: Option<i64>,
    ) -> Result<(), ResponseError> {
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

    pub(super) fn ids(&self) -> Vec<String> {
        lock(&self.groups).keys().cloned().collect()
    }
}

/// A group's lock, held.
pub(super) struct Step<'a> {
    coordinator: &'a GroupCoordinator,
    partition: i32,
    pub(super) inner: MutexGuard<'a, Inner>,
    appended: Option<i64>,
}

impl Step<'_> {
    /// Gives the state machine a turn, and its answers to whom they belong.
    pub(super) fn turn<T>(&mut self, act: impl FnOnce(&mut Group, &mut Turn<'_>) -> T) -> T {
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
    pub(super) fn park(&mut self) -> (CallId, oneshot::Receiver<Parked>) {
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
