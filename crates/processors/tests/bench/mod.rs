//! What the tests of this crate share: a broker of the test's own.
#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use weir_base::fs::RealFs;
use weir_base::time::SystemClock;
use weir_broker::{BrokerConfig, RunningBroker};
use weir_client::{Event, From, Kafka, ReaderOptions, Record};

/// A broker of the test's own.
pub struct Bench {
    pub kafka: Kafka,
    _broker: RunningBroker,
    _folder: TempDir,
}

pub async fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let config = BrokerConfig::new(folder.path().join("data"));
    let broker = weir_broker::start(config, Arc::new(RealFs), Arc::new(SystemClock::new()))
        .await
        .unwrap();
    Bench {
        kafka: Kafka::new(&broker.addr().to_string(), &[]).unwrap(),
        _broker: broker,
        _folder: folder,
    }
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), future)
        .await
        .expect("an answer within the time any machine needs")
}

/// Every record of a topic; none where there is no such topic.
pub async fn records(kafka: &Kafka, topic: &str) -> Vec<Record> {
    let mut found = Vec::new();
    let Ok(mut reader) = kafka
        .reader(topic, From::Start, ReaderOptions::default())
        .await
    else {
        return found;
    };
    let mut left = reader.positions().len();
    while left > 0 {
        match within(reader.next()).await.unwrap() {
            Event::CaughtUp { .. } => left -= 1,
            Event::Record(record) => found.push(record),
            other => panic!("{other:?}"),
        }
    }
    found
}
