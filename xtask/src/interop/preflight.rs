//! What students of a first Hadoop course run into, one after the other, against a real `NameNode`: each is answered in a
//! sentence that names the remedy, also where somebody took the connection and says nothing. How long the answers took is
//! reported; 5 s are wanted at most.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::archive::Archive;
use super::hdfs::Hdfs;
use super::{Case, Context};
use crate::process::{Running, free_port, run_any};

const DEADLINE: Duration = Duration::from_mins(1);

pub(super) const CASES: &[Case] = &[Case {
    name: "archive, what students hit",
    what: "nobody listens, the HTTP port, no permission, a path that is a file, no DataNode, safe mode, no answer: each said, with its remedy",
    run: preflight,
}];

/// The answers, and how long each took.
struct Answers<'a> {
    archive: Archive<'a>,
    topic: String,
    took: Vec<String>,
}

impl Answers<'_> {
    fn command(&self, to: &str) -> Result<Command> {
        self.archive
            .command(&self.topic, to, "text", &["--follow=false"])
    }

    /// It ends with 1 and says all of this.
    fn refused(&mut self, what: &str, command: &mut Command, say: &[&str]) -> Result<()> {
        let started = Instant::now();
        let ended = run_any(command, b"", DEADLINE).with_context(|| what.to_owned())?;
        self.took
            .push(format!("{what} {:.1} s", started.elapsed().as_secs_f64()));
        ensure!(
            ended.status.code() == Some(1),
            "{what}: it ended with {}: {}",
            ended.status,
            ended.stderr
        );
        for piece in say {
            ensure!(
                ended.stderr.contains(piece),
                "{what}: {piece:?} is not in the answer: {}",
                ended.stderr.trim()
            );
        }
        Ok(())
    }
}

fn preflight(context: &Context) -> Result<String> {
    let folder = context.folder("preflight")?;
    let archive = Archive::shared(context)?;
    let topic = archive.topic("text", 1)?;
    archive.fill(&topic, 1, 100)?;
    let mut answers = Answers {
        archive,
        topic,
        took: Vec::new(),
    };
    let mut hdfs = Hdfs::without_datanode(context.workspace, &folder)?;

    let nobody = format!("127.0.0.1:{}", free_port()?);
    let mut command = answers.command(&format!("hdfs://{nobody}/live"))?;
    let wanted = format!("nobody listens at {nobody}");
    answers.refused("nobody", &mut command, &[&wanted, "start-dfs.sh"])?;

    let mut command = answers.command(&format!("hdfs://{}/live", hdfs.http))?;
    let wanted = format!("--to {}", hdfs.url("/live"));
    answers.refused("HTTP port", &mut command, &["web pages", &wanted])?;

    let mut command = answers.command(&hdfs.url("/live"))?;
    answers.refused(
        "no DataNode",
        &mut command,
        &["no DataNode does", "start one"],
    )?;

    hdfs.start_datanode()?;
    let text = folder.join("notes.txt");
    fs::write(&text, "notes\n")?;
    hdfs.shell(&["-mkdir", "-p", "/private"])?;
    hdfs.shell(&["-put", &text.display().to_string(), "/notes.txt"])?;
    hdfs.shell(&["-chmod", "700", "/private"])?;

    let mut command = answers.command(&hdfs.url("/private/live"))?;
    command.env("HADOOP_USER_NAME", "student");
    answers.refused("no permission", &mut command, &["user=student", "-chown"])?;

    let mut command = answers.command(&hdfs.url("/notes.txt"))?;
    answers.refused("a file", &mut command, &["lies in, a file", "--to"])?;

    silence(&mut answers, &hdfs)?;
    // One that was killed while it looked left this behind.
    hdfs.shell(&["-mkdir", "-p", "/live"])?;
    hdfs.shell(&["-touchz", "/live/.weir-left"])?;
    hdfs.shell(&["-touch", "-m", "-t", "20260101:000000", "/live/.weir-left"])?;
    safe_mode(&mut answers, &mut hdfs, &folder)?;
    Ok(answers.took.join(", "))
}

/// Somebody takes the connection and says nothing: in the `NameNode`'s place, in that of S3, and the `DataNode`.
fn silence(answers: &mut Answers, hdfs: &Hdfs) -> Result<()> {
    // The kernel takes connections for it; it never answers one.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let address = silent.local_addr()?;

    let mut command = answers.command(&format!("hdfs://{address}/live"))?;
    let wanted = format!("{address} accepts connections but does not answer");
    answers.refused("silent NameNode", &mut command, &[&wanted, "fs.defaultFS"])?;

    let mut command = answers.command("s3://live/archive")?;
    command
        .env("AWS_ENDPOINT", format!("http://{address}"))
        .env("AWS_ACCESS_KEY_ID", "testing")
        .env("AWS_SECRET_ACCESS_KEY", "testing");
    let wanted = format!("http://{address} does not answer");
    answers.refused("silent S3", &mut command, &[&wanted, "aws_endpoint"])?;

    hdfs.freeze_datanode()?;
    let mut command = answers.command(&hdfs.url("/live"))?;
    answers.refused(
        "silent DataNode",
        &mut command,
        &["no DataNode takes a file"],
    )?;
    hdfs.thaw_datanode()
}

/// Somebody turned safe mode on; or the `NameNode` has started again and waits for its blocks, and says how many are missing.
/// Either way the archive waits and then goes on.
fn safe_mode(answers: &mut Answers, hdfs: &mut Hdfs, folder: &Path) -> Result<()> {
    hdfs.admin(&["-safemode", "enter"])?;
    let running = waits(
        answers,
        hdfs,
        folder,
        "safe mode by hand",
        "turned on manually",
    )?;
    hdfs.admin(&["-safemode", "leave"])?;
    running.wait(DEADLINE).context("after safe mode by hand")?;

    hdfs.kill_datanode()?;
    hdfs.kill_namenode()?;
    hdfs.start_namenode()?;
    let running = waits(
        answers,
        hdfs,
        folder,
        "safe mode",
        "reported blocks 0 needs",
    )?;
    hdfs.start_datanode()?;
    running.wait(DEADLINE).context("after safe mode")?;
    let listed = hdfs.shell(&["-ls", "-R", "/live"])?;
    ensure!(
        listed.contains(".txt") && !listed.contains("/.weir-left"),
        "after safe mode there is {listed}"
    );
    Ok(())
}

/// It waits and says why.
fn waits(
    answers: &mut Answers,
    hdfs: &Hdfs,
    folder: &Path,
    what: &str,
    why: &str,
) -> Result<Running> {
    let started = Instant::now();
    let mut running = Running::start(what, &mut answers.command(&hdfs.url("/live"))?, folder)?;
    let output = running.output.clone();
    running.until(why, DEADLINE, || {
        fs::read_to_string(&output)
            .is_ok_and(|said| said.contains("safe mode") && said.contains(why))
    })?;
    answers
        .took
        .push(format!("{what} {:.1} s", started.elapsed().as_secs_f64()));
    Ok(running)
}
