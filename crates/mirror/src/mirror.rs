//! A mirror as a whole: who may work, which topics there are, how far they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use weir_client::{ClientError, Kafka, TopicInfo};

use crate::carrier::{Carrier, Shared};
use crate::error::{MirrorError, OfSide, Side, cause};
use crate::events::{Events, Told, TopicProgress};
use crate::groups::{Groups, Looked};
use crate::ledger::{self, Ledger};
use crate::lock::Lock;
use crate::safe::{Look, Safe};
use crate::state::Topics;
use crate::target::{Target, is_nothing_behind};

/// Internal topics that hold what publishers go on by: where each file's followers are.
const CARRIED_THOUGH_INTERNAL: &[&str] = &["__weir_places"];
/// Topics made ready at once.
const AT_ONCE: usize = 8;
/// Bytes that all topics hold in memory together, on each side.
const ROOM_BYTES: usize = 64 << 20;
/// What one topic needs to be quick, and what it needs at least.
const TOPIC_ROOM_BYTES: (usize, usize) = (1 << 20, 16 << 20);
/// How often a topic is tried that could not be made ready.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// How long to wait for a leader before a mirror tries again to begin.
const OPEN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Mirrors topics.
#[derive(Clone)]
pub struct Mirror {
    /// The topics; none: all but internal ones, those made later too.
    pub topics: Vec<String>,
    /// How many copies the target keeps; `None`: its broker's `default.replication.factor`.
    pub replication: Option<i32>,
    /// Whether to go on when everything that was there is mirrored.
    pub follow: bool,
    /// How often it is looked how far everything is.
    pub look_every: Duration,
    /// Told what happens.
    pub tell: Arc<dyn Fn(&Told) + Send + Sync>,
}

impl Default for Mirror {
    fn default() -> Self {
        Self {
            topics: Vec::new(),
            replication: None,
            follow: true,
            look_every: Duration::from_secs(1),
            tell: Arc::new(|_| {}),
        }
    }
}

impl Mirror {
    /// Mirrors until `shutdown`, or, where it is not to follow, until everything that was there is mirrored.
    pub async fn run(
        self,
        from: &Kafka,
        to: &Kafka,
        shutdown: CancellationToken,
    ) -> Result<(), MirrorError> {
        tokio::select! {
            opened = self.opened(from, to) => {
                let (work, lock) = opened?;
                work.run(lock, shutdown).await
            }
            () = shutdown.cancelled() => Ok(()),
        }
    }

    /// Opens it, as soon as there are leaders: a mirror is often started anew because a broker has just died.
    async fn opened(self, from: &Kafka, to: &Kafka) -> Result<(Work, Lock), MirrorError> {
        let events = Arc::new(Events::new(self.tell.clone()));
        loop {
            match self.open(from, to, &events).await {
                Err(MirrorError::Kafka { side, error }) if is_an_election(&error) => {
                    events.waiting(side, &cause(&error));
                    tokio::time::sleep(OPEN_AGAIN_AFTER).await;
                }
                opened => return opened,
            }
        }
    }

    /// Everything that can be refused before a record is mirrored.
    async fn open(
        &self,
        from: &Kafka,
        to: &Kafka,
        events: &Arc<Events>,
    ) -> Result<(Work, Lock), MirrorError> {
        let (source, target) = tokio::join!(from.cluster_id(), to.cluster_id());
        let (source, target) = (source.of(Side::From)?, target.of(Side::To)?);
        if source == target {
            return Err(MirrorError::SameCluster(source));
        }
        for topic in &self.topics {
            from.topic(topic).await.of(Side::From)?;
        }
        let chosen = Chosen(self.topics.iter().cloned().collect());
        let found = chosen.among(&from.topics().await.of(Side::From)?);
        if found.is_empty() && !self.follow {
            return Err(MirrorError::NoTopics);
        }
        let ledger = Ledger::open(to, source.clone(), self.replication).await;
        let ledger = ledger.of(Side::To)?;
        let lock = Lock::take(to, &source, |text| events.note(text)).await;
        let lock = lock.of(Side::To)?;
        let known = ledger.read().await.of(Side::To)?;
        let in_doubt = known.is_in_doubt();
        ledger.begin().await.of(Side::To)?;
        let topics = Topics::default();
        for ((topic, partition), runs) in known.runs {
            if found.contains(topic.as_str()) || chosen.takes(&topic) {
                topics.place(&Arc::from(topic), partition, |place| place.runs = runs);
            }
        }
        let (least, most) = TOPIC_ROOM_BYTES;
        let shared = Arc::new(Shared {
            from: from.clone(),
            to: to.clone(),
            ledger,
            replication: self.replication,
            topics,
            events: events.clone(),
            held: lock.held(),
            room_bytes: (ROOM_BYTES / found.len().max(1)).clamp(least, most),
        });
        let mut work = Work {
            chosen,
            follow: self.follow,
            look_every: self.look_every,
            groups: Groups::new(from, to),
            shared,
            carriers: JoinSet::new(),
            stop: CancellationToken::new(),
            carried: BTreeSet::new(),
            try_again: BTreeMap::new(),
            told: BTreeMap::new(),
            at_start: BTreeMap::new(),
            safe: Safe::default(),
        };
        work.begin(&found, in_doubt).await?;
        Ok((work, lock))
    }
}

