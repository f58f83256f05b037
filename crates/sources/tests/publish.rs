//! Sources against a real broker.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_client::{Event, From, Kafka, ReaderOptions, Record};
use weir_sources::lines::{Input, Lines};
use weir_sources::sensor::Sensors;
use weir_sources::testcard::TestCardSource;
use weir_sources::text_feed::TextFeed;
use weir_sources::{Ended, Silent};

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), future)
        .await
        .expect("an answer within the time any machine needs")
}

fn kafka() -> Kafka {
    Kafka::new(&std::env::var("WEIR_TEST_BOOTSTRAP").unwrap(), &[]).unwrap()
}

fn fresh(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

async fn all(kafka: &Kafka, topic: &str) -> Vec<Record> {
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

#[tokio::test(flavor = "multi_thread")]
async fn sensors_make_their_topic_and_send_numbers() {
    let kafka = kafka();
    let topic = fresh("sensors");
    let sensors = Sensors {
        producers: 3,
        per_second: 200.0,
        count: Some(20),
        ..Sensors::new(&topic)
    };
    let summary = within(sensors.run(&kafka, Arc::new(Silent), CancellationToken::new()))
        .await
        .unwrap();
    assert_eq!((summary.records, summary.ended), (60, Ended::Finished));
    let records = all(&kafka, &topic).await;
    assert_eq!(records.len(), 60);
    for record in records {
        let numbers = weir_media::numbers::parse(&record.value.unwrap()).unwrap();
        assert_eq!(numbers.values[0].0, "value");
        assert!(numbers.time_ms.is_some());
        assert!(record.key.unwrap().starts_with(b"sensor-"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_told_to_end_has_sent_what_it_counts() {
    let kafka = kafka();
    let topic = fresh("feed");
    let shutdown = CancellationToken::new();
    let feed = TextFeed {
        per_second: 100.0,
        ..TextFeed::new(&topic)
    };
    let running = {
        let (kafka, shutdown) = (kafka.clone(), shutdown.clone());
        tokio::spawn(async move { feed.run(&kafka, Arc::new(Silent), shutdown).await })
    };
    loop {
        match kafka.watermarks(&topic).await {
            Ok(marks) if marks.iter().map(|m| m.end).sum::<i64>() > 10 => break,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    shutdown.cancel();
    let summary = within(running).await.unwrap().unwrap();
    assert_eq!(summary.ended, Ended::Shutdown);
    assert_eq!(all(&kafka, &topic).await.len() as u64, summary.records);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_a_file_are_records_with_keys() {
    let kafka = kafka();
    let topic = fresh("lines");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.txt");
    let text: Vec<String> = (0..5_000)
        .map(|i| format!("k{}:line {i}\n", i % 7))
        .collect();
    std::fs::write(&path, text.concat()).unwrap();
    let lines = Lines {
        key_separator: Some(":".to_owned()),
        ..Lines::new(&topic, Input::File(path))
    };
    let summary = within(lines.run(&kafka, Arc::new(Silent), CancellationToken::new()))
        .await
        .unwrap();
    assert_eq!(summary.records, 5_000);
    let records = all(&kafka, &topic).await;
    assert_eq!(records.len(), 5_000);
    assert_eq!(records[0].key.as_deref(), Some(&b"k0"[..]));
    assert_eq!(records[0].value.as_deref(), Some(&b"line 0"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_card_is_h264_that_shows_when_it_was_drawn() {
    let kafka = kafka();
    let topic = fresh("testcard");
    let card = TestCardSource {
        width: 320,
        height: 240,
        key_every_s: 0.2,
        count: Some(15),
        ..TestCardSource::new(&topic)
    };
    within(card.run(&kafka, Arc::new(Silent), CancellationToken::new()))
        .await
        .unwrap();
    let records = all(&kafka, &topic).await;
    assert!(!records.is_empty());
    let first = &records[0];
    assert_eq!(first.header("content-type"), Some(&b"video/h264"[..]));
    assert_eq!(first.header("frame"), Some(&b"key"[..]));
    assert_eq!(first.header("size"), Some(&b"320x240"[..]));
    assert_eq!(first.header("gop-index"), Some(&b"0"[..]));
    let info = kafka.topic(&topic).await.unwrap();
    assert_eq!(info.partitions.len(), 1);
}
