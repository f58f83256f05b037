//! The figures a viewer feels: how many bytes a film takes in a topic, how soon the first picture is there, how old a
//! picture is when it reaches the socket; and what it costs: memory of `demo`, processor time of a viewer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{Bench, Figure, Measurement};
use crate::http;
use crate::install::program;
use crate::interop::server::Weir;
use crate::process::{Running, cpu_time, resident_bytes, run};

const DEADLINE: Duration = Duration::from_mins(2);

pub(super) const MEASUREMENTS: &[Measurement] = &[
    ("bytes", bytes),
    ("pictures", pictures),
    ("viewer", viewer),
    ("demo", demo),
];

pub(super) fn one(what: &str, weir: String, remark: &str) -> Figure {
    Figure {
        what: what.to_owned(),
        weir,
        kafka: String::new(),
        remark: remark.to_owned(),
    }
}

/// A 720p file of ten seconds as x264 makes it.
fn film(bench: &Bench, name: &str) -> Result<PathBuf> {
    let file = bench.folder("film")?.join(name);
    run(
        Command::new(program(bench.workspace, "ffmpeg")?)
            .args([
                "-hide_banner",
                "-loglevel",
                "error",
                "-nostdin",
                "-y",
                "-f",
                "lavfi",
                "-i",
            ])
            .arg("testsrc2=size=1280x720:rate=25:duration=10,noise=alls=8:allf=t")
            .args([
                "-c:v", "libx264", "-preset", "veryfast", "-b:v", "3M", "-pix_fmt", "yuv420p",
            ])
            .arg(&file),
        b"",
        DEADLINE,
    )?;
    Ok(file)
}

fn bytes(bench: &Bench) -> Result<Vec<Figure>> {
    let server = Weir::broker(
        &bench.weir,
        &bench.folder("bytes")?,
        crate::process::free_port()?,
        &[],
    )?;
    let bootstrap = server.kafka.to_string();
    let mut figures = Vec::new();
    for name in ["film.mp4", "film.mkv"] {
        let file = film(bench, name)?;
        let topic = name.replace('.', "-");
        run(
            Command::new(&bench.weir)
                .args(["--bootstrap", &bootstrap, "publish", "video"])
                .arg(&file)
                .args(["--topic", &topic, "--pace", "max"]),
            b"",
            DEADLINE,
        )?;
        let stored = bench.script("topic_bytes.py", &[&bootstrap, &topic])?["bytes"]
            .as_f64()
            .context("no bytes")?;
        let packets = run(
            Command::new(program(bench.workspace, "ffprobe")?)
                .args([
                    "-v",
                    "error",
                    "-select_streams",
                    "v:0",
                    "-show_entries",
                    "packet=size",
                    "-of",
                    "csv=p=0",
                ])
                .arg(&file),
            b"",
            DEADLINE,
        )?
        .text();
        let track: f64 = packets
            .lines()
            .filter_map(|line| line.trim_matches(',').parse::<f64>().ok())
            .sum();
        let on_disk = log_bytes(&server.data, &topic);
        figures.push(one(
            &format!("bytes in the topic / video track, {name}"),
            format!(
                "{:.4} ({:.4} with headers, on disk)",
                stored / track,
                on_disk / track
            ),
            "wanted: at most 1.05",
        ));
    }
    Ok(figures)
}

fn log_bytes(data: &Path, topic: &str) -> f64 {
    let folder = data.join(format!("{topic}-0"));
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|ending| ending == "log")
        })
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len() as f64)
        .sum()
}

/// A server with a 720p test card published to it by a process of its own.
struct Live {
    server: Weir,
    publisher: Running,
}

impl Live {
    fn start(bench: &Bench, name: &str) -> Result<Self> {
        let folder = bench.folder(name)?;
        let server = Weir::serve(&bench.weir, &folder, &[])?;
        let mut publisher = Running::start(
            "card",
            Command::new(&bench.weir).args([
                "--bootstrap",
                &server.kafka.to_string(),
                "publish",
                "testcard",
                "--topic",
                "card",
                "--size",
                "1280x720",
            ]),
            &folder,
        )?;
        let url = server.url("/topics/card/video.mp4");
        publisher.until("a picture", Duration::from_secs(30), || {
            http::beginning(&url, 100)
                .is_ok_and(|(status, _, bytes)| status == 200 && !bytes.is_empty())
        })?;
        Ok(Self { server, publisher })
    }

