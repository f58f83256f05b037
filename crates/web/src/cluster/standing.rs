//! What is known of the cluster: each look is held against the one before, and what differs is an event.
//!
//! Pure: looks go in with their times, what `GET /cluster` shows comes out.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use weir_client::{BrokerInfo, ClusterInfo, Controller, PartitionInfo, TopicInfo};

use super::changes::{self, Moved};
use crate::api::{
    BrokerState, Cluster, ClusterBroker, ClusterChange, ClusterEvent, ClusterPartition,
    ClusterTopic, KafkaState, PartitionCounts, PartitionState,
};

/// Events that are kept.
pub const MOST_EVENTS: usize = 100;
/// Partitions that are listed: more would be neither read nor quickly sent.
pub const MOST_PARTITIONS: usize = 2_000;
/// A broker that is gone and holds nothing is forgotten after this long.
const FORGOTTEN_AFTER_MS: i64 = 600_000;

/// One look.
#[derive(Debug, Clone)]
pub struct Look {
    pub at_ms: i64,
    pub cluster: ClusterInfo,
    /// Brokers that did not open, by number, and why.
    pub silent: BTreeMap<i32, String>,
    /// Nothing where the broker that was asked did not answer.
    pub controller: Option<Controller>,
}

/// What is known.
#[derive(Debug, Default)]
pub struct Standing {
    looked: bool,
    id: Option<String>,
    brokers: BTreeMap<i32, Broker>,
    topics: Vec<TopicInfo>,
    controller: Option<i32>,
    controller_note: Option<String>,
    /// There was a controller, and the quorum has none now.
    electing_controller: bool,
    away: Option<(i64, String)>,
    min_in_sync: HashMap<String, u32>,
    events: VecDeque<ClusterEvent>,
}

#[derive(Debug, Clone)]
struct Broker {
    address: Option<String>,
    state: BrokerState,
    since_ms: Option<i64>,
}

impl Standing {
    /// Takes what one look found.
    pub fn look(&mut self, look: Look) {
        let Look {
            at_ms,
            cluster,
            silent,
            controller,
        } = look;
        if let Some((since_ms, _)) = self.away.take() {
            let away_ms = at_ms - since_ms;
            self.event(at_ms, ClusterChange::Answers { away_ms }, None);
        }
        self.id = cluster.id.or_else(|| self.id.take());
        let before = std::mem::replace(&mut self.topics, cluster.topics);
        self.take_brokers(at_ms, cluster.brokers, &silent);
        if let Some(controller) = controller {
            self.take_controller(at_ms, &controller);
        }
        if self.looked {
            let moved = changes::between(&before, &self.topics, &self.min_in_sync);
            for Moved { what, text } in moved {
                self.push(at_ms, what, text);
            }
        }
        self.looked = true;
    }

    /// No broker answered.
    pub fn no_answer(&mut self, at_ms: i64, why: String) {
        if let Some((_, known)) = &mut self.away {
            *known = why;
            return;
        }
        self.event(at_ms, ClusterChange::Away, Some(&why));
        self.away = Some((at_ms, why));
    }

    /// What these topics' `min.insync.replicas` is.
    pub fn learn(&mut self, min_in_sync: impl IntoIterator<Item = (String, u32)>) {
        let there: BTreeSet<&str> = self.topics.iter().map(|t| t.name.as_str()).collect();
        self.min_in_sync
            .retain(|topic, _| there.contains(topic.as_str()));
        self.min_in_sync.extend(min_in_sync);
    }

    /// The topic's `min.insync.replicas`, once it is known.
    pub fn min_in_sync(&self, topic: &str) -> Option<u32> {
        self.min_in_sync.get(topic).copied()
    }

