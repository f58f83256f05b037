//! Pictures made small for posters and thumbnails, near the moment that was asked for.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

mod world;

use bytes::Bytes;
use weir_client::{NewRecord, TopicSpec};
use weir_media::jpeg;
use world::{Camera, World, jpegs};

fn of(key: &'static str, pictures: Vec<NewRecord>) -> Vec<NewRecord> {
    let keyed = |record| NewRecord {
        key: Some(Bytes::from_static(key.as_bytes())),
        ..record
    };
    pictures.into_iter().map(keyed).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_made_as_small_as_was_asked_and_never_larger() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 10).pictures(20)).await;
    world.topic("stills").await;
    let (records, files): (Vec<_>, Vec<_>) = jpegs("stills", 3).into_iter().unzip();
    world.publish(records).await;
    for (path, size) in [
        ("cam/snapshot.jpg?at=13&width=80", (80, 64)),
        ("cam/snapshot.jpg?at=13&width=16&near=key", (16, 13)),
        ("cam/snapshot.jpg?width=80", (80, 64)),
        ("cam/snapshot.jpg?at=13&width=160", (160, 128)),
        ("cam/snapshot.jpg?at=13&width=1920", (160, 128)),
        ("stills/snapshot.jpg?at=1&width=32", (32, 24)),
    ] {
        let picture = world.get(&format!("/topics/{path}")).await;
        assert_eq!(picture.status, 200, "{path}: {}", picture.text());
        assert_eq!(jpeg::size(&picture.body), Some(size), "{path}");
    }
    let as_it_is = world.get("/topics/stills/snapshot.jpg?at=1&width=64").await;
    assert_eq!(as_it_is.body, files[1]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn near_key_gives_the_key_frame_in_front_or_else_the_first_there_is() {
    let world = World::start().await;
    world.topic("cam").await;
    // Captured every 40 ms from 1 s on, a key frame every ten.
    world.publish(Camera::new("cam", 10).pictures(40)).await;
    for (at, offset) in [
        ("1970-01-01T00:00:01.320Z", 0),
        ("1970-01-01T00:00:01.399Z", 0),
        ("1970-01-01T00:00:01.400Z", 10),
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-31T12:00:00Z", 30),
        ("29", 20),
        ("-1", 30),
        ("start", 0),
        ("", 30),
    ] {
        let path = format!("/topics/cam/snapshot.jpg?at={at}&near=key");
        let picture = world.get(&path).await;
        assert_eq!(picture.status, 200, "{path}: {}", picture.text());
        assert_eq!(picture.header("weir-offset"), offset.to_string(), "{path}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn near_key_finds_the_camera_that_was_named_among_others_in_any_partition() {
    let world = World::start().await;
    world.topic("yard").await;
    let (mut door, mut gate) = (Camera::new("yard", 10), Camera::new("yard", 10));
    let doors = of("door", door.pictures(40));
    let gates = of("gate", gate.pictures(40));
    let both: Vec<_> = doors
        .into_iter()
        .zip(gates)
        .flat_map(|(a, b)| [a, b])
        .collect();
    world.publish(both).await;
    for (key, offset) in [("door", "40"), ("gate", "41")] {
        let path =
            format!("/topics/yard/snapshot.jpg?at=1970-01-01T00:00:02.160Z&near=key&key={key}");
        assert_eq!(
            world.get(&path).await.header("weir-offset"),
            offset,
            "{key}"
        );
    }
    world
        .get("/topics/yard/snapshot.jpg?at=1970-01-01T00:00:02Z&near=key&key=roof")
        .await
        .refuses(404, "at");
    world.topic_of(TopicSpec::new("wide").partitions(5)).await;
    world
        .publish(of("door", Camera::new("wide", 10).pictures(20)))
        .await;
    world
        .publish(of("gate", Camera::new("wide", 5).pictures(20)))
        .await;
    for (key, captured_ms) in [("door", "1400"), ("gate", "1600")] {
        let path =
            format!("/topics/wide/snapshot.jpg?at=1970-01-01T00:00:01.700Z&near=key&key={key}");
        let picture = world.get(&path).await;
        assert_eq!(picture.header("weir-timestamp-ms"), captured_ms, "{key}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_the_past_is_kept_by_who_has_it_and_one_of_now_is_not() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 10).pictures(20)).await;
    for (query, cache) in [
        ("at=1970-01-01T00:00:01Z", "private, max-age=3600"),
        (
            "at=1970-01-01T00:00:01Z&near=key&width=80",
            "private, max-age=3600",
        ),
        ("at=2036-01-01T00:00:00Z", "private, no-cache"),
        ("at=3", "private, no-cache"),
        ("at=-1", "no-store"),
        ("", "no-store"),
    ] {
        let path = format!("/topics/cam/snapshot.jpg?{query}");
        let first = world.get(&path).await;
        assert_eq!(first.header("cache-control"), cache, "{query}");
        let etag = first.header("etag").to_owned();
        let headers = [("if-none-match", etag.as_str())];
        let again = world.ask("GET", &path, &headers, Vec::new()).await;
        let kept = cache != "no-store";
        assert_eq!(again.status, if kept { 304 } else { 200 }, "{query}");
        assert_eq!(again.body.is_empty(), kept, "{query}");
    }
    let wide = world.get("/topics/cam/snapshot.jpg?at=3&width=80").await;
    let narrow = world.get("/topics/cam/snapshot.jpg?at=3&width=40").await;
    assert_ne!(wide.header("etag"), narrow.header("etag"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_poster_that_the_library_names_is_a_small_picture_of_that_film() {
    let world = World::start().await;
    world.topic("films").await;
    let key = "a film & more: ü/1";
    for (name, size) in [("other", (320, 256)), (key, (640, 360))] {
        let mut film = Camera::sized("films", 10, size);
        let records = film.pictures(20).into_iter().map(|record| NewRecord {
            key: Some(Bytes::copy_from_slice(name.as_bytes())),
            ..record
        });
        world.publish(records).await;
    }
    let library = loop {
        let library = world.json("/library").await;
        if library["videos"].as_array().unwrap().len() == 2 {
            break library;
        }
    };
    let videos = library["videos"].as_array().unwrap();
    let film = videos.iter().find(|video| video["key"] == key).unwrap();
    assert_eq!(
        (&film["width"], &film["height"]),
        (&640.into(), &360.into())
    );
    let poster = world.get(film["poster"].as_str().unwrap()).await;
    assert_eq!(poster.status, 200, "{}", poster.text());
    assert_eq!(poster.kind, "image/jpeg");
    assert_eq!(jpeg::size(&poster.body), Some((320, 180)));
    world.end().await;
}
