//! The one way to Kafka: rdkafka wrapped once.
