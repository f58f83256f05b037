//! The one way to Kafka: rdkafka wrapped once.
//!
//! In flow topics' names, records to send and positions to read from; out flow records, deliveries and what the cluster
//! says of itself, with every failure as one sentence that names the remedy ([`ClientError`]). Whether the other end is the
//! embedded broker or an Apache Kafka cluster cannot be told from here.
//!
//! - [`Kafka`]: where the cluster is and how to talk to it; cheap to clone, connects when first used.
//! - [`Producer`]: records in, delivery futures out, a bounded number of bytes under way.
//! - [`TransactionalProducer`]: records that are in the log all together or not at all.
//! - [`Reader`]: one topic from a stated position on, by a reader of its own, live tail first.
//! - [`GroupReader`]: topics shared out among the members of a consumer group.
//!
//! This crate does not interpret records, and no other crate names `rdkafka`.

mod cluster;
mod context;
mod error;
mod from;
mod group_reader;
mod groups;
mod kafka;
mod listener;
mod position;
mod producer;
mod quorum;
mod reader;
mod record;
mod standstill;
mod topic_settings;
mod topics;
mod transaction;

pub use cluster::{ClusterInfo, MIN_IN_SYNC};
pub use error::{ClientError, ErrorKind};
pub use from::{BadFrom, From};
pub use group_reader::{GroupReader, GroupReaderOptions, GroupStart};
pub use groups::{CommittedOffset, GroupInfo, GroupPositions, MemberInfo, Position};
pub use kafka::Kafka;
pub use position::{TimedOffset, Watermarks};
pub use producer::{Acks, Compression, Delivered, DeliveryFuture, Producer, ProducerOptions};
pub use quorum::Controller;
pub use reader::{Event, Isolation, Reader, ReaderOptions};
pub use record::{NewRecord, Record};
pub use standstill::GOING_ON;
pub use topic_settings::Setting;
pub use topics::{BrokerInfo, Created, PartitionInfo, TopicInfo, TopicSpec};
pub use transaction::TransactionalProducer;
