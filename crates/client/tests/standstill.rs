//! What somebody who waits is told while leaders are away, against the mock cluster inside librdkafka.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::mocking::{MockCluster, MockCoordinator};
use rdkafka::producer::DefaultProducerContext;
use tokio::sync::watch;
use weir_base::progress::{Progress, Snapshot};
use weir_client::{
    Acks, ClientError, Event, From, Kafka, NewRecord, ProducerOptions, ReaderOptions,
};

fn three() -> (MockCluster<'static, DefaultProducerContext>, Kafka) {
    let cluster = MockCluster::new(3).unwrap();
    cluster.create_topic("video", 1, 3).unwrap();
    cluster.partition_leader("video", 0, Some(2)).unwrap();
    let kafka = Kafka::new(&cluster.bootstrap_servers(), &[]).unwrap();
    (cluster, kafka)
}

/// As in an election: the leader's connections end, and nobody leads. In this order: the mock does not survive a record that reaches a
/// broker while nobody leads.
fn leader_dies(cluster: &MockCluster<'static, DefaultProducerContext>) {
    cluster.broker_down(2).unwrap();
    cluster.partition_leader("video", 0, None).unwrap();
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), future)
        .await
        .expect("an answer within the time any machine needs")
}

async fn until(
    standstill: &mut watch::Receiver<Option<ClientError>>,
    wanted: impl FnMut(&Option<ClientError>) -> bool,
) -> String {
    let why = within(standstill.wait_for(wanted)).await.unwrap().clone();
    why.map(|why| why.to_string()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_and_who_leads_are_one_answer() {
    let (_cluster, kafka) = three();
    let found = within(kafka.cluster()).await.unwrap();
    let ids: Vec<_> = found.brokers.iter().map(|broker| broker.id).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(found.topics[0].name, "video");
    assert_eq!(found.topics[0].partitions[0].leader, Some(2));
    for broker in &found.brokers {
        assert_eq!(broker.knock().await, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_wait_for_a_leader_say_so_and_go_on_by_themselves() {
    let (cluster, kafka) = three();
    let producer = kafka.producer(ProducerOptions::default()).unwrap();
    let send = || producer.send(NewRecord::new("video", "value"));
    within(send().await.unwrap()).await.unwrap();
    let mut standstill = producer.standstill();
    assert_eq!(*standstill.borrow(), None);

    leader_dies(&cluster);
    let waiting = send().await.unwrap();
    let said = until(&mut standstill, Option::is_some).await;
    assert!(
        said.contains("partition 0 of topic \"video\" has no leader"),
        "{said}"
    );
    assert_eq!(
        kafka
            .cannot_write("video", Acks::All)
            .await
            .map(|e| e.to_string()),
        Some(said)
    );
    cluster.partition_leader("video", 0, Some(1)).unwrap();
    within(waiting).await.unwrap();
    until(&mut standstill, Option::is_none).await;
}

/// Keeps what it is told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Progress for Told {
    fn update(&self, _snapshot: &Snapshot) {}

    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wants_to_be_told_hears_of_the_standstill_and_of_its_end_once() {
    let (cluster, kafka) = three();
    let producer = kafka.producer(ProducerOptions::default()).unwrap();
    let told = Arc::new(Told::default());
    producer.tell_standstill(told.clone());
    let mut standstill = producer.standstill();
    let send = || producer.send(NewRecord::new("video", "value"));
    within(send().await.unwrap()).await.unwrap();
    leader_dies(&cluster);
    let waiting = send().await.unwrap();
    let why = until(&mut standstill, Option::is_some).await;
    cluster.partition_leader("video", 0, Some(1)).unwrap();
    within(waiting).await.unwrap();
    until(&mut standstill, Option::is_none).await;
    let all = || told.0.lock().unwrap().clone();
    within(async {
        while all().len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(all(), [why.as_str(), weir_client::GOING_ON]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_waits_for_a_leader_says_so_and_is_committed_when_there_is_one() {
    let (cluster, kafka) = three();
    cluster
        .coordinator(MockCoordinator::Transaction("lines".to_owned()), 1)
        .unwrap();
    let options = ProducerOptions::default();
    let producer = within(kafka.transactional_producer("lines", options))
        .await
        .unwrap();
    cluster.create_topic("places", 1, 3).unwrap();
    cluster.partition_leader("places", 0, Some(1)).unwrap();
    let records = [
        NewRecord::new("video", "a line"),
        NewRecord::new("places", "behind it"),
    ];
    within(producer.write(&records)).await.unwrap();
    leader_dies(&cluster);
    let mut standstill = producer.standstill();
    let mut writing = Box::pin(producer.write(&records));
    let said = tokio::select! {
        said = until(&mut standstill, Option::is_some) => said,
        ended = &mut writing => panic!("nothing leads, and it ended with {ended:?}"),
    };
    assert!(said.contains("\"video\" has no leader"), "{said}");
    cluster.partition_leader("video", 0, Some(1)).unwrap();
    within(writing).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_whose_leader_is_gone_says_what_it_waits_for_and_goes_on() {
    let (cluster, kafka) = three();
    let producer = kafka.producer(ProducerOptions::default()).unwrap();
    let send = || producer.send(NewRecord::new("video", "value"));
    within(send().await.unwrap()).await.unwrap();
    let mut reader = kafka
        .reader("video", From::Start, ReaderOptions::default())
        .await
        .unwrap();
    while !matches!(within(reader.next()).await.unwrap(), Event::Record(_)) {}
    leader_dies(&cluster);
    let why = loop {
        if let Event::Disconnected { why } = within(reader.next()).await.unwrap() {
            break why;
        }
    };
    assert!(why.contains("\"video\""), "{why}");
    assert!(why.contains("goes on by itself"), "{why}");
    cluster.partition_leader("video", 0, Some(3)).unwrap();
    while within(reader.next()).await.unwrap() != Event::Reconnected {}
    within(send().await.unwrap()).await.unwrap();
    while !matches!(within(reader.next()).await.unwrap(), Event::Record(_)) {}
}
