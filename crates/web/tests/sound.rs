//! Sound beside the pictures of a topic: whoever reads pictures loses none for it.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

mod world;

use std::io::Cursor;

use weir_media::container;
use weir_media::sound::SoundCodec;
use weir_web::export::Export;
use world::{Camera, Got, Socket, World, sound, with_sound};

/// A picture, then two of sound, and again; a key frame every ten pictures.
async fn world(pictures: u64) -> World {
    let world = World::start().await;
    world.topic("film").await;
    let pictures = Camera::new("film", 10).pictures(pictures);
    world.publish(with_sound("film", pictures)).await;
    world
}

/// The offsets of so many pictures: each has two of sound behind it.
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
    // From a record of sound on: the key frame in front of it comes first.
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

/// What a player gets up to and with the sound that ends at a time: pictures' and sounds' offsets and times.
async fn heard(player: &mut Socket, until_us: i64) -> (Vec<(i64, i64)>, Vec<(i64, i64)>) {
    let (mut shown, mut heard) = (Vec::new(), Vec::new());
    loop {
        match player.next().await {
            Got::Fragment { offset, pts_us, .. } => shown.push((offset, pts_us)),
            Got::Sound {
                offset,
                pts_us,
                duration_us,
                fragment,
            } => {
                assert!(fragment.windows(4).any(|at| at == b"moof"));
                heard.push((offset, pts_us));
                if pts_us + duration_us >= until_us {
                    return (shown, heard);
                }
            }
            Got::Closed => panic!("closed before the sound came"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_that_asks_hears_what_belongs_to_the_pictures_and_others_nothing() {
    let world = world(30).await;
    let mut player = world
        .socket("/topics/film/live?from=start&sound=true")
        .await;
    let init = loop {
        let init = player.text("init").await;
        if init["sound"] == true {
            break init;
        }
    };
    assert_eq!(init["mime"], "audio/mp4; codecs=\"opus\"");
    let Got::SoundInit(segment) = player.next().await else {
        panic!("no init segment of the sound");
    };
    assert!(segment.windows(4).any(|at| at == b"dOps"));
    let (shown, sounds) = heard(&mut player, 1_200_000).await;
    // The first picture came with the first init.
    let wanted: Vec<_> = (1..30).map(|n| (n * 3, n * 40_000)).collect();
    assert_eq!(shown, wanted);
    let wanted: Vec<_> = (0..60)
        .map(|n| (n / 2 * 3 + n % 2 + 1, n * 20_000))
        .collect();
    assert_eq!(sounds, wanted);

    // It goes on live, nothing twice, and nothing of it for who did not ask.
    let mut deaf = world.socket("/topics/film/live?from=start").await;
    assert_eq!(deaf.offsets_to(87).await, offsets(0..30));
    let mut camera = Camera::new("film", 10);
    camera.pictures(30);
    let more = camera.pictures(10);
    let more = more
        .into_iter()
        .zip(30..)
        .flat_map(|(picture, n)| std::iter::once(picture).chain(sound("film", 2 * n, 2)));
    world.publish(more).await;
    let (_, sounds) = heard(&mut player, 1_600_000).await;
    let wanted: Vec<_> = (60..80)
        .map(|n| (n / 2 * 3 + n % 2 + 1, n * 20_000))
        .collect();
    assert_eq!(sounds, wanted);
    loop {
        match deaf.next().await {
            Got::Fragment { offset: 117, .. } => break,
            Got::Sound { .. } | Got::SoundInit(_) => panic!("nobody asked for sound"),
            _ => {}
        }
    }

    // Who comes now begins with the newest key frame, and its sound.
    let mut late = world.socket("/topics/film/live?sound=true").await;
    let (shown, sounds) = heard(&mut late, 1_600_000).await;
    assert_eq!((shown[0].0 % 30, sounds[0].0), (0, shown[0].0 + 1));
    let answer = world.get("/topics/film/live?sound=loud").await;
    answer.refuses(400, "sound");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_starts_anew_is_heard_with_its_pictures() {
    let world = world(20).await;
    let again = Camera::new("film", 10).pictures(20);
    world.publish(with_sound("film", again)).await;
    let mut player = world
        .socket("/topics/film/live?from=start&sound=true")
        .await;
    let (shown, sounds) = heard(&mut player, 1_600_000).await;
    assert_eq!(shown.last(), Some(&(117, 1_560_000)));
    let wanted: Vec<_> = (0..80)
        .map(|n| (n / 2 * 3 + n % 2 + 1, n * 20_000))
        .collect();
    assert_eq!(sounds, wanted);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_sound_is_missing_a_player_gets_silence_up_to_the_pictures() {
    let world = World::start().await;
    world.topic("film").await;
    let pictures = Camera::new("film", 10).pictures(60);
    // None in front of 400 ms, none from 800 ms to 1,600 ms.
    let records = with_sound("film", pictures).into_iter().filter(|record| {
        let at_ms = record.timestamp.unwrap().0 - 1_000;
        let is_sound = record.value.as_ref().unwrap().len() == 3;
        !is_sound || (400..800).contains(&at_ms) || at_ms >= 1_600
    });
    world.publish(records).await;
    let mut player = world
        .socket("/topics/film/live?from=start&sound=true")
        .await;
    let (_, sounds) = heard(&mut player, 2_400_000).await;
    let times: Vec<_> = sounds.iter().map(|(_, pts_us)| *pts_us).collect();
    let wanted: Vec<_> = (0..120).map(|n| n * 20_000).collect();
    assert_eq!(times, wanted);
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
        assert_eq!(film.sound().unwrap().codec, SoundCodec::Opus);
        // From the record at 4 on, which is sound behind the picture at 40 ms: the film begins with the one at 80 ms.
        let first_us = if from.is_empty() { 0 } else { -80_000 };
        let sounds: Vec<_> = std::iter::from_fn(|| film.next_sound(i64::MAX).unwrap()).collect();
        let times: Vec<_> = sounds.iter().map(|unit| unit.pts_us).collect();
        let all = (0..60).map(|n| first_us + n * 20_000);
        let there = if to.is_empty() { 60 } else { 56 };
        assert_eq!(times, all.take(there).collect::<Vec<_>>(), "{from} {to}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_mp4_that_grows_has_the_sound_as_a_second_track() {
    let world = world(30).await;
    let film = world.get("/topics/film/video.mp4?from=30&to=81").await.body;
    let mut film = container::open(Cursor::new(film)).unwrap();
    assert_eq!(film.sound().unwrap().codec, SoundCodec::Opus);
    let count = std::iter::from_fn(|| film.next().unwrap()).count();
    assert_eq!(count, 17);
    let times = std::iter::from_fn(|| film.next_sound(i64::MAX).unwrap().map(|unit| unit.pts_us));
    let wanted: Vec<_> = (0..34).map(|n| n * 20_000).collect();
    assert_eq!(times.collect::<Vec<_>>(), wanted);
    // Pictures without sound are not kept waiting, nor do those that are read anew from another place.
    world.topic("silent").await;
    world.publish(Camera::new("silent", 10).pictures(20)).await;
    let film = world
        .get("/topics/silent/video.mp4?from=start&to=19")
        .await
        .body;
    let film = container::open(Cursor::new(film)).unwrap();
    assert_eq!(film.sound(), None);
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
