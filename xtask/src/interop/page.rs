//! What other programs read from the web server: ffmpeg and ffprobe of an H.264 topic as MP4 and as MJPEG, and the routes
//! that scripts use.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Case, Context};
use crate::http;
use crate::install::program;
use crate::process::{run, tail};

const DEADLINE: Duration = Duration::from_mins(1);

/// Pictures in the file that ffmpeg makes, and how many of them are compared (the last one's duration is not known while
/// the topic is live, so the newest may still be held back).
const MADE: usize = 120;
const COMPARED: usize = 100;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "ffmpeg video.mp4",
        what: "an H.264 file with B-frames through the topic: the pictures are the file's own, bit for bit",
        run: mp4,
    },
    Case {
        name: "ffmpeg video.mjpeg",
        what: "the same topic as MJPEG, in order and in its size",
        run: mjpeg,
    },
    Case {
        name: "ffmpeg matroska",
        what: "Matroska in, the same pictures out",
        run: matroska,
    },
    Case {
        name: "ffmpeg export",
        what: "`weir export` of all of it, of a stretch between key frames, and to a pipe: the pictures are the file's own",
        run: export,
    },
    Case {
        name: "http routes",
        what: "metadata, records, and problem+json for what is not there",
        run: routes,
    },
];

pub(super) fn ffmpeg(context: &Context) -> Result<Command> {
    let mut command = Command::new(program(context.workspace, "ffmpeg")?);
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]);
    Ok(command)
}

/// A moving picture as x264 makes it by default: B-frames, a GOP of 25.
pub(crate) fn h264_file(context: &Context, name: &str) -> Result<PathBuf> {
    video_file(context, name, "libx264")
}

fn video_file(context: &Context, name: &str, codec: &str) -> Result<PathBuf> {
    let file = context.folder("made")?.join(name);
    let mut command = ffmpeg(context)?;
    command
        .args([
            "-f",
            "lavfi",
            "-i",
            &format!(
                "testsrc=size=320x240:rate=25:duration={}",
                MADE as f64 / 25.0
            ),
        ])
        .args(["-c:v", codec, "-g", "25", "-pix_fmt", "yuv420p"]);
    if codec == "libx264" {
        command.args(["-bf", "2"]);
    }
    run(command.arg(&file), b"", DEADLINE)?;
    Ok(file)
}

/// A checksum of each decoded picture, in showing order.
pub(super) fn pictures(context: &Context, input: &str) -> Result<Vec<String>> {
    let text = run(
        ffmpeg(context)?
            .args([
                "-i",
                input,
                "-map",
                "0:v:0",
                "-fps_mode",
                "passthrough",
                "-frames:v",
                &COMPARED.to_string(),
            ])
            .args(["-f", "framemd5", "-"]),
        b"",
        DEADLINE,
    )?
    .text();
    Ok(text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit(',').next())
        .map(|sum| sum.trim().to_owned())
        .collect())
}

/// Publishes a file at full speed and gives its topic.
fn published(context: &Context, file: &std::path::Path) -> Result<String> {
    let topic = context.topic("film");
    let bootstrap = context.bootstrap()?.to_string();
    run(
        Command::new(context.weir()?)
            .args(["--bootstrap", &bootstrap, "publish", "video"])
            .arg(file)
            .args(["--topic", &topic, "--pace", "max"]),
        b"",
        DEADLINE,
    )?;
    Ok(topic)
}

fn same_pictures(context: &Context, file: &std::path::Path) -> Result<String> {
    let topic = published(context, file)?;
    let url = context
        .server()?
        .url(&format!("/topics/{topic}/video.mp4?from=start"));
    let (original, shown) = (
        pictures(context, &file.display().to_string())?,
        pictures(context, &url)?,
    );
    ensure!(
        original.len() == COMPARED,
        "the file itself gave {} pictures",
        original.len()
    );
    let differing = original.iter().zip(&shown).filter(|(a, b)| a != b).count();
    ensure!(
        shown.len() == COMPARED && differing == 0,
        "{} pictures, {differing} of them others than the file's",
        shown.len()
    );
    Ok(format!("{COMPARED} pictures, all the file's own"))
}

fn mp4(context: &Context) -> Result<String> {
    let file = h264_file(context, "film.mp4")?;
    same_pictures(context, &file)
}

fn matroska(context: &Context) -> Result<String> {
    let file = h264_file(context, "film.mkv")?;
    same_pictures(context, &file)
}

fn mjpeg(context: &Context) -> Result<String> {
    let topic = published(context, &h264_file(context, "film.mp4")?)?;
    let url = context
        .server()?
        .url(&format!("/topics/{topic}/video.mjpeg?from=start"));
    let folder = context.folder("mjpeg")?;
    run(
        ffmpeg(context)?
            .args([
                "-f",
                "mpjpeg",
                "-i",
                &url,
                "-frames:v",
                "50",
                "-fps_mode",
                "passthrough",
            ])
            .arg(folder.join("%03d.png")),
        b"",
        DEADLINE,
    )?;
    let count = fs::read_dir(&folder)?.count();
    ensure!(count == 50, "{count} pictures of 50");
    let probe = run(
        Command::new(program(context.workspace, "ffprobe").context("ffprobe comes with ffmpeg")?)
            .args([
                "-v",
                "error",
                "-show_entries",
                "stream=width,height",
                "-of",
                "csv=p=0",
            ])
            .arg(folder.join("001.png")),
        b"",
        DEADLINE,
    )?
    .text();
    ensure!(
        probe.trim() == "320,240",
        "the pictures are {}",
        probe.trim()
    );
    Ok("50 pictures of 320x240".to_owned())
}

