//! The word count against the embedded broker.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

mod bench;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bench::{bench, records, within};
use tokio_util::sync::CancellationToken;
use weir_client::{Kafka, NewRecord, ProducerOptions, Record, TopicSpec};
use weir_processors::words::Words;
use weir_processors::{ProcessorError, Silent};

async fn say(kafka: &Kafka, topic: &str, lines: &[String]) {
    let producer = kafka.producer(ProducerOptions::default()).unwrap();
    for line in lines {
        drop(
            producer
                .send(NewRecord::new(topic, line.clone()))
                .await
                .unwrap(),
        );
    }
    producer.flush().await.unwrap();
}

/// The newest count of each word.
async fn counts(kafka: &Kafka, topic: &str) -> BTreeMap<String, u64> {
    let count = |record: Record| {
        let word = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&record.value.unwrap()).unwrap();
        (word, value["count"].as_u64().unwrap())
    };
    records(kafka, topic).await.into_iter().map(count).collect()
}

async fn until(kafka: &Kafka, topic: &str, want: &BTreeMap<String, u64>) {
    within(async {
        while counts(kafka, topic).await != *want {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    })
    .await;
}

fn start(
    kafka: &Kafka,
    words: Words,
    shutdown: &CancellationToken,
) -> tokio::task::JoinHandle<Result<weir_processors::Summary, ProcessorError>> {
    let (kafka, shutdown) = (kafka.clone(), shutdown.clone());
    tokio::spawn(async move { words.run(&kafka, Arc::new(Silent), shutdown).await })
}

fn tally(lines: &[String]) -> BTreeMap<String, u64> {
    let mut want = BTreeMap::new();
    for line in lines {
        for word in line.split(' ') {
            *want.entry(word.to_owned()).or_insert(0) += 1;
        }
    }
    want
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_follow_the_text_into_a_compacted_topic() {
    let bench = bench().await;
    let kafka = &bench.kafka;
    kafka.create_topic(TopicSpec::new("text")).await.unwrap();
    let shutdown = CancellationToken::new();
    let running = start(kafka, Words::new("text", "words"), &shutdown);
    let lines: Vec<String> = ["a b a", "b c", "a"].map(str::to_owned).to_vec();
    say(kafka, "text", &lines).await;
    until(kafka, "words", &tally(&lines)).await;
    shutdown.cancel();
    let summary = within(running).await.unwrap().unwrap();
    assert_eq!(summary.read, 3);
    let settings = kafka.topic_config("words").await.unwrap();
    assert!(
        settings
            .iter()
            .any(|s| s.name == "cleanup.policy" && s.value.as_deref() == Some("compact"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_counts_once_over_runs_that_are_killed_and_one_that_ends() {
    let bench = bench().await;
    let kafka = &bench.kafka;
    kafka
        .create_topic(TopicSpec::new("text").partitions(3))
        .await
        .unwrap();
    let lines: Vec<String> = (0..3_000)
        .map(|i| format!("w{} w{} every", i % 7, i % 11))
        .collect();
    for (run, part) in lines.chunks(500).enumerate() {
        let shutdown = CancellationToken::new();
        let words = Words {
            flush_ms: 5,
            ..Words::new("text", "words")
        };
        let running = start(kafka, words, &shutdown);
        say(kafka, "text", part).await;
        if run % 2 == 0 {
            // As kill -9 would: in the middle of whatever it is doing.
            tokio::time::sleep(Duration::from_millis(7 * run as u64)).await;
            running.abort();
        } else {
            shutdown.cancel();
            within(running).await.unwrap().unwrap();
        }
    }
    let shutdown = CancellationToken::new();
    let running = start(kafka, Words::new("text", "words"), &shutdown);
    until(kafka, "words", &tally(&lines)).await;
    // It stays so.
    shutdown.cancel();
    within(running).await.unwrap().unwrap();
    assert_eq!(counts(kafka, "words").await, tally(&lines));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_topic_that_holds_something_else_is_refused() {
    let bench = bench().await;
    let kafka = &bench.kafka;
    for topic in ["text", "other"] {
        kafka.create_topic(TopicSpec::new(topic)).await.unwrap();
    }
    say(kafka, "other", &["no count".to_owned()]).await;
    for to in ["other", "text"] {
        let error =
            within(Words::new("text", to).run(kafka, Arc::new(Silent), CancellationToken::new()))
                .await
                .unwrap_err();
        assert!(
            matches!(error, ProcessorError::ResultTopic { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("--to"), "{error}");
    }
}
