//! One partition's log in Apache Kafka's file formats.