/// What `weir export` writes, with its arguments behind the topic.
fn exported(context: &Context, topic: &str, arguments: &[&str]) -> Result<Vec<u8>> {
    let bootstrap = context.bootstrap()?.to_string();
    let output = run(
        Command::new(context.weir()?)
            .args(["--bootstrap", &bootstrap, "export", topic])
            .args(arguments),
        b"",
        DEADLINE,
    )?;
    Ok(output.stdout)
}

/// Packets of a film that are only there for others to be decoded by.
fn hidden(context: &Context, path: &str) -> Result<usize> {
    let text = run(
        Command::new(program(context.workspace, "ffprobe")?)
            .args(["-v", "error", "-select_streams", "v:0"])
            .args(["-show_entries", "packet=flags", "-of", "csv=p=0", path]),
        b"",
        DEADLINE,
    )?
    .text();
    Ok(text.lines().filter(|flags| flags.contains('D')).count())
}

fn export(context: &Context) -> Result<String> {
    let folder = context.folder("exported")?;
    let mut said = Vec::new();
    for (name, codec) in [
        ("film.mp4", "libx264"),
        ("film-vp9.webm", "libvpx-vp9"),
        ("film-hevc.mp4", "libx265"),
        ("film-av1.mp4", "libsvtav1"),
    ] {
        let file = video_file(context, name, codec)?;
        let topic = published(context, &file)?;
        let original = pictures(context, &file.display().to_string())?;
        ensure!(
            original.len() == COMPARED,
            "{name} itself gave {} pictures",
            original.len()
        );
        let whole = folder.join(format!("{name}.mp4"));
        let pipe = folder.join(format!("{name}-pipe.mp4"));
        let path = whole.display().to_string();
        exported(context, &topic, &[&path])?;
        ensure!(
            pictures(context, &path)? == original,
            "{name}: the exported film has other pictures"
        );
        fs::write(&pipe, exported(context, &topic, &["-"])?)?;
        ensure!(
            pictures(context, &pipe.display().to_string())? == original,
            "{name}: what came through the pipe has other pictures"
        );
        // 1.4 s is the 36th picture, between two key frames; 3 s the 76th.
        let stretch = folder.join(format!("{name}-stretch.mp4"));
        let path = stretch.display().to_string();
        exported(
            context,
            &topic,
            &[&path, "--from", "0:01.4", "--to", "0:03"],
        )?;
        let mut cut = pictures(context, &path)?;
        if codec == "libsvtav1" {
            // ffmpeg marks what the edit list hides as to be thrown away, and its AV1 decoders show it all the same.
            cut.drain(..hidden(context, &path)?.min(cut.len()));
        }
        let wanted = original.get(35..75).unwrap_or_default();
        ensure!(
            cut == wanted,
            "{name}: {} pictures from 1.4 s to 3 s, wanted {} of the file's own",
            cut.len(),
            wanted.len()
        );
        said.push(codec);
    }
    Ok(format!("{}, whole, cut and piped", said.join(", ")))
}

fn routes(context: &Context) -> Result<String> {
    let server = context.server()?;
    let topic = context.topic("routes");
    let bootstrap = context.bootstrap()?.to_string();
    run(
        Command::new(context.weir()?).args(["--bootstrap", &bootstrap, "produce", &topic]),
        b"one\ntwo\nthree\n",
        DEADLINE,
    )?;
    let names = http::json(&server.url("/topics"))?;
    ensure!(
        names.to_string().contains(&topic),
        "GET /topics does not name {topic}"
    );
    let described = http::json(&server.url(&format!("/topics/{topic}")))?;
    ensure!(
        described["name"] == topic.as_str(),
        "GET /topics/{topic}: {described}"
    );
    ensure!(
        http::json(&server.url(&format!("/topics/{topic}/partitions")))?
            .as_array()
            .is_some_and(|list| list.len() == 1),
        "GET /topics/{topic}/partitions has not one partition"
    );
    let mut values = Vec::new();
    http::events(
        &server.url(&format!("/topics/{topic}/records?from=start&limit=3")),
        |event| {
            values.push(
                event["value"]["text"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
            values.len() == 3
        },
    )?;
    ensure!(values == ["one", "two", "three"], "records: {values:?}");
    for (path, status) in [
        ("/topics/nothing-here/video.mjpeg", 404),
        ("/topics/nothing-here/series", 404),
        ("/topics/nothing-here", 404),
        (&format!("/topics/{topic}/records?from=nonsense"), 400),
        (&format!("/topics/{topic}/records?limit=-1"), 400),
    ] {
        let (got, kind, text) = http::get(&server.url(path))?;
        ensure!(
            got == status && kind.starts_with("application/problem+json"),
            "{path} answered {got} {kind}: {}",
            tail(&text)
        );
    }
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        let (got, ..) = http::get(&server.url(path))?;
        ensure!(got == 200, "{path} answered {got}");
    }
    Ok("12 routes".to_owned())
}
