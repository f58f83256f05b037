//! One topic on its way: read here, sent there, each record once and in order, as much at a time as memory is granted for.
//!
//! What comes next is planned ([`Runs`](crate::runs::Runs)), new runs are written down, then the records are sent without waiting
//! for those before. Each acknowledgement says at which offset its record lies; any other than the planned one means that
//! somebody else writes there. When the producer cannot go on, or partitions were added, everything begins anew from what the
//! target holds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_client::{
    ClientError, DeliveryFuture, Event, From, Kafka, Producer, ProducerOptions, Reader,
    ReaderOptions, Record,
};

use crate::error::{MirrorError, OfSide, Side, cause};
use crate::events::{Events, Told};
use crate::ledger::Ledger;
use crate::runs::Run;
use crate::settings::{self, Change};
use crate::state::Topics;
use crate::target::{Preparing, Target};

/// Records planned together.
const BATCH_RECORDS: usize = 2_000;
/// Their bytes, about.
const BATCH_BYTES: usize = 1 << 20;
/// How often it is looked whether the source's topic has grown or its settings have changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Between two tries.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often a topic is tried that waits until somebody mends what stops it.
const MENDED_AFTER: Duration = Duration::from_secs(10);
/// Ctrl-C waits so long for what is under way.
const LAST_FLUSH: Duration = Duration::from_secs(5);
/// What a record takes of a batch besides its bytes (batch header 61, record header at most 21, a few a header).
const RECORD_OVERHEAD_BYTES: usize = 128;

/// What carriers share.
pub(crate) struct Shared {
    pub(crate) from: Kafka,
    pub(crate) to: Kafka,
    pub(crate) ledger: Ledger,
    pub(crate) replication: Option<i32>,
    pub(crate) topics: Topics,
    pub(crate) events: Arc<Events>,
    /// Whether this mirror is the one that works now.
    pub(crate) held: watch::Receiver<bool>,
    /// Bytes that a topic may hold in memory on each of its two sides.
    pub(crate) room_bytes: usize,
}

/// Carries one topic.
pub(crate) struct Carrier {
    pub(crate) shared: Arc<Shared>,
    pub(crate) topic: Arc<str>,
    /// Something sent earlier may still arrive.
    pub(crate) in_doubt: bool,
    /// Why it was stopped, as was told last.
    pub(crate) told: Option<String>,
}

/// Why a carrier begins anew.
enum Again {
    /// It was told to end, and everything sent is acknowledged or not.
    Ended { clean: bool },
    /// The source's topic has changed; everything sent is acknowledged.
    Changed,
}

/// A record that was sent and not yet acknowledged.
struct UnderWay {
    delivery: DeliveryFuture,
    partition: i32,
    run: Run,
    bytes: u64,
}

impl Carrier {
    /// Makes the target's side ready.
    pub(crate) async fn prepare(&self) -> Result<Target, MirrorError> {
        let shared = &self.shared;
        let places = shared.topics.with(&self.topic, |topic| {
            let runs = topic.places.iter();
            let runs: BTreeMap<i32, _> = runs
                .filter(|(_, place)| place.runs.next_source().is_some())
                .map(|(id, place)| (*id, place.runs.clone()))
                .collect();
            runs
        });
        let preparing = Preparing {
            from: &shared.from,
            to: &shared.to,
            topic: &self.topic,
            replication: shared.replication,
            in_doubt: self.in_doubt,
        };
        let target = preparing.ready(places).await?;
        if target.settings_unread {
            shared.events.note(&format!(
                "topic {:?} is made with --to's own settings: those at --from cannot be read; DescribeConfigs on the topic is needed there",
                self.topic
            ));
        }
        for change in &target.changed {
            // What a new topic was made with goes without saying.
            if change.refused.is_some() || !target.created {
                self.tell(change);
            }
        }
        shared.topics.with(&self.topic, |topic| {
            topic.stopped = None;
            for (id, runs) in &target.runs {
                let place = topic.places.entry(*id).or_default();
                place.mirrored = runs.next_source().unwrap_or(0);
                place.target = runs.next_target();
                place.runs = runs.clone();
            }
        });
        Ok(target)
    }

