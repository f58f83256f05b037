//! A real HDFS from its jars: a `NameNode` and a `DataNode` on loopback ports that were free, their files in the folder they
//! are given, each of which can be killed and started again; and `hdfs dfs`, `hdfs dfsadmin`.
//!
//! The jar of the servers lacks their web pages, without which they do not start: empty folders stand in for them.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::http;
use crate::install::{jars, program};
use crate::process::{Running, free_port, local, run};
use crate::workspace::Workspace;

const JARS: &str = "hadoop-3.4.2";
const DEADLINE: Duration = Duration::from_mins(2);

const NAMENODE: &str = "org.apache.hadoop.hdfs.server.namenode.NameNode";
const DATANODE: &str = "org.apache.hadoop.hdfs.server.datanode.DataNode";
const SHELL: &str = "org.apache.hadoop.fs.FsShell";
const ADMIN: &str = "org.apache.hadoop.hdfs.tools.DFSAdmin";

/// Small, and quick to start rather than quick in the long run.
const SMALL: &[&str] = &["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// A running HDFS, or the parts of one.
pub(crate) struct Hdfs {
    java: PathBuf,
    classpath: String,
    folder: PathBuf,
    namenode: Option<Running>,
    datanode: Option<Running>,
    /// Where its clients find it: the `NameNode`'s RPC port (8020 or 9000 elsewhere).
    pub rpc: SocketAddr,
    /// The `NameNode`'s web pages (9870 elsewhere), which tutorials give for the RPC port.
    pub http: SocketAddr,
    data: SocketAddr,
}

impl Hdfs {
    /// A new HDFS with one `DataNode`; every block is kept once.
    pub fn start(workspace: &Workspace, folder: &Path) -> Result<Self> {
        let mut hdfs = Self::without_datanode(workspace, folder)?;
        hdfs.start_datanode()?;
        Ok(hdfs)
    }

    /// A new HDFS whose `NameNode` is up and has nowhere to put anything.
    pub fn without_datanode(workspace: &Workspace, folder: &Path) -> Result<Self> {
        let jars = jars(workspace, JARS)?;
        let (rpc, http, data) = (
            local(free_port()?),
            local(free_port()?),
            local(free_port()?),
        );
        for page in ["hdfs", "datanode", "secondary", "static"] {
            fs::create_dir_all(folder.join("pages/webapps").join(page))?;
        }
        let conf = folder.join("conf");
        fs::create_dir_all(&conf)?;
        let at = folder.display();
        fs::write(
            conf.join("core-site.xml"),
            properties(&[
                ("fs.defaultFS", format!("hdfs://{rpc}")),
                ("hadoop.tmp.dir", format!("{at}/tmp")),
            ]),
        )?;
        fs::write(
            conf.join("hdfs-site.xml"),
            properties(&[
                ("dfs.replication", "1".to_owned()),
                ("dfs.namenode.name.dir", format!("file://{at}/names")),
                ("dfs.namenode.http-address", http.to_string()),
                // It leaves safe mode as soon as it has its blocks, not half a minute later.
                ("dfs.namenode.safemode.extension", "0".to_owned()),
                ("dfs.datanode.data.dir", format!("file://{at}/blocks")),
                ("dfs.datanode.address", data.to_string()),
                ("dfs.datanode.http.address", local(free_port()?).to_string()),
                ("dfs.datanode.ipc.address", local(free_port()?).to_string()),
                // It reports to the NameNode at once after a restart.
                ("dfs.heartbeat.interval", "1".to_owned()),
            ]),
        )?;
        fs::write(
            conf.join("log4j.properties"),
            "log4j.rootLogger=INFO,err\nlog4j.appender.err=org.apache.log4j.ConsoleAppender\n\
             log4j.appender.err.target=System.err\nlog4j.appender.err.layout=org.apache.log4j.PatternLayout\n\
             log4j.appender.err.layout.ConversionPattern=%d{HH:mm:ss,SSS} %p %c{1}: %m%n\n",
        )?;
        let mut hdfs = Self {
            java: program(workspace, "java")?,
            classpath: format!("{at}/conf:{at}/pages:{}/*", jars.display()),
            folder: folder.to_owned(),
            namenode: None,
            datanode: None,
            rpc,
            http,
            data,
        };
        run(
            hdfs.class(NAMENODE).args(["-format", "-nonInteractive"]),
            b"",
            DEADLINE,
        )?;
        hdfs.start_namenode()?;
        Ok(hdfs)
    }

    /// Starts the `NameNode`, again after a kill; it answers when this returns.
    pub fn start_namenode(&mut self) -> Result<Duration> {
        let mut running = Running::start("namenode", &mut self.class(NAMENODE), &self.folder)?;
        running.until_it_listens(self.rpc, DEADLINE)?;
        let took = running.until("its state", DEADLINE, || self.state().is_ok())?;
        self.namenode = Some(running);
        Ok(took)
    }

    /// Starts the `DataNode`, again after a kill; the `NameNode` has heard of it when this returns.
    pub fn start_datanode(&mut self) -> Result<()> {
        let output = self.folder.join("datanode.out");
        let registered = || {
            fs::read_to_string(&output).map_or(0, |printed| {
                printed.matches("successfully registered with NN").count()
            })
        };
        let before = registered();
        let mut running = Running::start("datanode", &mut self.class(DATANODE), &self.folder)?;
        running.until("its registration", DEADLINE, || registered() > before)?;
        running.until_it_listens(self.data, DEADLINE)?;
        self.datanode = Some(running);
        Ok(())
    }

    /// `kill -9` of the `DataNode`, where it runs.
    pub fn kill_datanode(&mut self) -> Result<()> {
        self.datanode.take().map_or(Ok(()), Running::kill)
    }

    /// Stops the `DataNode` where it is: it is there and answers nothing.
    pub fn freeze_datanode(&self) -> Result<()> {
        self.datanode.as_ref().map_or(Ok(()), Running::freeze)
    }

    /// Lets it go on.
    pub fn thaw_datanode(&self) -> Result<()> {
        self.datanode.as_ref().map_or(Ok(()), Running::go_on)
    }

    /// `kill -9` of the `NameNode`, where it runs.
    pub fn kill_namenode(&mut self) -> Result<()> {
        self.namenode.take().map_or(Ok(()), Running::kill)
    }

    /// What the `NameNode` says of itself on its web port.
    pub fn state(&self) -> Result<serde_json::Value> {
        let answer = http::json(&format!(
            "http://{}/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo",
            self.http
        ))?;
        let state = answer["beans"][0].clone();
        ensure!(state.is_object(), "the NameNode told no state: {answer}");
        Ok(state)
    }

    /// A folder or file in it as its users write it.
    pub fn url(&self, path: &str) -> String {
        format!("hdfs://{}{path}", self.rpc)
    }

    /// `hdfs dfs …`: what it printed.
    pub fn shell(&self, arguments: &[&str]) -> Result<String> {
        let ended = run(self.class(SHELL).args(arguments), b"", DEADLINE)
            .with_context(|| format!("hdfs dfs {}", arguments.join(" ")))?;
        Ok(ended.text())
    }

    /// `hdfs dfsadmin …`.
    pub fn admin(&self, arguments: &[&str]) -> Result<String> {
        Ok(run(self.class(ADMIN).args(arguments), b"", DEADLINE)?.text())
    }

    /// Copies a file of HDFS beside us.
    pub fn fetch(&self, path: &str, to: &Path) -> Result<()> {
        let to = to.display().to_string();
        self.shell(&["-get", path, &to]).map(drop)
    }

    /// Copies what an archive's readers read of a topic beside us, with the archive's own folders. What an archive that was
    /// killed had just begun is not among it: no `-get` takes a file whose writer is gone before its lease has run out.
    pub fn fetch_topic(&self, archive: &str, topic: &str, to: &Path) -> Result<()> {
        let to = to.join("topics").join(topic);
        fs::create_dir_all(&to)?;
        self.fetch(&format!("{archive}/topics/{topic}/date=*"), &to)
    }

    fn class(&self, class: &str) -> Command {
        let mut command = Command::new(&self.java);
        command
            .args(SMALL)
            .args(["-cp", &self.classpath, class])
            .current_dir(&self.folder);
        command
    }
}

/// A file of Hadoop's settings.
fn properties(properties: &[(&str, String)]) -> String {
    let mut text = "<?xml version=\"1.0\"?>\n<configuration>\n".to_owned();
    for (name, value) in properties {
        let _ = writeln!(
            text,
            "<property><name>{name}</name><value>{value}</value></property>"
        );
    }
    text + "</configuration>\n"
}
