//! Three Apache Kafkas, and the leader killed with -9 again and again while video, numbers, words and the archive run through them:
//! what was acknowledged is there once, in the topic, in the counts and in the archive, and viewers go on by themselves.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::archive::Archive;
use super::server::{begin_kafka, format_storage};
use super::{Case, Context};
use crate::http;
use crate::install::program;
use crate::process::{Running, free_port, local, run, tail};
use crate::wire;

/// How often the leader is killed.
const KILLS: usize = 5;

/// A machine with much else to do takes minutes for what takes seconds.
const DEADLINE: Duration = Duration::from_mins(5);

/// An election within a few seconds, as docs/cluster.md has it. As Kafka comes a broker counts as gone after its session of 9 s.
pub(super) const SHORTENED: &str = "broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n\
    controller.quorum.fetch.timeout.ms=1000\ncontroller.quorum.election.timeout.ms=500\n";

pub(super) const CASES: &[Case] = &[Case {
    name: "three brokers",
    what: "video, sensors, words and the archive through Apache Kafka's three, the leader killed -9 five times: nothing acknowledged lost or doubled, viewers go on",
    run: killed,
}];

/// A cluster of three; a broker that was killed can be started again over what it kept.
pub(super) struct Three<'a> {
    context: &'a Context<'a>,
    folder: PathBuf,
    addresses: [SocketAddr; 3],
    nodes: [Option<Running>; 3],
}

impl<'a> Three<'a> {
    /// `more` are lines of settings.
    pub(super) fn start(context: &'a Context<'a>, more: &str) -> Result<Self> {
        let folder = context.folder("three")?;
        let [addresses, controllers] = six_addresses()?;
        let voters: Vec<String> = (1..)
            .zip(&controllers)
            .map(|(id, address)| format!("{id}@{address}"))
            .collect();
        for (index, (kafka, controller)) in addresses.iter().zip(&controllers).enumerate() {
            let data = folder.join(format!("data-{index}"));
            let properties = folder.join(format!("server-{index}.properties"));
            fs::write(
                &properties,
                format!(
                    "process.roles=broker,controller\nnode.id={}\ncontroller.quorum.voters={}\n\
                     listeners=PLAINTEXT://{kafka},CONTROLLER://{controller}\nadvertised.listeners=PLAINTEXT://{kafka}\n\
                     controller.listener.names=CONTROLLER\nlog.dirs={}\ndefault.replication.factor=3\nmin.insync.replicas=2\n\
                     offsets.topic.replication.factor=3\noffsets.topic.num.partitions=3\n\
                     transaction.state.log.replication.factor=3\ntransaction.state.log.num.partitions=3\n\
                     transaction.state.log.min.isr=2\ngroup.initial.rebalance.delay.ms=0\n{more}",
                    index + 1,
                    voters.join(","),
                    data.display()
                ),
            )?;
            format_storage(context.workspace, &properties)?;
        }
        let mut three = Self {
            context,
            folder,
            addresses,
            nodes: [None, None, None],
        };
        for index in 0..3 {
            three.begin(index)?;
        }
        for index in 0..3 {
            three.until_it_answers(index)?;
        }
        Ok(three)
    }

    fn begin(&mut self, index: usize) -> Result<()> {
        let properties = self.folder.join(format!("server-{index}.properties"));
        let (workspace, name) = (self.context.workspace, format!("kafka-{index}"));
        let node = begin_kafka(workspace, &name, "400m", &properties, &self.folder)?;
        self.nodes[index] = Some(node);
        Ok(())
    }

    fn until_it_answers(&mut self, index: usize) -> Result<()> {
        let address = self.addresses[index];
        let node = self.nodes[index].as_mut().context("it runs")?;
        node.until("an answer to ApiVersions", DEADLINE, || {
            wire::answers(address)
        })?;
        Ok(())
    }

    pub(super) fn addresses(&self) -> String {
        self.addresses.map(|address| address.to_string()).join(",")
    }

    /// What kcat says of a topic's partitions.
    fn partitions(&self, topic: &str) -> Result<Vec<Value>> {
        let said = run(
            Command::new(program(self.context.workspace, "kcat")?).args([
                "-b",
                &self.addresses(),
                "-L",
                "-J",
                "-t",
                topic,
            ]),
            b"",
            DEADLINE,
        )?
        .text();
        let said: Value = serde_json::from_str(&said).context("kcat -L -J")?;
        Ok(said["topics"][0]["partitions"]
            .as_array()
            .cloned()
            .unwrap_or_default())
    }

    /// Which broker leads a topic's first partition.
    pub(super) fn leader(&self, topic: &str) -> Result<usize> {
        let partitions = self.partitions(topic)?;
        let id = partitions
            .first()
            .and_then(|first| first["leader"].as_u64());
        let index = id.and_then(|id| usize::try_from(id).ok()?.checked_sub(1));
        index
            .filter(|index| *index < 3)
            .with_context(|| format!("{topic} has no leader: {partitions:?}"))
    }

