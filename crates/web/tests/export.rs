//! A stretch of a topic as an MP4 file: which pictures are in it, when it begins, and what is said where there is none.

#![allow(
    clippy::unwrap_used,
    reason = "the steps of a test that are functions of their own are tests too"
)]

mod world;

use std::io::Cursor;

use weir_base::time::Timestamp;
use weir_client::{NewRecord, TopicSpec};
use weir_media::{AccessUnit, container};
use weir_web::export::{Export, ExportError, Written};
use world::{Camera, World, jpegs};

/// The film's pictures, with their times from its beginning.
fn pictures(file: Vec<u8>) -> Vec<AccessUnit> {
    let mut demuxer = container::open(Cursor::new(file)).unwrap();
    let mut units = Vec::new();
    while let Some(unit) = demuxer.next().unwrap() {
        units.push(unit);
    }
    assert_eq!(demuxer.damage(), []);
    units
}

fn of(topic: &str, from: &str, to: &str) -> Export {
    let mark = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
    Export {
        topic: topic.into(),
        from: mark(from),
        to: mark(to),
        key: None,
    }
}

async fn file(world: &World, export: &Export) -> Result<(Written, Vec<u8>), ExportError> {
    let cut = export.open(&world.kafka).await?;
    let mut out = Cursor::new(Vec::new());
    let written = cut.write_file(&mut out, |_| {}).await?;
    let file = out.into_inner();
    assert_eq!(written.bytes, file.len() as u64);
    Ok((written, file))
}

