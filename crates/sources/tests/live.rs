//! Cameras against the embedded broker: what a camera hands over is what is read back, whatever happens to it.

#![allow(
    clippy::unwrap_used,
    reason = "a failed expectation is the test's failure"
)]

mod bench;

use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weir_client::{Kafka, TopicSpec};
use weir_media::synthetic::Clip;
use weir_media::{Codec, Yuv420, jpeg};
use weir_sources::camera::fake::{FakeCameras, Refusal};
use weir_sources::camera::{CameraSource, Format, Wanted};
use weir_sources::{Ended, SourceError, Summary};

use bench::{Notes, all, bench, meta, within};

const DEVICE: &str = "/dev/video0";

fn source(cameras: &FakeCameras, topic: &str) -> CameraSource {
    CameraSource {
        cameras: Arc::new(cameras.clone()),
        ..CameraSource::new(topic)
    }
}

fn h264_file(folder: &Path, clip: &Clip) -> std::path::PathBuf {
    let path = folder.join("camera.h264");
    let stream: Vec<u8> = clip
        .h264()
        .iter()
        .flat_map(|unit| unit.data.to_vec())
        .collect();
    std::fs::write(&path, stream).unwrap();
    path
}

struct Running {
    task: tokio::task::JoinHandle<Result<Summary, SourceError>>,
    shutdown: CancellationToken,
    notes: Arc<Notes>,
}

fn run(source: CameraSource, kafka: &Kafka) -> Running {
    let (shutdown, notes) = (CancellationToken::new(), Arc::new(Notes::default()));
    let (kafka, told, until) = (kafka.clone(), notes.clone(), shutdown.clone());
    let task = tokio::spawn(async move { source.run(&kafka, told, until).await });
    Running {
        task,
        shutdown,
        notes,
    }
}

impl Running {
    async fn end(self) -> Summary {
        self.shutdown.cancel();
        within(self.task).await.unwrap().unwrap()
    }
}