    /// Kills a broker with -9.
    pub(super) fn killed(&mut self, index: usize) -> Result<()> {
        self.nodes[index].take().context("it runs")?.kill()
    }

    /// Starts a broker over what it kept.
    pub(super) fn back(&mut self, index: usize) -> Result<()> {
        self.begin(index)?;
        self.until_it_answers(index)
    }

    /// Whether every partition has all three in sync.
    fn in_sync(&self, topic: &str) -> bool {
        self.partitions(topic).is_ok_and(|partitions| {
            !partitions.is_empty()
                && partitions.iter().all(|partition| {
                    partition["isrs"]
                        .as_array()
                        .is_some_and(|isr| isr.len() == 3)
                })
        })
    }
}

/// Where three brokers and three controllers can listen, each elsewhere.
fn six_addresses() -> Result<[[SocketAddr; 3]; 2]> {
    // All are held until all are known.
    let held = [(); 6].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut found = [[local(0); 3]; 2];
    for (address, listener) in found.as_flattened_mut().iter_mut().zip(held) {
        *address = listener?.local_addr()?;
    }
    Ok(found)
}

/// Reads an answer for ever, counting its bytes.
fn view(url: String) -> Arc<AtomicU64> {
    let seen = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&seen);
    std::thread::spawn(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
        let Ok(answer) = agent.get(&url).call() else {
            return;
        };
        let mut reader = answer.into_body().into_reader();
        let mut buffer = [0; 16 << 10];
        while let Ok(read @ 1..) = reader.read(&mut buffer) {
            counted.fetch_add(read as u64, Ordering::Relaxed);
        }
    });
    seen
}

/// Everything that runs through the cluster while its leaders die.
struct Load {
    writer: Running,
    others: Vec<Running>,
    page: Running,
    journal: PathBuf,
    log: PathBuf,
    lines: usize,
    viewers: Vec<(&'static str, Arc<AtomicU64>)>,
}

impl Load {
    /// Adds to the log that is followed.
    fn say(&mut self, count: usize) -> Result<()> {
        let mut file = OpenOptions::new().append(true).open(&self.log)?;
        for _ in 0..count {
            writeln!(file, "wind from the north, line{} of all", self.lines % 100)?;
            self.lines += 1;
        }
        Ok(())
    }

