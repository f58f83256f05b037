//! Topics: what there is; making, growing and deleting.

use std::time::Duration;

use rdkafka::admin::{AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{IsError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::metadata::{Metadata, MetadataBroker, MetadataTopic};

use crate::context::Context;
use crate::error::{check_topic_name, code_of};
use crate::kafka::{ASK_TIMEOUT, NO_TOPIC, refused, show_address};
use crate::{ClientError, Kafka};

/// A broker of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerInfo {
    /// Its number.
    pub id: i32,
    /// The address it advertises, `HOST:PORT`.
    pub address: String,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: String,
    /// Kafka's own (`__consumer_offsets`, …).
    pub internal: bool,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionInfo>,
}

/// A partition and who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Its number.
    pub id: i32,
    /// The broker that takes its records; `None` while there is none.
    pub leader: Option<i32>,
    /// The brokers that hold it.
    pub replicas: Vec<i32>,
    /// Those of them that are up to date.
    pub isr: Vec<i32>,
}

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// How many partitions; `None`: the broker's `num.partitions`.
    pub partitions: Option<i32>,
    /// How many copies; `None`: the broker's `default.replication.factor`.
    pub replication: Option<i32>,
    /// Settings by Kafka's names.
    pub config: Vec<(String, String)>,
}

impl TopicSpec {
    /// A topic with the broker's defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: None,
            replication: None,
            config: Vec::new(),
        }
    }

    /// The same with so many partitions.
    #[must_use]
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// The same with one setting more.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }
}

/// What became of a topic to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It was made.
    New,
    /// There was one of that name; its settings were left as they are.
    AlreadyThere,
}

impl BrokerInfo {
    pub(crate) fn read(broker: &MetadataBroker) -> Self {
        Self {
            id: broker.id(),
            address: show_address(broker.host(), broker.port()),
        }
    }
}

impl TopicInfo {
    /// Those that the answer tells something of, by name.
    pub(crate) fn read_all(metadata: &Metadata) -> Vec<Self> {
        let mut topics: Vec<_> = metadata
            .topics()
            .iter()
            .filter(|topic| topic.error().is_none_or(|error| !error.is_error()))
            .map(Self::read)
            .collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    fn read(topic: &MetadataTopic) -> Self {
        let mut partitions: Vec<PartitionInfo> = topic
            .partitions()
            .iter()
            .map(|partition| PartitionInfo {
                id: partition.id(),
                leader: Some(partition.leader()).filter(|id| *id >= 0),
                replicas: partition.replicas().to_vec(),
                isr: partition.isr().to_vec(),
            })
            .collect();
        partitions.sort_by_key(|partition| partition.id);
        Self {
            name: topic.name().to_owned(),
            // The client library does not hand on the protocol's `is_internal`; Kafka's own topics are named so.
            internal: topic.name().starts_with("__"),
            partitions,
        }
    }
}

/// How long an answer is waited for before another broker is asked: one that has just died is asked again and again by the library.
const METADATA_TIMEOUTS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(7),
];

/// Brokers and this topic, or all.
pub(crate) fn metadata(
    query: &BaseConsumer<Context>,
    topic: Option<&str>,
) -> KafkaResult<Metadata> {
    let [tries @ .., last] = METADATA_TIMEOUTS;
    for timeout in tries {
        match query.fetch_metadata(topic, timeout) {
            Err(error)
                if matches!(
                    code_of(&error),
                    Some(Code::OperationTimedOut | Code::BrokerTransportFailure)
                ) => {}
            answer => return answer,
        }
    }
    query.fetch_metadata(topic, last)
}

impl Kafka {
    /// All topics, by name.
    pub async fn topics(&self) -> Result<Vec<TopicInfo>, ClientError> {
        self.ask("list the topics", |query| {
            let answer = metadata(query, None)?;
            Ok(TopicInfo::read_all(&answer))
        })
        .await
    }

    /// One topic; it is never made by asking.
    pub async fn topic(&self, name: &str) -> Result<TopicInfo, ClientError> {
        Ok(self.topic_and_brokers(name).await?.0)
    }

    /// One topic, and the brokers that Kafka counts on.
    pub(crate) async fn topic_and_brokers(
        &self,
        name: &str,
    ) -> Result<(TopicInfo, Vec<BrokerInfo>), ClientError> {
        check_topic_name(name)?;
        loop {
            match self.look_up(name).await {
                Err(ClientError::NoSuchTopic { .. }) if self.known_soon(name).await => {}
                answer => return answer,
            }
        }
    }