/// Waits until a topic holds so many records.
async fn filled(kafka: &Kafka, topic: &str, records: i64) {
    within(async {
        loop {
            let held = kafka.watermarks(topic).await.map(|marks| marks[0].end);
            if held.is_ok_and(|end| end >= records) {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_of_a_camera_passes_through_bit_for_bit_under_its_name() {
    let bench = bench().await;
    let clip = Clip {
        pictures: 30,
        ..Clip::default()
    };
    let cameras = FakeCameras::default();
    let file = h264_file(bench.folder.path(), &clip);
    cameras.plug_in(DEVICE, &file, (192, 108), 30).unwrap();
    let running = run(source(&cameras, "door"), &bench.kafka);
    filled(&bench.kafka, "door", 30).await;
    let summary = running.end().await;
    assert_eq!((summary.records, summary.ended), (30, Ended::Shutdown));
    let records = all(&bench.kafka, "door").await;
    for (record, unit) in records.iter().zip(clip.h264()) {
        assert_eq!(record.value.as_ref().unwrap(), &unit.data);
        assert_eq!(meta(record).key, unit.key);
        assert_eq!(record.key.as_deref(), Some(&b"Fake Camera"[..]));
    }
    let times: Vec<i64> = records
        .iter()
        .map(|record| meta(record).dts_us.unwrap())
        .collect();
    assert!(
        times.windows(2).all(|two| two[1] - two[0] == 40_000),
        "{times:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn jpegs_of_a_camera_pass_through_and_its_bare_samples_become_h264() {
    let bench = bench().await;
    let picture = Yuv420::new(64, 48).unwrap();
    let jpegs = bench.file(
        "camera.mjpeg",
        &jpeg::encode(&picture, 80).unwrap().repeat(3),
    );
    let samples = bench.file("camera.yuyv", &[16, 128].repeat(64 * 48 * 2));
    let cameras = FakeCameras::default();
    cameras.plug_in("/dev/video0", &jpegs, (64, 48), 6).unwrap();
    cameras
        .plug_in("/dev/video1", &samples, (64, 48), 6)
        .unwrap();
    for (device, topic, codec) in [
        ("/dev/video0", "jpegs", Codec::Jpeg),
        ("/dev/video1", "encoded", Codec::H264),
    ] {
        let camera = CameraSource {
            device: Some(device.into()),
            ..source(&cameras, topic)
        };
        let running = run(camera, &bench.kafka);
        filled(&bench.kafka, topic, 6).await;
        running.end().await;
        let records = all(&bench.kafka, topic).await;
        assert_eq!(records.len(), 6);
        assert_eq!(
            (meta(&records[0]).codec, meta(&records[0]).size),
            (codec, Some((64, 48)))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_is_unplugged_is_waited_for_and_goes_on_with_a_key_frame_and_later_times() {
    let bench = bench().await;
    let clip = Clip {
        pictures: 20,
        ..Clip::default()
    };
    let file = h264_file(bench.folder.path(), &clip);
    let cameras = FakeCameras::default();
    cameras.plug_in(DEVICE, &file, (192, 108), 15).unwrap();
    let running = run(source(&cameras, "door"), &bench.kafka);
    filled(&bench.kafka, "door", 15).await;
    cameras.unplug(DEVICE);
    within(running.notes.said("it was unplugged; trying again in 1 s")).await;
    cameras.plug_in(DEVICE, &file, (192, 108), 15).unwrap();
    filled(&bench.kafka, "door", 30).await;
    within(running.notes.said("/dev/video0 is there again")).await;
    running.end().await;
    let records = all(&bench.kafka, "door").await;
    assert!(meta(&records[15]).key);
    let times: Vec<i64> = records
        .iter()
        .map(|record| meta(record).dts_us.unwrap())
        .collect();
    assert!(times.windows(2).all(|two| two[0] < two[1]), "{times:?}");
    assert!(
        records
            .windows(2)
            .all(|two| two[0].timestamp <= two[1].timestamp)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_cannot_be_used_is_refused_before_a_topic_is_made() {
    let bench = bench().await;
    let cameras = FakeCameras::default();
    let refused = async |camera: CameraSource| {
        let running = run(camera, &bench.kafka);
        within(running.task).await.unwrap().unwrap_err().to_string()
    };
    let none = refused(source(&cameras, "t")).await;
    assert!(none.contains("there is no camera"), "{none}");
    cameras.refuse("/dev/video1", Refusal::Busy);
    cameras.refuse("/dev/video2", Refusal::Denied);
    for (device, word) in [
        ("/dev/video1", "another program"),
        ("/dev/video2", "group `video`"),
        ("/dev/video7", "no such device; there is /dev/video1"),
    ] {
        let camera = CameraSource {
            device: Some(device.into()),
            ..source(&cameras, "t")
        };
        let refusal = refused(camera).await;
        assert!(
            refusal.starts_with(device) && refusal.contains(word),
            "{refusal}"
        );
    }
    let file = h264_file(bench.folder.path(), &Clip::default());
    cameras
        .plug_in("/dev/video0", &file, (192, 108), 1)
        .unwrap();
    let wanted = Wanted {
        size: Some((4, 4)),
        format: Some(Format::H264),
        ..Wanted::default()
    };
    let refusal = refused(CameraSource {
        wanted,
        ..source(&cameras, "t")
    })
    .await;
    assert!(
        refusal.contains("h264 4x4") && refusal.contains("h264 192x108"),
        "{refusal}"
    );
    assert!(bench.kafka.topic("t").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_the_topic_does_not_take_is_left_out_with_those_that_lean_on_it_and_the_setting_is_named()
 {
    let bench = bench().await;
    let clip = Clip {
        pictures: 20,
        gop: 10,
        ..Clip::default()
    };
    let units = clip.h264();
    let largest = units.iter().map(|unit| unit.data.len()).max().unwrap();
    let limit = (largest / 2 + 800).to_string();
    let spec = TopicSpec::new("small")
        .partitions(1)
        .set("max.message.bytes", limit);
    bench.kafka.create_topic(spec).await.unwrap();
    let cameras = FakeCameras::default();
    let file = h264_file(bench.folder.path(), &clip);
    cameras.plug_in(DEVICE, &file, (192, 108), 20).unwrap();
    let running = run(source(&cameras, "small"), &bench.kafka);
    within(running.notes.said("raise the topic's max.message.bytes")).await;
    let summary = running.end().await;
    assert_eq!(summary.records, 0);
    assert!(summary.passed_over > 0);
}