    /// Carries until told to end; `true` if everything sent is acknowledged then.
    pub(crate) async fn run(
        mut self,
        prepared: Target,
        shutdown: CancellationToken,
    ) -> Result<bool, MirrorError> {
        let mut prepared = Some(prepared);
        loop {
            let carried = async {
                let target = if let Some(target) = prepared.take() {
                    target
                } else {
                    tokio::select! {
                        target = self.prepare() => target?,
                        () = shutdown.cancelled() => {
                            return Ok(Again::Ended { clean: !self.in_doubt });
                        }
                    }
                };
                self.carry(target, &shutdown).await
            };
            let wait = match carried.await {
                Ok(Again::Ended { clean }) => return Ok(clean),
                Ok(Again::Changed) => {
                    self.in_doubt = false;
                    continue;
                }
                Err(error) if error.passes() => {
                    if let MirrorError::Kafka { side, error } = &error {
                        self.shared.events.waiting(*side, &cause(error));
                    }
                    RETRY_AFTER
                }
                Err(MirrorError::Kafka {
                    side: Side::From,
                    error: ClientError::NoSuchTopic { .. },
                }) => {
                    // Whoever lists the source's topics begins anew if it comes back.
                    self.shared.topics.all().remove(&self.topic);
                    self.shared.events.note(&format!(
                        "topic {:?} is gone at --from; what was mirrored of it stays",
                        self.topic
                    ));
                    return Ok(true);
                }
                Err(error) if error.is_of_a_topic() => {
                    self.stopped(&error);
                    MENDED_AFTER
                }
                Err(error) => return Err(error),
            };
            self.in_doubt = true;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => return Ok(false),
            }
        }
    }

    fn tell(&self, change: &Change) {
        self.shared.events.tell(&Told::Setting {
            topic: self.topic.to_string(),
            name: change.name.clone(),
            value: change.value.clone(),
            refused: change.refused.clone(),
        });
    }

    /// Tells once why the topic waits.
    fn stopped(&mut self, error: &MirrorError) {
        let why = error.to_string();
        let stopped = Some(why.clone());
        self.shared
            .topics
            .with(&self.topic, |topic| topic.stopped.clone_from(&stopped));
        if self.told != stopped {
            self.told = stopped;
            let topic = self.topic.to_string();
            self.shared.events.tell(&Told::Stopped { topic, why });
        }
    }

    async fn carry(
        &self,
        target: Target,
        shutdown: &CancellationToken,
    ) -> Result<Again, MirrorError> {
        let shared = &self.shared;
        let positions = target
            .runs
            .iter()
            .filter_map(|(id, runs)| Some((*id, runs.next_source()?)));
        let options = ReaderOptions {
            max_queued_bytes: shared.room_bytes,
            partitions: Some(target.runs.keys().copied().collect()),
            ..ReaderOptions::default()
        };
        let reader = shared
            .from
            .reader(&self.topic, From::Positions(positions.collect()), options)
            .await
            .of(Side::From)?;
        let batch_bytes = target.max_message_bytes;
        let producer = shared.to.gapless_producer(ProducerOptions {
            linger_ms: 5,
            max_in_flight_bytes: shared.room_bytes,
            max_batch_bytes: batch_bytes.saturating_sub(RECORD_OVERHEAD_BYTES).max(1),
            ..ProducerOptions::default()
        });
        let mut carriage = Carriage {
            carrier: self,
            reader,
            producer: producer.of(Side::To)?,
            target,
            under_way: VecDeque::new(),
            held: shared.held.clone(),
        };
        carriage.go_on(shutdown).await
    }
}

/// A carrier at work.
struct Carriage<'a> {
    carrier: &'a Carrier,
    reader: Reader,
    producer: Producer,
    target: Target,
    under_way: VecDeque<UnderWay>,
    held: watch::Receiver<bool>,
}

