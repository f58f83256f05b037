//! What many viewers of one camera cost: processor and memory of the server, and how old pictures are when they have been read.
//!
//! One 720p film of 1.2 Mbit/s goes round and round; its records' timestamps are when each picture was due.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::audience::{Audience, Seen};
use super::video::{one, settle};
use super::{Bench, Figure, Measurement};
use crate::http;
use crate::install::{self, program};
use crate::interop::server::Weir;
use crate::process::{Running, cpu_time, free_port, local, resident_bytes, run};

pub(super) const MEASUREMENTS: &[Measurement] = &[("viewers", viewers)];

const DEADLINE: Duration = Duration::from_mins(2);
/// How long is measured, and how long everybody settles before.
const SPAN: Duration = Duration::from_secs(15);
const SETTLING: Duration = Duration::from_secs(5);
const VIEWERS: [usize; 3] = [1, 200, 1_000];

/// A 720p film of 1.2 Mbit/s without B-frames, with a key frame every two seconds.
fn film(bench: &Bench) -> Result<PathBuf> {
    let file = bench.folder("viewers")?.join("film.mp4");
    run(
        Command::new(program(bench.workspace, "ffmpeg")?)
            .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
            .args(["-f", "lavfi", "-i"])
            .arg("testsrc2=size=1280x720:rate=25:duration=20,noise=alls=4:allf=t")
            .args([
                "-c:v",
                "libx264",
                "-preset",
                "veryfast",
                "-tune",
                "zerolatency",
            ])
            .args(["-b:v", "1200k", "-maxrate", "1200k", "-bufsize", "1200k"])
            .args(["-g", "50", "-pix_fmt", "yuv420p"])
            .arg(&file),
        b"",
        DEADLINE,
    )?;
    Ok(file)
}

/// What one number of viewers cost.
struct Cost {
    /// Percent of a core.
    cpu: f64,
    resident_bytes: f64,
    seen: Seen,
}

/// Runs `audience` for a while and looks at the server meanwhile.
fn cost(server: u32, audience: &mut Audience, stall_every: Option<usize>) -> Result<Cost> {
    audience.read_for(SETTLING)?;
    if let Some(nth) = stall_every {
        audience.stall_every(nth)?;
    }
    audience.count();
    let before = cpu_time(server).context("no /proc here")?;
    let started = Instant::now();
    audience.read_for(SPAN)?;
    let used = cpu_time(server).context("the server has ended")?;
    let used = used.saturating_sub(before);
    Ok(Cost {
        cpu: 100.0 * used.as_secs_f64() / started.elapsed().as_secs_f64(),
        resident_bytes: resident_bytes(server).context("no /proc here")? as f64,
        seen: audience.seen(),
    })
}

fn viewers(bench: &Bench) -> Result<Vec<Figure>> {
    let folder = bench.folder("viewers")?;
    let file = film(bench)?;
    let server = Weir::serve(&bench.weir, &folder, &[])?;
    let mut publisher = Running::start(
        "film",
        Command::new(&bench.weir)
            .args(["--bootstrap", &server.kafka.to_string(), "publish", "video"])
            .arg(&file)
            .args(["--topic", "cam", "--loop"]),
        &folder,
    )?;
    let url = server.url("/topics/cam/video.mp4");
    publisher.until("a picture", Duration::from_secs(30), || {
        http::beginning(&url, 100)
            .is_ok_and(|(status, _, bytes)| status == 200 && !bytes.is_empty())
    })?;
    let none = cost(server.id(), &mut Audience::new()?, None)?;
    let mut figures = Vec::new();
    let mut first = None;
    for count in VIEWERS {
        let mut audience = Audience::new()?;
        for _ in 0..count {
            audience.join(server.web, "/topics/cam/live", None)?;
        }
        let stalled = (count >= 10).then_some(10);
        let cost = cost(server.id(), &mut audience, stalled)?;
        drop(audience);
        publisher.still_runs()?;
        let base = *first.get_or_insert(cost.resident_bytes);
        let each = (cost.resident_bytes - base) / (count.max(2) - 1) as f64;
        figures.push(one(
            &format!("watching one 720p camera: {count}; processor above none; delay p50, p99; behind the first viewer p50, p99; memory a viewer; pictures lost"),
            format!(
                "{:.1} % of a core; {:.1}, {:.1} ms; {:.1}, {:.1} ms; {:.0} kB; {}",
                cost.cpu - none.cpu,
                at(&cost.seen.delays_ms, 0.5),
                at(&cost.seen.delays_ms, 0.99),
                at(&cost.seen.behind_first_ms, 0.5),
                at(&cost.seen.behind_first_ms, 0.99),
                each / 1e3,
                cost.seen.lost
            ),
            &format!(
                "1.2 Mbit/s over the player's WebSocket, every tenth of ten and more reads nothing, {} pictures read, {} connections ended; none: {:.1} %. \
                 Wanted of 1,000: at most 35 %, 8 and 40 ms, 128 kB, none lost. Others elsewhere, on a quiet machine: go2rtc by MSE over \
                 WebSocket 51 %, 6.5 and 61 ms, 2.1 MiB (and here, below); MediaMTX by RTSP 84 %, 10 and 120 ms",
                cost.seen.delays_ms.len(),
                cost.seen.ended,
                none.cpu
            ),
        ));
        settle(Duration::from_secs(2));
    }
    drop((publisher, server));
    figures.push(go2rtc(bench, &file)?);
    Ok(figures)
}

