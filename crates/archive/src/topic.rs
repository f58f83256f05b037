//! Archives one topic: reads as a member of a consumer group, and hands each partition's records to its keeper.
//!
//! The group shares the partitions out among several instances; it need not be believed (`claim`). Every assignment begins with
//! keepers of its own, each of which says from where it wants its records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use weir_client::{
    ClientError, Event, GroupReader, GroupReaderOptions, GroupStart, Kafka, Record, Watermarks,
};

use crate::archive::Shared;
use crate::claim::{Chain, ClaimedFile};
use crate::formats::Encoders;
use crate::keeper::{Keeper, Message, Said};
use crate::single::Turns;
use crate::{ArchiveError, Archived};

/// Records handed on at a time, together and of one partition.
const BATCH: usize = 1000;
/// How often the group's position is committed.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long finishing what is being written may take once told to end.
const LAST_FILES: Duration = Duration::from_secs(8);
/// How long the last commit, and leaving the group, may take.
const GOODBYE: Duration = Duration::from_millis(800);
/// How long one who is done and shares the topic with others stays: longer than a group believes that a member lives who says nothing
/// (6 s, and 2 s until the rest hear of it).
const OTHERS_LIVE: Duration = Duration::from_secs(10);
/// How long a store that fails is left alone at first.
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// Between two tries to ask Kafka where the log ends.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A topic's archive at work.
pub(crate) struct Topic {
    name: Arc<str>,
    kafka: Kafka,
    shared: Arc<Shared>,
    reader: GroupReader,
    keepers: BTreeMap<i32, Kept>,
    said: (mpsc::UnboundedSender<Said>, mpsc::UnboundedReceiver<Said>),
    lookups: JoinSet<LookedUp>,
    uncommitted: BTreeMap<i32, i64>,
    committing: Option<JoinHandle<()>>,
    assigned: bool,
    /// How many partitions the topic has.
    partitions: usize,
    /// Whether the others of the group, where it has others, are known to live.
    others_live: bool,
    ending: bool,
}

/// Those who want records, and where their partitions begin and end.
type LookedUp = (Vec<Wanted>, Result<Vec<Watermarks>, ClientError>);

/// A partition and its keeper.
struct Kept {
    task: JoinHandle<()>,
    to: Option<mpsc::Sender<Message>>,
    batch: Vec<Record>,
    done: bool,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Records a keeper wants.
struct Wanted {
    partition: i32,
    offset: i64,
    to: mpsc::Sender<Message>,
}

impl Topic {
    /// Joins the group. `partitions`: how many the topic has.
    pub(crate) async fn join(
        topic: &str,
        partitions: usize,
        kafka: &Kafka,
        shared: Arc<Shared>,
    ) -> Result<Self, ArchiveError> {
        let reader = kafka
            .group_reader(
                &[topic],
                &shared.group_of(topic),
                GroupReaderOptions {
                    start: GroupStart::Asked,
                    ..GroupReaderOptions::default()
                },
            )
            .await?;
        shared
            .status
            .begins(topic, place(&shared, topic), shared.format.name());
        Ok(Self {
            name: Arc::from(topic),
            kafka: kafka.clone(),
            shared,
            reader,
            keepers: BTreeMap::new(),
            said: mpsc::unbounded_channel(),
            lookups: JoinSet::new(),
            uncommitted: BTreeMap::new(),
            committing: None,
            assigned: false,
            partitions,
            others_live: false,
            ending: false,
        })
    }

    /// Archives until `shutdown`, or, where it is not to follow, until it has caught up.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), ArchiveError> {
        let ended = self.work(&shutdown).await;
        self.keepers.clear();
        if let Some(committing) = self.committing.take() {
            drop(tokio::time::timeout(GOODBYE, committing).await);
        }
        drop(tokio::time::timeout(GOODBYE, self.reader.commit_at(&self.positions())).await);
        drop(tokio::time::timeout(GOODBYE, self.reader.close()).await);
        ended
    }