    /// The names of all topics.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(|topic| topic.name.as_str())
    }

    /// When something last happened.
    pub fn last_event_ms(&self) -> Option<i64> {
        self.events.front().map(|event| event.at_ms)
    }

    fn take_brokers(
        &mut self,
        at_ms: i64,
        listed: Vec<BrokerInfo>,
        silent: &BTreeMap<i32, String>,
    ) {
        let held: BTreeSet<i32> = self
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .flat_map(|partition| partition.replicas.iter().copied())
            .collect();
        for id in &held {
            // Whoever holds replicas is a broker, also one that was gone before the first look.
            self.brokers.entry(*id).or_insert(Broker {
                address: None,
                state: BrokerState::Gone,
                since_ms: None,
            });
        }
        let first = !self.looked;
        let mut here = BTreeSet::new();
        for BrokerInfo { id, address } in listed {
            here.insert(id);
            let why = silent.get(&id);
            let state = match why {
                Some(_) => BrokerState::Silent,
                None => BrokerState::Up,
            };
            let known = self.brokers.get(&id).cloned();
            let was = known.as_ref().map(|known| (known.state, known.since_ms));
            let away_ms = was.and_then(|(_, since_ms)| Some(at_ms - since_ms?));
            let what = match (was, state) {
                _ if first => None,
                (None, _) => Some(ClusterChange::BrokerNew { broker: id }),
                (Some((BrokerState::Up, _)), BrokerState::Silent) => {
                    Some(ClusterChange::BrokerSilent { broker: id })
                }
                (Some((BrokerState::Silent | BrokerState::Gone, _)), BrokerState::Up) => {
                    Some(ClusterChange::BrokerBack {
                        broker: id,
                        away_ms,
                    })
                }
                _ => None,
            };
            if let Some(what) = what {
                self.event(at_ms, what, why.map(String::as_str));
            }
            let since_ms = match was {
                Some((before, since_ms)) if before == state => since_ms,
                // It is away since it fell silent, whatever Kafka has called it since.
                Some((BrokerState::Gone, since_ms)) if state == BrokerState::Silent => since_ms,
                _ => (!first).then_some(at_ms),
            };
            self.brokers.insert(
                id,
                Broker {
                    address: Some(address),
                    state,
                    since_ms,
                },
            );
        }
        let mut gone = Vec::new();
        for (id, broker) in &mut self.brokers {
            if here.contains(id) || broker.state == BrokerState::Gone {
                continue;
            }
            if broker.state == BrokerState::Up {
                broker.since_ms = Some(at_ms);
            }
            broker.state = BrokerState::Gone;
            gone.push(*id);
        }
        for broker in gone {
            self.event(at_ms, ClusterChange::BrokerGone { broker }, None);
        }
        self.brokers.retain(|id, broker| {
            broker.state != BrokerState::Gone
                || held.contains(id)
                || broker
                    .since_ms
                    .is_some_and(|since_ms| at_ms - since_ms < FORGOTTEN_AFTER_MS)
        });
    }

    fn take_controller(&mut self, at_ms: i64, controller: &Controller) {
        let from = self.controller;
        self.controller_note = None;
        match controller {
            Controller::Node(to) => {
                let electing = std::mem::take(&mut self.electing_controller);
                if from.is_some_and(|from| from != *to) || electing {
                    let to = Some(*to);
                    self.event(at_ms, ClusterChange::Controller { from, to }, None);
                }
                self.controller = Some(*to);
            }
            Controller::Nobody => {
                self.controller_note = Some("none just now: the controllers elect one".to_owned());
                if from.is_some() && !self.electing_controller {
                    self.electing_controller = true;
                    self.event(at_ms, ClusterChange::Controller { from, to: None }, None);
                }
            }
            Controller::NotTold(why) => {
                self.controller_note = Some(format!("not known: {why}"));
                self.controller = None;
            }
        }
    }

    fn event(&mut self, at_ms: i64, what: ClusterChange, why: Option<&str>) {
        let text = changes::sentence(&what, why);
        self.push(at_ms, what, text);
    }

    fn push(&mut self, at_ms: i64, what: ClusterChange, text: String) {
        tracing::info!("{text}");
        self.events.push_front(ClusterEvent { at_ms, what, text });
        self.events.truncate(MOST_EVENTS);
    }

    /// What there is to show.
    pub fn show(&self, now_ms: i64, embedded: bool) -> Cluster {
        let mut counts = PartitionCounts::default();
        let mut by_broker: HashMap<i32, [u64; 3]> = HashMap::new();
        for topic in &self.topics {
            for partition in &topic.partitions {
                let state = self.state(topic, partition);
                counts.all += 1;
                counts.leaderless += u64::from(state == PartitionState::Leaderless);
                counts.too_few_in_sync += u64::from(self.is_short(topic, partition));
                counts.under_replicated +=
                    u64::from(partition.isr.len() < partition.replicas.len());
                for (of, ids) in [&partition.replicas, &partition.isr]
                    .into_iter()
                    .enumerate()
                {
                    for id in ids {
                        by_broker.entry(*id).or_default()[of] += 1;
                    }
                }
                if let Some(leader) = partition.leader {
                    by_broker.entry(leader).or_default()[2] += 1;
                }
            }
        }
        let (topics, left_out) = self.listed();
        Cluster {
            server_time_ms: now_ms,
            cluster_id: self.id.clone(),
            embedded,
            kafka: match &self.away {
                None => KafkaState::Connected,
                Some((since_ms, why)) => KafkaState::Disconnected {
                    since_ms: *since_ms,
                    why: why.clone(),
                },
            },
            controller: self.controller.filter(|_| !self.electing_controller),
            controller_note: self.controller_note.clone(),
            brokers: self
                .brokers
                .iter()
                .map(|(id, broker)| {
                    let [replicas, in_sync, leads] = by_broker.get(id).copied().unwrap_or_default();
                    ClusterBroker {
                        id: *id,
                        address: broker.address.clone(),
                        state: broker.state,
                        since_ms: broker.since_ms,
                        leads,
                        replicas,
                        in_sync,
                    }
                })
                .collect(),
            topics,
            partitions: counts,
            left_out,
            events: self.events.iter().cloned().collect(),
        }
    }

    fn is_short(&self, topic: &TopicInfo, partition: &PartitionInfo) -> bool {
        self.min_in_sync(&topic.name)
            .is_some_and(|min_in_sync| partition.is_short(min_in_sync))
    }

    fn state(&self, topic: &TopicInfo, partition: &PartitionInfo) -> PartitionState {
        if partition.leader.is_none() {
            PartitionState::Leaderless
        } else if self.is_short(topic, partition) {
            PartitionState::TooFewInSync
        } else if partition.isr.len() < partition.replicas.len() {
            PartitionState::UnderReplicated
        } else {
            PartitionState::Fine
        }
    }

    /// The topics as they are shown, and how many partitions there was no room for.
    fn listed(&self) -> (Vec<ClusterTopic>, u64) {
        let mut order: Vec<(PartitionState, bool, &TopicInfo)> = self
            .topics
            .iter()
            .map(|topic| {
                let states = topic.partitions.iter().map(|p| self.state(topic, p));
                let worst = states.min().unwrap_or(PartitionState::Fine);
                (worst, topic.internal, topic)
            })
            .collect();
        // Those in trouble first, then the user's own, each by name: the topics come by name and the sort is stable.
        order.sort_by_key(|(worst, internal, _)| (*worst, *internal));
        let mut room = MOST_PARTITIONS;
        let mut left_out = 0;
        let mut topics = Vec::new();
        for (_, internal, topic) in order {
            let mut partitions: Vec<_> = topic
                .partitions
                .iter()
                .map(|partition| (self.state(topic, partition), partition))
                .collect();
            if partitions.len() > room {
                partitions.sort_by_key(|(state, _)| *state);
                left_out += (partitions.len() - room) as u64;
                partitions.truncate(room);
                partitions.sort_by_key(|(_, partition)| partition.id);
            }
            room -= partitions.len();
            if partitions.is_empty() {
                continue;
            }
            topics.push(ClusterTopic {
                topic: topic.name.clone(),
                internal,
                min_in_sync: self.min_in_sync(&topic.name),
                partitions: partitions
                    .into_iter()
                    .map(|(state, partition)| ClusterPartition {
                        partition: partition.id,
                        leader: partition.leader.unwrap_or(-1),
                        replicas: partition.replicas.clone(),
                        in_sync: partition.isr.clone(),
                        state,
                    })
                    .collect(),
            });
        }
        (topics, left_out)
    }
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