/// The same film and as many viewers of go2rtc, which take what its own page plays: fragmented MP4 over a WebSocket.
fn go2rtc(bench: &Bench, film: &Path) -> Result<Figure> {
    let program_path = install::go2rtc(bench.workspace)?;
    let ffmpeg = program(bench.workspace, "ffmpeg")?;
    let folder = bench.folder("go2rtc")?;
    let (web, rtsp) = (local(free_port()?), local(free_port()?));
    let config = folder.join("go2rtc.yaml");
    std::fs::write(
        &config,
        format!(
            "api: {{listen: \"{web}\"}}\nrtsp: {{listen: \"{rtsp}\"}}\nwebrtc: {{listen: \"\"}}\nffmpeg: {{bin: \"{}\"}}\n\
             streams:\n  cam: \"exec:{} -hide_banner -loglevel error -re -stream_loop -1 -i {} -c copy -rtsp_transport tcp -f rtsp {{output}}\"\n",
            ffmpeg.display(),
            ffmpeg.display(),
            film.display()
        ),
    )?;
    let mut server = Running::start(
        "go2rtc",
        Command::new(program_path).arg("-config").arg(&config),
        &folder,
    )?;
    server.until_it_listens(web, DEADLINE)?;
    let says = r#"{"type":"mse","value":"avc1.640029,avc1.64002A,avc1.640033"}"#;
    let [fewest, .., most] = VIEWERS;
    let mut costs = Vec::new();
    for count in [fewest, most] {
        let mut audience = Audience::new()?;
        for _ in 0..count {
            audience.join(web, "/api/ws?src=cam", Some(says))?;
        }
        let cost = cost(server.id(), &mut audience, (count >= 10).then_some(10))?;
        ensure!(cost.seen.bytes > 0, "go2rtc sent nothing");
        server.still_runs()?;
        costs.push((count, cost));
    }
    let [(_, first), (count, last)] = &costs[..] else {
        unreachable!("two were measured")
    };
    let each = (last.resident_bytes - first.resident_bytes) / (count - 1) as f64;
    Ok(one(
        &format!(
            "the same film and {count} viewers at go2rtc 1.9.13, beside: processor above one; behind the first viewer p50, p99; memory a viewer"
        ),
        format!(
            "go2rtc: {:.1} % of a core; {:.1}, {:.1} ms; {:.0} kB",
            last.cpu - first.cpu,
            at(&last.seen.behind_first_ms, 0.5),
            at(&last.seen.behind_first_ms, 0.99),
            each / 1e3
        ),
        &format!(
            "MSE over WebSocket as its own page asks for, every tenth reads nothing; {:.0} MB read, {} connections ended",
            last.seen.bytes as f64 / 1e6,
            last.seen.ended
        ),
    ))
}

/// The value below which a part of all lies.
fn at(sorted: &[f64], part: f64) -> f64 {
    let index = (sorted.len() as f64 * part) as usize;
    let last = sorted.len().saturating_sub(1);
    sorted.get(index.min(last)).copied().unwrap_or(f64::NAN)
}
