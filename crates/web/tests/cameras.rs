//! Several cameras, or codecs, in one topic: each viewer gets pictures that belong together.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

mod world;

use bytes::Bytes;
use weir_client::NewRecord;
use world::{Camera, World, jpegs};

fn of(key: &'static str, pictures: Vec<NewRecord>) -> Vec<NewRecord> {
    let keyed = |record| NewRecord {
        key: Some(Bytes::from_static(key.as_bytes())),
        ..record
    };
    pictures.into_iter().map(keyed).collect()
}

/// One of each in turn.
fn in_turn(a: Vec<NewRecord>, b: Vec<NewRecord>) -> Vec<NewRecord> {
    a.into_iter().zip(b).flat_map(|(a, b)| [a, b]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_cameras_in_a_topic_a_viewer_sees_one_and_may_name_the_other() {
    let world = World::start().await;
    world.topic("yard").await;
    let (mut door, mut gate) = (Camera::new("yard", 10), Camera::new("yard", 10));
    world.publish(of("door", door.pictures(2))).await;
    let records = in_turn(of("door", door.pictures(20)), of("gate", gate.pictures(20)));
    world.publish(records).await;

    // Two of the door's, then one of each in turn.
    let mut all = world.socket("/topics/yard/live?from=start").await;
    let doors: Vec<i64> = [0, 1].into_iter().chain((1..=20).map(|n| 2 * n)).collect();
    assert_eq!(all.offsets_to(40).await, doors);
    let mut gates = world.socket("/topics/yard/live?from=start&key=gate").await;
    let odd: Vec<i64> = (1..=20).map(|n| 2 * n + 1).collect();
    assert_eq!(gates.offsets_to(41).await, odd);

    let mut live = world.socket("/topics/yard/live?key=gate").await;
    assert_eq!(live.offset().await % 2, 1);
    let told = live.text("keys").await;
    assert_eq!(told["keys"], serde_json::json!(["door", "gate"]));
    assert_eq!(told["shown"], "gate");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_takes_the_place_of_another_is_shown_on_the_same_time_line() {
    let world = World::start().await;
    world.topic("yard").await;
    world
        .publish(of("old", Camera::new("yard", 10).pictures(20)))
        .await;
    let mut player = world.socket("/topics/yard/live?from=start").await;
    assert_eq!(player.offsets_to(19).await, (0..20).collect::<Vec<_>>());
    let later = |record: NewRecord| NewRecord {
        timestamp: record.timestamp.map(|at| at.plus_ms(60_000)),
        ..record
    };
    let new = of("new", Camera::new("yard", 10).pictures(10));
    world.publish(new.into_iter().map(later)).await;
    let mut last_pts_us = 19 * 40_000;
    for wanted in 20..30 {
        let (offset, pts_us) = player.picture().await;
        assert_eq!(offset, wanted);
        assert!(pts_us > last_pts_us, "{pts_us} after {last_pts_us}");
        last_pts_us = pts_us;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stills_among_video_stop_no_player() {
    let world = World::start().await;
    world.topic("yard").await;
    let stills = jpegs("yard", 20)
        .into_iter()
        .map(|(record, _)| record)
        .collect();
    let records = in_turn(
        of("door", Camera::new("yard", 10).pictures(20)),
        of("door", stills),
    );
    world.publish(records).await;
    let mut player = world.socket("/topics/yard/live?from=start").await;
    assert_eq!(
        player.offsets_to(38).await,
        (0..20).map(|n| 2 * n).collect::<Vec<_>>()
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn video_whose_keys_never_come_again_is_shown_whole() {
    let world = World::start().await;
    world.topic("yard").await;
    let numbered = Camera::new("yard", 10).pictures(30).into_iter().enumerate();
    let records = numbered.map(|(n, record)| NewRecord {
        key: Some(n.to_string().into()),
        ..record
    });
    world.publish(records).await;
    let mut player = world.socket("/topics/yard/live?from=start").await;
    assert_eq!(player.offsets_to(29).await, (0..30).collect::<Vec<_>>());
    world.end().await;
}
