//! The target's side of a topic before records go there: it is made or grown, given its settings, and what it holds is held
//! against what is known to be mirrored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use weir_client::{
    ClientError, Created, Event, From, Kafka, Reader, ReaderOptions, Record, Setting, TopicSpec,
    Watermarks,
};

use crate::error::{MirrorError, OfSide, Side};
use crate::runs::Runs;
use crate::settings::{self, Change, Wanted};

/// How long a cluster may take to see that one of its brokers is gone (`broker.session.timeout.ms`, 9 s), and a little. Until then
/// a partition may end further on than it shows, by what a killed mirror sent last.
const CLUSTER_SETTLES: Duration = Duration::from_secs(12);
/// What a single broker has in hand when it answers is written well within this time.
const BROKER_SETTLES: Duration = Duration::from_secs(1);

/// A topic that records can go to.
pub(crate) struct Target {
    /// What comes next in each partition.
    pub(crate) runs: BTreeMap<i32, Runs>,
    /// The largest batch it takes.
    pub(crate) max_message_bytes: usize,
    /// The source's settings, as they went along.
    pub(crate) wanted: Wanted,
    /// The source did not tell its settings.
    pub(crate) settings_unread: bool,
    /// It was not there before.
    pub(crate) created: bool,
    /// Settings that were changed at the target, or that it does not take.
    pub(crate) changed: Vec<Change>,
}

/// What makes a target ready.
pub(crate) struct Preparing<'a> {
    pub(crate) from: &'a Kafka,
    pub(crate) to: &'a Kafka,
    pub(crate) topic: &'a Arc<str>,
    pub(crate) replication: Option<i32>,
    /// Something sent earlier may still arrive.
    pub(crate) in_doubt: bool,
}

impl Preparing<'_> {
    /// Makes the target ready. `known` is what is known to be mirrored, by partition.
    pub(crate) async fn ready(
        &self,
        mut known: BTreeMap<i32, Runs>,
    ) -> Result<Target, MirrorError> {
        let source = self.from.topic(self.topic).await.of(Side::From)?;
        let source_settings = self.from.topic_config(self.topic).await.of(Side::From)?;
        let wanted = settings::wanted(&source_settings);
        let partitions = source.partitions.len();
        let (created, mut changed) = self
            .make(partitions, &wanted, &source_settings, !known.is_empty())
            .await?;
        let target = self.to.topic_config(self.topic).await.of(Side::To)?;
        let changes = settings::changes(&wanted, &target);
        if !changes.is_empty() {
            let again = settings::apply(self.to, self.topic, &changes).await;
            changed.extend(again.of(Side::To)?);
        }
        let target = self.to.topic_config(self.topic).await.of(Side::To)?;
        if self.in_doubt {
            let info = self.to.topic(self.topic).await.of(Side::To)?;
            let one = info.partitions.iter().all(|p| p.replicas.len() < 2);
            tokio::time::sleep(if one { BROKER_SETTLES } else { CLUSTER_SETTLES }).await;
        }
        let ids: Vec<i32> = source.partitions.iter().map(|p| p.id).collect();
        let ends = self.to.watermarks_of(self.topic, &ids).await.of(Side::To)?;
        let mut runs = BTreeMap::new();
        for marks in &ends {
            let mut known = known.remove(&marks.partition).unwrap_or_default();
            known.resume(marks.end);
            if marks.end > 0 && known.next_source().is_none() {
                return Err(MirrorError::NotOurs {
                    topic: self.topic.to_string(),
                    records: marks.end - marks.start,
                });
            }
            runs.insert(marks.partition, known);
        }
        self.check(&runs, &ends).await?;
        Ok(Target {
            runs,
            max_message_bytes: settings::max_message_bytes(&target),
            wanted,
            settings_unread: source_settings.is_empty(),
            created,
            changed,
        })
    }

    /// Makes the topic, or sees to its partitions.
    async fn make(
        &self,
        partitions: usize,
        wanted: &Wanted,
        source: &[Setting],
        ours: bool,
    ) -> Result<(bool, Vec<Change>), MirrorError> {
        match self.to.topic(self.topic).await {
            Ok(info) => {
                let has = info.partitions.len();
                if has >= partitions {
                    return Ok((false, Vec::new()));
                }
                if !ours {
                    return Err(MirrorError::FewerPartitions {
                        topic: self.topic.to_string(),
                        has,
                        wanted: partitions,
                        to: self.to.bootstrap().to_owned(),
                    });
                }
                let grown = self.to.add_partitions(self.topic, partitions as i32).await;
                grown.of(Side::To)?;
                return Ok((false, Vec::new()));
            }
            Err(ClientError::NoSuchTopic { .. }) => {}
            Err(error) => return Err(error).of(Side::To),
        }
        let mut spec = TopicSpec::new(&**self.topic).partitions(partitions as i32);
        spec.replication = self.replication;
        // Defaults that decide what is kept are set only where the target's differ.
        spec.config = wanted
            .settings
            .iter()
            .filter(|(name, _)| source.iter().any(|s| s.name == *name && !s.default))
            .cloned()
            .collect();
        let bare = TopicSpec {
            config: Vec::new(),
            ..spec.clone()
        };
        let settings = std::mem::take(&mut spec.config);
        let with = TopicSpec {
            config: settings.clone(),
            ..spec
        };
        let created = match self.to.create_topic(with).await {
            // Which of them it was is found by trying one after the other.
            Err(ClientError::Refused { .. }) if !settings.is_empty() => {
                let made = self.to.create_topic(bare).await.of(Side::To)?;
                let changed = settings::apply(self.to, self.topic, &settings).await;
                return Ok((made == Created::New, changed.of(Side::To)?));
            }
            created => created.of(Side::To)?,
        };
        Ok((created == Created::New, Vec::new()))
    }

    /// Holds the newest record of each partition against the source's, and the source's end against what was mirrored.
    async fn check(
        &self,
        runs: &BTreeMap<i32, Runs>,
        ends: &[Watermarks],
    ) -> Result<(), MirrorError> {
        let mirrored: Vec<&Watermarks> = ends.iter().filter(|m| m.end > m.start).collect();
        let started = runs
            .iter()
            .filter_map(|(id, runs)| Some((*id, runs.next_source()?)));
        let started: BTreeMap<i32, i64> = started.collect();
        let ids: Vec<i32> = started.keys().copied().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let source = self
            .from
            .watermarks_of(self.topic, &ids)
            .await
            .of(Side::From)?;
        let newest_of = |partition: i32| mirrored.iter().find(|m| m.partition == partition);
        for marks in source {
            let next = started.get(&marks.partition).copied().unwrap_or(0);
            if marks.end < next {
                return Err(MirrorError::Ahead {
                    topic: self.topic.to_string(),
                    partition: marks.partition,
                    end: marks.end,
                    mirrored: next,
                });
            }
        }
        let in_target: Vec<(i32, i64)> = mirrored
            .iter()
            .map(|marks| (marks.partition, marks.end - 1))
            .collect();
        let in_source: Vec<(i32, i64)> = in_target
            .iter()
            .filter_map(|(id, target)| Some((*id, runs.get(id)?.source_of(*target)?)))
            .collect();
        let target = records_at(self.to, self.topic, &in_target)
            .await
            .of(Side::To)?;
        let source = records_at(self.from, self.topic, &in_source)
            .await
            .of(Side::From)?;
        for (id, there) in target {
            // What retention or compaction has taken cannot be compared any more.
            let Some(here) = source.get(&id) else {
                continue;
            };
            if here.key != there.key || here.value != there.value {
                return Err(MirrorError::InUse {
                    topic: self.topic.to_string(),
                    partition: id,
                    offset: newest_of(id).map_or(there.offset, |marks| marks.end - 1),
                });
            }
        }
        Ok(())
    }
}

