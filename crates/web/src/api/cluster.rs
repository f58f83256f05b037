//! What `GET /cluster` writes: brokers, who leads and who is in sync, and what happened.

use serde::Serialize;

use super::KafkaState;

/// `GET /cluster`: the brokers and what they hold. With `Accept: text/event-stream` such an object whenever it changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Cluster {
    /// The server's clock.
    pub server_time_ms: i64,
    /// The id the cluster was formatted with.
    pub cluster_id: Option<String>,
    /// It is the broker that this program runs itself.
    pub embedded: bool,
    /// Whether it answers. Where it does not, everything else is as last seen.
    pub kafka: KafkaState,
    /// The node that leads the quorum of controllers; it need not be a broker.
    pub controller: Option<i32>,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub controller_note: Option<String>,
    /// The brokers by number, with those that are gone.
    pub brokers: Vec<ClusterBroker>,
    /// The topics, those in trouble first, Kafka's own last.
    pub topics: Vec<ClusterTopic>,
    /// How many partitions there are in all of them.
    pub partitions: PartitionCounts,
    /// Partitions that are not listed here for want of room; all in trouble come first.
    pub left_out: u64,
    /// What happened since the server began to look, the newest 100, newest first.
    pub events: Vec<ClusterEvent>,
}

/// How many partitions are how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PartitionCounts {
    /// All.
    pub all: u64,
    /// Without a leader: nothing is read or written.
    pub leaderless: u64,
    /// With fewer replicas in sync than `min.insync.replicas`: nothing is written with `acks=all`.
    pub too_few_in_sync: u64,
    /// With a replica out of sync, those before included.
    pub under_replicated: u64,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ClusterBroker {
    /// Its number.
    pub id: i32,
    /// The address it advertises, `HOST:PORT`; not known of one that was gone before the server began to look.
    pub address: Option<String>,
    /// How it is.
    pub state: BrokerState,
    /// Since when; not known of what was so when the server began to look.
    pub since_ms: Option<i64>,
    /// Partitions it leads.
    pub leads: u64,
    /// Partitions it holds a replica of.
    pub replicas: u64,
    /// Those of them that are in sync.
    pub in_sync: u64,
}

/// How a broker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum BrokerState {
    /// It answers.
    Up,
    /// It accepts no connection, and Kafka counts on it still.
    Silent,
    /// Kafka does not count on it.
    Gone,
}

/// A topic's partitions and who holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ClusterTopic {
    /// Its name.
    pub topic: String,
    /// Kafka's own.
    pub internal: bool,
    /// Its `min.insync.replicas`, once that is known.
    pub min_in_sync: Option<u32>,
    /// Its partitions, by number.
    pub partitions: Vec<ClusterPartition>,
}

/// A partition and who holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ClusterPartition {
    /// Its number.
    pub partition: i32,
    /// The broker that takes its records; -1: none.
    pub leader: i32,
    /// The brokers that hold it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those of them that have everything acknowledged.
    pub in_sync: Vec<i32>,
    /// How it is.
    pub state: PartitionState,
}

/// How a partition is, the worst that is true of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum PartitionState {
    /// Nobody leads it.
    Leaderless,
    /// It takes no records with `acks=all`.
    TooFewInSync,
    /// A replica is out of sync.
    UnderReplicated,
    /// All replicas are in sync.
    Fine,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ClusterEvent {
    /// When the server saw it.
    pub at_ms: i64,
    /// What.
    pub what: ClusterChange,
    /// The same for people.
    pub text: String,
}

/// What happened. Where it happened to many partitions at once, `topic` and `partition` are null and `partitions` counts them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
#[allow(missing_docs, reason = "the fields' names say it, as the sentences do")]
pub enum ClusterChange {
    /// A broker accepts no connection any more.
    BrokerSilent { broker: i32 },
    /// Kafka does not count on a broker any more.
    BrokerGone { broker: i32 },
    /// A broker answers again.
    BrokerBack { broker: i32, away_ms: Option<i64> },
    /// A broker that was not there before.
    BrokerNew { broker: i32 },
    /// Another node is the controller; null: there is none.
    Controller { from: Option<i32>, to: Option<i32> },
    /// Another broker leads; null: nobody does.
    Leader {
        from: Option<i32>,
        to: Option<i32>,
        #[serde(flatten)]
        of: Partitions,
    },
    /// A replica is out of sync.
    OutOfSync {
        broker: i32,
        #[serde(flatten)]
        of: Partitions,
    },
    /// A replica is in sync again.
    InSync {
        broker: i32,
        #[serde(flatten)]
        of: Partitions,
    },
    /// Partitions take no records with `acks=all`.
    TooFewInSync {
        #[serde(flatten)]
        of: Partitions,
    },
    /// They take them again.
    EnoughInSync {
        #[serde(flatten)]
        of: Partitions,
    },
    /// Other brokers are to hold a partition.
    Replicas {
        #[serde(flatten)]
        of: Partitions,
    },
    /// No broker answers.
    Away,
    /// One answers again.
    Answers { away_ms: i64 },
}

/// One partition, or how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Partitions {
    /// The topic, of one.
    pub topic: Option<String>,
    /// Its number, of one.
    pub partition: Option<i32>,
    /// How many.
    pub partitions: u64,
}
