//! Topics: what there is, with its settings; making and deleting.

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

/// A topic's setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Kafka's name for it.
    pub name: String,
    /// Its value; `None` where it is secret.
    pub value: Option<String>,
    /// Not set for this topic.
    pub default: bool,
}

#[allow(clippy::unused_async, reason = "the skeleton")]
impl Kafka {
    /// All topics, by name.
    pub async fn topics(&self) -> Result<Vec<TopicInfo>, ClientError> {
        todo!()
    }

    /// One topic; it is never made by asking.
    pub async fn topic(&self, _name: &str) -> Result<TopicInfo, ClientError> {
        todo!()
    }

    /// The brokers of the cluster.
    pub async fn brokers(&self) -> Result<Vec<BrokerInfo>, ClientError> {
        todo!()
    }

    /// Makes a topic, or says that there is one.
    pub async fn create_topic(&self, _spec: TopicSpec) -> Result<Created, ClientError> {
        todo!()
    }

    /// Deletes a topic with its records.
    pub async fn delete_topic(&self, _name: &str) -> Result<(), ClientError> {
        todo!()
    }

    /// A topic's settings, by name.
    pub async fn topic_config(&self, _name: &str) -> Result<Vec<Setting>, ClientError> {
        todo!()
    }
}
