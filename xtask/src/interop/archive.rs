//! `weir archive` into a folder, moto's S3 and a real HDFS: what is stored is compared with the topic, record by record
//! and byte by byte; several topics and instances; a store that goes away and comes back.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::hdfs::Hdfs;
use super::s3::S3;
use super::{Case, Context};
use crate::install::python;
use crate::process::{Running, resident_bytes, run, tail};

const DEADLINE: Duration = Duration::from_mins(3);

pub(super) const CASES: &[Case] = &[
    Case {
        name: "archive, folder",
        what: "text and jsonl hold every record once, byte for byte; a second run adds nothing",
        run: folder,
    },
    Case {
        name: "archive, S3 (moto)",
        what: "two topics, two instances at once; the store is frozen and comes back",
        run: s3,
    },
    Case {
        name: "archive, HDFS 3.4",
        what: "text and jsonl, read back by hdfs dfs; NameNode and DataNode are killed, records come, all is caught up with",
        run: hdfs,
    },
];

/// `weir archive` and who checks it.
pub(super) struct Archive<'a> {
    context: &'a Context<'a>,
    bootstrap: String,
    /// What the store's client reads from the environment.
    environment: Vec<(String, String)>,
}

impl<'a> Archive<'a> {
    /// Of topics on the broker that the cases share.
    pub fn shared(context: &'a Context<'a>) -> Result<Self> {
        Ok(Self::of(context, context.bootstrap()?.to_string()))
    }

    /// Of topics on this broker.
    pub fn of(context: &'a Context<'a>, bootstrap: String) -> Self {
        Self {
            context,
            bootstrap,
            environment: Vec::new(),
        }
    }

    /// With what the store's client needs to know.
    pub fn with(self, environment: Vec<(String, String)>) -> Self {
        Self {
            environment,
            ..self
        }
    }

