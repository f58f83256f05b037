//! Live and past video over the player's WebSocket and as MP4.

#![allow(
    clippy::unwrap_used,
    reason = "the steps of a test that are functions of their own are tests too"
)]

mod world;

use weir_client::TopicSpec;
use weir_media::container;
use world::{Camera, Got, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_player_begins_at_the_last_key_frame_and_then_gets_every_picture() {
    let world = World::start().await;
    world.topic("cam").await;
    let mut camera = Camera::new("cam", 10);
    world.publish(camera.pictures(25)).await;

    let mut player = world.socket("/topics/cam/live").await;
    let init = player.text("init").await;
    assert!(
        init["codec"].as_str().unwrap().starts_with("avc1."),
        "{init}"
    );
    assert_eq!(
        init["mime"],
        format!("video/mp4; codecs=\"{}\"", init["codec"].as_str().unwrap())
    );
    assert_eq!(
        (init["width"].as_u64(), init["height"].as_u64()),
        (Some(160), Some(128))
    );
    let Got::Init(segment) = player.next().await else {
        panic!("no init segment behind the init text");
    };
    assert_eq!(&segment[4..8], b"ftyp");
    let Got::Fragment {
        key,
        offset,
        timestamp_ms,
        fragment,
        ..
    } = player.next().await
    else {
        panic!("no picture behind the init segment");
    };
    assert!(key);
    assert_eq!((offset, timestamp_ms), (20, 1_800));
    assert_eq!(&fragment[4..8], b"moof");
    player.text("live").await;

    world.publish(camera.pictures(10)).await;
    assert_eq!(player.offsets_to(34).await, (25..35).collect::<Vec<_>>());

    // The second viewer of the same reader begins at the newest key frame.
    let mut second = world.socket("/topics/cam/live").await;
    assert_eq!(second.offsets_to(34).await, (30..35).collect::<Vec<_>>());
    assert_eq!(world.metric("weir_web_viewers").await, 2);
    player.close().await;
    world.publish(camera.pictures(1)).await;
    assert_eq!(second.offset().await, 35);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_of_an_empty_topic_waits_and_gets_the_first_picture() {
    let world = World::start().await;
    world.topic("cam").await;
    let mut player = world.socket("/topics/cam/live").await;
    let waiting = player.text("waiting").await;
    assert!(waiting["why"].as_str().unwrap().contains("cam"));
    world.publish(Camera::new("cam", 10).pictures(2)).await;
    player.text("reconnected").await;
    assert_eq!(player.offsets_to(1).await, [0, 1]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_played_from_its_start_and_goes_over_into_the_present_without_a_break() {
    let world = World::start().await;
    world.topic("cam").await;
    let mut camera = Camera::new("cam", 10);
    world.publish(camera.pictures(35)).await;
    let mut player = world.socket("/topics/cam/live?from=start").await;
    assert_eq!(player.offsets_to(34).await, (0..35).collect::<Vec<_>>());
    player.text("live").await;
    let mut last_pts_us = 34 * 40_000;
    for offset in 35..80 {
        world.publish(camera.pictures(1)).await;
        loop {
            match player.next().await {
                Got::Fragment {
                    offset: got,
                    pts_us,
                    ..
                } => {
                    assert_eq!(got, offset);
                    assert!(pts_us > last_pts_us);
                    last_pts_us = pts_us;
                    break;
                }
                Got::Closed => panic!("closed"),
                other => assert!(!matches!(&other, Got::Text(t) if t["type"] == "skipped")),
            }
        }
    }
    // Its own reader is gone: both are viewers of the topic's one reader.
    assert_eq!(world.metric("weir_web_viewers").await, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_or_time_between_key_frames_is_begun_at_the_key_frame_in_front() {
    let world = World::start().await;
    world.topic("cam").await;
    let mut camera = Camera::new("cam", 10);
    world.publish(camera.pictures(40)).await;
    for from in ["17", "1970-01-01T00:00:01.680Z"] {
        let mut player = world.socket(&format!("/topics/cam/live?from={from}")).await;
        let mut got = Vec::new();
        while got.len() < 10 {
            if let Got::Fragment {
                offset, preroll, ..
            } = player.next().await
            {
                got.push((offset, preroll));
            }
        }
        let want: Vec<_> = (10..20).map(|offset| (offset, offset < 17)).collect();
        assert_eq!(got, want, "from={from}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_comes_back_goes_on_where_it_left_off() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 5).pictures(40)).await;
    let path = "/topics/cam/live?from=resume&group=tv";
    let mut player = world.socket(path).await;
    assert_eq!(player.offset().await, 0, "a new group begins at the start");
    player.offsets_to(39).await;
    player.close().await;
    committed(&world, "tv", 40).await;
    world.kafka.commit("tv", "cam", &[(0, 23)]).await.unwrap();
    let mut player = world.socket(path).await;
    assert_eq!(player.first_wanted().await, 23);
    // Another with the same group gets everything too.
    let mut other = world.socket(path).await;
    assert!(other.offset().await <= 40);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_says_what_it_shows_comes_back_there_however_much_it_was_sent() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 10).pictures(500)).await;
    for (group, from) in [("tv", "resume"), ("tablet", "start"), ("phone", "0")] {
        let mut player = world
            .socket(&format!("/topics/cam/live?from={from}&group={group}"))
            .await;
        assert_eq!(player.offsets_to(499).await.len(), 500);
        player
            .say(r#"{"type":"shown","partition":0,"offset":3}"#)
            .await;
        player
            .say(r#"{"type":"shown","partition":0,"offset":10}"#)
            .await;
        // Neither of these is a picture that can have been shown, nor is the third a type known today.
        player
            .say(r#"{"type":"shown","partition":0,"offset":500}"#)
            .await;
        player
            .say(r#"{"type":"shown","partition":7,"offset":0}"#)
            .await;
        player.say(r#"{"type":"paused","since_ms":1}"#).await;
        player.close().await;
        committed(&world, group, 11).await;
        let mut player = world
            .socket(&format!("/topics/cam/live?from=resume&group={group}"))
            .await;
        assert_eq!(player.first_wanted().await, 11, "from={from}");
        player.close().await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_resume_stays_where_it_is_while_the_viewer_says_nothing() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 10).pictures(20)).await;
    world.kafka.commit("tv", "cam", &[(0, 7)]).await.unwrap();
    let mut player = world.socket("/topics/cam/live?from=start&group=tv").await;
    player.offsets_to(19).await;
    player.text("clock").await;
    player.close().await;
    let kafka = world.kafka.clone();
    world.shutdown.cancel();
    // Everything that was to be committed is, when the server has ended.
    let (served, broker) = world.parts();
    served.await.unwrap().unwrap();
    assert_eq!(
        kafka.committed("tv", "cam").await.unwrap()[0].offset,
        Some(7)
    );
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_says_nonsense_or_too_much_is_told_and_hung_up_on() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 10).pictures(20)).await;
    let shown = r#"{"type":"shown","partition":0,"offset":1}"#;
    let deep = "[".repeat(4_000);
    for (said, times, status) in [
        ("", 1, 400),
        ("shown 10", 1, 400),
        (r#"{"type":"shown"}"#, 1, 400),
        (r#"{"type":"shown","partition":0,"offset":1.5}"#, 1, 400),
        (r#"{"type":"shown","partition":0,"offset":1e300}"#, 1, 400),
        (
            r#"{"type":"shown","partition":4294967296,"offset":1}"#,
            1,
            400,
        ),
        (&deep, 1, 400),
        (shown, 200, 429),
    ] {
        let mut player = world.socket("/topics/cam/live?from=start&group=tv").await;
        player.text("init").await;
        for _ in 0..times {
            player.say(said).await;
        }
        let error = player.text("error").await;
        assert_eq!(error["problem"]["status"], status, "{said:.40}: {error}");
        assert_eq!(player.next().await, Got::Closed);
    }
    // What is too long to be read at all is the end at once.
    let mut player = world.socket("/topics/cam/live?from=start&group=tv").await;
    player.text("init").await;
    player.say(&"x".repeat(100_000)).await;
    while player.next().await != Got::Closed {}
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_jumped_stands_where_the_newer_connection_says_whatever_the_older_one_still_has_to_say()
 {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 10).pictures(500)).await;
    let shown = |offset: i64| format!(r#"{{"type":"shown","partition":0,"offset":{offset}}}"#);
    let path = "/topics/cam/live?from=start&group=tv";
    let mut older = world.socket(path).await;
    older.offsets_to(499).await;
    older.say(&shown(300)).await;
    committed(&world, "tv", 301).await;
    let mut newer = world.socket("/topics/cam/live?from=100&group=tv").await;
    newer.offsets_to(499).await;
    newer.say(&shown(110)).await;
    committed(&world, "tv", 111).await;
    // Said within the same second, and its connection ends behind the newer one's word.
    older.say(&shown(310)).await;
    older.close().await;
    let kafka = world.kafka.clone();
    world.shutdown.cancel();
    let (served, broker) = world.parts();
    served.await.unwrap().unwrap();
    let stands = kafka.committed("tv", "cam").await.unwrap()[0].offset;
    assert_eq!(stands, Some(111));
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_at_once_finds_what_the_connection_before_said_last() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 10).pictures(500)).await;
    let mut before = world.socket("/topics/cam/live?from=start&group=tv").await;
    before.offsets_to(499).await;
    for offset in [100, 101, 102, 103] {
        let shown = format!(r#"{{"type":"shown","partition":0,"offset":{offset}}}"#);
        before.say(&shown).await;
    }
    before.close().await;
    let mut after = world.socket("/topics/cam/live?from=resume&group=tv").await;
    assert_eq!(after.first_wanted().await, 104);
    after.close().await;
    // One that is older counts again when the newer one has ended: a player says where it is as it plays.
    let path = "/topics/cam/live?from=start&group=tv";
    let mut stays = world.socket(path).await;
    stays.offsets_to(499).await;
    let mut other = world.socket(path).await;
    other.text("init").await;
    other.close().await;
    for _ in 0..200 {
        let shown = r#"{"type":"shown","partition":0,"offset":200}"#;
        stays.say(shown).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let stands = world.kafka.committed("tv", "cam").await.unwrap()[0].offset;
        if stands == Some(201) {
            world.end().await;
            return;
        }
    }
    panic!("{:?}", world.kafka.committed("tv", "cam").await);
}

async fn committed(world: &World, group: &str, want: i64) {
    for _ in 0..200 {
        let committed = world.kafka.committed(group, "cam").await.unwrap();
        if committed[0].offset == Some(want) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{:?}", world.kafka.committed(group, "cam").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_takes_nothing_skips_to_a_key_frame_and_slows_nobody() {
    let world = World::start().await;
    world.topic("cam").await;
    let mut camera = Camera::new("cam", 10);
    world.publish(camera.pictures(10)).await;
    let mut slow = world.socket("/topics/cam/live").await;
    let mut quick = world.socket("/topics/cam/live").await;
    slow.text("live").await;
    quick.text("live").await;
    // More than the kernel and the queue hold together.
    let rounds = 60;
    for round in 0..rounds {
        let mut records = camera.pictures(10);
        for record in &mut records[1..] {
            let mut large = record.value.take().unwrap().to_vec();
            large.resize(150_000, 0x55);
            record.value = Some(large.into());
        }
        world.publish(records).await;
        let first = 10 + round * 10;
        assert_eq!(quick.offsets_to(first + 9).await.len(), 10);
    }
    let skipped = slow.text("skipped").await;
    let told = skipped["pictures"].as_u64().unwrap();
    assert!(told > 0);
    match slow.next().await {
        Got::Fragment { key, offset, .. } => assert!(key, "went on at {offset}"),
        other => panic!("{other:?}"),
    }
    assert!(world.metric("weir_web_pictures_skipped_total").await >= told);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_stay_while_kafka_is_away_and_go_on_when_it_is_back() {
    let mut world = World::start().await;
    world.topic("cam").await;
    let mut camera = Camera::new("cam", 10);
    world.publish(camera.pictures(10)).await;
    let mut player = world.socket("/topics/cam/live").await;
    player.text("live").await;
    world.stop_broker().await;
    let waiting = player.text("waiting").await;
    assert!(!waiting["why"].as_str().unwrap().is_empty());
    world.restart_broker().await;
    world.publish(camera.pictures(10)).await;
    player.text("reconnected").await;
    assert!(player.offset().await >= 10);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_mp4_of_a_part_holds_exactly_that_part_and_begins_at_zero() {
    let world = World::start().await;
    world.topic("cam").await;
    let mut camera = Camera::new("cam", 10);
    world.publish(camera.pictures(40)).await;
    let answer = world.get("/topics/cam/video.mp4?from=10&to=30").await;
    assert_eq!((answer.status, answer.kind.as_str()), (200, "video/mp4"));
    let mut file = container::open(std::io::Cursor::new(answer.body)).unwrap();
    let mut times_us = Vec::new();
    while let Some(unit) = file.next().unwrap() {
        times_us.push(unit.pts_us);
    }
    assert_eq!(times_us, (0..20).map(|n| n * 40_000).collect::<Vec<_>>());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_mp4_of_the_present_grows() {
    let world = World::start().await;
    world.topic("cam").await;
    let mut camera = Camera::new("cam", 10);
    world.publish(camera.pictures(25)).await;
    let moofs = |bytes: &[u8]| bytes.windows(4).filter(|four| four == b"moof").count();
    let reading = world.read_until("/topics/cam/video.mp4", &[], move |bytes| {
        moofs(bytes) >= 12
    });
    let publishing = async {
        for _ in 0..10 {
            world.publish(camera.pictures(1)).await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let (answer, ()) = tokio::join!(reading, publishing);
    assert!(moofs(&answer.body) >= 12);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_several_partitions_plays_what_arrives() {
    let world = World::start().await;
    world.topic_of(TopicSpec::new("cam").partitions(3)).await;
    let mut camera = Camera::new("cam", 10);
    world.publish(camera.pictures(25)).await;
    for from in ["live", "start"] {
        let mut player = world.socket(&format!("/topics/cam/live?from={from}")).await;
        let want = if from == "live" { 20 } else { 0 };
        assert_eq!(player.offsets_to(24).await, (want..25).collect::<Vec<_>>());
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_starts_anew_does_not_turn_the_players_time_back() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 10).pictures(15)).await;
    let mut player = world.socket("/topics/cam/live?from=start").await;
    player.offsets_to(14).await;
    world.publish(Camera::new("cam", 10).pictures(15)).await;
    let mut last_us = 14 * 40_000;
    for want in 15..30 {
        loop {
            if let Got::Fragment { offset, pts_us, .. } = player.next().await {
                assert_eq!(offset, want);
                assert!(pts_us > last_us, "{pts_us} at {offset} behind {last_us}");
                last_us = pts_us;
                break;
            }
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_change_half_way_are_announced_and_the_player_goes_on() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 10).pictures(15)).await;
    let mut player = world.socket("/topics/cam/live?from=start").await;
    assert_eq!(player.text("init").await["width"], 160);
    assert_eq!(player.offsets_to(14).await, (0..15).collect::<Vec<_>>());
    // The next one's times begin at zero again too.
    world
        .publish(Camera::sized("cam", 10, (96, 64)).pictures(15))
        .await;
    let init = player.text("init").await;
    assert_eq!(
        (init["width"].as_u64(), init["height"].as_u64()),
        (Some(96), Some(64))
    );
    let Got::Init(_) = player.next().await else {
        panic!("no init segment behind the init text");
    };
    let (first, pts_us) = player.picture().await;
    assert_eq!(first, 15);
    assert!(pts_us > 14 * 40_000, "{pts_us}");
    assert_eq!(player.offsets_to(29).await, (16..30).collect::<Vec<_>>());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_jump_or_run_backwards_neither_stop_nor_turn_back_a_player() {
    let world = World::start().await;
    world.topic("cam").await;
    let pictures = Camera::new("cam", 10).pictures(60).into_iter().enumerate();
    let jumping = pictures.map(|(n, mut record)| {
        let by_us: i64 = [0, 86_400_000_000, -7_000_000, i64::MAX / 2, 0, -1][n / 10];
        for (name, value) in &mut record.headers {
            if name == "pts" || name == "dts" {
                *value = (by_us + n as i64 * 40_000).to_string().into();
            }
        }
        record
    });
    world.publish(jumping.collect::<Vec<_>>()).await;
    let mut player = world.socket("/topics/cam/live?from=start").await;
    let mut last_us = -1;
    for offset in 0..60 {
        let (got, pts_us) = player.picture().await;
        assert_eq!(got, offset);
        assert!(
            pts_us > last_us && pts_us < 60 * 1_000_000,
            "{pts_us} at {offset} behind {last_us}"
        );
        last_us = pts_us;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_codecs_in_a_topic_a_player_gets_one_for_as_long_as_it_comes() {
    let world = World::start().await;
    world.topic("cam").await;
    // Both captured at the same times, under the same key.
    let others = world::vp9("cam", 1_000, 30).into_iter();
    for (picture, other) in Camera::new("cam", 10).pictures(30).into_iter().zip(others) {
        world.publish([picture, other]).await;
    }
    let mut player = world.socket("/topics/cam/live?from=start").await;
    // Until one of them comes again nothing says that there are two.
    let wanted: Vec<_> = std::iter::once(0)
        .chain((0..30).map(|n| n * 2 + 1))
        .collect();
    assert_eq!(player.offsets_to(59).await, wanted);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_ends_when_the_server_is_told_to() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 10).pictures(5)).await;
    let mut player = world.socket("/topics/cam/live").await;
    player.text("live").await;
    world.topic("sensors").await;
    let mut series = world.socket("/topics/sensors/series").await;
    let reading = world.read_until("/topics/cam/video.mp4", &[], |_| false);
    let records = world.read_until("/topics/cam/records", &[], |_| false);
    let ending = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        world.shutdown.cancel();
    };
    let (video, records, ()) = tokio::join!(reading, records, ending);
    assert_eq!((video.status, records.status), (200, 200));
    while player.next().await != Got::Closed {}
    while series.next().await != Got::Closed {}
    world.served.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_is_kept_when_the_server_ends() {
    let world = World::start().await;
    world.topic("cam").await;
    world.publish(Camera::new("cam", 5).pictures(20)).await;
    let mut player = world.socket("/topics/cam/live?from=resume&group=tv").await;
    player.offsets_to(19).await;
    player.text("clock").await;
    world.shutdown.cancel();
    while player.next().await != Got::Closed {}
    committed(&world, "tv", 20).await;
    world.end().await;
}
