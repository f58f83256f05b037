//! Where named viewers stopped: the committed positions of consumer groups in topics of video, and when the pictures there were captured.
//!
//! A viewer with `group=` belongs to no group as Kafka has it: it only keeps a position under that name. So groups with members, which
//! are programs that share the work, are passed over, and so are weir's own processors.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::sync::Mutex;
use weir_base::time::Clock;
use weir_client::Kafka;

use super::index::Key;
use super::scout::{Scout, sight};

/// What is known is good for so long.
const FRESH: Duration = Duration::from_secs(3);
/// How long an answer waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Groups that are asked for their positions, and how many at a time.
const GROUPS: usize = 200;
const AT_A_TIME: usize = 4;
/// Positions that are looked at to find out their times, each time.
const LOOKS: usize = 64;
/// Positions kept.
const KEPT: usize = 5_000;

/// Where a group stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stand {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset it goes on at.
    pub offset: i64,
}

/// A named viewer in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The group.
    pub group: String,
    /// Where it stands.
    pub stand: Stand,
    /// The last picture it saw: its key and capture time. `None` where that is gone, or not known yet.
    pub seen: Option<(Key, i64)>,
}

/// All named viewers.
pub struct Viewers {
    kafka: Kafka,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    at: Option<Duration>,
    asked_for: Vec<String>,
    stands: Vec<(String, Stand)>,
    seen: BTreeMap<Stand, Option<(Key, i64)>>,
}

impl Viewers {
    /// Nobody is known yet.
    pub fn new(kafka: Kafka, clock: Arc<dyn Clock>) -> Self {
        Self {
            kafka,
            clock,
            state: Arc::default(),
        }
    }

    /// The viewers in these topics, as far as they are known in time.
    pub async fn of(&self, topics: &[&str]) -> Vec<Stop> {
        let asking = async {
            let mut state = self.state.lock().await;
            let now = self.clock.monotonic();
            let fresh = state.at.is_some_and(|at| now.saturating_sub(at) < FRESH);
            let covered = topics
                .iter()
                .all(|topic| state.asked_for.iter().any(|asked| asked == topic));
            if !(fresh && covered) {
                if let Err(error) = state.ask(&self.kafka, topics).await {
                    tracing::debug!(%error, "where viewers stopped is not known");
                }
                state.at = Some(self.clock.monotonic());
            }
            state.stops(topics)
        };
        tokio::time::timeout(PATIENCE, asking)
            .await
            .unwrap_or_default()
    }
}

impl State {
    async fn ask(
        &mut self,
        kafka: &Kafka,
        topics: &[&str],
    ) -> Result<(), weir_client::ClientError> {
        let all = kafka.topics().await?;
        let places: Vec<(String, i32)> = all
            .iter()
            .filter(|topic| topics.contains(&topic.name.as_str()))
            .flat_map(|topic| topic.partitions.iter().map(|p| (topic.name.clone(), p.id)))
            .collect();
        self.asked_for = topics.iter().map(|&topic| topic.to_owned()).collect();
        if places.is_empty() {
            return Ok(());
        }
        let groups = kafka.groups().await?.into_iter();
        let groups = groups
            .filter(|group| group.members.is_empty() && !group.name.starts_with("weir-"))
            .map(|group| group.name)
            .take(GROUPS);
        let committed: Vec<_> = stream::iter(groups)
            .map(|group| {
                let places = places.clone();
                async move {
                    let committed = kafka.committed_in(&group, places).await;
                    (group, committed)
                }
            })
            .buffered(AT_A_TIME)
            .collect()
            .await;
        self.stands.clear();
        for (group, committed) in committed {
            for ((topic, partition), offset) in places.iter().zip(committed.unwrap_or_default()) {
                let Some(offset) = offset else { continue };
                let stand = Stand {
                    topic: topic.clone(),
                    partition: *partition,
                    offset,
                };
                self.stands.push((group.clone(), stand));
            }
        }
        self.stands.truncate(KEPT);
        let stands = &self.stands;
        self.seen
            .retain(|known, _| stands.iter().any(|(_, stand)| stand == known));
        self.look(kafka).await;
        Ok(())
    }

    /// Finds out what the viewers saw last, of those that have gone on.
    async fn look(&mut self, kafka: &Kafka) {
        let mut new: Vec<Stand> = self.stands.iter().map(|(_, stand)| stand.clone()).collect();
        new.sort();
        new.dedup();
        new.retain(|stand| !self.seen.contains_key(stand));
        new.truncate(LOOKS);
        for of_topic in new.chunk_by(|a, b| a.topic == b.topic) {
            let Some(topic) = of_topic.first().map(|stand| stand.topic.clone()) else {
                continue;
            };
            let Ok(marks) = kafka.watermarks(&topic).await else {
                continue;
            };
            let mut scout = Scout::new(kafka, &topic);
            for stand in of_topic {
                let Some(marks) = marks.iter().find(|m| m.partition == stand.partition) else {
                    continue;
                };
                let before = stand.offset - 1;
                let seen = if (marks.start..marks.end).contains(&before) {
                    let Ok(record) = scout.record(stand.partition, before, marks.end).await else {
                        return;
                    };
                    record.as_ref().and_then(sight).map(|s| (s.key, s.at_ms))
                } else {
                    None
                };
                self.seen.insert(stand.clone(), seen);
            }
        }
    }

    fn stops(&self, topics: &[&str]) -> Vec<Stop> {
        self.stands
            .iter()
            .filter(|(_, stand)| topics.contains(&stand.topic.as_str()))
            .map(|(group, stand)| Stop {
                group: group.clone(),
                stand: stand.clone(),
                seen: self.seen.get(stand).cloned().flatten(),
            })
            .collect()
    }
}