async fn refusal(world: &World, export: &Export) -> String {
    file(world, export).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_has_the_pictures_of_the_stretch_and_begins_where_it_was_asked_to() {
    let world = World::start().await;
    world.topic("cam").await;
    // Captured every 40 ms from 1 s on, a key frame every ten.
    world.publish(Camera::new("cam", 10).pictures(50)).await;
    for (from, to, first, last, preroll) in [
        ("", "", 0, 49, 0),
        ("beginning", "end", 0, 49, 0),
        ("17", "30", 17, 29, 7),
        (
            "1970-01-01T00:00:01.680Z",
            "1970-01-01T00:00:02.2Z",
            17,
            29,
            7,
        ),
        ("0:00.68", "0:01.2", 17, 29, 7),
        ("20", "", 20, 49, 0),
        ("-10", "", 40, 49, 0),
        ("-0.2s", "", 44, 49, 4),
        ("0:00", "45", 0, 44, 0),
    ] {
        let (written, file) = file(&world, &of("cam", from, to)).await.unwrap();
        let count = last - first + 1;
        assert_eq!(written.offsets, (first, last), "{from} to {to}");
        assert_eq!(written.begins.unwrap().0, 1_000 + first * 40);
        assert_eq!(written.duration_us, count * 40_000, "{from} to {to}");
        let pictures = pictures(file);
        assert_eq!(pictures.len() as i64, count + preroll, "{from} to {to}");
        assert_eq!(pictures[0].pts_us, -preroll * 40_000, "{from} to {to}");
        assert!(pictures[0].key);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_film_published_faster_than_it_plays_times_from_its_ends_are_the_films() {
    let world = World::start().await;
    world.topic("cam").await;
    let pictures_of = Camera::new("cam", 10).pictures(200).into_iter();
    let at_once = pictures_of.map(|record| record.timestamp(Timestamp(1_000)));
    world.publish(at_once).await;
    for (from, to, first, last) in [
        ("0:00.68", "0:01.2", 17, 29),
        ("6s", "", 150, 199),
        ("-0.2s", "", 194, 199),
        ("0:00", "-7.76s", 0, 4),
    ] {
        let (written, film) = file(&world, &of("cam", from, to)).await.unwrap();
        assert_eq!(written.offsets, (first, last), "{from} to {to}");
        assert_eq!(written.duration_us, (last - first + 1) * 40_000);
        let shown = pictures(film).into_iter().filter(|unit| unit.pts_us >= 0);
        assert_eq!(shown.count() as i64, last - first + 1);
    }
    let refused = refusal(&world, &of("cam", "0:30", "")).await;
    assert!(
        refused.contains("0.000 to 7.960 s of the film"),
        "{refused}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_frame_is_found_where_nobody_says_how_far_back_it_is() {
    let world = World::start().await;
    world.topic("cam").await;
    // Other publishers write no gop-index: of a GOP of 50 with something else between its pictures no key frame is within 64 records.
    for mut picture in Camera::new("cam", 50).pictures(100) {
        picture.headers.retain(|(name, _)| name != "gop-index");
        world
            .publish([picture, NewRecord::new("cam", "said")])
            .await;
    }
    let (written, file) = file(&world, &of("cam", "198", "")).await.unwrap();
    assert_eq!(written.offsets, (198, 198));
    assert_eq!(pictures(file).len(), 50);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_for_a_pipe_begin_at_the_key_frame_and_have_the_same_pictures() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 10).pictures(30)).await;
    let cut = of("cam", "17", "25").open(&world.kafka).await.unwrap();
    let mut out = Vec::new();
    let written = cut.write_fragments(&mut out, |_| {}).await.unwrap();
    assert_eq!(written.bytes, out.len() as u64);
    assert_eq!(written.duration_us, 15 * 40_000);
    assert_eq!(pictures(out).len(), 15);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_change_half_way_are_no_end_of_a_file_and_are_told_on_a_pipe() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 10).pictures(20)).await;
    world
        .publish(Camera::sized("cam", 10, (96, 64)).pictures(20))
        .await;
    let (written, film) = file(&world, &of("cam", "", "")).await.unwrap();
    assert_eq!(written.offsets, (0, 39));
    assert_eq!(film.windows(4).filter(|four| *four == b"avcC").count(), 2);
    let cut = of("cam", "", "").open(&world.kafka).await.unwrap();
    let refused = cut.write_fragments(&mut Vec::new(), |_| {}).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("--to 20"), "{refused}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_cameras_the_one_that_was_named_is_taken() {
    let world = World::start().await;
    world.topic("cam").await;
    let door = Camera::new("cam", 10).pictures(30);
    let desk = Camera::new("cam", 10).pictures(30);
    for (door, desk) in door.into_iter().zip(desk) {
        world.publish([door.key("door"), desk.key("desk")]).await;
    }
    let mut export = of("cam", "25", "45");
    export.key = Some("desk".into());
    let (written, film) = file(&world, &export).await.unwrap();
    assert_eq!(written.offsets, (25, 43));
    assert_eq!(pictures(film).len(), 12);
    export.key = Some("attic".into());
    let refused = refusal(&world, &export).await;
    assert!(refused.contains(r#""desk", "door""#), "{refused}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cameras_in_partitions_of_their_own_are_asked_for_by_key() {
    let world = World::start().await;
    world.topic_of(TopicSpec::new("cam").partitions(3)).await;
    for (key, partition) in [("door", 0), ("desk", 2)] {
        let pictures = Camera::new("cam", 10).pictures(20).into_iter();
        let placed = pictures.map(|record| NewRecord {
            partition: Some(partition),
            ..record.key(key)
        });
        world.publish(placed.collect::<Vec<_>>()).await;
    }
    let refused = refusal(&world, &of("cam", "", "")).await;
    assert!(refused.contains("--key"), "{refused}");
    let mut export = of("cam", "", "");
    export.key = Some("desk".into());
    assert_eq!(file(&world, &export).await.unwrap().0.offsets, (0, 19));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_film_it_says_why_and_what_there_is() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 10).pictures(20)).await;
    world.topic("empty").await;
    world.topic("text").await;
    world.publish([NewRecord::new("text", "hello")]).await;
    world.topic("stills").await;
    world
        .publish(jpegs("stills", 2).into_iter().map(|(record, _)| record))
        .await;
    for (export, says) in [
        (of("nowhere", "", ""), "there is no topic"),
        (of("empty", "", ""), "is empty"),
        (of("text", "", ""), "holds text, no video"),
        (of("stills", "", ""), "JPEG pictures"),
        (
            of("cam", "2026-01-31T12:00:00Z", ""),
            "its pictures are of 1970-01-01T00:00:01.000Z to 1970-01-01T00:00:01.760Z",
        ),
        (of("cam", "", "1970-01-01T00:00:00Z"), "no picture from"),
        (of("cam", "1:00:00", ""), "no picture from"),
        (of("cam", "end", ""), "no picture from"),
        (of("cam", "400", ""), "it holds 0 to 19"),
        (of("cam", "10", "10"), "--to does not lie behind --from"),
        (of("cam", "0:10", "0:05"), "--to does not lie behind --from"),
    ] {
        let refused = refusal(&world, &export).await;
        assert!(refused.contains(says), "{export:?}: {refused}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_codec_in_the_topic_ends_the_film_with_a_sentence() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 10).pictures(20)).await;
    // Captured later than the camera falls silent.
    world.publish(world::vp9("cam", 60_000, 3)).await;
    let refused = refusal(&world, &of("cam", "", "")).await;
    assert!(refused.contains("changes to VP9 at offset 20"), "{refused}");
    assert_eq!(
        file(&world, &of("cam", "", "20")).await.unwrap().0.offsets,
        (0, 19)
    );
    world.end().await;
}
