//! The coordinators' own topics: `__consumer_offsets` and `__transaction_state`.
//!
//! What a coordinator must remember goes into these two compacted topics in Apache Kafka's own record schemas, so that
//! Kafka's tools read them and a log written here can be taken to Kafka. This module knows their names, which partition
//! holds which key, and how their records and batches look as bytes. It does not keep state and it does not append:
//! [`crate::groups`] and [`crate::transactions`] do.

pub mod batch;
pub mod group_records;
pub mod java_hash;
pub mod primitives;
pub mod transaction_records;

/// Where groups and committed offsets are kept.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// Where the state of transactional ids is kept.
pub const TRANSACTION_STATE: &str = "__transaction_state";

/// Whether the broker keeps this topic for itself: clients read it, but do not produce to it or delete it.
pub fn is_internal(topic: &str) -> bool {
    topic == CONSUMER_OFFSETS || topic == TRANSACTION_STATE
}

/// The settings Kafka gives `__consumer_offsets` when it makes it.
pub fn consumer_offsets_config(segment_bytes: i64) -> Vec<(String, String)> {
    vec![
        ("cleanup.policy".into(), "compact".into()),
        ("compression.type".into(), "producer".into()),
        ("segment.bytes".into(), segment_bytes.to_string()),
    ]
}

/// The settings Kafka gives `__transaction_state` when it makes it.
pub fn transaction_state_config(segment_bytes: i64) -> Vec<(String, String)> {
    vec![
        ("cleanup.policy".into(), "compact".into()),
        ("compression.type".into(), "uncompressed".into()),
        ("min.insync.replicas".into(), "1".into()),
        ("segment.bytes".into(), segment_bytes.to_string()),
        ("unclean.leader.election.enable".into(), "false".into()),
    ]
}
