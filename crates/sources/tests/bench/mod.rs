//! What the tests of this crate share: a broker of the test's own, and somebody who keeps what is told.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::Notify;
use weir_base::fs::RealFs;
use weir_base::time::SystemClock;
use weir_broker::{BrokerConfig, RunningBroker};
use weir_client::{Event, From, Kafka, ReaderOptions, Record};
use weir_media::record::PictureMeta;
use weir_sources::{Progress, Snapshot};

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), future)
        .await
        .expect("an answer within the time any machine needs")
}

/// A broker of the test's own.
pub struct Bench {
    pub kafka: Kafka,
    _broker: RunningBroker,
    pub folder: TempDir,
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
        folder,
    }
}

impl Bench {
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// Keeps what a person would be told.
#[derive(Default)]
pub struct Notes {
    kept: Mutex<Vec<String>>,
    more: Notify,
}

impl Notes {
    /// What was told so far.
    pub fn kept(&self) -> Vec<String> {
        self.kept.lock().unwrap().clone()
    }

    /// Returns when something with these words in it has been told.
    pub async fn said(&self, words: &str) {
        while !self.kept().iter().any(|note| note.contains(words)) {
            self.more.notified().await;
        }
    }
}

impl Progress for Notes {
    fn update(&self, _snapshot: &Snapshot) {}

    fn note(&self, text: &str) {
        self.kept.lock().unwrap().push(text.to_owned());
        self.more.notify_one();
    }
}

pub fn meta(record: &Record) -> PictureMeta {
    weir_media::record::read(record.header_pairs(), record.value.as_deref().unwrap()).unwrap()
}

pub async fn all(kafka: &Kafka, topic: &str) -> Vec<Record> {
    let mut reader = kafka
        .reader(topic, From::Start, ReaderOptions::default())
        .await
        .unwrap();
    let mut left = reader.positions().len();
    let mut records = Vec::new();
    while left > 0 {
        match within(reader.next()).await.unwrap() {
            Event::Record(record) => records.push(record),
            Event::CaughtUp { .. } => left -= 1,
            other => panic!("{other:?}"),
        }
    }
    records
}
