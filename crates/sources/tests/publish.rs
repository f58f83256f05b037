//! Sources against the embedded broker: what is published is what is read back.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

mod bench;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock as _, ManualClock, SystemClock, Timestamp};
use weir_client::TopicSpec;
use weir_media::record::{read_sound, since_key};
use weir_media::sound::SoundCodec;
use weir_media::synthetic::{self, Clip, Mp4Layout};
use weir_media::{AccessUnit, Codec};
use weir_sources::lines::{Input, Lines};
use weir_sources::sensor::Sensors;
use weir_sources::testcard::TestCardSource;
use weir_sources::text_feed::TextFeed;
use weir_sources::video_file::{CodecChoice, Pace, VideoFile};
use weir_sources::{Ended, Silent};

use bench::{Bench, Notes, all, bench, meta, within};

async fn publish(bench: &Bench, file: VideoFile) -> (weir_sources::Summary, Vec<String>) {
    let notes = Arc::new(Notes::default());
    let summary = within(Box::pin(file.run(
        &bench.kafka,
        notes.clone(),
        CancellationToken::new(),
    )))
    .await
    .unwrap();
    (summary, notes.kept())
}

fn clip() -> Vec<AccessUnit> {
    let mut units = Clip::default().h264();
    synthetic::with_b_frame_times(&mut units);
    units
}

