//! Sources somebody else made: `GStreamer`'s RTSP server, the kernel's virtual camera, what ffmpeg reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::page::{ffmpeg, pictures};
use super::server::Weir;
use super::{Case, Context};
use crate::http;
use crate::install::packages;
use crate::process::{Running, free_port, run, run_any, tail};
use crate::report::cannot;

const DEADLINE: Duration = Duration::from_mins(1);
/// How long a server may take to be seen again: the longest pause between two tries is half a minute.
const AGAIN: Duration = Duration::from_secs(45);

pub(super) const CASES: &[Case] = &[
    Case {
        name: "gstreamer-rtsp-server",
        what: "sign-in wrong and right, pictures the file's own, killed and started again",
        run: rtsp,
    },
    Case {
        name: "ffmpeg as a source",
        what: "MPEG-TS over UDP and MPEG-2 in AVI through it; a clear message without it",
        run: through_ffmpeg,
    },
    Case {
        name: "ffmpeg and a password in an address",
        what: "a film behind a sign-in is published, and no process but weir has the password in its arguments",
        run: signed_in,
    },
];

/// Needs a kernel with the module, and root to load it.
pub(super) const VIVID: Case = Case {
    name: "vivid",
    what: "the kernel's virtual camera: listed, published, a size it has not refused",
    run: vivid,
};

/// What Debian calls the parts of `GStreamer`'s RTSP server.
const GSTREAMER: &[&str] = &[
    "gir1.2-gst-rtsp-server-1.0",
    "python3-gi",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-bad",
];

fn server(context: &Context, folder: &Path, port: u16, clip: &Path) -> Result<Running> {
    let mut command = Command::new("/usr/bin/python3");
    command
        .arg(context.workspace.path("interop/python/rtsp_server.py"))
        .arg(port.to_string())
        .arg(clip)
        .args(["viewer", PASSWORD]);
    let mut running = Running::start("rtsp-server", &mut command, folder)?;
    running.until_it_listens(crate::process::local(port), DEADLINE)?;
    Ok(running)
}

const PASSWORD: &str = "open-sesame-42";

/// A minute of pictures.
fn clip(context: &Context, folder: &Path) -> Result<PathBuf> {
    let file = folder.join("minute.mp4");
    run(
        ffmpeg(context)?
            .args([
                "-f",
                "lavfi",
                "-i",
                "testsrc=size=320x240:rate=25:duration=60",
            ])
            .args([
                "-c:v", "libx264", "-g", "25", "-bf", "0", "-pix_fmt", "yuv420p",
            ])
            .arg(&file),
        b"",
        DEADLINE,
    )?;
    Ok(file)
}