/// The records at these places, where they are still there.
async fn records_at(
    kafka: &Kafka,
    topic: &str,
    places: &[(i32, i64)],
) -> Result<BTreeMap<i32, Record>, ClientError> {
    let mut found = BTreeMap::new();
    if places.is_empty() {
        return Ok(found);
    }
    let mut reader = at(kafka, topic, places).await?;
    let mut to_come: BTreeMap<i32, i64> = places.iter().copied().collect();
    while !to_come.is_empty() {
        match reader.next().await? {
            Event::Record(record) => {
                let wanted = to_come.remove(&record.partition);
                if wanted == Some(record.offset) {
                    found.insert(record.partition, record);
                }
            }
            Event::CaughtUp { partition } => {
                to_come.remove(&partition);
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Whether readers find nothing from these places on up to the partitions' ends.
pub(crate) async fn is_nothing_behind(
    kafka: &Kafka,
    topic: &str,
    places: &[(i32, i64)],
) -> Result<bool, ClientError> {
    let mut reader = at(kafka, topic, places).await?;
    let mut to_come = places.len();
    while to_come > 0 {
        match reader.next().await? {
            Event::CaughtUp { .. } => to_come -= 1,
            Event::Record(_) | Event::Gap { .. } => return Ok(false),
            _ => {}
        }
    }
    Ok(true)
}

async fn at(kafka: &Kafka, topic: &str, places: &[(i32, i64)]) -> Result<Reader, ClientError> {
    let options = ReaderOptions {
        max_queued_bytes: 1 << 20,
        fetch_bytes: 1 << 16,
        partitions: Some(places.iter().map(|(id, _)| *id).collect()),
        ..ReaderOptions::default()
    };
    kafka
        .reader(topic, From::Positions(places.to_vec()), options)
        .await
}
