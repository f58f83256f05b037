//! Averages and combined producers against the embedded broker.

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
use weir_base::time::Timestamp;
use weir_client::{Kafka, NewRecord, ProducerOptions, Record, TopicSpec};
use weir_processors::average::Average;
use weir_processors::combine::Combine;
use weir_processors::{ProcessorError, Silent};

/// Sends one number a key and step, each step half a second after the other.
async fn say(kafka: &Kafka, topic: &str, keys: &[&str], steps: std::ops::Range<i64>) {
    let producer = kafka.producer(ProducerOptions::default()).unwrap();
    for step in steps {
        let at = 1_700_000_000_000 + 500 * step;
        for key in keys {
            let value = format!("{{'timestamp': {}, 'count': {step}}}", at as f64 / 1e3);
            let record = NewRecord::new(topic, value)
                .key((*key).to_owned())
                .timestamp(Timestamp(at));
            drop(producer.send(record).await.unwrap());
        }
    }
    producer.flush().await.unwrap();
}

async fn until_there(kafka: &Kafka, topic: &str, count: usize) -> Vec<Record> {
    within(async {
        loop {
            let found = records(kafka, topic).await;
            if found.len() >= count {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    })
    .await
}

fn json(record: &Record) -> serde_json::Value {
    serde_json::from_slice(record.value.as_deref().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_number_has_its_average_once_over_runs_that_are_killed() {
    let bench = bench().await;
    let kafka = &bench.kafka;
    kafka
        .create_topic(
            TopicSpec::new("numbers")
                .partitions(3)
                .set("retention.ms", "-1"),
        )
        .await
        .unwrap();
    let keys = ["a", "b", "c", "d"];
    for run in 0..6_i64 {
        let (kafka, shutdown) = (kafka.clone(), CancellationToken::new());
        let stop = shutdown.clone();
        let other = kafka.clone();
        let running = tokio::spawn(async move {
            Average::new("numbers", "averages")
                .run(&other, Arc::new(Silent), stop)
                .await
        });
        say(&kafka, "numbers", &keys, 100 * run..100 * (run + 1)).await;
        if run % 2 == 0 {
            // As kill -9 would: in the middle of whatever it is doing.
            until_there(&kafka, "averages", 150 * run as usize).await;
            running.abort();
            drop(running.await);
        } else {
            shutdown.cancel();
            within(running).await.unwrap().unwrap();
        }
    }
    let (other, shutdown) = (kafka.clone(), CancellationToken::new());
    let stop = shutdown.clone();
    let running = tokio::spawn(async move {
        Average::new("numbers", "averages")
            .run(&other, Arc::new(Silent), stop)
            .await
    });
    until_there(kafka, "averages", 2_400).await;
    shutdown.cancel();
    within(running).await.unwrap().unwrap();

    let mut of_key: BTreeMap<Vec<u8>, Vec<f64>> = BTreeMap::new();
    for result in records(kafka, "averages").await {
        let key = result.key.clone().unwrap().to_vec();
        of_key
            .entry(key)
            .or_default()
            .push(json(&result)["average"].as_f64().unwrap());
    }
    let expected: Vec<f64> = (0..600_i64)
        .map(|step| {
            let from = (step - 4).max(0);
            (from..=step).sum::<i64>() as f64 / (step - from + 1) as f64
        })
        .collect();
    assert_eq!(of_key.len(), 4);
    for (key, averages) in of_key {
        assert_eq!(averages, expected, "{key:?}");
    }
    let settings = kafka.topic_config("averages").await.unwrap();
    assert!(
        settings
            .iter()
            .any(|s| s.name == "retention.ms" && s.value.as_deref() == Some("-1")),
        "results are kept as long as what they are made of"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn three_producers_are_combined_at_each_instant_once_over_a_run_that_is_killed() {
    let bench = bench().await;
    let kafka = &bench.kafka;
    kafka
        .create_topic(TopicSpec::new("numbers").partitions(1))
        .await
        .unwrap();
    let combine = || Combine {
        keys: Some(["a", "b", "c"].map(str::to_owned).to_vec()),
        ..Combine::new("numbers", "combined")
    };
    let keys = ["a", "b", "c"];
    say(kafka, "numbers", &keys, 0..41).await;
    let other = kafka.clone();
    let running = tokio::spawn(async move {
        combine()
            .run(&other, Arc::new(Silent), CancellationToken::new())
            .await
    });
    until_there(kafka, "combined", 21).await;
    running.abort();
    drop(running.await);
    say(kafka, "numbers", &keys, 41..81).await;
    let (other, shutdown) = (kafka.clone(), CancellationToken::new());
    let stop = shutdown.clone();
    let running = tokio::spawn(async move { combine().run(&other, Arc::new(Silent), stop).await });
    let found = until_there(kafka, "combined", 41).await;
    shutdown.cancel();
    within(running).await.unwrap().unwrap();
    assert_eq!(found.len(), 41);
    for (second, result) in found.iter().enumerate() {
        let step = 2 * second;
        let t = 1_700_000_000_000_u64 + 1_000 * second as u64;
        let expected = serde_json::json!({
            "t": t, "average": step, "a": step, "b": step, "c": step, "producers": 3
        });
        assert_eq!(json(result), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_topic_that_others_write_is_refused_at_the_start_and_while_running() {
    let bench = bench().await;
    let kafka = &bench.kafka;
    for topic in ["numbers", "other"] {
        kafka
            .create_topic(TopicSpec::new(topic).partitions(1))
            .await
            .unwrap();
    }
    say(kafka, "other", &["a"], 0..1).await;
    for to in ["other", "numbers"] {
        let error = within(Average::new("numbers", to).run(
            kafka,
            Arc::new(Silent),
            CancellationToken::new(),
        ))
        .await
        .unwrap_err();
        assert!(
            matches!(error, ProcessorError::ResultTopic { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("--to"), "{error}");
    }
    let other = kafka.clone();
    let running = tokio::spawn(async move {
        Average::new("numbers", "averages")
            .run(&other, Arc::new(Silent), CancellationToken::new())
            .await
    });
    say(kafka, "numbers", &["a"], 0..1).await;
    until_there(kafka, "averages", 1).await;
    say(kafka, "averages", &["a"], 0..1).await;
    say(kafka, "numbers", &["a"], 1..2).await;
    let error = within(running).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("doubled"), "{error}");
}
