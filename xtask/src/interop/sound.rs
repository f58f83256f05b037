//! Sound of real files: what ffmpeg's encoders and muxers make of AAC and Opus goes into a topic piece by piece as ffprobe finds it in
//! the file, and comes out of it in sync with the pictures.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::page::ffmpeg;
use super::{Case, Context};
use crate::http;
use crate::install::program;
use crate::process::{run, run_any, tail};

const DEADLINE: Duration = Duration::from_mins(1);
/// So far may two times of the same thing lie apart: Matroska rounds to milliseconds.
const ROUNDING_US: f64 = 1_100.0;
/// So far may a flash and a beep lie apart that happen at once.
const IN_SYNC_S: f64 = 0.020;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "ffmpeg's sound",
        what: "AAC and Opus in MP4, MOV, Matroska and WebM, late and early: access units and times as ffprobe finds them; MP3 told",
        run: pieces,
    },
    Case {
        name: "flash and beep",
        what: "a film of both at once, out of video.mp4: ffmpeg finds them within 20 ms of each other",
        run: in_sync,
    },
];

/// A file of six seconds with B-frames, its sound encoded and its beginnings moved as asked.
fn film(context: &Context, name: &str, before: &[&str], sound: &[&str]) -> Result<PathBuf> {
    let file = context.folder("sound")?.join(name);
    let mut command = ffmpeg(context)?;
    command.args([
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x180:rate=25:duration=6",
    ]);
    command.args(before);
    command.args([
        "-f",
        "lavfi",
        "-i",
        "sine=frequency=440:duration=5.5:sample_rate=44100",
    ]);
    let video: &[&str] = if Path::new(name).extension().is_some_and(|end| end == "webm") {
        &[
            "-c:v",
            "libvpx-vp9",
            "-deadline",
            "realtime",
            "-cpu-used",
            "8",
        ]
    } else {
        &[
            "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2",
        ]
    };
    run(command.args(video).args(sound).arg(&file), b"", DEADLINE)?;
    Ok(file)
}

/// A packet: when it is shown or heard in seconds, and what its bytes come to.
type Packet = (f64, String);

/// What ffprobe finds in one kind of a file's tracks.
fn packets(context: &Context, file: &Path, tracks: &str) -> Result<Vec<Packet>> {
    let mut command = Command::new(program(context.workspace, "ffprobe")?);
    command
        .args(["-v", "error", "-select_streams", tracks, "-show_packets"])
        .args(["-show_data_hash", "adler32", "-of", "json"])
        .arg(file);
    let found: Value = serde_json::from_slice(&run(&mut command, b"", DEADLINE)?.stdout)?;
    let packets = found["packets"].as_array().context("ffprobe found none")?;
    packets
        .iter()
        .map(|packet| {
            let time = packet["pts_time"].as_str().context("no time")?.parse()?;
            let hash = packet["data_hash"].as_str().unwrap_or_default();
            Ok((time, hash.rsplit(':').next().unwrap_or_default().to_owned()))
        })
        .collect()
}

/// RFC 1950 §8.2, as ffprobe writes it.
fn adler32(bytes: &[u8]) -> String {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    format!("{:08x}", b << 16 | a)
}

/// What one record of a topic is.
struct Record {
    offset: i64,
    kind: String,
    pts_us: f64,
    value: Vec<u8>,
}

fn records(context: &Context, topic: &str, count: usize) -> Result<Vec<Record>> {
    let url = format!("/topics/{topic}/records?from=start&full=true");
    let mut found = Vec::new();
    http::events(&context.server()?.url(&url), |event| {
        let header = |name: &str| {
            let headers = event["headers"].as_array().cloned().unwrap_or_default();
            let held = headers.iter().find(|header| header["name"] == name);
            held.and_then(|held| held["value"]["text"].as_str().map(ToOwned::to_owned))
        };
        let Some(kind) = header("content-type") else {
            return false;
        };
        let hex = event["value"]["text"].as_str().unwrap_or_default();
        let byte = |at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        found.push(Record {
            offset: event["offset"].as_i64().unwrap_or(-1),
            kind,
            pts_us: header("pts")
                .and_then(|pts| pts.parse().ok())
                .unwrap_or(f64::NAN),
            value: (0..hex.len()).step_by(2).map_while(byte).collect(),
        });
        found.len() == count
    })?;
    Ok(found)
}

fn publish(context: &Context, file: &Path, topic: &str) -> Result<String> {
    let mut command = Command::new(context.weir()?);
    command
        .args(["--bootstrap", &context.bootstrap()?.to_string()])
        .args(["publish", "video"])
        .arg(file)
        .args(["--topic", topic, "--pace", "max"]);
    Ok(run_any(&mut command, b"", DEADLINE)?.stderr)
}