    async fn work(&mut self, shutdown: &CancellationToken) -> Result<(), ArchiveError> {
        let mut last_files = None;
        let mut commit = tokio::time::interval(COMMIT_EVERY);
        let mut others = None;
        while !self.is_done() {
            others = match others {
                _ if !self.waits_for_others() => None,
                None => Some(Box::pin(tokio::time::sleep(OTHERS_LIVE))),
                waiting => waiting,
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled(), if !self.ending => {
                    self.end();
                    last_files = Some(Box::pin(tokio::time::sleep(LAST_FILES)));
                }
                () = wait_for(&mut last_files), if last_files.is_some() => return Ok(()),
                () = wait_for(&mut others), if others.is_some() => self.others_live = true,
                said = self.said.1.recv() => {
                    if let Some(said) = said {
                        self.hear(said)?;
                    }
                }
                Some(found) = self.lookups.join_next() => {
                    if let Ok((wanted, marks)) = found {
                        self.looked_up(wanted, marks)?;
                    }
                }
                _ = commit.tick() => self.commit(),
                event = self.reader.next(), if !self.ending => {
                    let event = event?;
                    // A store that does not answer must not keep anybody from ending. What is dropped on the way is behind all
                    // that the keepers have, and is not archived.
                    tokio::select! {
                        biased;
                        () = shutdown.cancelled() => {}
                        read = self.read(event) => read?,
                    }
                }
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        let caught_up = self.assigned && !self.shared.follow && !self.waits_for_others();
        self.all_done() && (self.ending || caught_up)
    }

    fn all_done(&self) -> bool {
        self.keepers.values().all(|kept| kept.done)
    }

    /// Whether all that is its own is archived, and it is not known yet whether those live who have the rest. If one of them does
    /// not, the group soon gives his partitions to others.
    fn waits_for_others(&self) -> bool {
        let shares = self.keepers.len() < self.partitions;
        self.assigned && self.all_done() && shares && !self.others_live
    }

    /// Takes an event, and those behind it that are there already.
    async fn read(&mut self, event: Event) -> Result<(), ArchiveError> {
        let mut next = Some(event);
        let mut taken = 0;
        while let Some(event) = next {
            match event {
                Event::Record(record) => {
                    if let Some(kept) = self.keepers.get_mut(&record.partition) {
                        self.shared.tally.read(record.len_bytes() as u64);
                        kept.batch.push(record);
                    }
                }
                Event::CaughtUp { partition } => {
                    if let Some(kept) = self.keepers.get_mut(&partition) {
                        kept.flush().await;
                        kept.tell(Message::CaughtUp).await;
                    }
                }
                Event::Assigned { partitions } => self.assigned(&partitions),
                Event::Revoked => self.revoked(),
                Event::Disconnected { why } => self.note(&format!("waiting: {why}")),
                Event::Reconnected => self.note("Kafka answers again"),
                _ => {}
            }
            taken += 1;
            next = if taken < BATCH {
                self.reader.try_next()?
            } else {
                None
            };
        }
        for kept in self.keepers.values_mut() {
            kept.flush().await;
        }
        self.shared.show();
        Ok(())
    }

    fn assigned(&mut self, partitions: &[(Arc<str>, i32)]) {
        self.revoked();
        self.assigned = true;
        let encoders = Encoders::new(&self.shared.layout(&self.name, 0));
        let turns = Turns::default();
        for (_, partition) in partitions {
            let layout = self.shared.layout(&self.name, *partition);
            let keeper = Keeper {
                encoders: encoders.clone(),
                chain: Chain::new(self.shared.store.clone(), layout).sharing(&turns),
                rolling: self.shared.rolling(partitions.len()),
                follow: self.shared.follow,
                clock: self.shared.clock.clone(),
                retry: RETRY_FIRST,
                said: self.said.0.clone(),
            };
            let kept = Kept {
                task: tokio::spawn(keeper.run()),
                to: None,
                batch: Vec::new(),
                done: false,
            };
            self.keepers.insert(*partition, kept);
        }
    }

    fn revoked(&mut self) {
        self.assigned = false;
        self.others_live = false;
        self.keepers.clear();
        self.uncommitted.clear();
        self.lookups.abort_all();
        // What the keepers of before have said is about partitions that are no longer ours.
        self.said = mpsc::unbounded_channel();
        self.shared.status.gives_up(&self.name);
    }

    /// Asks all keepers to archive what they have, and to end.
    fn end(&mut self) {
        self.ending = true;
        for kept in self.keepers.values_mut() {
            let told = kept
                .to
                .take()
                .map(|to| (to.clone(), to.try_send(Message::End)));
            match told {
                Some((_, Ok(()))) => {}
                // It is busy with records: it hears of the end behind them.
                Some((to, Err(mpsc::error::TrySendError::Full(message)))) => {
                    tokio::spawn(async move { to.send(message).await });
                }
                // It reads nothing at the moment, so there is nothing to be finished.
                _ => kept.done = true,
            }
        }
    }

    fn hear(&mut self, said: Said) -> Result<(), ArchiveError> {
        match said {
            Said::ReadFrom {
                partition,
                offset,
                to,
            } => {
                let mut wanted = vec![Wanted {
                    partition,
                    offset,
                    to,
                }];
                // Others that want to begin at this moment are looked up with it.
                while let Ok(said) = self.said.1.try_recv() {
                    match said {
                        Said::ReadFrom {
                            partition,
                            offset,
                            to,
                        } => wanted.push(Wanted {
                            partition,
                            offset,
                            to,
                        }),
                        other => self.hear(other)?,
                    }
                }
                self.look_up(wanted, Duration::ZERO);
            }
            Said::Hold { partition } => {
                if let Some(kept) = self.keepers.get_mut(&partition) {
                    kept.to = None;
                    kept.batch.clear();
                    kept.done = self.ending;
                }
                self.reader.hold(&self.name, partition)?;
            }
            Said::Archived {
                partition,
                next,
                files,
            } => self.archived(partition, next, files),
            Said::Waiting { partition, why } => {
                tracing::debug!(topic = %self.name, partition, "{why}");
                if self.shared.waits(&self.name, &why.to_string()) {
                    self.note(&format!("waiting: {why}"));
                }
            }
            Said::PassedOver { partition, records } => {
                self.shared.status.passed_over(&self.name, records);
                self.note(&format!(
                    "{records} records of partition {partition} of {:?} are no pictures that MP4 holds, and are in no file",
                    &*self.name
                ));
            }
            Said::Refused { partition, why } => {
                return Err(ArchiveError::NoVideo {
                    topic: self.name.to_string(),
                    partition,
                    why,
                });
            }
            Said::Done { partition } => {
                if let Some(kept) = self.keepers.get_mut(&partition) {
                    kept.done = true;
                    kept.to = None;
                }
                self.reader.hold(&self.name, partition)?;
            }
        }
        Ok(())
    }

    /// Asks where the partitions end, after a while.
    fn look_up(&mut self, wanted: Vec<Wanted>, after: Duration) {
        let (kafka, topic) = (self.kafka.clone(), self.name.clone());
        self.lookups.spawn(async move {
            tokio::time::sleep(after).await;
            let partitions: Vec<i32> = wanted.iter().map(|wanted| wanted.partition).collect();
            let marks = kafka.watermarks_of(&topic, &partitions).await;
            (wanted, marks)
        });
    }

    fn looked_up(
        &mut self,
        wanted: Vec<Wanted>,
        marks: Result<Vec<Watermarks>, ClientError>,
    ) -> Result<(), ArchiveError> {
        let marks = match marks {
            Ok(marks) => marks,
            Err(error) if error.may_pass() && !matches!(error, ClientError::Refused { .. }) => {
                tracing::debug!(topic = %self.name, "{error}");
                self.look_up(wanted, ASK_AGAIN);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let mut positions = Vec::with_capacity(wanted.len());
        for (wanted, marks) in wanted.into_iter().zip(marks) {
            let Some(kept) = self.keepers.get_mut(&wanted.partition) else {
                continue;
            };
            if wanted.to.is_closed() || self.ending {
                kept.done |= self.ending;
                continue;
            }
            if marks.end < wanted.offset {
                return Err(ArchiveError::Ahead {
                    topic: self.name.to_string(),
                    partition: wanted.partition,
                    end: marks.end,
                    archived: wanted.offset,
                });
            }
            self.shared
                .status
                .log_ends(&self.name, wanted.partition, marks.end);
            // The channel is new, so there is room in it.
            let _ = wanted.to.try_send(Message::EndsAt(marks.end));
            kept.to = Some(wanted.to);
            kept.batch.clear();
            let from = wanted.offset.max(marks.start);
            if from > wanted.offset && wanted.offset > 0 {
                self.shared.progress.note(&format!(
                    "offsets {} to {} of partition {} of {:?} were deleted before they were archived (retention)",
                    wanted.offset,
                    from - 1,
                    wanted.partition,
                    &*self.name
                ));
            }
            self.shared
                .tally
                .expect(wanted.partition, &self.name, marks.end - from);
            positions.push((self.name.clone(), wanted.partition, from));
        }
        if !positions.is_empty() {
            self.reader.read_from(&positions)?;
        }
        Ok(())
    }

    fn archived(&mut self, partition: i32, next: i64, files: Vec<ClaimedFile>) {
        self.uncommitted.insert(partition, next);
        self.shared.works(&self.name);
        self.shared.status.archived(&self.name, partition, next);
        for file in files {
            self.shared
                .status
                .file(&self.name, file.records, file.bytes);
            (self.shared.on_file)(&Archived {
                topic: self.name.to_string(),
                partition: file.place.map_or(partition, |place| place.partition),
                first: file.first,
                last: file.last,
                records: file.records,
                bytes: file.bytes,
                url: self.shared.store.url(&file.path),
            });
        }
    }

    fn positions(&self) -> Vec<(Arc<str>, i32, i64)> {
        self.uncommitted
            .iter()
            .map(|(partition, next)| (self.name.clone(), *partition, *next))
            .collect()
    }

    /// Tells the group where it is. Nobody depends on it, so a failure is none of anybody's.
    fn commit(&mut self) {
        if self.uncommitted.is_empty()
            || self
                .committing
                .as_ref()
                .is_some_and(|task| !task.is_finished())
        {
            return;
        }
        let commit = self.reader.commit_at(&self.positions());
        self.uncommitted.clear();
        self.committing = Some(tokio::spawn(async move {
            if let Err(error) = commit.await {
                tracing::debug!("{error}");
            }
        }));
    }

    fn note(&self, text: &str) {
        self.shared.progress.note(text);
    }
}

impl Kept {
    /// Hands on what has gathered; where the keeper is behind, waits for it.
    async fn flush(&mut self) {
        if !self.batch.is_empty() {
            let batch = std::mem::take(&mut self.batch);
            self.tell(Message::Records(batch)).await;
        }
    }

    async fn tell(&mut self, message: Message) {
        if let Some(to) = &self.to
            && to.send(message).await.is_err()
        {
            // It has begun anew, and will say from where.
            self.to = None;
        }
    }
}

/// Where a topic's files go.
fn place(shared: &Shared, topic: &str) -> String {
    let layout = shared.layout(&Arc::from(topic), 0);
    shared.store.url(&if layout.is_single() {
        layout.single_file()
    } else {
        layout.topic_folder()
    })
}

/// Returns when the timer does; never without one.
async fn wait_for(timer: &mut Option<std::pin::Pin<Box<tokio::time::Sleep>>>) {
    match timer {
        Some(timer) => timer.as_mut().await,
        None => std::future::pending().await,
    }
}