/// Which topics are mirrored.
struct Chosen(BTreeSet<String>);

impl Chosen {
    fn takes(&self, topic: &str) -> bool {
        if self.0.is_empty() {
            !topic.starts_with("__") || CARRIED_THOUGH_INTERNAL.contains(&topic)
        } else {
            self.0.contains(topic)
        }
    }

    fn among(&self, topics: &[TopicInfo]) -> BTreeSet<String> {
        let names = topics.iter().map(|topic| topic.name.clone());
        names
            .filter(|name| self.takes(name) && name != ledger::TOPIC)
            .collect()
    }
}

/// A mirror at work.
struct Work {
    chosen: Chosen,
    follow: bool,
    look_every: Duration,
    groups: Groups,
    shared: Arc<Shared>,
    carriers: JoinSet<(Arc<str>, Result<bool, MirrorError>)>,
    stop: CancellationToken,
    /// Topics with a carrier.
    carried: BTreeSet<Arc<str>>,
    /// Topics without one, and when to try again.
    try_again: BTreeMap<Arc<str>, Instant>,
    told: BTreeMap<Arc<str>, TopicProgress>,
    /// Where the source ended when it was looked at first.
    at_start: BTreeMap<(Arc<str>, i32), i64>,
    safe: Safe,
}

impl Work {
    /// Makes the first topics ready, all of them before any record goes.
    async fn begin(
        &mut self,
        topics: &BTreeSet<String>,
        in_doubt: bool,
    ) -> Result<(), MirrorError> {
        let mut preparing = JoinSet::new();
        let mut prepared: Vec<(Carrier, Target)> = Vec::new();
        for topic in topics {
            if preparing.len() >= AT_ONCE {
                prepared.extend(one_of(&mut preparing).await?);
            }
            let carrier = self.carrier(Arc::from(topic.as_str()), in_doubt);
            preparing.spawn(async move {
                let target = carrier.prepare().await?;
                Ok((carrier, target))
            });
        }
        while !preparing.is_empty() {
            prepared.extend(one_of(&mut preparing).await?);
        }
        self.shared.events.tell(&Told::Begun {
            from: self.shared.from.bootstrap().to_owned(),
            to: self.shared.to.bootstrap().to_owned(),
            topics: topics.len(),
        });
        prepared.sort_by(|(a, _), (b, _)| a.topic.cmp(&b.topic));
        for (carrier, target) in prepared {
            self.spawn(carrier, target);
        }
        Ok(())
    }

    fn carrier(&self, topic: Arc<str>, in_doubt: bool) -> Carrier {
        Carrier {
            shared: self.shared.clone(),
            topic,
            in_doubt,
            told: None,
        }
    }

    fn spawn(&mut self, carrier: Carrier, target: Target) {
        let topic = carrier.topic.clone();
        self.shared.events.tell(&Told::Topic {
            topic: topic.to_string(),
            partitions: target.runs.len(),
            created: target.created,
            stamped: target.wanted.stamped,
        });
        self.carried.insert(topic.clone());
        let stop = self.stop.clone();
        self.carriers
            .spawn(async move { (topic, carrier.run(target, stop).await) });
    }

