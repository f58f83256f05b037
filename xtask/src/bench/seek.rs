//! How long a jump into a day of video takes, from asking to the first picture, by each way there is to ask.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::audience::Audience;
use super::video::one;
use super::{Bench, Figure, Measurement};
use crate::http;
use crate::install::program;
use crate::interop::server::Weir;
use crate::process::run;

pub(super) const MEASUREMENTS: &[Measurement] = &[("seek", seek)];

const DEADLINE: Duration = Duration::from_mins(2);
const HOURS: &str = "24";
const JUMPS: u64 = 50;

fn seek(bench: &Bench) -> Result<Vec<Figure>> {
    let folder = bench.folder("seek")?;
    let film = folder.join("film.mp4");
    run(
        Command::new(program(bench.workspace, "ffmpeg")?)
            .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
            .args(["-f", "lavfi", "-i"])
            .arg("testsrc=size=1280x720:rate=15:duration=20")
            .args(["-c:v", "libx264", "-tune", "zerolatency", "-crf", "40"])
            .args(["-g", "30", "-pix_fmt", "yuv420p"])
            .arg(&film),
        b"",
        DEADLINE,
    )?;
    let server = Weir::serve(&bench.weir, &folder, &[])?;
    let bootstrap = server.kafka.to_string();
    run(
        Command::new(&bench.weir)
            .args(["--bootstrap", &bootstrap, "publish", "video"])
            .arg(&film)
            .args(["--topic", "film", "--pace", "max"]),
        b"",
        DEADLINE,
    )?;
    let day = bench.script("day.py", &[&bootstrap, "film", "day", HOURS])?;
    let number = |name: &str| day[name].as_i64().context("day.py said no number");
    let (first_ms, last_ms) = (number("first_ms")?, number("last_ms")?);
    let (mut mp4, mut socket, mut snapshot) = (Vec::new(), Vec::new(), Vec::new());
    // The topic is looked at once before.
    http::beginning(&server.url("/topics/day/snapshot.jpg"), 10)?;
    for at_ms in jumps(first_ms, last_ms) {
        let at = rfc3339(at_ms)?;
        mp4.push(timed(|| {
            let url = server.url(&format!("/topics/day/video.mp4?from={at}"));
            let (status, _, bytes) = http::beginning(&url, 4_096)?;
            ensure!(status == 200 && bytes.len() == 4_096, "{url}: {status}");
            Ok(())
        })?);
        socket.push(timed(|| {
            let mut viewer = Audience::new()?;
            viewer.join(server.web, &format!("/topics/day/live?from={at}"), None)?;
            viewer.until_a_picture()
        })?);
        snapshot.push(timed(|| {
            let url = server.url(&format!("/topics/day/snapshot.jpg?at={at}"));
            let (status, kind, _) = http::beginning(&url, 1 << 20)?;
            ensure!(status == 200 && kind == "image/jpeg", "{url}: {status}");
            Ok(())
        })?);
    }
    let said = |taken: &mut Vec<f64>| {
        taken.sort_by(f64::total_cmp);
        let middle = taken.get(taken.len() / 2).copied().unwrap_or(f64::NAN);
        let most = taken.last().copied().unwrap_or(f64::NAN);
        format!("{middle:.0}, {most:.0} ms")
    };
    let ways = [
        ("the film's first bytes (video.mp4)", &mut mp4),
        ("the player's first picture", &mut socket),
        ("the picture itself (snapshot.jpg)", &mut snapshot),
    ];
    Ok(ways
        .into_iter()
        .map(|(what, taken)| {
            one(
                &format!("a jump into 24 h of 720p to {what}, p50, max"),
                said(taken),
                &format!(
                    "{JUMPS} places, {} records, a key frame every 2 s; wanted: 300 ms",
                    day["records"]
                ),
            )
        })
        .collect())
}

/// Times that look like chance and are the same in every run.
fn jumps(first_ms: i64, last_ms: i64) -> impl Iterator<Item = i64> {
    let span = (last_ms - first_ms).unsigned_abs();
    (1..=JUMPS).map(move |n| {
        let part = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        first_ms + (part % span.max(1)).cast_signed()
    })
}

fn rfc3339(at_ms: i64) -> Result<String> {
    let seconds = format!("@{}.{:03}", at_ms / 1_000, at_ms % 1_000);
    let said = run(
        Command::new("date").args(["-u", "-d", &seconds, "+%Y-%m-%dT%H:%M:%S.%3NZ"]),
        b"",
        DEADLINE,
    )?;
    Ok(said.text().trim().to_owned())
}

/// In milliseconds.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64() * 1e3)
}
