//! What there is to watch: found by looking here and there, whatever the topics are made of.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

mod world;

use bytes::Bytes;
use serde_json::Value;
use weir_base::time::{Clock as _, SystemClock, Timestamp};
use weir_client::{NewRecord, TopicSpec};
use world::{Camera, World, jpegs, vp9};

const HOUR_MS: i64 = 3_600_000;

fn of(key: &'static str, pictures: Vec<NewRecord>) -> impl Iterator<Item = NewRecord> {
    pictures.into_iter().map(move |record| NewRecord {
        key: Some(Bytes::from_static(key.as_bytes())),
        ..record
    })
}

/// The library once everything in it has been looked at.
async fn library(world: &World) -> Value {
    loop {
        let library = world.json("/library").await;
        if library["pending"] == 0 && !library["videos"].as_array().unwrap().is_empty() {
            return library;
        }
    }
}

fn spans(video: &Value) -> Vec<(i64, i64)> {
    let spans = video["spans"].as_array().unwrap().iter();
    spans
        .map(|span| {
            (
                span["from_ms"].as_i64().unwrap(),
                span["to_ms"].as_i64().unwrap(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_published_one_after_another_are_videos_of_their_own_with_their_own_spans() {
    let world = World::start().await;
    world.topic("films").await;
    for (key, from_ms, count) in [
        ("alien", 1_000, 3_000),
        ("brazil", HOUR_MS, 500),
        ("contact", 2 * HOUR_MS, 40),
        ("alien", 3 * HOUR_MS, 2_000),
    ] {
        world.publish(of(key, vp9("films", from_ms, count))).await;
    }
    for (key, wanted) in [
        (
            "alien",
            vec![
                (1_000, 1_000 + 2_999 * 40),
                (3 * HOUR_MS, 3 * HOUR_MS + 1_999 * 40),
            ],
        ),
        ("brazil", vec![(HOUR_MS, HOUR_MS + 499 * 40)]),
        ("contact", vec![(2 * HOUR_MS, 2 * HOUR_MS + 39 * 40)]),
    ] {
        let video = world
            .json(&format!("/topics/films/timeline?key={key}"))
            .await;
        assert_eq!(spans(&video), wanted, "{key}");
        let length_ms: i64 = wanted.iter().map(|(from, to)| to - from).sum();
        assert_eq!(video["length_ms"], length_ms, "{key}");
        assert_eq!(video["live"], false, "{key}");
        assert_eq!(video["content_type"], "video/vp9", "{key}");
    }
    // No decoder for VP9 is here.
    let brazil = world.json("/topics/films/timeline?key=brazil").await;
    assert_eq!(brazil["poster"], Value::Null);
    let all = world.json("/topics/films/timeline").await;
    assert_eq!(all["key"], Value::Null);
    assert_eq!(spans(&all).len(), 4);
    let library = library(&world).await;
    let videos = library["videos"].as_array().unwrap();
    let keys: Vec<_> = videos.iter().map(|v| v["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["alien", "contact", "brazil"], "the youngest first");
    assert_eq!(library["truncated"], false);
    world
        .get("/topics/films/timeline?key=duel")
        .await
        .refuses(404, "key");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_eleven_seconds_divides_a_recording_of_minutes() {
    let world = World::start().await;
    world.topic("yard").await;
    world.publish(vp9("yard", 1_000, 7_001)).await;
    let after_ms = 1_000 + 7_000 * 40 + 11_000;
    world.publish(vp9("yard", after_ms, 5_001)).await;
    let video = world.json("/topics/yard/timeline").await;
    let wanted = [
        (1_000, 1_000 + 7_000 * 40),
        (after_ms, after_ms + 5_000 * 40),
    ];
    assert_eq!(spans(&video), wanted);
    assert_eq!(video["key"], "camera");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_published_faster_than_it_plays_is_as_long_as_it_plays() {
    let world = World::start().await;
    world.topic("films").await;
    // 60 s by their `pts`, in half a second.
    let fast = |key, from_ms| {
        let hurried = vp9("films", from_ms, 1_501).into_iter().enumerate();
        let hurried = hurried.map(move |(n, record)| NewRecord {
            timestamp: Some(Timestamp(from_ms + n as i64 / 3)),
            ..record
        });
        of(key, hurried.collect())
    };
    world.publish(fast("alien", 1_000)).await;
    world.publish(fast("brazil", 2_000)).await;
    for (query, length_ms) in [
        ("?key=alien", 60_000),
        ("?key=brazil", 60_000),
        ("", 120_000),
    ] {
        let video = world.json(&format!("/topics/films/timeline{query}")).await;
        let told = video["length_ms"].as_i64().unwrap();
        assert!((told - length_ms).abs() < 5, "{query}: {told}");
    }
    let film = world.json("/topics/films/timeline?key=alien").await;
    assert_eq!(spans(&film), [(1_000, 1_500)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cameras_in_a_topic_are_two_videos_that_overlap() {
    let world = World::start().await;
    world.topic("yard").await;
    let doors = of("door", vp9("yard", 1_000, 1_000));
    let gates = of("gate", vp9("yard", 1_010, 1_000));
    let both: Vec<_> = doors.zip(gates).flat_map(|(a, b)| [a, b]).collect();
    world.publish(both).await;
    for (key, from_ms) in [("door", 1_000), ("gate", 1_010)] {
        let video = world
            .json(&format!("/topics/yard/timeline?key={key}"))
            .await;
        assert_eq!(spans(&video), [(from_ms, from_ms + 999 * 40)], "{key}");
        let records = video["records"].as_u64().unwrap();
        assert!((900..1_100).contains(&records), "{records}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_are_numbered_by_their_keys_are_one_video_without_a_key() {
    let world = World::start().await;
    world.topic("yard").await;
    let pictures = vp9("yard", 1_000, 900).into_iter().enumerate();
    let numbered = pictures.map(|(n, record)| NewRecord {
        key: Some(n.to_string().into()),
        ..record
    });
    world.publish(numbered).await;
    let library = library(&world).await;
    let videos = library["videos"].as_array().unwrap();
    assert_eq!(videos.len(), 1, "{videos:?}");
    assert_eq!(videos[0]["key"], Value::Null);
    assert_eq!(spans(&videos[0]), [(1_000, 1_000 + 899 * 40)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jpegs_without_headers_in_several_partitions_are_one_video_with_its_size() {
    let world = World::start().await;
    world.topic_of(TopicSpec::new("stills").partitions(6)).await;
    world
        .publish(jpegs("stills", 300).into_iter().map(|(record, _)| record))
        .await;
    let video = world.json("/topics/stills/timeline").await;
    assert_eq!(spans(&video), [(1_000, 1_000 + 299 * 40)]);
    assert_eq!(video["content_type"], "image/jpeg");
    assert_eq!(video["codec"], Value::Null);
    assert_eq!(
        (&video["width"], &video["height"]),
        (&64.into(), &48.into())
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_and_other_records_among_pictures_are_passed_over() {
    let world = World::start().await;
    world.topic("film").await;
    let mut pictures = Camera::new("film", 10);
    let sound = |record: &NewRecord| {
        let mut sound = NewRecord::new("film", Bytes::from_static(&[0xff, 0xf1, 0x50, 0x80]));
        sound.timestamp = record.timestamp;
        sound.key("camera").header("content-type", "audio/aac")
    };
    let both: Vec<_> = pictures
        .pictures(120)
        .into_iter()
        .flat_map(|record| [sound(&record), sound(&record), record])
        .collect();
    world.publish(both).await;
    let video = world.json("/topics/film/timeline?key=camera").await;
    assert_eq!(spans(&video), [(1_000, 1_000 + 119 * 40)]);
    assert_eq!(video["width"], 160);
    assert!(video["codec"].as_str().unwrap().starts_with("avc1."));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_is_found_at_the_end_and_a_camera_of_now_is_live() {
    let world = World::start().await;
    world.topic("yard").await;
    let now_ms = SystemClock::new().now().0;
    let hour_ago_ms = now_ms - HOUR_MS;
    world.publish(vp9("yard", hour_ago_ms, 100)).await;
    let before = world.json("/topics/yard/timeline").await;
    assert_eq!(before["live"], false);
    world.publish(vp9("yard", now_ms, 25)).await;
    loop {
        let after = world.json("/topics/yard/timeline").await;
        if after["to_ms"] == before["to_ms"] {
            continue; // what is known is good for a second
        }
        assert_eq!(after["live"], true);
        let wanted = [
            (hour_ago_ms, hour_ago_ms + 99 * 40),
            (now_ms, now_ms + 24 * 40),
        ];
        assert_eq!(spans(&after), wanted);
        break;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_viewer_is_shown_where_it_stopped_in_the_film_it_saw() {
    let world = World::start().await;
    world.topic("films").await;
    world.publish(of("alien", vp9("films", 1_000, 101))).await;
    world
        .publish(of("brazil", vp9("films", HOUR_MS, 101)))
        .await;
    // Half of the first film; all of it, which is also the beginning of the second.
    for (group, offset) in [("ann", 51), ("ben", 101), ("weir-words-x", 60)] {
        let committed = world.kafka.commit(group, "films", &[(0, offset)]).await;
        committed.unwrap();
    }
    let alien = world.json("/topics/films/timeline?key=alien").await;
    let viewers = alien["viewers"].as_array().unwrap();
    assert_eq!(viewers.len(), 2, "{viewers:?}");
    assert_eq!(viewers[0]["group"], "ann");
    assert_eq!(viewers[0]["at_ms"], 1_000 + 50 * 40);
    assert_eq!(viewers[0]["offset"], 51);
    assert_eq!(viewers[0]["part"], 0.5);
    assert_eq!(viewers[1]["group"], "ben");
    assert_eq!(viewers[1]["part"], 1.0);
    let brazil = world.json("/topics/films/timeline?key=brazil").await;
    assert_eq!(brazil["viewers"], serde_json::json!([]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_without_video_are_not_in_the_library_and_have_no_timeline() {
    let world = World::start().await;
    for topic in ["empty", "numbers", "film"] {
        world.topic(topic).await;
    }
    world.publish(vp9("film", 1_000, 3)).await;
    let number = NewRecord::new("numbers", Bytes::from_static(b"42"));
    world.publish([number.timestamp(Timestamp(1_000))]).await;
    for topic in ["empty", "numbers", "nowhere"] {
        world
            .get(&format!("/topics/{topic}/timeline"))
            .await
            .refuses(404, "topic");
    }
    let library = library(&world).await;
    let videos = library["videos"].as_array().unwrap();
    assert_eq!(videos.len(), 1);
    assert_eq!(videos[0]["topic"], "film");
    assert_eq!(library["problems"], serde_json::json!([]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_goes_to_the_library_gets_the_page() {
    let world = World::start().await;
    let headers = [("accept", "text/html,application/xhtml+xml")];
    let page = world.ask("GET", "/library", &headers, Vec::new()).await;
    assert_eq!(page.status, 200);
    assert!(page.kind.starts_with("text/html"), "{}", page.kind);
    assert!(page.header("vary").contains("accept"));
    let json = world.get("/library").await;
    assert_eq!(json.kind, "application/json");
    assert_eq!(json.header("cache-control"), "no-store");
    world.end().await;
}