    async fn run(mut self, lock: Lock, shutdown: CancellationToken) -> Result<(), MirrorError> {
        let outcome = self.go_on(&shutdown).await;
        self.stop.cancel();
        let mut clean = outcome.is_ok();
        while let Some(ended) = self.carriers.join_next().await {
            clean &= matches!(ended, Ok((_, Ok(true))));
        }
        if clean && *self.shared.held.borrow() {
            let ended = self.shared.ledger.end();
            // Without it the next run waits a moment before it begins.
            drop(tokio::time::timeout(Duration::from_secs(1), ended).await);
        }
        lock.release().await;
        outcome
    }

    async fn go_on(&mut self, shutdown: &CancellationToken) -> Result<(), MirrorError> {
        let mut looks = tokio::time::interval(self.look_every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut held = self.shared.held.clone();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Some(ended) = self.carriers.join_next() => {
                    let Ok((topic, ended)) = ended else { continue };
                    self.carried.remove(&topic);
                    ended?;
                }
                _ = held.changed() => self.still_ours(&mut held, shutdown).await?,
                _ = looks.tick() => {}
            }
            let done = tokio::select! {
                done = self.look() => done,
                () = shutdown.cancelled() => return Ok(()),
            };
            match done {
                Ok(false) => {}
                Ok(true) => return Ok(()),
                Err(MirrorError::Kafka { side, error }) if error_passes(side, &error) => {
                    self.shared.events.waiting(side, &cause(&error));
                    let why = format!("{} does not answer", side.option());
                    if let Some(told) = self.safe.unknown(&why) {
                        self.shared.events.tell(&told);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The right to mirror was in question: goes on when it is ours again and nobody else has written meanwhile.
    async fn still_ours(
        &self,
        held: &mut tokio::sync::watch::Receiver<bool>,
        shutdown: &CancellationToken,
    ) -> Result<(), MirrorError> {
        if *held.borrow_and_update() {
            return Ok(());
        }
        loop {
            tokio::select! {
                known = self.shared.ledger.read() => {
                    if known.is_ok_and(|known| self.shared.ledger.is_taken_over(&known)) {
                        return Err(MirrorError::TakenOver);
                    }
                }
                () = shutdown.cancelled() => return Ok(()),
            }
            if *held.borrow_and_update() {
                return Ok(());
            }
            tokio::select! {
                _ = held.changed() => {}
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }

    /// Looks at both sides; `true` if there is nothing left to do.
    async fn look(&mut self) -> Result<bool, MirrorError> {
        let found = self.shared.from.topics().await.of(Side::From)?;
        self.shared.events.going_on(Side::From);
        self.shared.to.check().await.of(Side::To)?;
        self.shared.events.going_on(Side::To);
        self.take_up(&found).await;
        let mut look = self.ends().await?;
        look.groups = self
            .groups
            .carry(&self.shared.topics, &self.shared.events)
            .await?;
        if let Some(told) = self.safe.look(&look) {
            self.shared.events.tell(&told);
        }
        Ok(!self.follow && self.is_caught_up(&look.groups, &look))
    }

    /// Begins with topics that are new, or could not be made ready before.
    async fn take_up(&mut self, found: &[TopicInfo]) {
        let now = Instant::now();
        for topic in self.chosen.among(found) {
            let topic: Arc<str> = Arc::from(topic);
            let later = self.try_again.get(&topic).is_some_and(|at| *at > now);
            if self.carried.contains(&topic) || later {
                continue;
            }
            let carrier = self.carrier(topic.clone(), false);
            match carrier.prepare().await {
                Ok(target) => {
                    self.try_again.remove(&topic);
                    self.spawn(carrier, target);
                }
                // Made and deleted again, or a side that is away.
                Err(error) if error.passes() => {}
                Err(error) => {
                    let why = error.to_string();
                    let before = self
                        .shared
                        .topics
                        .with(&topic, |state| state.stopped.replace(why.clone()));
                    if before.as_ref() != Some(&why) {
                        let topic = topic.to_string();
                        self.shared.events.tell(&Told::Stopped { topic, why });
                    }
                    self.try_again.insert(topic, now + TRY_AGAIN_AFTER);
                }
            }
        }
    }

    /// Where the source ends and how far each topic is behind.
    async fn ends(&mut self) -> Result<Look, MirrorError> {
        let mut look = Look::default();
        let names: Vec<Arc<str>> = self.carried.iter().cloned().collect();
        for topic in names {
            let marks = match self.shared.from.watermarks(&topic).await {
                Ok(marks) => marks,
                Err(ClientError::NoSuchTopic { .. }) => continue,
                Err(error) => return Err(error).of(Side::From),
            };
            for mark in &marks {
                let place = (topic.clone(), mark.partition);
                self.at_start.entry(place).or_insert(mark.end);
            }
            let mut left: Vec<(i32, i64)> = Vec::new();
            let behind = self.shared.topics.with(&topic, |state| {
                let behind = marks.iter().map(|mark| {
                    let place = state.places.entry(mark.partition).or_default();
                    place.end = Some(mark.end);
                    let done = place.done().max(mark.start);
                    if done < mark.end {
                        left.push((mark.partition, done));
                    }
                    (mark.end - done).max(0)
                });
                behind.sum::<i64>()
            });
            let ends: Vec<(i32, i64)> = marks.iter().map(|m| (m.partition, m.end)).collect();
            // Behind the last record there may be what no reader sees: the marker that ended a transaction.
            let stands = self
                .told
                .get(&topic)
                .is_some_and(|told| told.behind == behind);
            let behind = if behind > 0 && stands && self.is_nothing(&topic, &left).await? {
                self.shared.topics.with(&topic, |state| {
                    for (id, end) in &ends {
                        let place = state.places.entry(*id).or_default();
                        place.nothing_to = place.nothing_to.max(*end);
                    }
                });
                0
            } else {
                behind
            };
            self.progress(&topic, behind, &mut look);
            look.ends.insert(topic, ends);
        }
        for (topic, state) in self.shared.topics.all().iter() {
            if state.stopped.is_some() {
                look.stopped.push(topic.clone());
            }
        }
        Ok(look)
    }

    /// Whether these places have no record for readers, at this moment.
    async fn is_nothing(&self, topic: &str, left: &[(i32, i64)]) -> Result<bool, MirrorError> {
        is_nothing_behind(&self.shared.from, topic, left)
            .await
            .of(Side::From)
    }

    fn progress(&mut self, topic: &Arc<str>, behind: i64, look: &mut Look) {
        let told = self.shared.topics.with(topic, |state| TopicProgress {
            topic: topic.to_string(),
            behind,
            records: state.records,
            bytes: state.bytes,
            same_offsets: state.is_same(),
        });
        if !told.same_offsets {
            look.moved.push(topic.clone());
        }
        look.behind.insert(topic.clone(), behind);
        if self.told.get(topic) != Some(&told) {
            self.told.insert(topic.clone(), told.clone());
            self.shared.events.tell(&Told::Progress(told));
        }
    }

    /// Whether everything that was there at the first look is mirrored; tells it.
    fn is_caught_up(&self, groups: &Looked, look: &Look) -> bool {
        let topics = self.shared.topics.all();
        let mirrored = self.at_start.iter().all(|((topic, partition), end)| {
            let place = topics
                .get(topic)
                .and_then(|topic| topic.places.get(partition));
            // A topic that was deleted meanwhile has nothing to come.
            place.is_none_or(|place| place.done() >= *end)
        });
        drop(topics);
        let grown = look.ends.iter().flat_map(|(topic, ends)| {
            ends.iter().map(|(partition, end)| {
                let at_start = self.at_start.get(&(topic.clone(), *partition));
                end - at_start.copied().unwrap_or(*end)
            })
        });
        let since: i64 = grown.sum();
        let whole = groups.behind.is_empty() && look.behind.values().all(|behind| *behind == 0);
        let done = mirrored && look.stopped.is_empty() && (whole || since > 0);
        if done {
            self.shared.events.tell(&Told::CaughtUp { since });
        }
        done
    }
}

/// The next that is ready.
async fn one_of<T: 'static>(
    jobs: &mut JoinSet<Result<T, MirrorError>>,
) -> Result<Option<T>, MirrorError> {
    match jobs.join_next().await {
        Some(Ok(done)) => done.map(Some),
        // Nobody cancels them, and a panic is told where it happens.
        Some(Err(_)) | None => Ok(None),
    }
}

/// Whether somebody listens and a leader is missing. Where nobody listens a mirror does not begin, and says so.
fn is_an_election(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Electing { .. }
            | ClientError::NoLeader { .. }
            | ClientError::LeaderAway { .. }
            | ClientError::TooFewInSync { .. }
            | ClientError::TimedOut { .. }
    )
}

fn error_passes(side: Side, error: &ClientError) -> bool {
    let error = MirrorError::Kafka {
        side,
        error: error.clone(),
    };
    error.passes()
}
