//! `weir archive --format mp4`: ffmpeg decodes every file by itself without a complaint, and the pictures of all files together are
//! those of the film that was published, each once and bit by bit, though the archive was killed with -9 on the way.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::archive::{Archive, committed, file_url};
use super::page::ffmpeg;
use super::{Case, Context};
use crate::install::program;
use crate::process::{Running, run, run_any};

const DEADLINE: Duration = Duration::from_mins(2);
const PICTURES: usize = 500;
const KILLS: u32 = 2;

pub(super) const CASES: &[Case] = &[Case {
    name: "archive, mp4",
    what: "a film with B-frames, archived while it is published and killed with -9: ffmpeg decodes each file, all pictures are there once",
    run: mp4,
}];

fn mp4(context: &Context) -> Result<String> {
    let archive = Archive::shared(context)?;
    let folder = context.folder("mp4")?;
    let film = folder.join("film.mp4");
    run(
        ffmpeg(context)?
            .args([
                "-f",
                "lavfi",
                "-i",
                "testsrc2=size=320x240:rate=25:duration=20",
            ])
            .args(["-c:v", "libx264", "-g", "25", "-pix_fmt", "yuv420p"])
            .arg(&film),
        b"",
        DEADLINE,
    )?;
    let wanted = decoded(context, &film)?;
    ensure!(wanted.len() == PICTURES, "the film has {}", wanted.len());

    let topic = archive.topic("film", 1)?;
    let to = folder.join("there");
    let url = file_url(&to);
    let mut publishing = Command::new(context.weir()?);
    publishing
        .args([
            "--bootstrap",
            &context.bootstrap()?.to_string(),
            "publish",
            "video",
        ])
        .arg(&film)
        .args(["--topic", &topic, "--codec", "copy", "--pace", "0.02"]);
    let publishing = Running::start("publish", &mut publishing, &folder)?;
    for _ in 0..KILLS {
        let more = ["--roll-size", "32KiB", "--roll-time", "500ms"];
        let mut command = archive.command(&topic, &url, "mp4", &more)?;
        let mut running = Running::start("killed", &mut command, &folder)?;
        let output = running.output.clone();
        let files = || committed(&fs::read_to_string(&output).unwrap_or_default());
        let before = files();
        running.until("files", DEADLINE, || files() > before + 1)?;
        running.kill()?;
    }
    publishing.wait(DEADLINE)?;

    // The last group of pictures is whole when nothing has come for 10 s.
    let began = Instant::now();
    let (found, files) = loop {
        let mut last = archive.command(&topic, &url, "mp4", &["--follow=false"])?;
        run(&mut last, b"", DEADLINE)?;
        let files = kept(&to.join("topics").join(&topic))?;
        let mut found = Vec::new();
        for file in &files {
            ensure!(
                begins_with_key(context, file)?,
                "{} begins with no key frame",
                file.display()
            );
            found.extend(decoded(context, file)?);
        }
        if found.len() >= wanted.len() || began.elapsed() > DEADLINE {
            break (found, files.len());
        }
        ensure!(
            wanted.starts_with(&found),
            "after {} pictures they are others",
            found.len()
        );
    };
    ensure!(
        found == wanted,
        "of {} pictures {} are there, or others",
        wanted.len(),
        found.len()
    );
    refused(&archive, &url)?;
    Ok(format!("{} pictures in {files} files", found.len()))
}

/// The files of an archive, in the order of their offsets.
fn kept(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && !name.starts_with('_') {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "mp4") {
                found.push(path);
            }
        }
    }
    found.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
    Ok(found)
}

/// A file's pictures as ffmpeg decodes them, which must have nothing to complain of.
fn decoded(context: &Context, file: &Path) -> Result<Vec<String>> {
    let mut command = ffmpeg(context)?;
    command.arg("-i").arg(file).args([
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-f",
        "framemd5",
        "-",
    ]);
    let ended = run_any(&mut command, b"", DEADLINE)?;
    ensure!(
        ended.status.success() && ended.stderr.trim().is_empty(),
        "{}: {}",
        file.display(),
        ended.stderr
    );
    let sums = ended.text();
    let sums = sums.lines().filter(|line| !line.starts_with('#'));
    Ok(sums
        .filter_map(|line| line.rsplit(',').next())
        .map(|sum| sum.trim().to_owned())
        .collect())
}

fn begins_with_key(context: &Context, file: &Path) -> Result<bool> {
    let mut command = Command::new(program(context.workspace, "ffprobe")?);
    command
        .args([
            "-v",
            "error",
            "-select_streams",
            "v",
            "-show_entries",
            "packet=flags",
        ])
        .args(["-read_intervals", "%+#1", "-of", "csv=p=0"])
        .arg(file);
    Ok(run(&mut command, b"", DEADLINE)?.text().starts_with('K'))
}

/// A topic of something else is refused in a sentence.
fn refused(archive: &Archive, to: &str) -> Result<()> {
    let topic = archive.topic("words", 1)?;
    archive.fill(&topic, 1, 10)?;
    let mut command = archive.command(&topic, to, "mp4", &["--follow=false"])?;
    let ended = run_any(&mut command, b"", DEADLINE)?;
    ensure!(
        ended.status.code() == Some(1) && ended.stderr.contains("is no picture"),
        "{}: {}",
        ended.status,
        ended.stderr
    );
    Ok(())
}
