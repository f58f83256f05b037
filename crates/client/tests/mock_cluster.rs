//! The client against the mock cluster that comes inside librdkafka: real sockets, real protocol, no Kafka.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use weir_base::time::Timestamp;
use weir_client::{
    ClientError, Event, From, GroupReaderOptions, GroupStart, Kafka, NewRecord, ProducerOptions,
    Reader, ReaderOptions, Record,
};

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster(topic: &str, partitions: i32) -> (Cluster, Kafka) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(topic, partitions, 1).unwrap();
    let kafka = Kafka::new(&cluster.bootstrap_servers(), &[]).unwrap();
    (cluster, kafka)
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("an answer within the time any machine needs")
}

async fn record(reader: &mut Reader) -> Record {
    loop {
        if let Event::Record(record) = within(reader.next()).await.unwrap() {
            return record;
        }
    }
}

async fn publish(kafka: &Kafka, topic: &str, partition: i32, values: &[&str]) {
    let producer = kafka.producer(ProducerOptions::default()).unwrap();
    for value in values {
        let mut record = NewRecord::new(topic, value.to_string());
        record.partition = Some(partition);
        drop(producer.send(record).await.unwrap());
    }
    within(producer.flush()).await.unwrap();
}

fn text(record: &Record) -> String {
    String::from_utf8(record.value.as_deref().unwrap().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_read_with_key_headers_and_time() {
    let (_cluster, kafka) = cluster("t", 1);
    let producer = kafka.producer(ProducerOptions::default()).unwrap();
    let sent = NewRecord::new("t", "value")
        .key("key")
        .header("h", "1")
        .header("h", Bytes::from_static(b"\xff"))
        .timestamp(Timestamp(1_700_000_000_123));
    let delivered = within(producer.send(sent).await.unwrap()).await.unwrap();
    assert_eq!((delivered.partition, delivered.offset), (0, 0));

    let mut reader = kafka
        .reader("t", From::Start, ReaderOptions::default())
        .await
        .unwrap();
    let record = record(&mut reader).await;
    assert_eq!(&*record.topic, "t");
    assert_eq!(record.key.as_deref(), Some(&b"key"[..]));
    assert_eq!(record.value.as_deref(), Some(&b"value"[..]));
    assert_eq!(record.timestamp, Some(Timestamp(1_700_000_000_123)));
    assert_eq!(record.header("h"), Some(&b"\xff"[..]));
    assert_eq!(record.headers.len(), 2);
    assert_eq!(
        within(reader.next()).await.unwrap(),
        Event::CaughtUp { partition: 0 }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_reader_gets_what_comes_and_nothing_older() {
    let (_cluster, kafka) = cluster("t", 1);
    publish(&kafka, "t", 0, &["old"]).await;
    let mut reader = kafka
        .reader("t", From::Live, ReaderOptions::default())
        .await
        .unwrap();
    assert_eq!(
        within(reader.next()).await.unwrap(),
        Event::CaughtUp { partition: 0 }
    );
    publish(&kafka, "t", 0, &["new"]).await;
    assert_eq!(text(&record(&mut reader).await), "new");
    assert_eq!(reader.positions(), [(0, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_starts_at_an_offset_or_so_many_records_from_the_end() {
    let (_cluster, kafka) = cluster("t", 1);
    publish(&kafka, "t", 0, &["a", "b", "c", "d"]).await;
    for (from, want) in [
        (From::Offset(1), "b"),
        (From::Last(1), "d"),
        (From::Last(99), "a"),
        (From::Positions(vec![(0, 2)]), "c"),
        (From::Positions(vec![(7, 2)]), "a"),
    ] {
        let mut reader = kafka
            .reader("t", from.clone(), ReaderOptions::default())
            .await
            .unwrap();
        assert_eq!(text(&record(&mut reader).await), want, "{from:?}");
    }
    let error = kafka
        .reader("t", From::Offset(5), ReaderOptions::default())
        .await
        .err()
        .unwrap();
    assert!(
        matches!(
            error,
            ClientError::OffsetOutOfRange {
                start: 0,
                end: 4,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ends_of_a_topic_are_asked_for_again_while_its_leaders_change() {
    use RDKafkaRespErr::{
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    };
    let (cluster, kafka) = cluster("t", 2);
    publish(&kafka, "t", 0, &["a", "b"]).await;
    for error in [
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    ] {
        cluster.request_errors(RDKafkaApiKey::ListOffsets, &[error, error, error]);
        let marks = within(kafka.watermarks("t")).await.unwrap();
        assert_eq!(marks[0].end, 2, "{error:?}");
        cluster.clear_request_errors(RDKafkaApiKey::ListOffsets);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_trying_on_cannot_help_is_told_at_once() {
    let (cluster, kafka) = cluster("t", 1);
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::ListOffsets, &[denied]);
    let error = within(kafka.watermarks("t")).await.unwrap_err();
    assert_eq!(error.kind(), weir_client::ErrorKind::Denied, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_position_is_kept_without_joining_a_group() {
    let (_cluster, kafka) = cluster("t", 1);
    publish(&kafka, "t", 0, &["a", "b", "c"]).await;
    let from = From::Resume {
        group: "tv".to_owned(),
    };
    let mut reader = kafka
        .reader("t", from.clone(), ReaderOptions::default())
        .await
        .unwrap();
    assert_eq!(text(&record(&mut reader).await), "a");
    assert_eq!(text(&record(&mut reader).await), "b");
    within(reader.commit(&[(0, 2)])).await.unwrap();
    drop(reader);

    let committed = within(kafka.committed("tv", "t")).await.unwrap();
    assert_eq!(committed[0].offset, Some(2));
    let mut reader = kafka
        .reader("t", from, ReaderOptions::default())
        .await
        .unwrap();
    assert_eq!(text(&record(&mut reader).await), "c");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_partition_is_read_and_catches_up_once() {
    let (_cluster, kafka) = cluster("t", 3);
    publish(&kafka, "t", 0, &["a", "b"]).await;
    publish(&kafka, "t", 2, &["c"]).await;
    let mut reader = kafka
        .reader("t", From::Start, ReaderOptions::default())
        .await
        .unwrap();
    let (mut values, mut caught_up) = (Vec::new(), Vec::new());
    while caught_up.len() < 3 {
        match within(reader.next()).await.unwrap() {
            Event::Record(record) => values.push(text(&record)),
            Event::CaughtUp { partition } => caught_up.push(partition),
            other => panic!("{other:?}"),
        }
    }
    values.sort();
    caught_up.sort_unstable();
    assert_eq!(values, ["a", "b", "c"]);
    assert_eq!(caught_up, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_larger_than_a_fetch_comes_all_the_same() {
    let (_cluster, kafka) = cluster("t", 1);
    let producer = kafka.producer(ProducerOptions::default()).unwrap();
    let value = vec![7_u8; 3_000_000];
    within(
        producer
            .send(NewRecord::new("t", value.clone()))
            .await
            .unwrap(),
    )
    .await
    .unwrap();
    let options = ReaderOptions {
        fetch_bytes: 10_000,
        max_queued_bytes: 50_000,
        ..ReaderOptions::default()
    };
    let mut reader = kafka.reader("t", From::Start, options).await.unwrap();
    assert_eq!(record(&mut reader).await.value.unwrap(), value);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_bytes_are_under_way_than_stated_and_every_record_arrives() {
    let (_cluster, kafka) = cluster("t", 1);
    let producer = kafka
        .producer(ProducerOptions {
            max_in_flight_bytes: 5_000,
            ..ProducerOptions::default()
        })
        .unwrap();
    for _ in 0..200 {
        drop(
            within(producer.send(NewRecord::new("t", vec![1_u8; 1_000])))
                .await
                .unwrap(),
        );
        assert!(producer.in_flight_bytes() <= 5_000);
    }
    within(producer.flush()).await.unwrap();
    assert_eq!(producer.in_flight_bytes(), 0);
    assert_eq!(kafka.watermarks("t").await.unwrap()[0].end, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_there_is_named_and_not_made() {
    let (_cluster, kafka) = cluster("t", 1);
    for _ in 0..2 {
        let error = within(kafka.reader("nope", From::Start, ReaderOptions::default()))
            .await
            .err()
            .unwrap();
        assert_eq!(
            error,
            ClientError::NoSuchTopic {
                topic: "nope".to_owned()
            }
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_go_away_and_come_back_are_told_and_nothing_is_missed() {
    let (cluster, kafka) = cluster("t", 1);
    publish(&kafka, "t", 0, &["before"]).await;
    let mut reader = kafka
        .reader("t", From::Start, ReaderOptions::default())
        .await
        .unwrap();
    assert_eq!(text(&record(&mut reader).await), "before");
    cluster.broker_down(1).unwrap();
    loop {
        if let Event::Disconnected { why } = within(reader.next()).await.unwrap() {
            assert!(!why.is_empty());
            break;
        }
    }
    cluster.broker_up(1).unwrap();
    loop {
        if within(reader.next()).await.unwrap() == Event::Reconnected {
            break;
        }
    }
    publish(&kafka, "t", 0, &["after"]).await;
    assert_eq!(text(&record(&mut reader).await), "after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_shares_the_partitions_and_goes_on_where_it_committed() {
    let (_cluster, kafka) = cluster("t", 1);
    publish(&kafka, "t", 0, &["a", "b"]).await;
    let mut member = kafka
        .group_reader(&["t"], "g", GroupReaderOptions::default())
        .await
        .unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        if let Event::Record(record) = within(member.next()).await.unwrap() {
            seen.push(text(&record));
        }
    }
    assert_eq!(seen, ["a", "b"]);
    within(member.commit()).await.unwrap();
    within(member.close()).await;
    let committed = within(kafka.committed("g", "t")).await.unwrap();
    assert_eq!(committed[0].offset, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_says_itself_from_where_may_change_its_mind_at_any_moment() {
    let (_cluster, kafka) = cluster("t", 3);
    for partition in 0..3 {
        publish(&kafka, "t", partition, &["a", "b"]).await;
    }
    let options = GroupReaderOptions {
        start: GroupStart::Asked,
        ..GroupReaderOptions::default()
    };
    let mut member = kafka.group_reader(&["t"], "g", options).await.unwrap();
    loop {
        if let Event::Assigned { partitions } = within(member.next()).await.unwrap() {
            assert_eq!(partitions.len(), 3);
            break;
        }
    }
    let topic: Arc<str> = Arc::from("t");
    // The library would abort the process, were it told all of this as it is said.
    for round in 0..20 {
        for partition in 0..3 {
            member.read_from(&[(topic.clone(), partition, 0)]).unwrap();
            if round % 2 == 0 {
                member.hold(&topic, partition).unwrap();
            }
        }
    }
    for partition in 0..3 {
        member.read_from(&[(topic.clone(), partition, 1)]).unwrap();
    }
    let mut seen = BTreeSet::new();
    while seen.len() < 3 {
        if let Event::Record(record) = within(member.next()).await.unwrap() {
            assert_eq!((record.offset, text(&record).as_str()), (1, "b"));
            assert!(seen.insert(record.partition), "given out twice");
        }
    }
    within(member.close()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_goes_to_the_partition_kafkas_java_client_gives_it() {
    let (_cluster, kafka) = cluster("t", 3);
    let producer = kafka.producer(ProducerOptions::default()).unwrap();
    // Utils.toPositive(Utils.murmur2("21".getBytes())) % 3: murmur2("21") = -973932308 by Kafka's own UtilsTest.
    let sent = producer
        .send(NewRecord::new(Arc::<str>::from("t"), "v").key("21"))
        .await
        .unwrap();
    let delivered = within(sent).await.unwrap();
    assert_eq!(
        delivered.partition,
        (-973_932_308_i32).wrapping_add(i32::MAX).wrapping_add(1) % 3
    );
}
