//! How long a topic keeps what, as its settings say, from the first record on and when they are changed on a living topic.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use weir_base::fs::RealFs;
use weir_base::time::{Clock, SystemClock, Timestamp};
use weir_broker::{BrokerConfig, RunningBroker, Settings};
use weir_client::{
    ClientError, Event, From, Kafka, NewRecord, ProducerOptions, ReaderOptions, TopicSpec,
};

const HOUR_MS: i64 = 3_600_000;

/// A broker that looks after its logs all the time.
struct Bench {
    kafka: Kafka,
    _broker: RunningBroker,
    _folder: TempDir,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = BrokerConfig {
            settings: Settings::parse([
                ("log.retention.check.interval.ms", "1"),
                ("log.cleaner.backoff.ms", "1"),
            ])
            .unwrap(),
            ..BrokerConfig::new(folder.path())
        };
        let broker = weir_broker::start(config, Arc::new(RealFs), Arc::new(SystemClock::new()))
            .await
            .unwrap();
        Self {
            kafka: Kafka::new(&broker.addr().to_string(), &[]).unwrap(),
            _broker: broker,
            _folder: folder,
        }
    }

    async fn topic(&self, name: &str, settings: &[(&str, &str)]) {
        let spec = settings
            .iter()
            .fold(TopicSpec::new(name), |spec, (key, value)| {
                spec.set(*key, *value)
            });
        self.kafka.create_topic(spec).await.unwrap();
    }

    async fn alter(&self, name: &str, changes: &[(&str, Option<&str>)]) {
        let changes: Vec<(String, Option<String>)> = changes
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)))
            .collect();
        self.kafka.alter_topic_config(name, &changes).await.unwrap();
    }

    /// `(start, end)` of the topic's partition.
    async fn ends(&self, name: &str) -> (i64, i64) {
        let marks = self.kafka.watermarks(name).await.unwrap();
        (marks[0].start, marks[0].end)
    }

    async fn write(&self, topic: &str, at: Timestamp, keys: &[&str], values: &[Vec<u8>]) {
        let producer = self.kafka.producer(ProducerOptions::default()).unwrap();
        for (index, value) in values.iter().enumerate() {
            let record = NewRecord::new(topic, value.clone())
                .key(keys[index % keys.len()].to_owned())
                .timestamp(at);
            drop(producer.send(record).await.unwrap());
        }
        producer.flush().await.unwrap();
    }

    async fn write_old(&self, topic: &str) {
        let old = SystemClock::new().now().plus_ms(-2 * HOUR_MS);
        let values: Vec<Vec<u8>> = (0..10).map(|number| vec![number]).collect();
        self.write(topic, old, &["k"], &values).await;
    }

    async fn until_emptied(&self, topic: &str) {
        until(async || {
            let (start, end) = self.ends(topic).await;
            start == end
        })
        .await;
    }

    /// Until the broker has looked at every topic: twice, since it may just be in the middle.
    async fn looked_after(&self) {
        self.topic("looked-after", &[("retention.ms", "3600000")])
            .await;
        for _ in 0..2 {
            self.write_old("looked-after").await;
            self.until_emptied("looked-after").await;
        }
        self.kafka.delete_topic("looked-after").await.unwrap();
    }

    /// How many records there are of each key.
    async fn of_each_key(&self, topic: &str) -> BTreeMap<Vec<u8>, usize> {
        let mut reader = self
            .kafka
            .reader(topic, From::Start, ReaderOptions::default())
            .await
            .unwrap();
        let mut found = BTreeMap::new();
        loop {
            match reader.next().await.unwrap() {
                Event::Record(record) => {
                    *found.entry(record.key.unwrap().to_vec()).or_default() += 1;
                }
                Event::CaughtUp { .. } => return found,
                _ => {}
            }
        }
    }
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    tokio::time::timeout(Duration::from_mins(1), async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("what the settings say, within the time any machine needs");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_kept_for_ever_or_for_a_time_and_a_living_topic_takes_the_change() {
    let bench = Bench::new().await;
    bench.topic("ever", &[("retention.ms", "-1")]).await;
    bench.topic("week", &[]).await;
    for topic in ["ever", "week"] {
        bench.write_old(topic).await;
    }
    bench.looked_after().await;
    for topic in ["ever", "week"] {
        assert_eq!(bench.ends(topic).await, (0, 10), "{topic}");
        bench
            .alter(topic, &[("retention.ms", Some("3600000"))])
            .await;
        bench.until_emptied(topic).await;
    }
    // And back: to no bound, and to the broker's.
    bench.alter("ever", &[("retention.ms", Some("-1"))]).await;
    bench.alter("week", &[("retention.ms", None)]).await;
    for topic in ["ever", "week"] {
        bench.write_old(topic).await;
    }
    bench.looked_after().await;
    for topic in ["ever", "week"] {
        assert_eq!(bench.ends(topic).await, (10, 20), "{topic}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_kept_up_to_a_size_and_the_oldest_go_first() {
    let bench = Bench::new().await;
    let segment = ("segment.bytes", "1048576");
    bench.topic("t", &[("retention.ms", "-1"), segment]).await;
    let now = SystemClock::new().now();
    let values = vec![vec![b'x'; 10_000]; 1_000];
    bench.write("t", now, &["k"], &values).await;
    bench.looked_after().await;
    assert_eq!(bench.ends("t").await, (0, 1_000));

    bench
        .alter("t", &[("retention.bytes", Some("3000000"))])
        .await;
    until(async || bench.ends("t").await.0 > 0).await;
    bench.looked_after().await;
    let (start, end) = bench.ends("t").await;
    let kept_bytes = (end - start) * 10_000;
    assert!(
        (2_900_000..4_200_000).contains(&kept_bytes),
        "{kept_bytes} bytes are kept"
    );
    assert_eq!(end, 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_of_each_key_is_kept_and_a_living_topic_takes_the_change() {
    let bench = Bench::new().await;
    let segment = ("segment.bytes", "1048576");
    bench.topic("t", &[segment, ("retention.ms", "-1")]).await;
    let now = SystemClock::new().now();
    let keys = ["a", "b", "c"];
    let values = vec![vec![b'x'; 10_000]; 900];
    bench.write("t", now, &keys, &values).await;
    bench.looked_after().await;
    assert_eq!(bench.of_each_key("t").await.values().sum::<usize>(), 900);

    bench
        .alter("t", &[("cleanup.policy", Some("compact"))])
        .await;
    // One in each segment that is closed, and those of the segment being written: at most 1 MiB.
    until(async || bench.of_each_key("t").await.values().sum::<usize>() <= 110).await;
    assert_eq!(bench.of_each_key("t").await.len(), 3);
    let settings = bench.kafka.topic_config("t").await.unwrap();
    let own: Vec<(&str, &str)> = settings
        .iter()
        .filter(|setting| !setting.default)
        .map(|setting| (&*setting.name, setting.value.as_deref().unwrap()))
        .collect();
    assert_eq!(
        own,
        [
            ("cleanup.policy", "compact"),
            ("retention.ms", "-1"),
            ("segment.bytes", "1048576")
        ]
    );

    // A compacted topic keeps what is old; deleted as well, it goes by age too.
    let old = now.plus_ms(-2 * HOUR_MS);
    bench.topic("u", &[("cleanup.policy", "compact")]).await;
    bench.write("u", old, &keys, &values[..3]).await;
    bench.alter("u", &[("retention.ms", Some("3600000"))]).await;
    bench.looked_after().await;
    assert_eq!(bench.ends("u").await, (0, 3));
    bench
        .alter("u", &[("cleanup.policy", Some("compact,delete"))])
        .await;
    bench.until_emptied("u").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_is_refused_and_changes_nothing() {
    let bench = Bench::new().await;
    bench.topic("t", &[("retention.ms", "5")]).await;
    for (key, value) in [("no.such", "1"), ("retention.ms", "soon")] {
        let changes = [(key.to_owned(), Some(value.to_owned()))];
        let error = bench
            .kafka
            .alter_topic_config("t", &changes)
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("retention.ms=3600000"),
            "{error}"
        );
    }
    let settings = bench.kafka.topic_config("t").await.unwrap();
    let own: Vec<_> = settings.iter().filter(|setting| !setting.default).collect();
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].value.as_deref(), Some("5"));

    let gone = Err(ClientError::NoSuchTopic {
        topic: "u".to_owned(),
    });
    assert_eq!(bench.kafka.alter_topic_config("u", &[]).await, gone);
    assert_eq!(bench.kafka.add_partitions("u", 2).await, gone);
    bench.kafka.add_partitions("t", 3).await.unwrap();
    until(async || bench.kafka.topic("t").await.unwrap().partitions.len() == 3).await;
    assert!(bench.kafka.add_partitions("t", 2).await.is_err());
    assert!(bench.kafka.add_partitions("t", -1).await.is_err());
}
