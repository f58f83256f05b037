//! What differs between two looks at the partitions, and every event's sentence.
//!
//! A broker's death moves hundreds of partitions at once: of those that moved alike the first few are named and the others counted,
//! Kafka's own always counted, so that the log of events stays one that is read.

use std::collections::{BTreeMap, HashMap};

use weir_client::{PartitionInfo, TopicInfo};

use crate::api::{ClusterChange, Partitions};

/// Partitions named singly of those that moved alike.
const NAMED: usize = 6;

/// One event of partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub what: ClusterChange,
    pub text: String,
}

/// What partitions have in common that moved alike; in this order they are told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Alike {
    Replicas,
    Leader { from: Option<i32>, to: Option<i32> },
    OutOfSync(i32),
    TooFewInSync,
    InSync(i32),
    EnoughInSync,
}

impl Alike {
    fn change(&self, of: Partitions) -> ClusterChange {
        match *self {
            Self::Replicas => ClusterChange::Replicas { of },
            Self::Leader { from, to } => ClusterChange::Leader { from, to, of },
            Self::OutOfSync(broker) => ClusterChange::OutOfSync { broker, of },
            Self::TooFewInSync => ClusterChange::TooFewInSync { of },
            Self::InSync(broker) => ClusterChange::InSync { broker, of },
            Self::EnoughInSync => ClusterChange::EnoughInSync { of },
        }
    }
}

/// A partition that moved.
struct One<'a> {
    topic: &'a TopicInfo,
    partition: &'a PartitionInfo,
    min_in_sync: Option<u32>,
}

/// What happened to the partitions that both looks have, in the order in which it is told.
pub fn between(
    before: &[TopicInfo],
    now: &[TopicInfo],
    min_in_sync: &HashMap<String, u32>,
) -> Vec<Moved> {
    let known: HashMap<&str, &TopicInfo> = before.iter().map(|t| (t.name.as_str(), t)).collect();
    let mut alike: BTreeMap<Alike, Vec<One>> = BTreeMap::new();
    for topic in now {
        let Some(was) = known.get(topic.name.as_str()) else {
            continue;
        };
        let min_in_sync = min_in_sync.get(&topic.name).copied();
        for partition in &topic.partitions {
            let Some(was) = was.partitions.iter().find(|was| was.id == partition.id) else {
                continue;
            };
            if was == partition {
                continue;
            }
            for how in differences(was, partition, min_in_sync) {
                alike.entry(how).or_default().push(One {
                    topic,
                    partition,
                    min_in_sync,
                });
            }
        }
    }
    alike
        .into_iter()
        .flat_map(|(how, moved)| told(&how, &moved))
        .collect()
}

fn differences(was: &PartitionInfo, is: &PartitionInfo, min_in_sync: Option<u32>) -> Vec<Alike> {
    let mut found = Vec::new();
    if was.leader != is.leader {
        found.push(Alike::Leader {
            from: was.leader,
            to: is.leader,
        });
    }
    let (mut held, mut holds) = (was.replicas.clone(), is.replicas.clone());
    held.sort_unstable();
    holds.sort_unstable();
    if held != holds {
        found.push(Alike::Replicas);
    }
    // One that holds the partition no longer is not out of sync, but out of the matter; one that is new was never in it.
    let lost = was
        .isr
        .iter()
        .filter(|id| !is.isr.contains(id) && is.replicas.contains(id));
    found.extend(lost.map(|id| Alike::OutOfSync(*id)));
    let gained = is
        .isr
        .iter()
        .filter(|id| !was.isr.contains(id) && was.replicas.contains(id));
    found.extend(gained.map(|id| Alike::InSync(*id)));
    if let Some(min_in_sync) = min_in_sync {
        match (was.is_short(min_in_sync), is.is_short(min_in_sync)) {
            (false, true) => found.push(Alike::TooFewInSync),
            (true, false) => found.push(Alike::EnoughInSync),
            _ => {}
        }
    }
    found
}

/// The events of those that moved alike.
fn told(how: &Alike, moved: &[One]) -> Vec<Moved> {
    let named = moved.iter().filter(|one| !one.topic.internal).take(NAMED);
    let mut events: Vec<Moved> = named
        .map(|one| Moved {
            what: how.change(Partitions {
                topic: Some(one.topic.name.clone()),
                partition: Some(one.partition.id),
                partitions: 1,
            }),
            text: text_of_one(how, one),
        })
        .collect();
    let rest = moved.len() - events.len();
    if rest > 0 {
        let own = moved.iter().filter(|one| one.topic.internal).count();
        let more = if events.is_empty() { "" } else { "more " };
        let many = if rest == 1 { "partition" } else { "partitions" };
        let kafkas = if own == rest { " of Kafka’s own" } else { "" };
        events.push(Moved {
            what: how.change(Partitions {
                topic: None,
                partition: None,
                partitions: rest as u64,
            }),
            text: format!("{rest} {more}{many}{kafkas}: {}", text_of_many(how)),
        });
    }
    events
}

