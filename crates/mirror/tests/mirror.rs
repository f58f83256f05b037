//! A mirror between two embedded brokers: what goes along, what is refused, and what any end of it leaves.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

mod world;

use std::time::Duration;

use weir_base::time::Timestamp;
use weir_client::{NewRecord, ProducerOptions, TopicSpec};
use weir_mirror::{Mirror, MirrorError, Told};

use world::{World, all, contents, within};

/// A time that no clock of this test shows.
const AT: i64 = 1_700_000_000_000;

async fn publish(world: &World, topic: &str, partitions: i32, numbers: std::ops::Range<i64>) {
    let producer = world.from.producer(ProducerOptions::default()).unwrap();
    for number in numbers {
        let mut record = NewRecord::new(topic, format!("value {number}"))
            .key(format!("key {}", number % 7))
            .header("number", number.to_string())
            .header("number", "again")
            .timestamp(Timestamp(AT + number));
        record.partition = Some((number % i64::from(partitions)) as i32);
        let sent = producer.send(record).await.unwrap();
        drop(sent);
    }
    within(producer.flush()).await.unwrap();
}

fn only(topic: &str) -> Mirror {
    Mirror {
        topics: vec![topic.to_owned()],
        ..Mirror::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_go_along_with_keys_headers_times_partitions_and_offsets_and_topics_with_their_settings()
 {
    let world = World::new().await;
    let spec = TopicSpec::new("t").partitions(3);
    let spec = spec
        .set("retention.ms", "-1")
        .set("max.message.bytes", "2000000");
    world.from.create_topic(spec).await.unwrap();
    world
        .from
        .create_topic(TopicSpec::new("empty"))
        .await
        .unwrap();
    publish(&world, "t", 3, 0..500).await;
    let told = world.once(Mirror::default()).await.unwrap();
    assert_eq!(told.last(), Some(&Told::CaughtUp { since: 0 }), "{told:?}");
    let (from, to) = (all(&world.from, "t").await, all(&world.to, "t").await);
    assert_eq!(from.len(), 500);
    assert_eq!(from, to);
    assert_eq!(world.to.topic("empty").await.unwrap().partitions.len(), 1);
    for (name, value) in [("retention.ms", "-1"), ("max.message.bytes", "2000000")] {
        let settings = world.to.topic_config("t").await.unwrap();
        let found = settings.iter().find(|setting| setting.name == name);
        let found = found.map(|setting| (setting.value.as_deref(), setting.default));
        assert_eq!(found, Some((Some(value), false)), "{name}");
    }
    // Nothing comes twice, and nothing is made of the mirror's own topics.
    publish(&world, "t", 3, 500..600).await;
    world.once(Mirror::default()).await.unwrap();
    assert_eq!(all(&world.from, "t").await, all(&world.to, "t").await);
    let topics = world.to.topics().await.unwrap();
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    assert_eq!(
        names.iter().filter(|name| !name.starts_with("__")).count(),
        2,
        "{names:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_a_time_has_none_on_the_other_side_and_one_of_1970_stays_there() {
    let world = World::new().await;
    world.from.create_topic(TopicSpec::new("t")).await.unwrap();
    let producer = world.from.producer(ProducerOptions::default()).unwrap();
    for at in [-1, 1, AT, -1] {
        let record = NewRecord::new("t", "value").timestamp(Timestamp(at));
        drop(producer.send(record).await.unwrap());
    }
    within(producer.flush()).await.unwrap();
    world.once(only("t")).await.unwrap();
    let times: Vec<Option<i64>> = all(&world.to, "t")
        .await
        .iter()
        .map(|record| record.timestamp.map(|at| at.0))
        .collect();
    assert_eq!(times, [None, Some(1), Some(AT), None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_at_exactly_its_next_record_where_transactions_have_moved_the_offsets() {
    let world = World::new().await;
    world.from.create_topic(TopicSpec::new("t")).await.unwrap();
    let producer = world
        .from
        .transactional_producer("lines", ProducerOptions::default())
        .await
        .unwrap();
    for batch in 0..20 {
        let records: Vec<NewRecord> = (0..3)
            .map(|number| NewRecord::new("t", format!("{batch} {number}")))
            .collect();
        within(producer.write(&records)).await.unwrap();
    }
    let source = all(&world.from, "t").await;
    for (index, record) in source.iter().enumerate() {
        let group = format!("g{index}");
        let next = [(0, record.offset + 1)];
        world.from.commit(&group, "t", &next).await.unwrap();
    }
    world.once(only("t")).await.unwrap();
    let target = all(&world.to, "t").await;
    assert_eq!(contents(&source), contents(&target));
    assert_ne!(source.last().unwrap().offset, target.last().unwrap().offset);
    for index in 0..source.len() {
        let committed = world.to.committed(&format!("g{index}"), "t").await.unwrap();
        let next = target
            .get(index + 1)
            .map_or(target.len() as i64, |record| record.offset);
        assert_eq!(committed[0].offset, Some(next), "g{index}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_when_it_is_safe_to_switch_and_when_no_longer_and_takes_up_what_is_new() {
    let world = World::new().await;
    world.from.create_topic(TopicSpec::new("t")).await.unwrap();
    publish(&world, "t", 1, 0..10).await;
    let mirror = world.begin(Mirror::default());
    mirror.until_safe().await;
    mirror.heard.lock().unwrap().clear();
    publish(&world, "t", 1, 10..20).await;
    let not_safe = |told: &[Told]| told.iter().any(|t| matches!(t, Told::NotSafe { .. }));
    mirror.until(not_safe).await;
    mirror.until_safe().await;
    // A topic made meanwhile, and a partition.
    world
        .from
        .create_topic(TopicSpec::new("new"))
        .await
        .unwrap();
    publish(&world, "new", 1, 0..10).await;
    world.from.add_partitions("t", 2).await.unwrap();
    publish(&world, "t", 2, 20..40).await;
    let change = [("retention.ms".to_owned(), Some("86400000".to_owned()))];
    world.from.alter_topic_config("t", &change).await.unwrap();
    mirror
        .until(|told| {
            told.iter()
                .any(|told| matches!(told, Told::Setting { name, refused: None, .. } if name == "retention.ms"))
        })
        .await;
    within(async {
        while world.to.topic("t").await.unwrap().partitions.len() < 2
            || all(&world.to, "t").await.len() < 40
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(all(&world.from, "t").await, all(&world.to, "t").await);
    assert_eq!(all(&world.from, "new").await, all(&world.to, "new").await);
    mirror.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_dropped_anywhere_again_and_again_doubles_and_loses_nothing() {
    let world = World::new().await;
    let spec = TopicSpec::new("t").partitions(2);
    world.from.create_topic(spec).await.unwrap();
    let mut published = 0;
    for round in 0..4 {
        publish(&world, "t", 2, published..published + 3_000).await;
        published += 3_000;
        let mirror = world.begin(only("t"));
        let records = move |told: &[Told]| {
            told.iter()
                .any(|told| matches!(told, Told::Topic { .. } | Told::Progress(_)))
        };
        mirror.until(records).await;
        tokio::time::sleep(Duration::from_millis(7 * round)).await;
        mirror.task.abort();
    }
    world.once(only("t")).await.unwrap();
    assert_eq!(all(&world.from, "t").await, all(&world.to, "t").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_not_mirrored_are_never_taken_for_mirrored_ones() {
    let world = World::new().await;
    world.from.create_topic(TopicSpec::new("t")).await.unwrap();
    publish(&world, "t", 1, 0..10).await;
    world.to.create_topic(TopicSpec::new("t")).await.unwrap();
    let theirs = world.to.producer(ProducerOptions::default()).unwrap();
    let sent = theirs.send(NewRecord::new("t", "theirs")).await.unwrap();
    within(sent).await.unwrap();
    let refused = world.once(only("t")).await.unwrap_err();
    assert!(
        matches!(&refused, MirrorError::NotOurs { topic, records: 1 } if topic == "t"),
        "{refused}"
    );
    world.to.delete_topic("t").await.unwrap();
    world.once(only("t")).await.unwrap();
    assert_eq!(all(&world.to, "t").await.len(), 10);
    // Somebody has switched, and the mirror is started once more.
    let sent = theirs.send(NewRecord::new("t", "theirs")).await.unwrap();
    within(sent).await.unwrap();
    publish(&world, "t", 1, 10..20).await;
    let refused = world.once(only("t")).await.unwrap_err();
    assert!(
        matches!(refused, MirrorError::InUse { offset: 10, .. }),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_has_read_at_the_target_keeps_its_position_there() {
    let world = World::new().await;
    world.from.create_topic(TopicSpec::new("t")).await.unwrap();
    publish(&world, "t", 1, 0..10).await;
    world.from.commit("g", "t", &[(0, 4)]).await.unwrap();
    let mirror = world.begin(only("t"));
    mirror.until_safe().await;
    let there = world.to.committed("g", "t").await.unwrap();
    assert_eq!(there[0].offset, Some(4));
    // As a consumer there does.
    world.to.commit("g", "t", &[(0, 9)]).await.unwrap();
    world.from.commit("g", "t", &[(0, 6)]).await.unwrap();
    mirror
        .until(|told| {
            told.iter()
                .any(|told| matches!(told, Told::GroupLeft { group, .. } if group == "g"))
        })
        .await;
    let there = world.to.committed("g", "t").await.unwrap();
    assert_eq!(there[0].offset, Some(9));
    mirror.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn over_brokers_that_end_and_come_back_it_goes_on_by_itself() {
    let mut world = World::new().await;
    world.from.create_topic(TopicSpec::new("t")).await.unwrap();
    publish(&world, "t", 1, 0..100).await;
    let mirror = world.begin(only("t"));
    mirror.until_safe().await;
    for side in [1, 0] {
        let broker = world.brokers[side].take().unwrap();
        let address = broker.addr();
        broker.shutdown().await;
        mirror
            .until(|told| told.iter().any(|told| matches!(told, Told::Waiting { .. })))
            .await;
        mirror.heard.lock().unwrap().clear();
        let again = world::broker(world.folders[side].path(), address).await;
        world.brokers[side] = Some(again);
        publish(&world, "t", 1, 100..200).await;
        mirror.until_safe().await;
    }
    assert_eq!(all(&world.from, "t").await, all(&world.to, "t").await);
    assert_eq!(all(&world.to, "t").await.len(), 300);
    mirror.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_record_passes_one_that_the_target_refuses_and_it_goes_on_once_that_is_mended() {
    let world = World::new().await;
    world.from.create_topic(TopicSpec::new("t")).await.unwrap();
    publish(&world, "t", 1, 0..10).await;
    let mirror = world.begin(only("t"));
    mirror.until_safe().await;
    let small = [("max.message.bytes".to_owned(), Some("1000".to_owned()))];
    world.to.alter_topic_config("t", &small).await.unwrap();
    let producer = world.from.producer(ProducerOptions::default()).unwrap();
    let large = NewRecord::new("t", vec![b'x'; 5_000]);
    within(producer.send(large).await.unwrap()).await.unwrap();
    publish(&world, "t", 1, 10..20).await;
    mirror
        .until(|told| {
            told.iter()
                .any(|told| matches!(told, Told::Stopped { why, .. } if why.contains("max.message.bytes")))
        })
        .await;
    assert_eq!(all(&world.to, "t").await.len(), 10);
    // The source's limit is set again when the topic is tried again.
    mirror.until_safe().await;
    assert_eq!(all(&world.from, "t").await, all(&world.to, "t").await);
    mirror.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_mirrored_is_refused_in_one_sentence() {
    let world = World::new().await;
    let shutdown = tokio_util::sync::CancellationToken::new();
    let same = Mirror::default();
    let refused = same.run(&world.from, &world.from, shutdown.clone()).await;
    assert!(matches!(refused, Err(MirrorError::SameCluster(_))));
    let nowhere = std::net::TcpListener::bind(world::ANY).unwrap();
    let address = nowhere.local_addr().unwrap().to_string();
    drop(nowhere);
    let nowhere = weir_client::Kafka::new(&address, &[]).unwrap();
    let refused = Mirror::default().run(&world.from, &nowhere, shutdown).await;
    let text = refused.unwrap_err().to_string();
    assert!(
        text.starts_with(&format!("no Kafka at {address} (--to)")),
        "{text}"
    );
    let refused = world.once(only("none")).await.unwrap_err().to_string();
    assert!(
        refused.starts_with("--from: there is no topic \"none\""),
        "{refused}"
    );
    let spec = TopicSpec::new("t").partitions(2);
    world.from.create_topic(spec).await.unwrap();
    world.to.create_topic(TopicSpec::new("t")).await.unwrap();
    let refused = world.once(only("t")).await.unwrap_err().to_string();
    assert!(refused.contains("--partitions 2"), "{refused}");
}