    fn socket(&self) -> String {
        format!("ws://{}/topics/card/live", self.server.web)
    }
}

fn pictures(bench: &Bench) -> Result<Vec<Figure>> {
    let live = Live::start(bench, "pictures")?;
    let number = |value: &serde_json::Value, name: &str| value[name].as_f64().unwrap_or(f64::NAN);
    let first = bench.script("watch.py", &["first", &live.socket(), "30"])?;
    let delay = bench.script("watch.py", &["delay", &live.socket(), "30"])?;
    Ok(vec![
        one(
            "connecting to the first picture at the socket, p50, max",
            format!(
                "{:.0}, {:.0} ms",
                number(&first, "p50"),
                number(&first, "max")
            ),
            "30 times; wanted on the page: 300 ms",
        ),
        one(
            "publisher to socket, p50, p99, max",
            format!(
                "{:.1}, {:.1}, {:.1} ms",
                number(&delay, "p50"),
                number(&delay, "p99"),
                number(&delay, "max")
            ),
            &format!(
                "720p test card, {} pictures, capture to a Python client, encoding and fsync included; wanted: p99 at most 20 ms",
                number(&delay, "pictures")
            ),
        ),
    ])
}

fn viewer(bench: &Bench) -> Result<Vec<Figure>> {
    let mut live = Live::start(bench, "viewer")?;
    let seconds = 20;
    let mut shares = Vec::new();
    for viewers in 0..3 {
        let watching: Vec<Running> = (0..viewers)
            .map(|number| {
                let mut command = bench.script_command(
                    "watch.py",
                    &["hold", &live.socket(), &(seconds + 5).to_string()],
                )?;
                Running::start(
                    &format!("viewer-{viewers}-{number}"),
                    &mut command,
                    &bench.folder("viewer")?,
                )
            })
            .collect::<Result<_>>()?;
        // The reader of the last viewer lives on for a while: let it end, and the new one begin.
        settle(Duration::from_secs(if viewers == 0 { 12 } else { 3 }));
        let before = cpu_time(live.server.id()).context("no /proc here")?;
        let started = Instant::now();
        settle(Duration::from_secs(seconds));
        let used = cpu_time(live.server.id())
            .context("the server has ended")?
            .saturating_sub(before);
        shares.push(100.0 * used.as_secs_f64() / started.elapsed().as_secs_f64());
        drop(watching);
    }
    live.publisher.still_runs()?;
    let share = |index: usize| shares.get(index).copied().unwrap_or(f64::NAN);
    Ok(vec![one(
        "processor, one 720p viewer; the second one",
        format!(
            "{:.1} %; {:.1} % of a core",
            share(1) - share(0),
            share(2) - share(1)
        ),
        &format!(
            "above the {:.1} % of taking the card in; wanted: at most 2 %",
            share(0)
        ),
    )])
}

/// Measuring over a span of time is the one thing that must let time pass.
pub(super) fn settle(span: Duration) {
    thread::sleep(span);
}

fn demo(bench: &Bench) -> Result<Vec<Figure>> {
    let mut server = Weir::demo(&bench.weir, &bench.folder("demo")?, &[])?;
    let overview = server.url("/overview");
    let mut video = String::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while video.is_empty() {
        ensure!(
            Instant::now() < deadline,
            "demo has no video topic after 20 s: {}",
            server.printed()
        );
        server.still_runs()?;
        if let Ok(answer) = http::json(&overview) {
            answer["topics"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|topic| topic["kind"] == "video")
                .and_then(|topic| topic["name"].as_str())
                .unwrap_or_default()
                .clone_into(&mut video);
        }
    }
    let socket = format!("ws://{}/topics/{video}/live", server.web);
    bench.script("watch.py", &["hold", &socket, "30"])?;
    let resident = resident_bytes(server.id()).context("no /proc here")? as f64 / 1e6;
    let used = cpu_time(server.id()).context("demo has ended")?;
    let (_, took) = server.end()?;
    Ok(vec![
        one(
            "demo: resident memory after 30 s with a viewer",
            format!("{resident:.0} MB"),
            "wanted: at most 150 MB",
        ),
        one(
            "demo: processor time in those 30 s",
            format!("{:.1} s", used.as_secs_f64()),
            "encoding the card included",
        ),
        one(
            "demo: SIGTERM to its end",
            format!("{:.2} s", took.as_secs_f64()),
            "wanted: under 2 s",
        ),
    ])
}
