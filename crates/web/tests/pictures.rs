//! JPEG, PNG and transcoded pictures over plain HTTP, in the shape of the tutorials' programs.

#![allow(
    clippy::unwrap_used,
    reason = "the steps of a test that are functions of their own are tests too"
)]

mod world;

use bytes::Bytes;
use weir_client::NewRecord;
use weir_media::jpeg;
use world::{Camera, World, jpegs};

/// The parts of a multipart body: content type and bytes, by their own lengths.
fn parts(body: &[u8]) -> Vec<(String, Bytes)> {
    let mut out = Vec::new();
    let mut rest = body;
    while let Some(after) = rest.strip_prefix(b"--frame\r\n") {
        let Some(end) = after.windows(4).position(|four| four == b"\r\n\r\n") else {
            break;
        };
        let head = String::from_utf8(after[..end].to_vec()).unwrap();
        let value = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {head:?}"))
                .to_owned()
        };
        let len: usize = value("Content-Length: ").parse().unwrap();
        let data = &after[end + 4..];
        if data.len() < len + 2 {
            break;
        }
        assert_eq!(&data[len..len + 2], b"\r\n");
        out.push((
            value("Content-Type: "),
            Bytes::copy_from_slice(&data[..len]),
        ));
        rest = &data[len + 2..];
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn jpegs_go_to_every_viewer_byte_for_byte() {
    let world = World::start().await;
    world.topic("cam").await;
    let (records, files): (Vec<_>, Vec<_>) = jpegs("cam", 8).into_iter().unzip();
    world.publish(records).await;
    for path in [
        "/topics/cam/video.mjpeg?from=start",
        "/video?topic=cam&from=start",
        "/video?from=0",
    ] {
        let answer = world
            .read_until(path, &[], |bytes| parts(bytes).len() == 8)
            .await;
        assert_eq!(answer.kind, "multipart/x-mixed-replace; boundary=frame");
        let got = parts(&answer.body);
        assert!(got.iter().all(|(kind, _)| kind == "image/jpeg"));
        let got: Vec<_> = got.into_iter().map(|(_, file)| file).collect();
        assert_eq!(got, files, "{path}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_pictures_begin_with_the_newest_at_once_and_pngs_stay_pngs() {
    let world = World::start().await;
    world.topic("cam").await;
    let (records, files): (Vec<_>, Vec<_>) = jpegs("cam", 3).into_iter().unzip();
    world.publish(records).await;
    let newest = world
        .read_until("/topics/cam/video.mjpeg", &[], |bytes| {
            !parts(bytes).is_empty()
        })
        .await;
    assert_eq!(parts(&newest.body)[0].1, files[2]);
    let png = Bytes::from_static(b"\x89PNG\r\n\x1a\nnot really, and passed on as it is");
    world.topic("stills").await;
    world.publish([NewRecord::new("stills", png.clone())]).await;
    let newest = world
        .read_until("/topics/stills/video.mjpeg", &[], |bytes| {
            !parts(bytes).is_empty()
        })
        .await;
    assert_eq!(
        parts(&newest.body)[0],
        ("image/png".to_owned(), png.clone())
    );
    let snapshot = world.get("/topics/stills/snapshot.jpg").await;
    assert_eq!(
        (snapshot.kind.as_str(), &snapshot.body[..]),
        ("image/png", &png[..])
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_viewers_at_once_both_get_every_picture() {
    let world = World::start().await;
    world.topic("cam").await;
    let (records, files): (Vec<_>, Vec<_>) = jpegs("cam", 20).into_iter().unzip();
    let mut records = records.into_iter();
    world.publish(records.by_ref().take(1)).await;
    let read = || {
        world.read_until("/topics/cam/video.mjpeg", &[], |bytes| {
            parts(bytes).len() == 20
        })
    };
    let publishing = async {
        while world.metric("weir_web_viewers").await < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        for record in records {
            world.publish([record]).await;
        }
    };
    let (one, other, ()) = tokio::join!(read(), read(), publishing);
    for answer in [one, other] {
        let got: Vec<_> = parts(&answer.body)
            .into_iter()
            .map(|(_, file)| file)
            .collect();
        assert_eq!(got, files);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_is_decoded_for_those_who_want_jpegs() {
    let world = World::start().await;
    world.topic("cam").await;
    let mut camera = Camera::new("cam", 10);
    world.publish(camera.pictures(25)).await;
    for path in [
        "/topics/cam/video.mjpeg",
        "/topics/cam/video.mjpeg?from=start",
    ] {
        let answer = world
            .read_until(path, &[], |bytes| parts(bytes).len() >= 3)
            .await;
        for (kind, file) in parts(&answer.body) {
            assert_eq!(kind, "image/jpeg");
            assert_eq!(jpeg::size(&file), Some((160, 128)));
        }
    }
    let snapshot = world.get("/topics/cam/snapshot.jpg?at=13").await;
    assert_eq!(snapshot.status, 200, "{}", snapshot.text());
    assert_eq!(jpeg::size(&snapshot.body), Some((160, 128)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_browser_and_coming_back_goes_on_and_reloading_does_not_restart() {
    let world = World::start().await;
    world.topic("cam").await;
    let (records, files): (Vec<_>, Vec<_>) = jpegs("cam", 12).into_iter().unzip();
    world.publish(records).await;
    let path = "/topics/cam/video.mjpeg?from=resume&group=view";
    let mut seen = Vec::new();
    while seen.len() < 12 {
        // One may come again.
        let want = (seen.len() + 3).min(12) - seen.len() + usize::from(!seen.is_empty());
        let answer = world
            .read_until(path, &[], move |bytes| parts(bytes).len() >= want)
            .await;
        let got: Vec<_> = parts(&answer.body)
            .into_iter()
            .map(|(_, file)| file)
            .collect();
        // What was under way when the browser closed may come again, but nothing is left out.
        let first = files.iter().position(|file| *file == got[0]).unwrap();
        assert!(first <= seen.len(), "{first} behind {}", seen.len());
        seen.truncate(first);
        seen.extend(got);
        for _ in 0..100 {
            let committed = world.kafka.committed("view", "cam").await.unwrap()[0].offset;
            if committed >= Some(seen.len() as i64 - 1) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    assert_eq!(seen, files);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_written_as_the_viewer_closes_is_shown_when_it_comes_back() {
    let world = World::start().await;
    world.topic("cam").await;
    let (records, files): (Vec<_>, Vec<_>) = jpegs("cam", 5).into_iter().unzip();
    world.publish(records).await;
    let path = "/topics/cam/video.mjpeg?from=resume&group=view";
    // The last one may lie unseen in the browser's socket, for nothing has followed it.
    let answer = world
        .read_until(path, &[], |bytes| parts(bytes).len() >= 5)
        .await;
    assert_eq!(parts(&answer.body).len(), 5);
    for _ in 0..200 {
        if world.kafka.committed("view", "cam").await.unwrap()[0].offset == Some(4) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let answer = world
        .read_until(path, &[], |bytes| !parts(bytes).is_empty())
        .await;
    assert_eq!(parts(&answer.body)[0].1, files[4]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_stayed_with_its_only_picture_comes_back_behind_it() {
    let world = World::start().await;
    world.topic("cam").await;
    let (records, files): (Vec<_>, Vec<_>) = jpegs("cam", 2).into_iter().unzip();
    let mut records = records.into_iter();
    world.publish(records.by_ref().take(1)).await;
    let path = "/topics/cam/video.mjpeg?from=resume&group=view";
    let watching = world.read_until(path, &[], |bytes| parts(bytes).len() >= 2);
    let until_seen = async {
        while world.kafka.committed("view", "cam").await.unwrap()[0].offset != Some(1) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        world.publish(records).await;
    };
    let (answer, ()) = tokio::join!(watching, until_seen);
    assert_eq!(parts(&answer.body)[1].1, files[1]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pngs_are_made_jpegs_for_readers_that_take_no_other_parts() {
    let world = World::start().await;
    world.topic("stills").await;
    let mut card = weir_media::testcard::TestCard::new(64, 48).unwrap();
    let pngs = (0..3).map(|n| weir_media::png::encode(card.draw(n, n as i64)).unwrap());
    let damaged = b"\x89PNG\r\n\x1a\ncut off".to_vec();
    let files: Vec<_> = pngs.chain([damaged]).collect();
    world
        .publish(files.into_iter().map(|file| NewRecord::new("stills", file)))
        .await;
    for (path, count) in [
        ("/topics/stills/video.mjpeg?from=start&as=jpeg", 3),
        ("/video?topic=stills&as=jpeg&from=1", 2),
    ] {
        let answer = world
            .read_until(path, &[], move |bytes| parts(bytes).len() >= count)
            .await;
        for (kind, file) in parts(&answer.body) {
            assert_eq!(kind, "image/jpeg", "{path}");
            let picture = jpeg::decode(&file).unwrap();
            assert_eq!((picture.width, picture.height), (64, 48));
        }
    }
    let live = world.read_until("/topics/stills/video.mjpeg?as=jpeg", &[], |bytes| {
        !parts(bytes).is_empty()
    });
    let publishing = async {
        while world.metric("weir_web_viewers").await < 1 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let file = weir_media::png::encode(card.draw(9, 9)).unwrap();
        world.publish([NewRecord::new("stills", file)]).await;
    };
    let (answer, ()) = tokio::join!(live, publishing);
    assert_eq!(parts(&answer.body)[0].0, "image/jpeg");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_the_picture_shown_at_that_moment() {
    let world = World::start().await;
    world.topic("cam").await;
    // Captured every 40 ms from 1 s on, a key frame every ten.
    world.publish(Camera::new("cam", 10).pictures(40)).await;
    world.topic("stills").await;
    let (records, files): (Vec<_>, Vec<_>) = jpegs("stills", 10).into_iter().unzip();
    world.publish(records).await;
    for (at, offset) in [
        ("1970-01-01T00:00:01.320Z", 8),
        ("1970-01-01T00:00:01.359Z", 8),
        ("1970-01-01T00:00:01.360Z", 9),
        ("1970-01-01T00:00:01Z", 0),
        // Before the first the first, behind the last the last.
        ("1970-01-01T00:00:00Z", 0),
        ("8", 8),
        ("start", 0),
    ] {
        for topic in ["cam", "stills"] {
            let path = format!("/topics/{topic}/snapshot.jpg?at={at}");
            let snapshot = world.get(&path).await;
            assert_eq!(snapshot.status, 200, "{path}: {}", snapshot.text());
            assert_eq!(snapshot.header("weir-offset"), offset.to_string(), "{path}");
            let captured_ms = (1_000 + offset * 40).to_string();
            assert_eq!(snapshot.header("weir-timestamp-ms"), captured_ms, "{path}");
            if topic == "stills" {
                assert_eq!(snapshot.body, files[offset], "{path}");
            }
        }
    }
    for (topic, at, newest) in [
        ("cam", "2026-01-31T12:00:00Z", "39"),
        ("cam", "-1", "39"),
        ("cam", "", "39"),
        ("stills", "2026-01-31T12:00:00Z", "9"),
        ("stills", "", "9"),
    ] {
        let path = format!("/topics/{topic}/snapshot.jpg?at={at}");
        assert_eq!(
            world.get(&path).await.header("weir-offset"),
            newest,
            "{path}"
        );
    }
    // The picture itself is the one that the whole film shows there.
    let film = world
        .read_until("/topics/cam/video.mjpeg?from=start", &[], |bytes| {
            parts(bytes).len() >= 18
        })
        .await;
    let snapshot = world.get("/topics/cam/snapshot.jpg?at=17").await;
    assert_eq!(parts(&film.body)[17].1, snapshot.body);
    world.end().await;
}