fn pieces(context: &Context) -> Result<String> {
    const AAC: &[&str] = &["-c:a", "aac"];
    const OPUS: &[&str] = &["-c:a", "libopus"];
    const LATE: &[&str] = &["-itsoffset", "0.5"];
    let mut compared = 0;
    for (name, before, sound) in [
        ("aac.mp4", &[][..], AAC),
        ("aac.mov", &[], AAC),
        ("aac.mkv", &[], AAC),
        ("late.mp4", LATE, AAC),
        (
            "stereo.mp4",
            &[],
            &["-c:a", "aac", "-ac", "2", "-ar", "48000"],
        ),
        (
            "pieces.mp4",
            &[],
            &["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"],
        ),
        ("opus.mp4", &[], OPUS),
        ("opus.mkv", &[], OPUS),
        ("late.mkv", LATE, OPUS),
        ("opus.webm", &[], OPUS),
    ] {
        let file = film(context, name, before, sound)?;
        let (shown, heard) = (
            packets(context, &file, "v:0")?,
            packets(context, &file, "a:0")?,
        );
        let zero_s = shown.iter().map(|(time, _)| *time).fold(f64::MAX, f64::min);
        let topic = context.topic(&format!("sound-{}", name.replace('.', "-")));
        let said = publish(context, &file, &topic)?;
        ensure!(said.contains("with its sound"), "{name}: {}", tail(&said));
        let found = records(context, &topic, shown.len() + heard.len())?;
        let sounds: Vec<_> = found
            .iter()
            .filter(|r| r.kind.starts_with("audio/"))
            .collect();
        ensure!(
            sounds.len() == heard.len(),
            "{name}: {} records of sound, ffprobe finds {}",
            sounds.len(),
            heard.len()
        );
        for (record, (time_s, hash)) in sounds.iter().zip(&heard) {
            // An ADTS header stands in front of AAC.
            let skipped = if record.kind == "audio/aac" { 7 } else { 0 };
            let data = record.value.get(skipped..).unwrap_or_default();
            let off_us = record.pts_us - (time_s - zero_s) * 1e6;
            ensure!(
                adler32(data) == *hash && off_us.abs() <= ROUNDING_US,
                "{name}: the record at offset {} is not what ffprobe finds at {time_s} s (off by {off_us} µs)",
                record.offset
            );
        }
        compared += heard.len();
    }
    let mp3 = film(context, "mp3.mp4", &[], &["-c:a", "libmp3lame"])?;
    let topic = context.topic("sound-mp3");
    let said = publish(context, &mp3, &topic)?;
    ensure!(
        said.contains("without their sound, which is MP3") && said.contains("-c:a aac"),
        "of MP3: {}",
        tail(&said)
    );
    let found = records(context, &topic, packets(context, &mp3, "v:0")?.len())?;
    ensure!(
        found.iter().all(|record| record.kind == "video/h264"),
        "MP3 came"
    );
    Ok(format!(
        "{compared} access units of sound, each ffprobe's own, at its time"
    ))
}

/// When something begins, by a line of ffmpeg's such as `… black_end:2.04 …`.
fn times(said: &str, name: &str) -> Vec<f64> {
    let after = said.split(name).skip(1);
    after
        .filter_map(|rest| {
            let number = rest.trim_start_matches([':', ' ']);
            let end = number.find(|c: char| !c.is_ascii_digit() && c != '.');
            number.get(..end.unwrap_or(number.len()))?.parse().ok()
        })
        .collect()
}

fn in_sync(context: &Context) -> Result<String> {
    let mut worst_s = 0_f64;
    for (name, codec) in [("beep.mp4", "aac"), ("beep.mkv", "libopus")] {
        let file = context.folder("sound")?.join(name);
        let flash = "color=black:size=320x180:rate=50:duration=6,drawbox=x=0:y=0:w=320:h=180:color=white:t=fill:\
                     enable='lt(mod(t,1),0.1)*gte(t,1)'";
        let beep = "sine=frequency=1000:duration=6:sample_rate=48000,\
                    volume=volume=0:eval=frame:enable='gte(mod(t,1),0.1)+lt(t,1)'";
        let mut command = ffmpeg(context)?;
        command.args(["-f", "lavfi", "-i", flash, "-f", "lavfi", "-i", beep]);
        command.args([
            "-c:v", "libx264", "-preset", "veryfast", "-g", "50", "-bf", "2",
        ]);
        run(command.args(["-c:a", codec]).arg(&file), b"", DEADLINE)?;
        let topic = context.topic(&name.replace('.', "-"));
        publish(context, &file, &topic)?;
        let count = packets(context, &file, "v:0")?.len() + packets(context, &file, "a:0")?.len();
        let found = records(context, &topic, count)?;
        let last = found.iter().rfind(|record| record.kind == "video/h264");
        let last = last.context("no picture")?.offset;
        let url = format!("/topics/{topic}/video.mp4?from=start&to={last}");
        let mut command = Command::new(program(context.workspace, "ffmpeg")?);
        command
            .args([
                "-hide_banner",
                "-nostdin",
                "-i",
                &context.server()?.url(&url),
            ])
            .args(["-vf", "blackdetect=d=0.3:pix_th=0.5"])
            .args(["-af", "silencedetect=noise=-40dB:d=0.3", "-f", "null", "-"]);
        let said = run(&mut command, b"", DEADLINE)?.stderr;
        let (flashes, beeps) = (times(&said, "black_end"), times(&said, "silence_end"));
        // Both name the end of the film too.
        ensure!(
            flashes.len() >= 5 && beeps.len() >= 5,
            "{name}: flashes at {flashes:?}, beeps at {beeps:?}: {}",
            tail(&said)
        );
        for (flash_s, beep_s) in flashes.iter().zip(&beeps).take(5) {
            let apart_s = (flash_s - beep_s).abs();
            ensure!(
                apart_s <= IN_SYNC_S,
                "{name}: a flash at {flash_s} s, its beep at {beep_s} s"
            );
            worst_s = worst_s.max(apart_s);
        }
    }
    Ok(format!(
        "AAC and Opus, {:.1} ms apart at most",
        worst_s * 1e3
    ))
}
