//! The broker's state, as the handlers see it: topics, coordinators, settings, clock.
//!
//! Made once at the start and shared by all connections. It holds no sockets.

use std::path::PathBuf;
use std::sync::Arc;

use weir_base::fs::Fs;
use weir_base::time::Clock;
use weir_log::Volume;

use crate::changes::Changes;
use crate::groups::GroupCoordinator;
use crate::producer_ids::ProducerIds;
use crate::security::{Acls, Scram};
use crate::server::ConnectionInfo;
use crate::settings::topic::Overrides;
use crate::settings::{self, Settings};
use crate::topics::{CONSUMER_OFFSETS, TRANSACTION_STATE, Topic, TopicError, Topics};
use crate::transactions::TransactionCoordinator;
use crate::{BrokerConfig, BrokerError, meta};

/// The state of the one broker there is.
pub(crate) struct Broker {
    /// `node.id`.
    pub node_id: i32,
    /// The cluster's id, made at the first start and kept in `meta.properties`.
    pub cluster_id: String,
    /// Kafka's server settings.
    pub settings: Settings,
    /// Settings changed while the broker runs.
    pub changes: Changes,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The folder of everything.
    pub data_dir: PathBuf,
    /// Where the partitions are.
    pub volume: Arc<Volume>,
    /// The topics and their partitions.
    pub topics: Arc<Topics>,
    /// The groups and what they have committed.
    pub groups: Arc<GroupCoordinator>,
    /// Access rules.
    pub acls: Acls,
    /// Users' credentials.
    pub scram: Scram,
    /// Ids for idempotent and transactional producers.
    pub producer_ids: Arc<ProducerIds>,
    /// The transactional ids and their transactions.
    pub transactions: Arc<TransactionCoordinator>,
}

impl Broker {
    /// Opens what the data folder holds.
    pub fn open(
        config: BrokerConfig,
        fs: &Arc<dyn Fs>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BrokerError> {
        let BrokerConfig {
            data_dir, settings, ..
        } = config;
        let unusable = |source| BrokerError::DataDir {
            dir: data_dir.clone(),
            source,
        };
        let volume = Volume::open(Arc::clone(fs), Arc::clone(&clock), &data_dir)?;
        let node_id = settings.get(settings::NODE_ID) as i32;
        let cluster_id = meta::cluster_id(&**fs, &data_dir, node_id).map_err(unusable)?;
        let changes = Changes::open(
            Arc::clone(fs),
            data_dir.join("changed-settings.json"),
            &settings,
        )
        .map_err(unusable)?;
        let acls = Acls::open(Arc::clone(fs), data_dir.join("acls.json")).map_err(unusable)?;
        let scram = Scram::open(Arc::clone(fs), data_dir.join("scram.json")).map_err(unusable)?;
        let producer_ids =
            ProducerIds::open(Arc::clone(fs), data_dir.join("producer-ids")).map_err(unusable)?;
        let topics = Topics::open(Arc::clone(fs), &volume, &data_dir, &settings).map_err(
            |error| match error {
                TopicError::Log(error) => BrokerError::Log(error),
                TopicError::Io(source) => unusable(source),
                other => unusable(std::io::Error::other(other.to_string())),
            },
        )?;
        let topics = Arc::new(topics);
        let groups = GroupCoordinator::open(&topics, &settings, Arc::clone(&clock))
            .map_err(|error| unusable(std::io::Error::other(error.to_string())))?;
        let producer_ids = Arc::new(producer_ids);
        let transactions = TransactionCoordinator::open(
            &topics,
            &groups,
            &producer_ids,
            &settings,
            Arc::clone(&clock),
        )
        .map_err(|error| unusable(std::io::Error::other(error.to_string())))?;
        Ok(Self {
            node_id,
            cluster_id,
            settings,
            changes,
            clock,
            data_dir,
            volume,
            topics,
            groups,
            acls,
            scram,
            producer_ids,
            transactions,
        })
    }

    /// Makes a topic that was asked for by name, with the settings' number of partitions. The broker's own topics come into
    /// being as their coordinators want them.
    pub fn create_by_default(&self, name: &str) -> Result<Arc<Topic>, TopicError> {
        let (count, overrides) = match name {
            CONSUMER_OFFSETS => (
                settings::OFFSETS_TOPIC_NUM_PARTITIONS,
                compacted(self.settings.get(settings::OFFSETS_TOPIC_SEGMENT_BYTES)),
            ),
            TRANSACTION_STATE => (
                settings::TRANSACTION_STATE_LOG_NUM_PARTITIONS,
                compacted(
                    self.settings
                        .get(settings::TRANSACTION_STATE_LOG_SEGMENT_BYTES),
                ),
            ),
            _ => (settings::NUM_PARTITIONS, Overrides::new()),
        };
        let count = self.settings.get(count) as i32;
        let topic = self.topics.get_or_create(name, count, overrides)?;
        tracing::info!(topic = %topic.name, partitions = count, "topic created because it was asked for");
        Ok(topic)
    }

    /// The host and port a client should connect to: `advertised.listeners`, else the address it came by.
    pub fn advertised(&self, connection: &ConnectionInfo) -> (String, i32) {
        let given = self.settings.get(settings::ADVERTISED_LISTENERS);
        let first = given.split(',').next().unwrap_or_default().trim();
        let address = first
            .split_once("://")
            .map_or(first, |(_, address)| address);
        if let Some((host, port)) = address.rsplit_once(':')
            && let Ok(port) = port.parse::<u16>()
        {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            if !host.is_empty() {
                return (host.to_owned(), i32::from(port));
            }
        }
        (
            connection.local.ip().to_canonical().to_string(),
            i32::from(connection.local.port()),
        )
    }
}

/// The settings Kafka gives the topics of its coordinators.
fn compacted(segment_bytes: i64) -> Overrides {
    Overrides::from([
        ("cleanup.policy".to_owned(), "compact".to_owned()),
        ("compression.type".to_owned(), "producer".to_owned()),
        ("segment.bytes".to_owned(), segment_bytes.to_string()),
    ])
}
