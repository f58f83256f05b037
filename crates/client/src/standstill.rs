//! Why nothing comes or goes just now, for people who wait: a leader that is away, an election, too few replicas in sync.
//!
//! The library tries on in silence, for minutes, and then says that it took too long. What holds it up can be seen by looking at
//! the cluster, at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use weir_base::progress::Progress;

use crate::cluster::MIN_IN_SYNC;
use crate::context::locked;
use crate::producer::Acks;
use crate::topics::{BrokerInfo, TopicInfo};
use crate::{ClientError, Kafka, Producer};

/// Between two looks whether anything was acknowledged.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So many looks in a row without an acknowledgement are a standstill.
const LOOKS: u32 = 2;
/// Topics that are looked at: a transaction has lines in one, and the place behind them in another.
const TOPICS: usize = 2;

/// What is said when records wait no more.
pub const GOING_ON: &str = "records are acknowledged again";

/// What a producer's records are waiting for.
pub(crate) struct Standstill {
    /// Records acknowledged or given up.
    settled: AtomicU64,
    /// The topics of the records handed over last, the newest first.
    topics: Mutex<Vec<Arc<str>>>,
    why: watch::Sender<Option<ClientError>>,
}

impl Default for Standstill {
    fn default() -> Self {
        Self {
            settled: AtomicU64::new(0),
            topics: Mutex::default(),
            why: watch::Sender::new(None),
        }
    }
}

impl Standstill {
    pub(crate) fn settled(&self) {
        self.settled.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn sent_to(&self, topic: &Arc<str>) {
        let mut topics = locked(&self.topics);
        if topics.first() != Some(topic) {
            topics.retain(|known| known != topic);
            topics.insert(0, topic.clone());
            topics.truncate(TOPICS);
        }
    }

    /// What holds records up, while something does.
    pub(crate) fn why(&self) -> Option<ClientError> {
        self.why.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<ClientError>> {
        self.why.subscribe()
    }

    fn set(&self, why: Option<ClientError>) {
        self.why.send_if_modified(|now| {
            let news = *now != why;
            *now = why;
            news
        });
    }

    /// Looks after a producer until `waiting` says that it is gone: whether records of it are under way.
    pub(crate) async fn watch(
        self: Arc<Self>,
        kafka: Kafka,
        acks: Acks,
        waiting: impl Fn() -> Option<bool>,
    ) {
        let (mut before, mut still) = (0, 0);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(waiting) = waiting() else { return };
            let settled = self.settled.load(Ordering::Relaxed);
            if !waiting || settled != before {
                (before, still) = (settled, 0);
                self.set(None);
                continue;
            }
            still += 1;
            if still >= LOOKS {
                let topics = locked(&self.topics).clone();
                let why = kafka.cannot_write_to(&topics, acks).await;
                // It may have gone on while the cluster was looked at.
                if self.settled.load(Ordering::Relaxed) == before {
                    self.set(why);
                }
            }
        }
    }
}

impl Producer {
    /// What holds up the records under way once nothing has been acknowledged for a second, as a sentence; nothing while they flow.
    /// It changes when the cause does. The library tries on meanwhile.
    pub fn standstill(&self) -> watch::Receiver<Option<ClientError>> {
        self.watched().subscribe()
    }

    /// Has somebody told what records wait for, and when they wait no more.
    pub fn tell_standstill(&self, progress: Arc<dyn Progress>) {
        let mut standstill = self.standstill();
        tokio::spawn(async move {
            while standstill.changed().await.is_ok() {
                let why = standstill.borrow_and_update().clone();
                match why {
                    Some(why) => progress.waiting(&why.to_string()),
                    None => progress.going_on(GOING_ON),
                }
            }
        });
    }
}

impl Kafka {
    /// What keeps records from being written to `topic` just now; nothing where it looks as it should.
    pub async fn cannot_write(&self, topic: &str, acks: Acks) -> Option<ClientError> {
        self.cannot_write_to(&[topic], acks).await
    }

    /// The same of any of these topics.
    async fn cannot_write_to(&self, topics: &[impl AsRef<str>], acks: Acks) -> Option<ClientError> {
        let mut infos = Vec::new();
        for topic in topics {
            match self.cannot_reach(topic.as_ref(), None).await {
                Ok(info) => infos.push(info),
                Err(error) => return Some(error),
            }
        }
        if acks != Acks::All {
            return None;
        }
        let names: Vec<String> = infos.iter().map(|info| info.name.clone()).collect();
        let settings = self.min_in_sync(&names).await.ok()?;
        infos
            .iter()
            .find_map(|info| info.too_few_in_sync(*settings.get(&info.name)?))
    }

    /// The topic, if each of these partitions (without any: of all) has a leader that answers; else what is in the way.
    pub(crate) async fn cannot_reach(
        &self,
        topic: &str,
        only: Option<&[i32]>,
    ) -> Result<TopicInfo, ClientError> {
        let (mut info, brokers) = self.topic_and_brokers(topic).await?;
        if let Some(only) = only {
            info.partitions.retain(|p| only.contains(&p.id));
        }
        if let Some(error) = info.leaderless(&brokers) {
            return Err(error);
        }
        match info.leader_away(&brokers).await {
            Some(error) => Err(error),
            None => Ok(info),
        }
    }
}

impl ClientError {
    /// One leader is away, or none is there, and the other partitions may be well.
    pub(crate) fn is_of_a_leader(&self) -> bool {
        matches!(self, Self::NoLeader { .. } | Self::LeaderAway { .. })
    }

