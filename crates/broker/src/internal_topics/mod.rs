//! The coordinators' own topics: `__consumer_offsets` and `__transaction_state`.
//!
//! What a coordinator must remember goes into these two compacted topics in Apache Kafka's own record schemas, so that
//! Kafka's tools read them and a log written here can be taken to Kafka. This module knows their names, which partition
//! holds which key, how their records and batches look as bytes, and how a batch gets into the log and back
//! ([`journal`]). It keeps no state: [`crate::groups`] and [`crate::transactions`] do.

pub mod batch;
pub mod group_records;
pub mod java_hash;
pub mod journal;
#[cfg(test)]
pub(crate) mod memory;
pub mod primitives;
pub(crate) mod store;
pub mod transaction_records;
