//! Sound beside the pictures of a topic: whoever reads pictures loses none for it.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

mod world;

use std::io::Cursor;

use weir_media::container;
use weir_web::export::Export;
use world::{Camera, World, sound, with_sound};

/// A picture, then two of sound, and again; a key frame every ten pictures.
async fn world(pictures: u64) -> World {
    let world = World::start().await;
    world.topic("film").await;
    let pictures = Camera::new("film", 10).pictures(pictures);
    world.publish(with_sound("film", pictures)).await;
    world
}

/// The first record of each sound's third picture, as the publisher counts.
fn offsets(pictures: std::ops::Range<i64>) -> Vec<i64> {
    pictures.map(|n| n * 3).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_with_sound_is_a_video_topic_and_its_pictures_are_all_there() {
    let world = world(30).await;
    let topic = loop {
        // The next look at the topics sees it.
        let overview = world.json("/overview").await;
        let topics = overview["topics"].as_array().unwrap().clone();
        let topic = topics.into_iter().find(|topic| topic["name"] == "film");
        match topic.filter(|topic| topic["kind"] != "empty") {
            Some(topic) => break topic,
            None => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    };
    assert_eq!(topic["kind"], "video");
    assert_eq!(topic["content_type"], "video/h264");

    let mut player = world.socket("/topics/film/live?from=start").await;
    assert_eq!(player.offsets_to(87).await, offsets(0..30));
    // Where sound is asked for, what it belongs to comes first: the key frame of the third ten, and on.
    let mut player = world.socket("/topics/film/live?from=80").await;
    assert_eq!(player.offsets_to(87).await, offsets(20..30));
    // The newest record is sound.
    let mut player = world.socket("/topics/film/live").await;
    assert_eq!(player.offsets_to(87).await, offsets(20..30));

    let told = |path: &str| format!("/topics/film/{path}");
    for (path, offset) in [
        (told("snapshot.jpg"), "87"),
        (told("snapshot.jpg?at=-1"), "87"),
        (told("snapshot.jpg?at=44"), "45"),
        (told("snapshot.jpg?at=1970-01-01T00:00:01.210Z"), "15"),
    ] {
        let answer = world.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("weir-offset"), offset, "{path}");
    }

    let parts = |body: &[u8]| body.windows(2).filter(|at| at == b"\xff\xd9").count();
    let answer = world
        .read_until("/topics/film/video.mjpeg?from=start", &[], move |body| {
            parts(body) >= 30
        })
        .await;
    assert_eq!(answer.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_cut_out_between_sound() {
    let world = world(30).await;
    for (from, to, wanted) in [("", "", 30), ("4", "85", 29)] {
        let mark = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        let export = Export {
            topic: "film".into(),
            from: mark(from),
            to: mark(to),
            key: None,
        };
        let mut out = Cursor::new(Vec::new());
        let cut = export.open(&world.kafka).await.unwrap();
        cut.write_file(&mut out, |_| {}).await.unwrap();
        let mut film = container::open(Cursor::new(out.into_inner())).unwrap();
        let count = std::iter::from_fn(|| film.next().unwrap()).count();
        assert_eq!(count, wanted, "{from} {to}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_alone_is_told_for_what_it_is() {
    let world = World::start().await;
    world.topic("radio").await;
    world.publish(sound("radio", 0, 100)).await;
    for path in ["live", "video.mjpeg", "video.mp4", "snapshot.jpg"] {
        let answer = world.get(&format!("/topics/radio/{path}")).await;
        answer.refuses(400, "topic");
        assert!(answer.text().contains("sound alone, no pictures"), "{path}");
    }
    let export = Export {
        topic: "radio".into(),
        ..Export::default()
    };
    let refused = export.open(&world.kafka).await.err().unwrap().to_string();
    assert!(refused.contains("Opus sound"), "{refused}");
    let records = world.get("/topics/radio/records?from=start&to=1").await;
    let shown = &records.events()[0];
    assert_eq!(shown["value"]["text"], "f80000", "{shown}");
    assert_eq!(shown["headers"][0]["value"]["text"], "audio/opus");
    world.end().await;
}
