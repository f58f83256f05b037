//! The servers that cases and measurements start: weir in its three forms, and Apache Kafka from its own jars. Each
//! listens on loopback ports that were free, keeps its files in the folder it is given, and is killed when dropped.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::install::{jars, java, program};
use crate::process::{Running, free_port, local, run};
use crate::wire;
use crate::workspace::Workspace;

/// How long weir may take before it counts as not started.
const START: Duration = Duration::from_secs(20);

/// A running weir with its own broker.
pub(crate) struct Weir {
    running: Running,
    /// Where Kafka's clients find it.
    pub kafka: SocketAddr,
    /// Where browsers find it; nobody listens there for `weir broker`.
    pub web: SocketAddr,
    /// Its log's folder.
    pub data: PathBuf,
    /// Process start to its first answer.
    pub start_took: Duration,
}

impl Weir {
    /// `weir serve`.
    pub fn serve(weir: &Path, folder: &Path, more: &[&str]) -> Result<Self> {
        Self::start(weir, "serve", folder, free_port()?, more)
    }

    /// `weir demo`.
    pub fn demo(weir: &Path, folder: &Path, more: &[&str]) -> Result<Self> {
        Self::start(weir, "demo", folder, free_port()?, more)
    }

    /// `weir broker`, on a port that a restart may keep.
    pub fn broker(weir: &Path, folder: &Path, port: u16, more: &[&str]) -> Result<Self> {
        Self::start(weir, "broker", folder, port, more)
    }

    /// `weir serve --bootstrap`: the page alone, over somebody else's Kafka.
    pub fn page(weir: &Path, folder: &Path, kafka: SocketAddr) -> Result<Self> {
        let web = local(free_port()?);
        let mut command = Command::new(weir);
        command
            .args([
                "--bootstrap",
                &kafka.to_string(),
                "serve",
                "--listen",
                &web.to_string(),
            ])
            .current_dir(folder_made(folder)?);
        let mut running = Running::start("weir-page", &mut command, folder)?;
        let start_took = running.until_it_listens(web, START)?;
        Ok(Self {
            running,
            kafka,
            web,
            data: folder.join("data"),
            start_took,
        })
    }

    fn start(weir: &Path, what: &str, folder: &Path, port: u16, more: &[&str]) -> Result<Self> {
        let kafka = local(port);
        let web = local(free_port()?);
        let data = folder.join("data");
        let mut command = Command::new(weir);
        command
            .arg(what)
            .args(["--kafka-listen", &kafka.to_string()])
            .arg("--data-dir")
            .arg(&data);
        if what != "broker" {
            command.args(["--listen", &web.to_string()]);
        }
        command.args(more).current_dir(folder_made(folder)?);
        let mut running = Running::start(&format!("weir-{what}"), &mut command, folder)?;
        let start_took =
            running.until("an answer to ApiVersions", START, || wire::answers(kafka))?;
        if what != "broker" {
            running.until_it_listens(web, START)?;
        }
        Ok(Self {
            running,
            kafka,
            web,
            data,
            start_took,
        })
    }

    /// An address on its web server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.web)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// What it has printed.
    pub fn printed(&self) -> String {
        self.running.printed()
    }

    /// An error when it has ended.
    pub fn still_runs(&mut self) -> Result<()> {
        self.running.still_runs()
    }

    /// `kill -9`.
    pub fn kill(self) -> Result<()> {
        self.running.kill()
    }

    /// SIGTERM.
    pub fn end(self) -> Result<(ExitStatus, Duration)> {
        self.running.end(Duration::from_secs(20))
    }
}

fn folder_made(folder: &Path) -> Result<&Path> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}

/// A running Apache Kafka: one node, `KRaft`, broker and controller in one process.
pub(crate) struct ApacheKafka {
    running: Option<Running>,
    properties: PathBuf,
    /// Where clients find it.
    pub kafka: SocketAddr,
    /// Process start to its first answer.
    pub start_took: Duration,
}

impl ApacheKafka {
    /// Formats a new node in the folder and starts it. `more` are lines of its `server.properties`, where the last of a name counts;
    /// `{kafka}` and `{controller}` stand for its addresses.
    pub fn start(workspace: &Workspace, folder: &Path, more: &str) -> Result<Self> {
        let kafka = local(free_port()?);
        let controller = local(free_port()?);
        let data = folder.join("data");
        let properties = folder_made(folder)?.join("server.properties");
        fs::write(
            &properties,
            format!(
                "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@{controller}\n\
                 listeners=PLAINTEXT://{kafka},CONTROLLER://{controller}\nadvertised.listeners=PLAINTEXT://{kafka}\n\
                 controller.listener.names=CONTROLLER\nlog.dirs={}\noffsets.topic.replication.factor=1\n\
                 transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
                 group.initial.rebalance.delay.ms=0\n{}\n",
                data.display(),
                more.replace("{kafka}", &kafka.to_string())
                    .replace("{controller}", &controller.to_string())
            ),
        )?;
        format_storage(workspace, &properties)?;
        // The heap of Kafka's own start script.
        let mut node = Self {
            running: None,
            properties,
            kafka,
            start_took: Duration::ZERO,
        };
        node.begin(workspace, folder)?;
        Ok(node)
    }

    fn begin(&mut self, workspace: &Workspace, folder: &Path) -> Result<()> {
        let mut running = begin_kafka(workspace, "kafka", "1g", &self.properties, folder)?;
        let kafka = self.kafka;
        self.start_took =
            running.until("an answer to ApiVersions", Duration::from_secs(90), || {
                wire::answers(kafka)
            })?;
        self.running = Some(running);
        Ok(())
    }

    /// `kill -9`, and a start over what it kept.
    pub fn killed_and_back(&mut self, workspace: &Workspace, folder: &Path) -> Result<()> {
        if let Some(running) = self.running.take() {
            running.kill()?;
        }
        self.begin(workspace, folder)
    }
}

/// Formats what a node of Apache Kafka keeps its log in.
pub(crate) fn format_storage(workspace: &Workspace, properties: &Path) -> Result<()> {
    let tool = [
        "-XX:TieredStopAtLevel=1",
        "kafka.tools.StorageTool",
        "format",
    ];
    run(
        java(workspace, KAFKA)?
            .args(tool)
            .args(["-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"])
            .arg(properties),
        b"",
        Duration::from_mins(1),
    )?;
    Ok(())
}

/// Starts a node over formatted storage, with the collector of Kafka's own start script.
pub(crate) fn begin_kafka(
    workspace: &Workspace,
    name: &str,
    heap: &str,
    properties: &Path,
    folder: &Path,
) -> Result<Running> {
    let mut command = Command::new(program(workspace, "java")?);
    command
        .args([format!("-Xmx{heap}"), format!("-Xms{heap}")])
        .args(["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-cp"])
        .arg(format!("{}/*", jars(workspace, KAFKA)?.display()))
        .arg("kafka.Kafka")
        .arg(properties);
    Running::start(name, &mut command, folder)
}

/// The set of jars with Apache Kafka itself and its tools.
pub(crate) const KAFKA: &str = "kafka-4.3.0";