fn text_of_one(how: &Alike, one: &One) -> String {
    let name = format!("{}/{}", one.topic.name, one.partition.id);
    let (in_sync, replicas) = (one.partition.isr.len(), one.partition.replicas.len());
    match how {
        Alike::OutOfSync(broker) => {
            format!("{name}: broker {broker} is out of sync, {in_sync} of {replicas} in sync")
        }
        Alike::InSync(broker) => {
            format!("{name}: broker {broker} is back in sync, {in_sync} of {replicas} in sync")
        }
        Alike::TooFewInSync => format!(
            "{name}: too few in sync ({in_sync}; min.insync.replicas is {}): records with acks=all wait",
            one.min_in_sync.unwrap_or_default()
        ),
        Alike::Replicas => {
            let ids: Vec<_> = one.partition.replicas.iter().map(i32::to_string).collect();
            format!("{name}: held by brokers {} now", ids.join(", "))
        }
        _ => format!("{name}: {}", text_of_many(how)),
    }
}

fn text_of_many(how: &Alike) -> String {
    match how {
        Alike::Leader {
            from: Some(from),
            to: Some(to),
        } => format!("leader {from} → {to}"),
        Alike::Leader {
            from: Some(from),
            to: None,
        } => format!("no leader; it was {from}"),
        Alike::Leader {
            from: None,
            to: Some(to),
        } => format!("leader {to}, after there was none"),
        Alike::Leader {
            from: None,
            to: None,
        } => "no leader".to_owned(),
        Alike::OutOfSync(broker) => format!("broker {broker} is out of sync"),
        Alike::InSync(broker) => format!("broker {broker} is back in sync"),
        Alike::TooFewInSync => "too few in sync: records with acks=all wait".to_owned(),
        Alike::EnoughInSync => "enough in sync: records with acks=all go through again".to_owned(),
        Alike::Replicas => "held by other brokers now".to_owned(),
    }
}

/// The sentence of an event that is none of partitions; `why`: what is known of the cause.
pub fn sentence(what: &ClusterChange, why: Option<&str>) -> String {
    match what {
        ClusterChange::BrokerSilent { broker } => format!(
            "broker {broker} does not answer ({}); Kafka counts on it until its session ends",
            why.unwrap_or("no connection")
        ),
        ClusterChange::BrokerGone { broker } => format!("broker {broker} is gone"),
        ClusterChange::BrokerBack {
            broker,
            away_ms: Some(away_ms),
        } => format!("broker {broker} is back after {}", seconds(*away_ms)),
        ClusterChange::BrokerBack { broker, .. } => format!("broker {broker} is back"),
        ClusterChange::BrokerNew { broker } => format!("broker {broker} has joined"),
        ClusterChange::Controller {
            from: Some(from),
            to: Some(to),
        } if from == to => format!("controller {to} again"),
        ClusterChange::Controller {
            from: Some(from),
            to: Some(to),
        } => format!("controller {from} → {to}"),
        ClusterChange::Controller {
            from: Some(from), ..
        } => format!("no controller; it was {from}, and the controllers elect another"),
        ClusterChange::Controller { .. } => "another controller".to_owned(),
        ClusterChange::Away => format!(
            "no broker answers: {}",
            why.unwrap_or("none can be reached")
        ),
        ClusterChange::Answers { away_ms } => {
            format!("brokers answer again after {}", seconds(*away_ms))
        }
        ClusterChange::Leader { .. }
        | ClusterChange::OutOfSync { .. }
        | ClusterChange::InSync { .. }
        | ClusterChange::TooFewInSync { .. }
        | ClusterChange::EnoughInSync { .. }
        | ClusterChange::Replicas { .. } => unreachable!("told by `between`"),
    }
}

fn seconds(ms: i64) -> String {
    let s = (ms.max(0) + 500) / 1_000;
    match s {
        0..100 => format!("{s} s"),
        100..6_000 => format!("{} min", (s + 30) / 60),
        _ => format!("{} h", (s + 1_800) / 3_600),
    }
}