    /// What somebody is told who reads `topic` and gets nothing: what is waited for, and that nothing need be done here.
    pub fn while_reading(&self, topic: &str) -> String {
        match self {
            leader if leader.is_of_a_leader() => leader.to_string(),
            Self::Unreachable { cause, .. } => {
                format!("no broker answers for topic {topic:?}: {cause}; it goes on by itself")
            }
            other => format!("topic {topic:?} waits: {other}; it goes on by itself"),
        }
    }
}

impl TopicInfo {
    /// The first partition without a leader.
    fn leaderless(&self, brokers: &[BrokerInfo]) -> Option<ClientError> {
        let partition = self.partitions.iter().find(|p| p.leader.is_none())?;
        let there = |id: &i32| brokers.iter().any(|broker| broker.id == *id);
        // In sync with one that is gone means: has everything that was acknowledged. Only these may lead.
        let all_away = !partition.isr.is_empty() && !partition.isr.iter().any(there);
        Some(ClientError::NoLeader {
            topic: self.name.clone(),
            partition: partition.id,
            needs: if all_away {
                partition.isr.clone()
            } else {
                Vec::new()
            },
        })
    }

    /// The first partition whose leader Kafka counts on and that does not open.
    async fn leader_away(&self, brokers: &[BrokerInfo]) -> Option<ClientError> {
        let leaders: BTreeMap<i32, i32> = self
            .partitions
            .iter()
            .rev()
            .filter_map(|partition| Some((partition.leader?, partition.id)))
            .collect();
        for (leader, partition) in leaders {
            if let Some(broker) = brokers.iter().find(|broker| broker.id == leader)
                && let Err(why) = broker.knock().await
            {
                return Some(ClientError::LeaderAway {
                    topic: self.name.clone(),
                    partition,
                    leader,
                    why,
                });
            }
        }
        None
    }

    /// The first partition that takes no records with `acks=all` where so many replicas must be in sync.
    pub fn too_few_in_sync(&self, min_in_sync: u32) -> Option<ClientError> {
        let short = self
            .partitions
            .iter()
            .find(|partition| partition.is_short(min_in_sync))?;
        Some(ClientError::TooFewInSync {
            topic: self.name.clone(),
            partition: short.id,
            in_sync: short.isr.len(),
            min_in_sync,
        })
    }
}

impl crate::PartitionInfo {
    /// Whether it takes no records with `acks=all`. Kafka counts `min.insync.replicas` no higher than there are replicas.
    pub fn is_short(&self, min_in_sync: u32) -> bool {
        let wanted = (min_in_sync as usize).min(self.replicas.len());
        self.isr.len() < wanted
    }
}

/// The setting as errors name it.
pub(crate) const SETTING: &str = MIN_IN_SYNC;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PartitionInfo;

    fn topic(leader: Option<i32>, isr: &[i32]) -> TopicInfo {
        TopicInfo {
            name: "video".to_owned(),
            internal: false,
            partitions: vec![PartitionInfo {
                id: 0,
                leader,
                replicas: vec![1, 2, 3],
                isr: isr.to_vec(),
            }],
        }
    }

    fn brokers(ids: &[i32]) -> Vec<BrokerInfo> {
        ids.iter()
            .map(|id| BrokerInfo {
                id: *id,
                address: format!("host:{id}"),
            })
            .collect()
    }

    #[test]
    fn a_partition_without_a_leader_is_named_with_what_it_waits_for() {
        assert_eq!(topic(Some(1), &[1]).leaderless(&brokers(&[1])), None);
        let electing = topic(None, &[2, 3]).leaderless(&brokers(&[2, 3])).unwrap();
        let said = electing.to_string();
        assert!(
            said.contains("partition 0 of topic \"video\" has no leader"),
            "{said}"
        );
        assert!(said.contains("goes on by itself"), "{said}");
        let stuck = topic(None, &[3]).leaderless(&brokers(&[1, 2])).unwrap();
        let said = stuck.to_string();
        assert!(said.contains("start broker 3"), "{said}");
    }

    #[tokio::test]
    async fn a_leader_that_does_not_open_is_named_with_what_happens_next() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = [BrokerInfo {
            id: 2,
            address: listener.local_addr().unwrap().to_string(),
        }];
        let video = topic(Some(2), &[2, 3]);
        assert_eq!(video.leader_away(&there).await, None);
        drop(listener);
        let said = video.leader_away(&there).await.unwrap().to_string();
        for part in [
            "broker 2",
            "partition 0 of topic \"video\"",
            "nobody listens at",
            "broker.session.timeout.ms",
            "goes on by itself",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn too_few_in_sync_names_topic_setting_and_remedy() {
        assert_eq!(topic(Some(1), &[1, 2]).too_few_in_sync(2), None);
        // Kafka counts the setting no higher than there are replicas.
        assert_eq!(topic(Some(1), &[1, 2, 3]).too_few_in_sync(9), None);
        let said = topic(Some(1), &[1]).too_few_in_sync(2).unwrap().to_string();
        for part in ["video", "min.insync.replicas=2", "1 replica in sync", "; "] {
            assert!(said.contains(part), "{said}");
        }
    }
}