fn rtsp(context: &Context) -> Result<String> {
    packages(context.workspace, GSTREAMER)?;
    let folder = context.folder("rtsp")?;
    let clip = clip(context, &folder)?;
    let port = free_port()?;
    let url = format!("rtsp://127.0.0.1:{port}/cam");
    let gstreamer = server(context, &folder, port, &clip)?;

    for (user, password, words) in [
        ("", "", "asks for a sign-in"),
        (
            "viewer",
            "wrong-secret",
            "refuses the sign-in of \"viewer\"",
        ),
    ] {
        let mut command = Command::new(context.weir()?);
        command.args(["-vv", "publish", "rtsp", &url, "--topic", "never"]);
        if !user.is_empty() {
            command
                .args(["--user", user])
                .env("WEIR_RTSP_PASSWORD", password);
        }
        let ended = run_any(&mut command, b"", DEADLINE)?;
        ensure!(
            ended.status.code() == Some(1) && ended.stderr.contains(words),
            "with the sign-in {user:?} it ended with {} and said: {}",
            ended.status,
            tail(&ended.stderr)
        );
        ensure!(
            !ended.stderr.contains("wrong-secret"),
            "it repeats the password"
        );
    }

    let home = folder.join("weir");
    fs::create_dir_all(&home)?;
    fs::write(
        home.join("weir.toml"),
        format!(
            "[[source]]\nkind = \"rtsp\"\ntopic = \"cam\"\nurl = \"{url}\"\nuser = \"viewer\"\npassword = \"{PASSWORD}\"\n"
        ),
    )?;
    let mut weir = Weir::serve(context.weir()?, &home, &["-vv"])?;
    let state = |weir: &Weir| -> Result<(String, u64)> {
        let sources = http::json(&weir.url("/sources"))?;
        let source = sources["sources"]
            .get(0)
            .context("GET /sources names no source")?;
        let state = source["state"].as_str().unwrap_or_default().to_owned();
        Ok((state, source["records"].as_u64().unwrap_or(0)))
    };
    until(&mut weir, "130 pictures", |weir| Ok(state(weir)?.1 >= 130))?;
    let shown = pictures(context, &weir.url("/topics/cam/video.mp4?from=start"))?;
    let original = pictures(context, &clip.display().to_string())?;
    ensure!(
        !original.is_empty() && original == shown,
        "of {} pictures {} are others than the file's",
        original.len(),
        original.iter().zip(&shown).filter(|(a, b)| a != b).count()
    );

    gstreamer.kill()?;
    until(&mut weir, "the source to wait", |weir| {
        Ok(state(weir)?.0 == "waiting")
    })?;
    let before = state(&weir)?.1;
    let _again = server(context, &folder, port, &clip)?;
    until(&mut weir, "the source to go on", |weir| {
        let (state, records) = state(weir)?;
        Ok(state == "running" && records >= before + 50)
    })?;
    let printed = weir.printed();
    ensure!(!printed.contains(PASSWORD), "the password is in the log");
    ensure!(
        printed.contains("is there again"),
        "the log does not say that it goes on: {}",
        tail(&printed)
    );
    // Decoded from end to end, over the break: what a player would be given.
    let decoded = run(
        ffmpeg(context)?.args([
            "-i",
            &weir.url("/topics/cam/video.mp4?from=start&to=250"),
            "-f",
            "null",
            "-",
        ]),
        b"",
        DEADLINE,
    );
    decoded.context("decoding the topic over the break")?;
    Ok(format!("{} pictures the file's own", original.len()))
}