    /// One topic as the broker knows it that happens to be asked.
    async fn look_up(&self, name: &str) -> Result<(TopicInfo, Vec<BrokerInfo>), ClientError> {
        let topic = name.to_owned();
        let (found, brokers) = self
            .ask(&format!("look up topic {name:?}"), move |query| {
                let answer = metadata(query, Some(&topic))?;
                let found = answer
                    .topics()
                    .iter()
                    .find(|found| found.name() == topic)
                    .map(|found| (TopicInfo::read(found), found.error().map(Code::from)));
                let brokers = answer.brokers().iter().map(BrokerInfo::read).collect();
                Ok((found, brokers))
            })
            .await?;
        let missing = || ClientError::NoSuchTopic {
            topic: name.to_owned(),
        };
        match found {
            None | Some((_, Some(Code::UnknownTopicOrPartition | Code::UnknownTopic))) => {
                Err(missing())
            }
            Some((info, None | Some(Code::NoError | Code::LeaderNotAvailable))) => {
                if info.partitions.is_empty() {
                    Err(missing())
                } else {
                    Ok((info, brokers))
                }
            }
            Some((_, Some(code))) => Err(refused(&format!("look up topic {name:?}"), code)),
        }
    }

    /// The cluster's own id, by which two addresses of one cluster are known.
    pub async fn cluster_id(&self) -> Result<String, ClientError> {
        let id = self
            .ask("ask for the cluster's id", |query| {
                // The first answer may come before the broker's own id has.
                metadata(query, Some(NO_TOPIC))?;
                Ok(query.client().fetch_cluster_id(ASK_TIMEOUT))
            })
            .await?;
        id.ok_or_else(|| ClientError::Refused {
            what: "cannot tell one cluster from another".to_owned(),
            why: "the broker gives no cluster id".to_owned(),
        })
    }

    /// The brokers of the cluster.
    pub async fn brokers(&self) -> Result<Vec<BrokerInfo>, ClientError> {
        let mut brokers = self
            .ask("list the brokers", |query| {
                let answer = metadata(query, Some(NO_TOPIC))?;
                Ok(answer
                    .brokers()
                    .iter()
                    .map(BrokerInfo::read)
                    .collect::<Vec<_>>())
            })
            .await?;
        brokers.sort_by_key(|broker| broker.id);
        Ok(brokers)
    }

    /// Makes a topic, or says that there is one. Returns when it can be written to.
    pub async fn create_topic(&self, spec: TopicSpec) -> Result<Created, ClientError> {
        check_topic_name(&spec.name)?;
        let what = format!("create topic {:?}", spec.name);
        let admin = self.admin().await?;
        let mut topic = NewTopic::new(
            &spec.name,
            spec.partitions.unwrap_or(-1),
            TopicReplication::Fixed(spec.replication.unwrap_or(-1)),
        );
        for (key, value) in &spec.config {
            topic = topic.set(key, value);
        }
        let results = admin
            .create_topics([&topic], &admin_options())
            .await
            .map_err(|error| (error,));
        let results = match results {
            Ok(results) => results,
            Err((error,)) => return Err(self.explain(&what, &error).await),
        };
        match results.into_iter().next() {
            Some(Err((_, Code::TopicAlreadyExists))) => {
                self.note_made(&spec.name);
                return Ok(Created::AlreadyThere);
            }
            Some(Err((_, code))) => return Err(refused(&what, code)),
            Some(Ok(_)) | None => {}
        }
        // The controller has made it; the other brokers hear of it a moment later.
        self.note_made(&spec.name);
        for attempt in 0..50_u64 {
            let info = self.topic(&spec.name).await?;
            if info.partitions.iter().all(|p| p.leader.is_some()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20 + attempt)).await;
        }
        Ok(Created::New)
    }

    /// Gives a topic more partitions: `partitions` is how many it has then.
    pub async fn add_partitions(&self, name: &str, partitions: i32) -> Result<(), ClientError> {
        check_topic_name(name)?;
        let what = format!("give topic {name:?} {partitions} partitions");
        let wanted = usize::try_from(partitions)
            .ok()
            .filter(|wanted| *wanted > 0)
            .ok_or_else(|| refused(&what, Code::InvalidPartitions))?;
        let admin = self.admin().await?;
        let wanted = NewPartitions::new(name, wanted);
        match admin.create_partitions([&wanted], &admin_options()).await {
            Err(error) => Err(self.explain(&what, &error).await),
            Ok(results) => match results.into_iter().next() {
                Some(Err((_, Code::UnknownTopicOrPartition))) => Err(ClientError::NoSuchTopic {
                    topic: name.to_owned(),
                }),
                Some(Err((_, code))) => Err(refused(&what, code)),
                Some(Ok(_)) | None => Ok(()),
            },
        }
    }

    /// Deletes a topic with its records.
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClientError> {
        check_topic_name(name)?;
        let what = format!("delete topic {name:?}");
        self.note_deleted(name);
        let admin = self.admin().await?;
        match admin.delete_topics(&[name], &admin_options()).await {
            Err(error) => Err(self.explain(&what, &error).await),
            Ok(results) => match results.into_iter().next() {
                Some(Err((_, Code::UnknownTopicOrPartition))) => Err(ClientError::NoSuchTopic {
                    topic: name.to_owned(),
                }),
                Some(Err((_, code))) => Err(refused(&what, code)),
                Some(Ok(_)) | None => Ok(()),
            },
        }
    }
}

pub(crate) fn admin_options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(ASK_TIMEOUT))
        .operation_timeout(Some(ASK_TIMEOUT))
}