    /// `weir archive`.
    pub fn command(&self, topics: &str, to: &str, format: &str, more: &[&str]) -> Result<Command> {
        let mut command = Command::new(self.context.weir()?);
        command
            .args(["--bootstrap", &self.bootstrap, "--json", "archive"])
            .args(["--topic", topics, "--to", to, "--format", format])
            .args(more)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Archives what there is, and ends: how many files it wrote.
    pub fn to_the_end(&self, topics: &str, to: &str, format: &str) -> Result<usize> {
        let more = ["--follow=false", "--roll-size", "256KiB"];
        let ended = run(&mut self.command(topics, to, format, &more)?, b"", DEADLINE)?;
        Ok(committed(&ended.text()))
    }

    /// Goes on archiving until it is ended.
    pub fn begin(
        &self,
        name: &str,
        topics: &str,
        to: &str,
        format: &str,
        folder: &Path,
    ) -> Result<Running> {
        let more = ["--roll-time", "1s", "--roll-size", "256KiB"];
        Running::start(name, &mut self.command(topics, to, format, &more)?, folder)
    }

    /// Runs `archived.py`.
    pub fn script(&self, mode: &str, topic: &str, rest: &[&str]) -> Result<Command> {
        let mut command = Command::new(python(self.context.workspace, "archive")?);
        command
            .arg(self.context.workspace.path("interop/python/archived.py"))
            .args([mode, &self.bootstrap, topic])
            .args(rest)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(command)
    }

    /// A topic with so many partitions.
    pub fn topic(&self, what: &str, partitions: u32) -> Result<String> {
        let topic = self.context.topic(what);
        run(
            Command::new(self.context.weir()?)
                .args(["--bootstrap", &self.bootstrap, "topic", "create", &topic])
                .args(["--partitions", &partitions.to_string()]),
            b"",
            DEADLINE,
        )?;
        Ok(topic)
    }

    /// Puts readings into a topic.
    pub fn fill(&self, topic: &str, partitions: u32, count: u32) -> Result<()> {
        let rest = [partitions.to_string(), count.to_string()];
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        run(&mut self.script("fill", topic, &rest)?, b"", DEADLINE).map(drop)
    }

    /// Compares an archive that lies beside us with the topic.
    pub fn check(&self, topic: &str, format: &str, folder: &Path, more: &[&str]) -> Result<String> {
        let folder = folder.display().to_string();
        let mut rest = vec![format, folder.as_str()];
        rest.extend(more);
        let said = run(&mut self.script("check", topic, &rest)?, b"", DEADLINE)?.text();
        Ok(said.trim().to_owned())
    }
}

/// How many files it said it committed.
pub(super) fn committed(printed: &str) -> usize {
    printed
        .lines()
        .filter(|line| line.starts_with('{') && line.contains("\"url\""))
        .count()
}

fn folder(context: &Context) -> Result<String> {
    let archive = Archive::shared(context)?;
    let topic = archive.topic("kept", 3)?;
    archive.fill(&topic, 3, 30_000)?;
    let mut said = String::new();
    for format in ["text", "jsonl"] {
        let folder = context.folder(format)?;
        let to = file_url(&folder);
        let files = archive.to_the_end(&topic, &to, format)?;
        said = archive.check(&topic, format, &folder, &[])?;
        ensure!(
            said.ends_with(&format!("in {files} files")),
            "{format}: {files} files were announced: {said}"
        );
        let again = archive.to_the_end(&topic, &to, format)?;
        ensure!(again == 0, "{format}: a second run wrote {again} files");
    }
    Ok(said)
}

fn s3(context: &Context) -> Result<String> {
    let folder = context.folder("s3")?;
    let store = S3::start(context.workspace, &folder)?;
    let archive = Archive::shared(context)?.with(store.environment());
    let topics = [archive.topic("first", 4)?, archive.topic("second", 1)?];
    let both = topics.join(",");
    archive.fill(&topics[0], 4, 12_000)?;
    archive.fill(&topics[1], 1, 3000)?;
    let to = S3::url("archive");
    let mut one = archive.begin("one", &both, &to, "jsonl", &folder)?;
    let mut two = archive.begin("two", &both, &to, "jsonl", &folder)?;
    let outputs = [one.output.clone(), two.output.clone()];
    let files = || -> usize {
        outputs
            .iter()
            .map(|output| committed(&fs::read_to_string(output).unwrap_or_default()))
            .sum()
    };
    one.until("files in S3", DEADLINE, || files() > 4)?;
    store.running.freeze()?;
    archive.fill(&topics[0], 4, 12_000)?;
    let before = files();
    store.running.go_on()?;
    two.until("files after the store came back", DEADLINE, || {
        files() > before
    })?;
    for (name, instance) in [("one", one), ("two", two)] {
        let (status, _) = instance.end(Duration::from_secs(30))?;
        ensure!(status.success(), "instance {name} ended with {status}");
    }
    archive.to_the_end(&both, &to, "jsonl")?;
    let beside = folder.join("beside");
    store.fetch("archive", &beside)?;
    let said = archive.check(&topics[0], "jsonl", &beside, &[])?;
    let other = archive.check(&topics[1], "jsonl", &beside, &[])?;
    Ok(format!("{said}, {other}"))
}

fn hdfs(context: &Context) -> Result<String> {
    let folder = context.folder("hdfs")?;
    let mut store = Hdfs::start(context.workspace, &folder)?;
    let archive = Archive::shared(context)?;
    let topic = archive.topic("kept", 3)?;
    archive.fill(&topic, 3, 6000)?;
    let mut text = archive.begin("text", &topic, &store.url("/live/text"), "text", &folder)?;
    let output = text.output.clone();
    let files = || committed(&fs::read_to_string(&output).unwrap_or_default());
    text.until("the first files", DEADLINE, || files() >= 3)?;
    // The store goes away while records come, and comes back.
    store.kill_datanode()?;
    store.kill_namenode()?;
    archive.fill(&topic, 3, 15_000)?;
    text.still_runs()?;
    let resident = resident_bytes(text.id()).unwrap_or_default() / 1_000_000;
    let before = files();
    store.start_namenode()?;
    store.start_datanode()?;
    text.until("files after the store came back", DEADLINE, || {
        files() > before
    })?;
    let (status, _) = text.end(Duration::from_secs(30))?;
    ensure!(status.success(), "it ended with {status} on SIGTERM");
    archive.to_the_end(&topic, &store.url("/live/text"), "text")?;
    archive.to_the_end(&topic, &store.url("/live/jsonl"), "jsonl")?;
    let beside = folder.join("beside");
    for format in ["text", "jsonl"] {
        store.fetch_topic(&format!("/live/{format}"), &topic, &beside.join(format))?;
    }
    let said = archive.check(&topic, "text", &beside.join("text"), &[])?;
    archive.check(&topic, "jsonl", &beside.join("jsonl"), &[])?;
    let listed = store.shell(&["-ls", "-R", &format!("/live/text/topics/{topic}")])?;
    ensure!(
        listed.contains("/hour="),
        "hdfs dfs -ls -R shows {}",
        tail(&listed)
    );
    Ok(format!("{said}; {resident} MB while the store was away"))
}

/// A folder beside us as the archive's address.
pub(super) fn file_url(folder: &Path) -> String {
    format!("file://{}", folder.display())
}
