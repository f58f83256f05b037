//! A single-node Kafka broker over the log.
