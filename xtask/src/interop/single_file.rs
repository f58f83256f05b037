//! `weir archive --single-file` into a folder and a real HDFS: killed with -9 while it appends, two at once, and then every record is
//! in the one file once, in its partition's order. S3, whose files cannot grow, is refused with the remedy.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::archive::{Archive, committed, file_url};
use super::hdfs::Hdfs;
use super::{Case, Context};
use crate::process::{Running, run, run_any};

const DEADLINE: Duration = Duration::from_mins(2);
/// How often it is killed in each store.
const KILLS: u32 = 3;
/// Records that come before each kill: a piece into HDFS takes a second, so they are fewer there.
const FOLDER_RECORDS: u32 = 6000;
const HDFS_RECORDS: u32 = 1500;
/// Pieces so small and so many that most kills come between a piece's claim and its end.
const PIECES: [&str; 5] = [
    "--single-file",
    "--roll-time",
    "50ms",
    "--roll-size",
    "16KiB",
];

pub(super) const CASES: &[Case] = &[Case {
    name: "archive, single file",
    what: "one file that grows, in a folder and in HDFS, killed with -9 while it does, two at once: every record once",
    run: single_file,
}];

fn single_file(context: &Context) -> Result<String> {
    let archive = Archive::shared(context)?;
    refused(&archive, &archive.topic("refused", 1)?)?;

    let folder = context.folder("single")?;
    let topic = archive.topic("single", 3)?;
    let to = folder.join("there");
    let (said, slowest) = kill(
        &archive,
        &topic,
        &file_url(&to),
        "text",
        FOLDER_RECORDS,
        &folder,
    )?;
    let file = to.join(format!("topics/{topic}.txt"));
    compare(&archive, &topic, "text", &file)?;

    let store = Hdfs::start(context.workspace, &folder)?;
    let (topic, url) = (archive.topic("single", 3)?, store.url("/live"));
    let (in_hdfs, slowest_in_hdfs) = kill(&archive, &topic, &url, "jsonl", HDFS_RECORDS, &folder)?;
    let beside = folder.join("beside.jsonl");
    store.fetch(&format!("/live/topics/{topic}.jsonl"), &beside)?;
    let counted = compare(&archive, &topic, "jsonl", &beside)?;
    ensure!(counted.contains("records in one file"), "{counted}");
    Ok(format!(
        "folder: {said} pieces, back after a kill within {slowest:.1} s; HDFS: {in_hdfs} pieces, {slowest_in_hdfs:.1} s; {counted}"
    ))
}

fn compare(archive: &Archive, topic: &str, format: &str, file: &Path) -> Result<String> {
    let file = file.display().to_string();
    let mut script = archive.script("single", topic, &[format, &file])?;
    Ok(run(&mut script, b"", DEADLINE)?.text().trim().to_owned())
}

/// Fills the topic and archives it meanwhile by ones that are killed, then by two at once, then to the end: how many pieces they
/// said they appended, and how long one that was started after a kill took to append, at most.
fn kill(
    archive: &Archive,
    topic: &str,
    to: &str,
    format: &str,
    records: u32,
    folder: &Path,
) -> Result<(usize, f64)> {
    let (mut pieces, mut slowest) = (0, 0.0_f64);
    let begin = |name: &str, more: &[&str]| -> Result<Running> {
        let mut command = archive.command(topic, to, format, &PIECES)?;
        Running::start(name, command.args(more), folder)
    };
    for kill in 1..=KILLS {
        archive.fill(topic, 3, records)?;
        // In a group of its own nobody waits until the group has given up on the one who was killed (6 s). The last one is in the
        // common group, and those who come after it do wait.
        let own = format!("{topic}-{format}-{kill}");
        let group = ["--group", own.as_str()];
        let group = if kill < KILLS { &group[..] } else { &[] };
        let mut running = begin("killed", group)?;
        let output = running.output.clone();
        let appended = || committed(&fs::read_to_string(&output).unwrap_or_default());
        let (started, before) = (Instant::now(), appended());
        running.until("a piece", DEADLINE, || appended() > before)?;
        slowest = slowest.max(started.elapsed().as_secs_f64());
        running.until("some pieces", DEADLINE, || appended() > before + 2)?;
        running.kill()?;
        pieces = appended();
    }
    let mut both = [begin("one", &[])?, begin("two", &[])?];
    let appended = |running: &Running| {
        let printed = fs::read_to_string(&running.output);
        committed(&printed.unwrap_or_default())
    };
    // The same names have appended to another store before.
    let before = [&both[0], &both[1]].map(appended);
    archive.fill(topic, 3, records)?;
    for (running, before) in both.iter_mut().zip(before) {
        let output = running.output.clone();
        running.until("a piece", DEADLINE, || {
            committed(&fs::read_to_string(&output).unwrap_or_default()) > before
        })?;
    }
    for running in both {
        let (status, _) = running.end(Duration::from_secs(30))?;
        ensure!(status.success(), "it ended with {status} on SIGTERM");
    }
    let mut last = archive.command(topic, to, format, &["--single-file", "--follow=false"])?;
    run(&mut last, b"", DEADLINE)?;
    Ok((pieces, slowest))
}

/// Where nothing can grow, it says so at once.
fn refused(archive: &Archive, topic: &str) -> Result<()> {
    for (to, format, words) in [
        ("s3://bucket/x", "text", "a file in S3 cannot grow"),
        ("file:///nowhere", "parquet", "--format jsonl"),
    ] {
        let mut command = archive.command(topic, to, format, &["--single-file"])?;
        let ended = run_any(&mut command, b"", DEADLINE)?;
        ensure!(
            ended.status.code() == Some(1) && ended.stderr.contains(words),
            "{to} {format}: {} {}",
            ended.status,
            ended.stderr
        );
    }
    Ok(())
}