fn through_ffmpeg(context: &Context) -> Result<String> {
    let folder = context.folder("ffmpeg")?;
    let clip = clip(context, &folder)?;
    let bootstrap = context.bootstrap()?.to_string();
    let weir = |arguments: &[&str]| -> Result<Command> {
        let mut command = Command::new(context.weir()?);
        command
            .args(["--bootstrap", &bootstrap, "publish", "video"])
            .args(arguments);
        Ok(command)
    };

    // A format that weir does not read itself, in a codec that it does not carry.
    let avi = folder.join("short.avi");
    run(
        ffmpeg(context)?
            .arg("-i")
            .arg(&clip)
            .args(["-t", "4", "-c:v", "mpeg2video"])
            .arg(&avi),
        b"",
        DEADLINE,
    )?;
    let avi = avi.display().to_string();
    let topic = context.topic("avi");
    run(
        &mut weir(&[&avi, "--topic", &topic, "--pace", "max"])?,
        b"",
        DEADLINE,
    )?;
    let url = context
        .server()?
        .url(&format!("/topics/{topic}/video.mp4?from=start&to=99"));
    ensure!(
        pictures(context, &url)?.len() == 99,
        "of the AVI's 100 pictures not all came"
    );
    let mut without = weir(&[&avi, "--topic", &topic])?;
    let ended = run_any(without.env("PATH", &folder), b"", DEADLINE)?;
    ensure!(
        ended.status.code() == Some(1) && ended.stderr.contains("with an ffmpeg on PATH"),
        "without ffmpeg: {}",
        tail(&ended.stderr)
    );

    // Something live, which has no end.
    let address = format!("udp://127.0.0.1:{}", free_port()?);
    let topic = context.topic("udp");
    let publishing = Running::start(
        "weir-udp",
        &mut weir(&[&address, "--topic", &topic])?,
        &folder,
    )?;
    let mut sending = ffmpeg(context)?;
    sending
        .arg("-re")
        .arg("-i")
        .arg(&clip)
        .args(["-c", "copy", "-f", "mpegts"]);
    let _sending = Running::start(
        "sender",
        sending.arg(format!("{address}?pkt_size=1316")),
        &folder,
    )?;
    let begun = std::time::Instant::now();
    let server = context.server()?;
    loop {
        // Until the topic is there and has enough in it, the answer is another.
        let partitions = http::json(&server.url("/overview"))?;
        let topics = partitions["topics"].as_array().cloned().unwrap_or_default();
        let held = topics.iter().find(|held| held["name"] == topic.as_str());
        if held.is_some_and(|held| held["records"].as_f64().unwrap_or(0.0) >= 60.0) {
            break;
        }
        ensure!(
            begun.elapsed() < DEADLINE,
            "no pictures over UDP: {}",
            tail(&publishing.printed())
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    let url = server.url(&format!("/topics/{topic}/video.mp4?from=start&to=50"));
    let (shown, original) = (pictures(context, &url)?, all_pictures(context, &clip)?);
    let at = original.iter().position(|sum| shown.first() == Some(sum));
    let at = at.context("the first picture over UDP is none of the file's")?;
    let same = original
        .iter()
        .skip(at)
        .zip(&shown)
        .filter(|(a, b)| a == b)
        .count();
    ensure!(
        same == shown.len() && same >= 50,
        "{same} of {} pictures are the file's",
        shown.len()
    );
    let (status, _) = publishing.end(DEADLINE)?;
    ensure!(status.success(), "it ended with {status} on SIGTERM");
    Ok("AVI with MPEG-2 encoded, MPEG-TS over UDP passed through".to_owned())
}

fn signed_in(context: &Context) -> Result<String> {
    let folder = context.folder("signed-in")?;
    let film = folder.join("film.avi");
    let card = "testsrc2=size=320x180:rate=25:duration=4";
    run(
        ffmpeg(context)?
            .args(["-f", "lavfi", "-i", card, "-c:v", "mpeg4", "-g", "25"])
            .arg(&film),
        b"",
        DEADLINE,
    )?;
    let port = free_port()?;
    let mut serving = Command::new("/usr/bin/python3");
    serving
        .arg(context.workspace.path("interop/python/signed_in.py"))
        .arg(port.to_string())
        .arg(&film)
        .args(["viewer", PASSWORD]);
    let mut serving = Running::start("signed-in", &mut serving, &folder)?;
    serving.until_it_listens(crate::process::local(port), DEADLINE)?;

    let bootstrap = context.bootstrap()?.to_string();
    let publish = |password: &str, topic: &str| -> Result<Command> {
        let mut command = Command::new(context.weir()?);
        command
            .args(["--bootstrap", &bootstrap, "publish", "video"])
            .arg(format!(
                "http://viewer:{password}@127.0.0.1:{port}/film.avi"
            ))
            .args(["--topic", topic]);
        Ok(command)
    };
    let topic = context.topic("signed-in");
    let refused = run_any(&mut publish("wrong-sesame", &topic)?, b"", DEADLINE)?;
    ensure!(
        refused.status.code() == Some(1)
            && refused.stderr.contains("401")
            && !refused.stderr.contains("wrong-sesame"),
        "with a wrong password: {}",
        tail(&refused.stderr)
    );
    let publishing = Running::start("weir-signed-in", &mut publish(PASSWORD, &topic)?, &folder)?;
    let begun = std::time::Instant::now();
    // In real time, so that there are four seconds to look at its ffmpeg in.
    let arguments = loop {
        let seen = arguments_of("ffmpeg")?;
        if let Some(seen) = seen.into_iter().find(|seen| seen.contains("concat")) {
            break seen;
        }
        ensure!(
            begun.elapsed() < DEADLINE,
            "no ffmpeg: {}",
            tail(&publishing.printed())
        );
        std::thread::sleep(Duration::from_millis(20));
    };
    ensure!(
        !arguments.contains(PASSWORD),
        "ffmpeg's arguments: {arguments}"
    );
    let said = publishing.wait(DEADLINE)?;
    ensure!(!said.contains(PASSWORD), "it said: {}", tail(&said));
    let url = context
        .server()?
        .url(&format!("/topics/{topic}/video.mp4?from=start&to=99"));
    let came = pictures(context, &url)?.len();
    ensure!(came == 99, "{came} of the film's first 99 pictures came");
    Ok("a film behind a sign-in; ffmpeg's arguments are without it".to_owned())
}

/// The arguments of the processes of this name.
fn arguments_of(name: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc")? {
        // One that has ended meanwhile has none.
        let Ok(arguments) = fs::read(process?.path().join("cmdline")) else {
            continue;
        };
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        let program = arguments.split(' ').next().unwrap_or_default();
        if Path::new(program)
            .file_name()
            .is_some_and(|file| file == name)
        {
            found.push(arguments);
        }
    }
    Ok(found)
}

/// A checksum of each picture of a file.
fn all_pictures(context: &Context, file: &Path) -> Result<Vec<String>> {
    let text = run(
        ffmpeg(context)?
            .arg("-i")
            .arg(file)
            .args(["-map", "0:v:0", "-f", "framemd5", "-"]),
        b"",
        DEADLINE,
    )?
    .text();
    let sums = text.lines().filter(|line| !line.starts_with('#'));
    Ok(sums
        .filter_map(|line| Some(line.rsplit(',').next()?.trim().to_owned()))
        .collect())
}

fn until(weir: &mut Weir, what: &str, mut done: impl FnMut(&Weir) -> Result<bool>) -> Result<()> {
    let begun = std::time::Instant::now();
    while !done(weir)? {
        weir.still_runs()?;
        ensure!(
            begun.elapsed() < AGAIN,
            "{what} did not come; weir printed: {}",
            tail(&weir.printed())
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn vivid(context: &Context) -> Result<String> {
    let list = || -> Result<Vec<serde_json::Value>> {
        let mut command = Command::new(context.weir()?);
        let text = run(
            command.args(["publish", "camera", "--list", "--json"]),
            b"",
            DEADLINE,
        )?
        .text();
        Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    };
    let find = || -> Result<Option<String>> {
        let found = list()?.into_iter().find(|camera| {
            camera["name"]
                .as_str()
                .is_some_and(|name| name.contains("vivid"))
                && camera["modes"].is_array()
        });
        Ok(found.and_then(|camera| Some(camera["device"].as_str()?.to_owned())))
    };
    if find()?.is_none() {
        let _ = run_any(Command::new("modprobe").arg("vivid"), b"", DEADLINE);
    }
    let device = find()?
        .ok_or_else(|| cannot("this kernel has no module vivid, or only root may load it"))?;
    let bootstrap = context.bootstrap()?.to_string();
    let mut refused = Command::new(context.weir()?);
    refused.args([
        "--bootstrap",
        &bootstrap,
        "publish",
        "camera",
        &device,
        "--topic",
        "no",
        "--size",
        "17x19",
    ]);
    let ended = run_any(&mut refused, b"", DEADLINE)?;
    ensure!(
        ended.status.code() == Some(1)
            && ended.stderr.contains("it does not offer 17x19; it offers"),
        "of a size it has not: {}",
        tail(&ended.stderr)
    );
    let topic = context.topic("vivid");
    let folder = context.folder("vivid")?;
    let mut command = Command::new(context.weir()?);
    command.args([
        "--bootstrap",
        &bootstrap,
        "publish",
        "camera",
        &device,
        "--topic",
        &topic,
    ]);
    command.args(["--size", "640x360"]);
    let publishing = Running::start("weir-camera", &mut command, &folder)?;
    let url = context.server()?.url(&format!("/topics/{topic}/video.mp4"));
    let shown = pictures(context, &url)?;
    publishing.end(DEADLINE)?;
    ensure!(!shown.is_empty(), "no picture of it could be decoded");
    let distinct: std::collections::HashSet<_> = shown.iter().collect();
    ensure!(
        distinct.len() > 10,
        "only {} different pictures came",
        distinct.len()
    );
    Ok(format!("{device}, {} pictures", shown.len()))
}