#[tokio::test(flavor = "multi_thread")]
async fn sensors_make_their_topic_and_send_numbers() {
    let bench = bench().await;
    let kafka = bench.kafka.clone();
    let topic = "sensors";
    let sensors = Sensors {
        producers: 3,
        per_second: 200.0,
        count: Some(20),
        ..Sensors::new(topic)
    };
    let summary = within(sensors.run(&kafka, Arc::new(Silent), CancellationToken::new()))
        .await
        .unwrap();
    assert_eq!((summary.records, summary.ended), (60, Ended::Finished));
    let records = all(&kafka, topic).await;
    assert_eq!(records.len(), 60);
    for record in records {
        let numbers = weir_media::numbers::parse(&record.value.unwrap()).unwrap();
        assert_eq!(numbers.values[0].0, "value");
        assert!(numbers.time_ms.is_some());
        assert!(record.key.unwrap().starts_with(b"sensor-"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_told_to_end_has_sent_what_it_counts() {
    let bench = bench().await;
    let kafka = bench.kafka.clone();
    let topic = "feed";
    let shutdown = CancellationToken::new();
    let feed = TextFeed {
        per_second: 100.0,
        ..TextFeed::new(topic)
    };
    let running = {
        let (kafka, shutdown) = (kafka.clone(), shutdown.clone());
        tokio::spawn(async move { feed.run(&kafka, Arc::new(Silent), shutdown).await })
    };
    loop {
        match kafka.watermarks(topic).await {
            Ok(marks) if marks.iter().map(|m| m.end).sum::<i64>() > 10 => break,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    shutdown.cancel();
    let summary = within(running).await.unwrap().unwrap();
    assert_eq!(summary.ended, Ended::Shutdown);
    assert_eq!(all(&kafka, topic).await.len() as u64, summary.records);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_a_file_are_records_with_keys() {
    let bench = bench().await;
    let kafka = bench.kafka.clone();
    let topic = "lines";
    let text: Vec<String> = (0..5_000)
        .map(|i| format!("k{}:line {i}\n", i % 7))
        .collect();
    let path = bench.file("in.txt", text.concat().as_bytes());
    let lines = Lines {
        key_separator: Some(":".to_owned()),
        ..Lines::new(topic, Input::File(path))
    };
    let summary = within(lines.run(&kafka, Arc::new(Silent), CancellationToken::new()))
        .await
        .unwrap();
    assert_eq!(summary.records, 5_000);
    let records = all(&kafka, topic).await;
    assert_eq!(records.len(), 5_000);
    assert_eq!(records[0].key.as_deref(), Some(&b"k0"[..]));
    assert_eq!(records[0].value.as_deref(), Some(&b"line 0"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_card_is_h264_that_shows_when_it_was_drawn() {
    let bench = bench().await;
    let kafka = bench.kafka.clone();
    let topic = "testcard";
    let card = TestCardSource {
        width: 320,
        height: 240,
        key_every_s: 0.2,
        count: Some(15),
        ..TestCardSource::new(topic)
    };
    within(Box::pin(card.run(
        &kafka,
        Arc::new(Silent),
        CancellationToken::new(),
    )))
    .await
    .unwrap();
    let records = all(&kafka, topic).await;
    assert!(!records.is_empty());
    let first = &records[0];
    assert_eq!(first.header("content-type"), Some(&b"video/h264"[..]));
    assert_eq!(first.header("frame"), Some(&b"key"[..]));
    assert_eq!(first.header("size"), Some(&b"320x240"[..]));
    assert_eq!(first.header("gop-index"), Some(&b"0"[..]));
    let info = kafka.topic(topic).await.unwrap();
    assert_eq!(info.partitions.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_films_sound_is_published_between_its_pictures_in_order_of_time() {
    let bench = bench().await;
    let units = clip();
    // A second more than the pictures' two.
    let sound = synthetic::sound(SoundCodec::Aac, 0, 141);
    let bytes = synthetic::mp4_with_sound(&units, SoundCodec::Aac, &sound);
    let path = bench.file("film.mp4", &bytes);
    let file = |topic: &str| VideoFile {
        pace: Pace::Max,
        ..VideoFile::new(path.clone(), topic)
    };
    let (summary, notes) = publish(&bench, file("film")).await;
    assert_eq!(notes, ["with its sound: AAC, 48000 Hz, 2 channels"]);
    let records = all(&bench.kafka, "film").await;
    assert_eq!(summary.records, records.len() as u64);
    let (mut heard, mut shown, mut key_at, mut decoded_us) = (0, 0, 0, i64::MIN);
    for (at, record) in (0_u32..).zip(&records) {
        assert_eq!(record.key.as_deref(), Some(&b"film.mp4"[..]));
        let Some(said) = read_sound(record.header_pairs()) else {
            let picture = meta(record);
            shown += 1;
            decoded_us = picture.dts_us.unwrap();
            if picture.key {
                key_at = at;
                continue;
            }
            assert_eq!(since_key(record.header_pairs()), Some(at - key_at));
            continue;
        };
        let unit = &sound[heard];
        heard += 1;
        assert_eq!(record.value.as_ref(), Some(&unit.data));
        assert_eq!(said.pts_us, Some(unit.pts_us));
        assert_eq!(said.codec_string.as_deref(), Some("mp4a.40.2"));
        assert_eq!(said.channels, Some(2));
        assert_eq!(since_key(record.header_pairs()), Some(at - key_at));
        assert!(decoded_us <= unit.pts_us.max(units[0].dts_us), "{at}");
    }
    assert_eq!((heard, shown), (sound.len(), units.len()));

    let without = VideoFile {
        sound: false,
        ..file("silent")
    };
    let (summary, notes) = publish(&bench, without).await;
    assert_eq!((summary.records, notes.len()), (units.len() as u64, 0));
    let stills = VideoFile {
        codec: CodecChoice::Jpeg,
        to_us: Some(200_000),
        ..file("stills")
    };
    let (_, notes) = publish(&bench, stills).await;
    assert_eq!(notes.len(), 0);
    for record in all(&bench.kafka, "stills").await {
        assert_eq!(meta(&record).codec, Codec::Jpeg);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_is_repeated_has_no_sound_of_two_laps_at_once() {
    let bench = bench().await;
    let units = Clip {
        pictures: 10,
        ..Clip::default()
    }
    .h264();
    let sound = synthetic::sound(SoundCodec::Opus, 0, 60);
    let bytes = synthetic::mp4_with_sound(&units, SoundCodec::Opus, &sound);
    bench
        .kafka
        .create_topic(TopicSpec::new("film").partitions(1))
        .await
        .unwrap();
    let file = VideoFile {
        repeat: true,
        pace: Pace::Max,
        ..VideoFile::new(bench.file("film.mp4", &bytes), "film")
    };
    let shutdown = CancellationToken::new();
    let kafka = bench.kafka.clone();
    let running = tokio::spawn({
        let (kafka, shutdown) = (kafka.clone(), shutdown.clone());
        async move { file.run(&kafka, Arc::new(Silent), shutdown).await }
    });
    let mut reader = kafka
        .reader(
            "film",
            weir_client::From::Start,
            weir_client::ReaderOptions::default(),
        )
        .await
        .unwrap();
    let mut last_us = -20_000;
    // Three laps of 0.4 s.
    while last_us < 1_180_000 {
        let weir_client::Event::Record(record) = within(reader.next()).await.unwrap() else {
            continue;
        };
        if let Some(said) = read_sound(record.header_pairs()) {
            assert_eq!(said.pts_us, Some(last_us + 20_000));
            last_us += 20_000;
        }
    }
    shutdown.cancel();
    within(running).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_published_picture_by_picture_with_its_times() {
    let bench = bench().await;
    let units = clip();
    let track_bytes: usize = units.iter().map(|unit| unit.data.len()).sum();
    for (name, bytes) in [
        ("clip.mp4", synthetic::mp4(&units, Mp4Layout::default())),
        ("clip.mkv", synthetic::mkv(&units)),
    ] {
        let topic = name.replace('.', "-");
        let file = VideoFile {
            pace: Pace::Max,
            ..VideoFile::new(bench.file(name, &bytes), &topic)
        };
        let (summary, notes) = publish(&bench, file).await;
        assert_eq!(notes, Vec::<String>::new());
        assert_eq!(summary.records, units.len() as u64);
        assert!(
            summary.bytes as f64 <= 1.05 * track_bytes as f64,
            "{} of {track_bytes}",
            summary.bytes
        );
        let records = all(&bench.kafka, &topic).await;
        assert_eq!(records.len(), units.len());
        let zero_us = units[0].pts_us;
        let mut index = 0;
        for (record, unit) in records.iter().zip(&units) {
            let meta = meta(record);
            index = if unit.key { 0 } else { index + 1 };
            assert_eq!(record.key.as_deref(), Some(name.as_bytes()));
            assert_eq!((meta.codec, meta.key), (Codec::H264, unit.key));
            // Matroska counts in milliseconds.
            assert!((meta.pts_us.unwrap() - (unit.pts_us - zero_us)).abs() <= 1_000);
            // Matroska has no decode times, and these parameter sets (of a stream without B-frames) do not help to find any.
            if name == "clip.mp4" {
                assert_eq!(meta.dts_us.unwrap(), unit.dts_us - zero_us);
            }
            assert_eq!(meta.gop_index, Some(index));
            if unit.key {
                assert_eq!(meta.size, Some((192, 108)));
                assert!(meta.codec_string.unwrap().starts_with("avc1."));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_real_time_a_record_is_stamped_when_its_picture_would_have_been_captured() {
    let bench = bench().await;
    let units = clip()[..20].to_vec();
    let path = bench.file("a.mp4", &synthetic::mp4(&units, Mp4Layout::default()));
    publish(&bench, VideoFile::new(path, "t")).await;
    let records = all(&bench.kafka, "t").await;
    assert_eq!(records.len(), 20);
    let start = records[0].timestamp.unwrap();
    for record in &records {
        let since_ms = record.timestamp.unwrap().since_ms(start);
        assert_eq!(since_ms, meta(record).pts_us.unwrap() / 1_000);
    }
}

/// What a clock that stands says that a file's records are stamped with, in milliseconds; and what a person is told.
async fn stamped(bench: &Bench, file: VideoFile, now: Timestamp) -> (Vec<i64>, Vec<String>) {
    let (kafka, topic) = (&bench.kafka, file.topic.clone());
    let before = match kafka.watermarks(&topic).await {
        Ok(marks) => usize::try_from(marks[0].end).unwrap(),
        Err(_) => 0,
    };
    let file = VideoFile {
        pace: Pace::Max,
        clock: Arc::new(ManualClock::new(now)),
        ..file
    };
    let (_, notes) = publish(bench, file).await;
    let records = all(kafka, &topic).await;
    let stamps = records[before..].iter().map(|r| r.timestamp.unwrap().0);
    (stamps.collect(), notes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_sent_faster_than_it_plays_is_stamped_as_if_it_ended_now() {
    let bench = bench().await;
    let now = SystemClock::new().now();
    let units = clip();
    let fragmented = Mp4Layout {
        fragmented: true,
        ..Mp4Layout::default()
    };
    for (name, bytes) in [
        ("clip.mp4", synthetic::mp4(&units, Mp4Layout::default())),
        // Neither of these says how long it is.
        ("live.mp4", synthetic::mp4(&units, fragmented)),
        ("clip.mkv", synthetic::mkv(&units)),
    ] {
        let file = VideoFile::new(bench.file(name, &bytes), name);
        let (stamps, notes) = stamped(&bench, file, now).await;
        assert_eq!(notes, Vec::<String>::new());
        let zero_us = units[0].pts_us;
        let begin_ms = stamps[0];
        // The last picture is shown for 40 ms.
        let ends_ms = begin_ms + 50 * 40;
        assert!((now.0 - ends_ms).abs() <= 1, "{name}: {}", now.0 - ends_ms);
        for (stamp, unit) in stamps.iter().zip(&units) {
            let since_ms = (unit.pts_us - zero_us) / 1_000;
            assert!((stamp - begin_ms - since_ms).abs() <= 1, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_film_sent_faster_than_it_plays_ends_now_too() {
    let bench = bench().await;
    let now = SystemClock::new().now();
    let path = bench.file("a.mp4", &synthetic::mp4(&clip(), Mp4Layout::default()));
    let file = VideoFile {
        codec: CodecChoice::Jpeg,
        from_us: Some(400_000),
        to_us: Some(1_200_000),
        ..VideoFile::new(path, "part")
    };
    let (stamps, _) = stamped(&bench, file, now).await;
    assert_eq!(stamps.len(), 20);
    assert_eq!(stamps.iter().min(), Some(&(now.0 - 800)));
    assert_eq!(stamps.iter().max(), Some(&(now.0 - 40)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_cannot_be_dated_back_is_stamped_when_it_is_sent_and_says_why() {
    let bench = bench().await;
    let now = SystemClock::new().now();
    let path = bench.file("a.mp4", &synthetic::mp4(&clip(), Mp4Layout::default()));
    let file = |topic: &str| VideoFile::new(path.clone(), topic);
    stamped(&bench, file("films"), now).await;
    let later = now.plus_ms(1_000);
    let (stamps, notes) = stamped(&bench, file("films"), later).await;
    assert!(stamps.iter().all(|stamp| *stamp == later.0));
    assert!(notes[0].contains("a topic of its own"), "{notes:?}");
    // Long enough after the first there is room for it.
    let later = now.plus_ms(3_500);
    let (stamps, notes) = stamped(&bench, file("films"), later).await;
    assert_eq!((stamps[0], notes.len()), (later.0 - 2_000, 0));

    let spec = TopicSpec::new("short").partitions(1);
    let spec = spec.set("retention.ms", "1500");
    bench.kafka.create_topic(spec).await.unwrap();
    let (stamps, notes) = stamped(&bench, file("short"), now).await;
    assert!(stamps.iter().all(|stamp| *stamp == now.0));
    assert!(notes[0].contains("retention.ms=1500"), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_file_goes_on_forward_in_time() {
    let bench = bench().await;
    let units = clip();
    let path = bench.file("a.mp4", &synthetic::mp4(&units, Mp4Layout::default()));
    let shutdown = CancellationToken::new();
    let began = SystemClock::new().now();
    let running = {
        let (kafka, shutdown) = (bench.kafka.clone(), shutdown.clone());
        let file = VideoFile {
            pace: Pace::Max,
            repeat: true,
            ..VideoFile::new(path, "t")
        };
        tokio::spawn(async move { file.run(&kafka, Arc::new(Silent), shutdown).await })
    };
    loop {
        match bench.kafka.watermarks("t").await {
            Ok(marks) if marks[0].end > 3 * units.len() as i64 => break,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    shutdown.cancel();
    let summary = within(running).await.unwrap().unwrap();
    assert_eq!(summary.ended, Ended::Shutdown);
    let records = all(&bench.kafka, "t").await;
    assert_eq!(records.len() as u64, summary.records);
    let times: Vec<i64> = records.iter().map(|r| meta(r).dts_us.unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
    let lap_us = meta(&records[units.len()]).pts_us.unwrap() - meta(&records[0]).pts_us.unwrap();
    assert_eq!(lap_us, 50 * 40_000);
    // It never ends, so there is nothing to date it back from: it is stamped when it is sent.
    let stamps: Vec<i64> = records.iter().map(|r| r.timestamp.unwrap().0).collect();
    assert!(stamps.is_sorted() && stamps[0] >= began.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_can_be_published_as_jpeg_and_png_at_their_own_rate() {
    let bench = bench().await;
    let units = Clip::default().h264();
    let path = bench.file("a.mp4", &synthetic::mp4(&units, Mp4Layout::default()));
    for (codec, kind, fps, want) in [
        (CodecChoice::Jpeg, Codec::Jpeg, Some(5.0), 10),
        (CodecChoice::Png, Codec::Png, None, 50),
        (CodecChoice::H264, Codec::H264, None, 50),
    ] {
        let topic = format!("t-{kind:?}");
        let file = VideoFile {
            codec,
            fps,
            pace: Pace::Max,
            ..VideoFile::new(&path, &topic)
        };
        let (summary, notes) = publish(&bench, file).await;
        assert_eq!((summary.records, notes), (want, Vec::new()), "{kind:?}");
        let records = all(&bench.kafka, &topic).await;
        let mut last_us = -1;
        for record in &records {
            let meta = meta(record);
            assert_eq!(meta.codec, kind);
            assert!(
                meta.pts_us.unwrap() > last_us,
                "in the order they are shown"
            );
            last_us = meta.pts_us.unwrap();
            if meta.key {
                assert_eq!(meta.size, Some((192, 108)));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_file_is_published_from_its_key_frame() {
    let bench = bench().await;
    let path = bench.file("a.mp4", &synthetic::mp4(&clip(), Mp4Layout::default()));
    let file = VideoFile {
        from_us: Some(500_000),
        to_us: Some(1_200_000),
        pace: Pace::Max,
        ..VideoFile::new(&path, "copy")
    };
    publish(&bench, file.clone()).await;
    let records = all(&bench.kafka, "copy").await;
    assert!(meta(&records[0]).key);
    assert_eq!(meta(&records[0]).pts_us, Some(0));
    // From the key frame at 0.4 s.
    assert!((20..=22).contains(&records.len()), "{}", records.len());

    let file = VideoFile {
        codec: CodecChoice::Jpeg,
        topic: "jpeg".to_owned(),
        ..file
    };
    publish(&bench, file).await;
    let records = all(&bench.kafka, "jpeg").await;
    assert!((17..=18).contains(&records.len()), "{}", records.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_cut_off_publishes_what_is_sound_and_says_what_was_not() {
    let bench = bench().await;
    let layout = Mp4Layout {
        moov_front: true,
        ..Mp4Layout::default()
    };
    let whole = synthetic::mp4(&clip(), layout);
    let path = bench.file("cut.mp4", &whole[..whole.len() * 2 / 3]);
    let file = VideoFile {
        pace: Pace::Max,
        ..VideoFile::new(&path, "t")
    };
    let (summary, notes) = publish(&bench, file).await;
    assert!((10..50).contains(&summary.records), "{summary:?}");
    assert_eq!(summary.records + summary.passed_over, 50, "{summary:?}");
    assert_eq!(notes, summary.damage);
    assert!(!notes.is_empty());
    assert_eq!(all(&bench.kafka, "t").await.len() as u64, summary.records);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_of_which_the_topic_takes_no_picture_is_an_error_that_names_the_setting() {
    let bench = bench().await;
    bench
        .kafka
        .create_topic(TopicSpec::new("t").set("max.message.bytes", "200"))
        .await
        .unwrap();
    let path = bench.file("a.mp4", &synthetic::mp4(&clip(), Mp4Layout::default()));
    let file = VideoFile {
        codec: CodecChoice::Png,
        pace: Pace::Max,
        ..VideoFile::new(&path, "t")
    };
    let notes = Arc::new(Notes::default());
    let running = file.run(&bench.kafka, notes, CancellationToken::new());
    let ended = within(Box::pin(running)).await;
    let said = ended.unwrap_err().to_string();
    assert!(
        said.contains("no picture of it") && said.contains("max.message.bytes"),
        "{said}"
    );
}