impl Carriage<'_> {
    async fn go_on(&mut self, shutdown: &CancellationToken) -> Result<Again, MirrorError> {
        let mut next_look = Instant::now() + LOOK_EVERY;
        loop {
            self.collect()?;
            let held = *self.held.borrow_and_update();
            let acknowledged = async {
                match self.under_way.front_mut() {
                    Some(first) => (&mut first.delivery).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {
                    return Ok(Again::Ended { clean: self.finish().await? });
                }
                outcome = acknowledged => self.acknowledge(outcome)?,
                // An error is the end of the mirror, which cancels.
                _ = self.held.changed() => {}
                event = self.reader.next(), if held => {
                    let event = event.of(Side::From)?;
                    let mut records = Vec::new();
                    let mut bytes = 0;
                    self.take(event, &mut records, &mut bytes)?;
                    while bytes < BATCH_BYTES && records.len() < BATCH_RECORDS {
                        let Some(event) = self.reader.try_next().of(Side::From)? else { break };
                        self.take(event, &mut records, &mut bytes)?;
                    }
                    tokio::select! {
                        sent = self.send(records) => sent?,
                        () = shutdown.cancelled() => {
                            return Ok(Again::Ended { clean: self.finish().await? });
                        }
                    }
                }
                () = tokio::time::sleep_until(next_look) => {
                    next_look = Instant::now() + LOOK_EVERY;
                    if self.has_changed().await? {
                        while let Some(first) = self.under_way.front_mut() {
                            let outcome = (&mut first.delivery).await;
                            self.acknowledge(outcome)?;
                        }
                        return Ok(Again::Changed);
                    }
                }
            }
        }
    }

    fn take(
        &self,
        event: Event,
        records: &mut Vec<Record>,
        bytes: &mut usize,
    ) -> Result<(), MirrorError> {
        let (shared, topic) = (&self.carrier.shared, &self.carrier.topic);
        match event {
            Event::Record(record) => {
                *bytes += record.len_bytes();
                records.push(record);
            }
            Event::Gap {
                partition,
                from,
                to,
            } if to < from => {
                return Err(MirrorError::Ahead {
                    topic: topic.to_string(),
                    partition,
                    end: to,
                    mirrored: from,
                });
            }
            Event::Gap {
                partition,
                from,
                to,
            } => shared.events.note(&format!(
                "partition {partition} of topic {topic:?}: retention at --from took offsets {from} to {} before they were mirrored",
                to - 1
            )),
            Event::Disconnected { why } => shared.events.waiting(Side::From, &why),
            Event::Reconnected => shared.events.going_on(Side::From),
            _ => {}
        }
        Ok(())
    }

    /// Plans, writes down what is new, and sends.
    async fn send(&mut self, records: Vec<Record>) -> Result<(), MirrorError> {
        let (shared, topic) = (&self.carrier.shared, &self.carrier.topic);
        let max_bytes = self
            .target
            .max_message_bytes
            .saturating_sub(RECORD_OVERHEAD_BYTES);
        let mut planned = Vec::with_capacity(records.len());
        let mut new: BTreeMap<i32, Vec<Run>> = BTreeMap::new();
        let mut too_large = None;
        for record in records {
            let len_bytes = record.len_bytes() + 8 * record.headers.len();
            if len_bytes > max_bytes {
                too_large = Some(MirrorError::TooLarge {
                    topic: topic.to_string(),
                    partition: record.partition,
                    offset: record.offset,
                    len_bytes: record.len_bytes(),
                });
                break;
            }
            let target = shared.topics.place(topic, record.partition, |place| {
                let target = place.runs.next_target();
                if let Some(run) = place.runs.take(record.offset) {
                    new.entry(record.partition).or_default().push(run);
                }
                target
            });
            planned.push((record, target));
        }
        for (partition, runs) in new {
            let written = shared.ledger.write(topic, partition, &runs).await;
            written.of(Side::To)?;
        }
        for (record, target) in planned {
            let delivery = self.producer.send_as_read(&record).await.of(Side::To)?;
            self.under_way.push_back(UnderWay {
                delivery,
                partition: record.partition,
                run: Run {
                    source: record.offset,
                    target,
                },
                bytes: record.len_bytes() as u64,
            });
            self.collect()?;
        }
        too_large.map_or(Ok(()), Err)
    }

    /// Takes up the acknowledgements that have come.
    fn collect(&mut self) -> Result<(), MirrorError> {
        while let Some(outcome) = self
            .under_way
            .front_mut()
            .and_then(|first| first.delivery.try_outcome())
        {
            self.acknowledge(outcome)?;
        }
        Ok(())
    }

    /// The first of what is under way is acknowledged, or is not.
    fn acknowledge(
        &mut self,
        outcome: Result<weir_client::Delivered, ClientError>,
    ) -> Result<(), MirrorError> {
        let (shared, topic) = (&self.carrier.shared, &self.carrier.topic);
        let Some(sent) = self.under_way.pop_front() else {
            return Ok(());
        };
        let delivered = match outcome {
            Ok(delivered) => delivered,
            Err(ClientError::RecordTooLarge { len_bytes, .. }) => {
                return Err(MirrorError::TooLarge {
                    topic: topic.to_string(),
                    partition: sent.partition,
                    offset: sent.run.source,
                    len_bytes,
                });
            }
            Err(error) => return Err(error).of(Side::To),
        };
        // A record that was sent again because its first answer was lost has none.
        if delivered.offset >= 0 && delivered.offset != sent.run.target {
            return Err(MirrorError::InUse {
                topic: topic.to_string(),
                partition: sent.partition,
                offset: sent.run.target,
            });
        }
        shared.topics.with(topic, |topic| {
            topic.records += 1;
            topic.bytes += sent.bytes;
            let place = topic.places.entry(sent.partition).or_default();
            place.mirrored = sent.run.source + 1;
            place.target = sent.run.target + 1;
        });
        Ok(())
    }

    /// Waits a moment for what is under way; whether all of it is acknowledged.
    async fn finish(&mut self) -> Result<bool, MirrorError> {
        let until = Instant::now() + LAST_FLUSH;
        while let Some(first) = self.under_way.front_mut() {
            let Ok(outcome) = tokio::time::timeout_at(until, &mut first.delivery).await else {
                return Ok(false);
            };
            self.acknowledge(outcome)?;
        }
        Ok(true)
    }

    /// Whether partitions were added at the source. Settings that were changed there go along.
    async fn has_changed(&mut self) -> Result<bool, MirrorError> {
        let (shared, topic) = (&self.carrier.shared, &self.carrier.topic);
        let looked = async {
            let info = shared.from.topic(topic).await?;
            Ok::<_, ClientError>((info, shared.from.topic_config(topic).await?))
        };
        let (info, now) = match looked.await.of(Side::From) {
            Ok(found) => found,
            // Reading tells of it.
            Err(error) if error.passes() => return Ok(false),
            Err(error) => return Err(error),
        };
        if info.partitions.len() != self.target.runs.len() {
            return Ok(true);
        }
        let wanted = settings::wanted(&now);
        if wanted == self.target.wanted {
            return Ok(false);
        }
        let before = &self.target.wanted.settings;
        let changed: Vec<(String, String)> = wanted
            .settings
            .iter()
            .filter(|pair| !before.contains(pair))
            .cloned()
            .collect();
        let changed = match settings::apply(&shared.to, topic, &changed)
            .await
            .of(Side::To)
        {
            Ok(changed) => changed,
            Err(error) if error.passes() => return Ok(false),
            Err(error) => return Err(error),
        };
        let dropped: Vec<(String, Option<String>)> = before
            .iter()
            .filter(|(name, _)| !wanted.settings.iter().any(|(known, _)| known == name))
            .map(|(name, _)| (name.clone(), None))
            .collect();
        if !dropped.is_empty()
            && let Err(error) = shared.to.alter_topic_config(topic, &dropped).await
        {
            shared
                .events
                .note(&format!("--to: topic {topic:?}: {error}"));
        }
        for change in &changed {
            self.carrier.tell(change);
        }
        // The producer's batches fit what the target takes.
        let other_limit = changed
            .iter()
            .any(|change| change.name == settings::LIMIT && change.refused.is_none());
        self.target.wanted = wanted;
        Ok(other_limit)
    }
}