    /// Waits until the writer and every viewer have got on.
    fn goes_on(&mut self) -> Result<()> {
        self.say(50)?;
        let journal = &self.journal;
        let acknowledged = || fs::read_to_string(journal).map_or(0, |text| text.lines().count());
        let before = acknowledged();
        let seen: Vec<u64> = self
            .viewers
            .iter()
            .map(|(_, seen)| seen.load(Ordering::Relaxed))
            .collect();
        self.writer.until("acknowledgements", DEADLINE, || {
            acknowledged() >= before + 3000
        })?;
        for ((name, now), before) in self.viewers.iter().zip(seen) {
            self.page.until(&format!("more of {name}"), DEADLINE, || {
                now.load(Ordering::Relaxed) > before + 20_000
            })?;
        }
        for other in &mut self.others {
            other.still_runs()?;
        }
        Ok(())
    }
}

fn killed(context: &Context) -> Result<String> {
    let mut three = Three::start(context, SHORTENED)?;
    let topic = &context.topic("acknowledged");
    let folder = context.folder("load")?;
    let archive = Archive::of(context, three.addresses());
    let kept = folder.join("kept");
    let mut load = begin(context, &three, &archive, topic, &folder, &kept)?;
    load.goes_on().context("before the first kill")?;
    for kill in 1..=KILLS {
        let leader = three.leader(topic)?;
        three.killed(leader)?;
        load.goes_on()
            .with_context(|| format!("after kill {kill}"))?;
        three.back(leader)?;
        let is_in_sync = || three.in_sync(topic);
        load.writer
            .until("all in sync", DEADLINE, is_in_sync)
            .with_context(|| format!("after kill {kill}"))?;
    }
    load.goes_on().context("at the end")?;
    end(context, &three, &archive, load, topic, &kept)
}

fn begin(
    context: &Context,
    three: &Three,
    archive: &Archive,
    topic: &str,
    folder: &Path,
    kept: &Path,
) -> Result<Load> {
    let bootstrap = &three.addresses();
    let command = |arguments: &[&str]| -> Result<Command> {
        let mut command = Command::new(context.weir()?);
        command
            .args(["--bootstrap", bootstrap])
            .args(arguments)
            .current_dir(folder);
        Ok(command)
    };
    let sure = ["--replication", "3", "--config", "min.insync.replicas=2"];
    for (name, partitions) in [(topic, "3"), ("cam", "1"), ("sensors", "1"), ("text", "1")] {
        let create = ["topic", "create", name, "--partitions", partitions];
        run(command(&create)?.args(sure), b"", DEADLINE)?;
    }
    let log = folder.join("log.txt");
    fs::write(&log, "")?;
    let log_name = log.display().to_string();
    let begun =
        |name: &str, arguments: &[&str]| Running::start(name, &mut command(arguments)?, folder);
    let others = vec![
        begun(
            "card",
            &["publish", "testcard", "--topic", "cam", "--size", "320x180"],
        )?,
        begun(
            "sensors",
            &[
                "publish",
                "sensor",
                "--topic",
                "sensors",
                "--producers",
                "3",
                "--rate",
                "50/s",
            ],
        )?,
        begun(
            "lines",
            &[
                "publish",
                "lines",
                &log_name,
                "--topic",
                "text",
                "--follow",
                "--from-start",
            ],
        )?,
        begun(
            "words",
            &["process", "words", "--topic", "text", "--to", "words"],
        )?,
        archive.begin(
            "archive",
            topic,
            &format!("file://{}", kept.display()),
            "jsonl",
            folder,
        )?,
    ];
    let web = local(free_port()?);
    let mut page = begun("page", &["serve", "--listen", &web.to_string()])?;
    page.until_it_listens(web, DEADLINE)?;
    let journal = folder.join("journal.txt");
    let journal_name = journal.display().to_string();
    let mut write = archive.script("write", topic, &["3", &journal_name])?;
    let writer = Running::start("writer", &mut write, folder)?;
    let cam = format!("http://{web}/topics/cam");
    page.until("pictures", DEADLINE, || {
        http::json(&format!("http://{web}/overview")).is_ok_and(|overview| {
            let topics = overview["topics"].as_array().into_iter().flatten();
            let mut cam = topics.filter(|topic| topic["name"] == "cam");
            cam.any(|topic| topic["kind"] == "video")
        })
    })?;
    let viewers = vec![
        ("video.mp4", view(format!("{cam}/video.mp4"))),
        ("video.mjpeg", view(format!("{cam}/video.mjpeg"))),
        (
            "the sensors' records",
            view(format!("http://{web}/topics/sensors/records")),
        ),
    ];
    Ok(Load {
        writer,
        others,
        page,
        journal,
        log,
        lines: 0,
        viewers,
    })
}

fn end(
    context: &Context,
    three: &Three,
    archive: &Archive,
    mut load: Load,
    topic: &str,
    kept: &Path,
) -> Result<String> {
    let (status, _) = load.writer.end(DEADLINE)?;
    ensure!(status.success(), "the writer ended with {status}");
    // Every line counted once: four words of all, and its own.
    let wanted: Vec<(String, u64)> = [
        ("wind", load.lines),
        ("all", load.lines),
        ("line7", load.lines.div_ceil(100)),
    ]
    .map(|(word, count)| (word.to_owned(), count as u64))
    .to_vec();
    let consume = |topic: &str| -> Result<String> {
        let mut command = Command::new(context.weir()?);
        command.args(["--bootstrap", &three.addresses(), "consume", topic]);
        let all = [
            "--from",
            "beginning",
            "--exit-at-end",
            "--format",
            "%k %s\\n",
        ];
        Ok(run(command.args(all), b"", DEADLINE)?.text())
    };
    let counted = |text: &str| -> Vec<(String, u64)> {
        let newest = |word: &str| {
            let lines = text.lines().rev();
            let mut counts = lines.filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
            let value: Value = serde_json::from_str(counts.next()?).ok()?;
            value["count"].as_u64()
        };
        let words = wanted.iter();
        words
            .map(|(word, _)| (word.clone(), newest(word).unwrap_or(0)))
            .collect()
    };
    let mut last = String::new();
    load.page
        .until("all words counted", DEADLINE, || {
            last = consume("words").unwrap_or_default();
            counted(&last) == wanted
        })
        .with_context(|| {
            let lines = consume("text").map_or(0, |text| text.lines().count());
            let printed: Vec<String> = load.others.iter().map(Running::printed).collect();
            format!(
                "{:?} and wanted {wanted:?}; {lines} lines in the topic; what runs printed {printed:?}",
                counted(&last)
            )
        })?;
    for other in load.others {
        let (status, _) = other.end(DEADLINE)?;
        ensure!(status.success(), "a part of the load ended with {status}");
    }
    archive.to_the_end(topic, &format!("file://{}", kept.display()), "jsonl")?;
    let journal = load.journal.display().to_string();
    let said = archive.check(topic, "jsonl", kept, &[&journal])?;
    ensure!(
        !load.page.printed().contains("panicked"),
        "the page printed {}",
        tail(&load.page.printed())
    );
    Ok(format!(
        "{KILLS} kills; {said}; {} lines counted once; viewers went on",
        load.lines
    ))
}
