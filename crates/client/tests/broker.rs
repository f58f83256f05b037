//! The client against the embedded broker: topics, times, and a broker that ends and comes back.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use weir_base::fs::RealFs;
use weir_base::time::{SystemClock, Timestamp};
use weir_broker::{BrokerConfig, RunningBroker, Settings};
use weir_client::{
    ClientError, Created, Event, From, Kafka, NewRecord, ProducerOptions, Reader, ReaderOptions,
    TopicSpec,
};

async fn broker(data_dir: &Path, listen: SocketAddr) -> RunningBroker {
    let config = BrokerConfig {
        listen,
        ..BrokerConfig::new(data_dir)
    };
    weir_broker::start(config, Arc::new(RealFs), Arc::new(SystemClock::new()))
        .await
        .unwrap()
}

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), future)
        .await
        .expect("an answer within the time any machine needs")
}

async fn value(reader: &mut Reader) -> String {
    loop {
        if let Event::Record(record) = within(reader.next()).await.unwrap() {
            return String::from_utf8(record.value.unwrap().to_vec()).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_made_once_shows_its_settings_and_is_gone_when_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), ANY).await;
    let kafka = Kafka::new(&broker.addr().to_string(), &[]).unwrap();
    let spec = TopicSpec::new("t")
        .partitions(3)
        .set("retention.ms", "1234567");
    assert_eq!(kafka.create_topic(spec.clone()).await, Ok(Created::New));
    assert_eq!(kafka.create_topic(spec).await, Ok(Created::AlreadyThere));
    let info = kafka.topic("t").await.unwrap();
    assert_eq!(info.partitions.len(), 3);
    assert!(
        info.partitions
            .iter()
            .all(|p| p.leader.is_some() && p.isr == p.replicas)
    );
    let settings = kafka.topic_config("t").await.unwrap();
    let retention = settings.iter().find(|s| s.name == "retention.ms").unwrap();
    assert_eq!(retention.value.as_deref(), Some("1234567"));
    assert!(!retention.default);
    assert_eq!(
        kafka.brokers().await.unwrap()[0].address,
        broker.addr().to_string()
    );

    let mut reader = kafka
        .reader("t", From::Live, ReaderOptions::default())
        .await
        .unwrap();
    kafka.delete_topic("t").await.unwrap();
    let error = within(async {
        loop {
            if let Err(error) = reader.next().await {
                break error;
            }
        }
    })
    .await;
    let gone = ClientError::NoSuchTopic {
        topic: "t".to_owned(),
    };
    assert_eq!(error, gone);
    assert_eq!(kafka.delete_topic("t").await, Err(gone.clone()));
    assert_eq!(kafka.topic_config("t").await, Err(gone.clone()));
    assert_eq!(kafka.watermarks("t").await, Err(gone));
    assert_eq!(
        kafka.create_topic(TopicSpec::new("no/topic")).await,
        Err(ClientError::BadTopicName {
            topic: "no/topic".to_owned()
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_starts_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), ANY).await;
    let kafka = Kafka::new(&broker.addr().to_string(), &[]).unwrap();
    kafka.create_topic(TopicSpec::new("t")).await.unwrap();
    let producer = kafka.producer(ProducerOptions::default()).unwrap();
    let now = weir_base::time::Clock::now(&SystemClock::new());
    for i in 0..10_i64 {
        let record = NewRecord::new("t", i.to_string()).timestamp(now.plus_ms(i * 1_000 - 60_000));
        within(producer.send(record).await.unwrap()).await.unwrap();
    }
    for (at, want) in [(-60_000, "0"), (-55_500, "5"), (-55_000, "5")] {
        let mut reader = kafka
            .reader("t", From::Time(now.plus_ms(at)), ReaderOptions::default())
            .await
            .unwrap();
        assert_eq!(value(&mut reader).await, want, "{at}");
    }
    let mut reader = kafka
        .reader("t", From::Time(Timestamp(-5)), ReaderOptions::default())
        .await
        .unwrap();
    assert_eq!(value(&mut reader).await, "0");
    // After the last record: what comes next.
    let mut reader = kafka
        .reader("t", From::Time(now), ReaderOptions::default())
        .await
        .unwrap();
    within(producer.send(NewRecord::new("t", "new")).await.unwrap())
        .await
        .unwrap();
    assert_eq!(value(&mut reader).await, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_broker_that_ends_and_comes_back_nothing_is_lost_and_nothing_comes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let first = broker(folder.path(), ANY).await;
    let addr = first.addr();
    let kafka = Kafka::new(&addr.to_string(), &[]).unwrap();
    kafka.create_topic(TopicSpec::new("t")).await.unwrap();
    let mut reader = kafka
        .reader("t", From::Start, ReaderOptions::default())
        .await
        .unwrap();
    let producer = kafka.producer(ProducerOptions::default()).unwrap();
    let sending = tokio::spawn(async move {
        for i in 0..400 {
            drop(
                producer
                    .send(NewRecord::new("t", i.to_string()))
                    .await
                    .unwrap(),
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        producer.flush().await.unwrap();
    });
    for want in 0..100 {
        assert_eq!(value(&mut reader).await, want.to_string());
    }
    first.shutdown().await;
    loop {
        match within(reader.next()).await.unwrap() {
            Event::Disconnected { why } => {
                assert!(why.contains("nobody listens"), "{why}");
                break;
            }
            Event::Record(record) => assert!(record.offset >= 100),
            _ => {}
        }
    }
    let next = reader.positions()[0].1;
    let _second = broker(folder.path(), addr).await;
    for want in next..400 {
        assert_eq!(value(&mut reader).await, want.to_string());
    }
    within(sending).await.unwrap();
    assert_eq!(kafka.watermarks("t").await.unwrap()[0].end, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_resumes_is_no_member_of_its_group_and_waits_for_none() {
    let folder = tempfile::tempdir().unwrap();
    let config = BrokerConfig {
        data_dir: folder.path().to_owned(),
        listen: ANY,
        // Were the group joined, the first record would come after an hour.
        settings: Settings::parse([(
            "group.initial.rebalance.delay.ms".to_owned(),
            "3600000".to_owned(),
        )])
        .unwrap(),
    };
    let broker = weir_broker::start(config, Arc::new(RealFs), Arc::new(SystemClock::new()))
        .await
        .unwrap();
    let kafka = Kafka::new(&broker.addr().to_string(), &[]).unwrap();
    kafka.create_topic(TopicSpec::new("t")).await.unwrap();
    let producer = kafka.producer(ProducerOptions::default()).unwrap();
    for text in ["a", "b"] {
        let sent = producer.send(NewRecord::new("t", text)).await.unwrap();
        within(sent).await.unwrap();
    }
    for want in ["a", "b"] {
        let from = From::Resume {
            group: "tv".to_owned(),
        };
        let mut reader = kafka
            .reader("t", from, ReaderOptions::default())
            .await
            .unwrap();
        assert_eq!(value(&mut reader).await, want);
        within(reader.commit(&[(0, reader.positions()[0].1)]))
            .await
            .unwrap();
        assert!(kafka.group("tv").await.unwrap().members.is_empty());
    }
}
