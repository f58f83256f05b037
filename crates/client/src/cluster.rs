//! The cluster as a whole: its brokers, who leads which partition and who is in sync, all of one moment.
//!
//! Kafka says of a broker that it is there until its session has ended (`broker.session.timeout.ms`, 9 s unless set), however dead
//! it is. Whether it answers can be known sooner, by knocking.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::ResourceSpecifier;
use rdkafka::consumer::Consumer;
use tokio::net::TcpStream;

use crate::topics::{BrokerInfo, TopicInfo, admin_options, metadata};
use crate::{ClientError, Kafka};

/// How long a broker may take to accept a connection before it counts as silent.
const KNOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the cluster's id is waited for, which comes with the first answer of any broker.
const ID_TIMEOUT: Duration = Duration::from_millis(500);

/// Kafka's setting for how many replicas a record needs.
pub const MIN_IN_SYNC: &str = "min.insync.replicas";

/// A cluster at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterInfo {
    /// The id it was formatted with.
    pub id: Option<String>,
    /// The brokers that Kafka counts on, by number.
    pub brokers: Vec<BrokerInfo>,
    /// All topics, by name.
    pub topics: Vec<TopicInfo>,
}

impl Kafka {
    /// Brokers and topics in one answer.
    pub async fn cluster(&self) -> Result<ClusterInfo, ClientError> {
        let mut cluster = self
            .ask("list brokers and topics", |query| {
                let answer = metadata(query, None)?;
                Ok(ClusterInfo {
                    brokers: answer.brokers().iter().map(BrokerInfo::read).collect(),
                    topics: TopicInfo::read_all(&answer),
                    id: query.client().fetch_cluster_id(ID_TIMEOUT),
                })
            })
            .await?;
        cluster.brokers.sort_by_key(|broker| broker.id);
        Ok(cluster)
    }

    /// Each topic's `min.insync.replicas`; those that are not there, or may not be looked at, are left out.
    pub async fn min_in_sync(
        &self,
        topics: &[String],
    ) -> Result<BTreeMap<String, u32>, ClientError> {
        let admin = self.admin().await?;
        let asked: Vec<_> = topics
            .iter()
            .map(|topic| ResourceSpecifier::Topic(topic))
            .collect();
        let answers = match admin.describe_configs(&asked, &admin_options()).await {
            Ok(answers) => answers,
            Err(error) => return Err(self.explain("read settings of topics", &error).await),
        };
        // The answers come in the order of the questions; one that failed is empty.
        Ok(topics
            .iter()
            .zip(answers)
            .filter_map(|(topic, answer)| {
                let entries = answer.ok()?.entries;
                let setting = entries
                    .into_iter()
                    .find(|entry| entry.name == MIN_IN_SYNC)?;
                Some((topic.clone(), setting.value?.parse().ok()?))
            })
            .collect())
    }
}

impl BrokerInfo {
    /// Whether it accepts a connection now; why not, for people.
    pub async fn knock(&self) -> Result<(), String> {
        match tokio::time::timeout(KNOCK_TIMEOUT, TcpStream::connect(&self.address)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Err(format!("nobody listens at {}", self.address))
            }
            Ok(Err(error)) => Err(format!("{}: {error}", self.address)),
            Err(_) => Err(format!(
                "{} accepts no connection within {} s",
                self.address,
                KNOCK_TIMEOUT.as_secs()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whether_a_broker_answers_is_known_at_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let broker = BrokerInfo {
            id: 1,
            address: listener.local_addr().unwrap().to_string(),
        };
        assert_eq!(broker.knock().await, Ok(()));
        drop(listener);
        let why = broker.knock().await.unwrap_err();
        assert_eq!(why, format!("nobody listens at {}", broker.address));
    }
}
