//! HDFS: `hdfs://HOST:PORT/DIR`.
//!
//! A rename that replaces nothing is how a small file is made whole and only once: the NameNode does it as one step. A file counts
//! as written when it is closed, which is when as many DataNodes as it needs have all of it.
//!
//! A file is appended to by one at a time: the NameNode lends it out (a lease), and its length is asked for only while it is lent
//! to us. Who has it for longer than [`LENT`] is dead or as good as dead, and it is taken from him (`recoverLease`): the
//! DataNodes then agree on what they have of the file's last block and take nothing more from him.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hdfs_native::file::FileWriter;
use hdfs_native::{Client, ClientBuilder, HdfsError, WriteOptions};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::{Entry, Ready, Store, StoreError, Writer, namenode};
use crate::single::changed;

/// The NameNode's RPC port where none is given, as Hadoop has it.
const DEFAULT_PORT: u16 = 8020;
/// How long a call to the NameNode may take, and a piece of a file to its DataNodes.
const CALL: Duration = Duration::from_secs(20);
const PIECE: Duration = Duration::from_mins(1);
/// How long the look at the start may take in all, but for removing its file again, and that.
const LOOK: Duration = Duration::from_secs(4);
const TIDY: Duration = Duration::from_millis(500);
/// How long another may append before the file is taken from him, how often it is tried, and how long taking it may take.
const LENT: Duration = Duration::from_secs(2);
const LENT_AGAIN: Duration = Duration::from_millis(100);
const TAKEN: Duration = Duration::from_secs(30);
/// What the look writes is called this and a number of its own; what is left of others' looks is removed when it is so much older.
const PROBE: &str = ".weir-";
const LEFT_MS: u64 = 60_000;
/// How often a NameNode in safe mode is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A folder in HDFS.
#[derive(Clone)]
pub struct Hdfs {
    client: Client,
    /// `hdfs://HOST:PORT`, or the name of a service in Hadoop's configuration.
    address: String,
    host: String,
    /// `None` of a service that the configuration knows.
    port: Option<u16>,
    root: String,
}

impl Hdfs {
    /// The folder `root` of the NameNode at `host`, with Hadoop's settings by their names. Without a port `host` is a service that
    /// the configuration in `HADOOP_CONF_DIR` knows, or a NameNode at its default port.
    pub fn new(
        host: &str,
        port: Option<u16>,
        root: &str,
        options: &BTreeMap<String, String>,
    ) -> Result<Self, StoreError> {
        let build = |address: &str, port: Option<u16>| {
            let mut config = options.clone();
            if port.is_some() {
                // With one NameNode there is none to change to; who archives tries again by itself.
                config
                    .entry("dfs.client.failover.max.attempts".to_owned())
                    .or_insert_with(|| "1".to_owned());
            }
            ClientBuilder::new()
                .with_url(address)
                .with_config(config)
                .build()
        };
        let with_port = |port: u16| (format!("hdfs://{host}:{port}"), Some(port));
        let (address, port) = port.map_or_else(|| (format!("hdfs://{host}"), None), with_port);
        let built = match build(&address, port) {
            // No service of that name is known, so it is a host.
            Err(HdfsError::InvalidArgument(_)) if port.is_none() => {
                let (address, port) = with_port(DEFAULT_PORT);
                build(&address, port).map(|client| (client, address, port))
            }
            built => built.map(|client| (client, address, port)),
        };
        let (client, address, port) = built
            .map_err(|error| StoreError::Remedy(format!("hdfs://{host}: {}", words(&error))))?;
        Ok(Self {
            client,
            address,
            host: host.to_owned(),
            port,
            root: format!("/{}", root.trim_matches('/')),
        })
    }

    /// Whether the folder can be written to, or what is in the way; waits for the end of safe mode, and tells how far it is.
    pub async fn check(&self, note: &(dyn Fn(&str) + Sync)) -> Result<(), StoreError> {
        let mut until = Instant::now() + LOOK;
        if let Some(port) = self.port {
            namenode::look(&self.host, port, &self.root).await?;
        }
        let mut said = String::new();
        loop {
            let error = match self.probe(until).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let Some(state) = safe_mode(&error) else {
                return Err(self.remedy(&error));
            };
            if state != said {
                note(&state);
                said = state;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            until = Instant::now() + LOOK;
        }
    }

    /// Makes the folder, and a file in it that is removed again.
    async fn probe(&self, until: Instant) -> Result<(), HdfsError> {
        let late = |what: &str| HdfsError::OperationFailed(format!("{LATE}{what}"));
        let made = self.client.mkdirs(&self.root, 0o755, true);
        timeout_at(until, made)
            .await
            .map_err(|_| late(NAMENODE))??;
        let path = self.path(&format!("{PROBE}{}", Uuid::new_v4().simple()));
        let written = self.lay_down(&path, Bytes::from_static(b"probe"));
        let written = match timeout_at(until, written).await {
            Ok(written) => written,
            Err(_) => Err(late(DATANODE)),
        };
        if written.is_ok() {
            // Whoever may not remove them, or not in time, may archive all the same.
            drop(timeout_at(until, self.remove_left_probes(&path)).await);
        }
        let deleted = timeout_at(until + TIDY, self.client.delete(&path, false)).await;
        written?;
        deleted.map_err(|_| late(NAMENODE))?.map(drop)
    }

    /// Removes the files of those who were killed while they looked: older than `ours`, by the NameNode's clock. They may be open for
    /// ever, and who copies the folder stumbles over them.
    async fn remove_left_probes(&self, ours: &str) -> Result<(), HdfsError> {
        let now_ms = self.client.get_file_info(ours).await?.modification_time;
        for found in self.client.list_status(&self.root, false).await? {
            let name = found.path.rsplit('/').next().unwrap_or_default();
            if name.starts_with(PROBE) && found.modification_time + LEFT_MS < now_ms {
                self.client.delete(&self.path(name), false).await?;
            }
        }
        Ok(())
    }

    /// Writes a new file. The library's futures are large, so they go on the heap here and in [`HdfsWriter`].
    async fn put(&self, path: &str, content: Bytes) -> Result<(), HdfsError> {
        let mut file = self.client.create(path, WriteOptions::default()).await?;
        Box::pin(file.write_bytes(content)).await?;
        Box::pin(file.close()).await
    }

    /// Writes a new file as far as that its DataNodes have it on their disks, and leaves it open: it is to be removed again.
    async fn lay_down(&self, path: &str, content: Bytes) -> Result<(), HdfsError> {
        let mut file = self.client.create(path, WriteOptions::default()).await?;
        Box::pin(file.write_bytes(content)).await?;
        Box::pin(file.hsync()).await
    }

    /// Opens a file to append to it, which nobody else can then do, and says how long it is; makes it where it is not there.
    async fn borrow(&self, path: &str) -> Result<(FileWriter, u64), HdfsError> {
        let patience = LENT.as_millis() / LENT_AGAIN.as_millis();
        let mut tries = patience;
        let file = loop {
            match self.client.append(path).await {
                Ok(file) => break file,
                Err(error) if missing(&error) => {
                    let options = WriteOptions::default();
                    match self.client.create(path, options).await {
                        // Another has made it.
                        Err(error) if is_lent(&error) => {}
                        Err(HdfsError::AlreadyExists(_)) => {}
                        created => return created.map(|file| (file, 0)),
                    }
                }
                Err(error) if is_lent(&error) => {}
                Err(error) => return Err(error),
            }
            if tries == 0 {
                while !self.client.recover_lease(path).await? {
                    tokio::time::sleep(LENT_AGAIN).await;
                }
                tries = patience;
            }
            tries -= 1;
            tokio::time::sleep(LENT_AGAIN).await;
        };
        let len = self.client.get_file_info(path).await?.length;
        Ok((file, len as u64))
    }

    fn remedy(&self, error: &HdfsError) -> StoreError {
        let said = words(error);
        let has = |word: &str| said.contains(word);
        let place = self.url("");
        StoreError::Remedy(if class(error).contains("AccessControlException") {
            let root = &self.root;
            format!(
                "{said}: make the folder and give it to this user (as HDFS's administrator: hdfs dfs -mkdir -p {root}; hdfs dfs -chown USER {root}), or set HADOOP_USER_NAME to one who may"
            )
        } else if class(error).contains("ParentNotDirectory")
            || class(error).contains("FileAlreadyExists")
            || matches!(error, HdfsError::AlreadyExists(_))
        {
            format!(
                "{place} is, or lies in, a file, and an archive is a folder; name another with --to ({said})"
            )
        } else if has("There are 0 datanode(s) running") {
            format!(
                "the NameNode at {} runs, but no DataNode does, so there is nobody to keep a file; start one (hdfs --daemon start datanode) and look at its log if it ends again",
                self.address
            )
        } else if has("could only be written to 0 of")
            || said == format!("{LATE}{DATANODE}")
            || matches!(
                error,
                HdfsError::DataTransferError(_) | HdfsError::IOError(_)
            )
        {
            format!(
                "the NameNode at {} answers, but no DataNode takes a file: their disks are full, or their addresses cannot be reached from here (--store-option dfs.client.use.datanode.hostname=true takes their names) ({said})",
                self.address
            )
        } else if said == format!("{LATE}{NAMENODE}") {
            format!(
                "the NameNode at {} took the connection and does not answer: look at its log, and start it again if it hangs",
                self.address
            )
        } else if class(error).contains("StandbyException") {
            format!(
                "the NameNode at {} is on standby; name the active one, or the service with HADOOP_CONF_DIR set",
                self.address
            )
        } else {
            format!("cannot write to {place}: {said}")
        })
    }

    fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.root.trim_end_matches('/'))
    }

    fn failed(&self, what: &'static str, path: &str, error: &HdfsError) -> StoreError {
        StoreError::Failed {
            what,
            url: self.url(path),
            why: words(error),
        }
    }

    /// The answer to a call, if it comes in time.
    async fn call<T>(
        &self,
        what: &'static str,
        path: &str,
        call: impl Future<Output = Result<T, HdfsError>>,
    ) -> Result<Result<T, HdfsError>, StoreError> {
        tokio::time::timeout(CALL, call)
            .await
            .map_err(|_| self.failed(what, path, &no_answer(CALL)))
    }
}

const LATE: &str = "no answer in time from ";
const NAMENODE: &str = "the NameNode";
const DATANODE: &str = "a DataNode";

fn no_answer(after: Duration) -> HdfsError {
    HdfsError::OperationFailed(format!("no answer within {} s", after.as_secs()))
}

/// The name of the exception a NameNode threw.
fn class(error: &HdfsError) -> &str {
    match error {
        HdfsError::RPCError(class, _) | HdfsError::FatalRPCError(class, _) => class,
        _ => "",
    }
}

/// Whether there is no such file: known by a variant of its own, or only by the NameNode's exception.
fn missing(error: &HdfsError) -> bool {
    matches!(error, HdfsError::FileNotFound(_)) || class(error) == "java.io.FileNotFoundException"
}

/// Whether a file is being written by another, or by one of ours that was given up.
fn is_lent(error: &HdfsError) -> bool {
    let class = class(error);
    class.ends_with("AlreadyBeingCreatedException")
        || class.ends_with("RecoveryInProgressException")
}

/// An error in one line, without the stack that Hadoop sends along.
fn words(error: &HdfsError) -> String {
    match error {
        HdfsError::RPCError(_, said) | HdfsError::FatalRPCError(_, said) => {
            let lines = said.lines().take_while(|line| !line.starts_with("\tat "));
            lines.collect::<Vec<_>>().join(" ").trim().to_owned()
        }
        HdfsError::OperationFailed(said) => said.clone(),
        other => other.to_string(),
    }
}

/// How far a NameNode in safe mode is, in its own words.
fn safe_mode(error: &HdfsError) -> Option<String> {
    if !class(error).contains("SafeModeException") {
        return None;
    }
    let said = words(error);
    let state = said
        .split_once("Name node is in safe mode.")
        .map_or(&*said, |(_, state)| state);
    let state = state.split("NamenodeHostName:").next().unwrap_or_default();
    Some(format!(
        "waiting: the NameNode is in safe mode and takes no files yet. {}",
        state.trim()
    ))
}

#[async_trait]
impl Store for Hdfs {
    async fn list(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        let full = self.path(folder);
        let listed = self.client.list_status(&full, false);
        match self.call("list", folder, listed).await? {
            Ok(found) => Ok(found
                .into_iter()
                .filter_map(|status| {
                    Some(Entry {
                        name: status.path.rsplit('/').next()?.to_owned(),
                        folder: status.isdir,
                    })
                })
                .collect()),
            Err(error) if missing(&error) => Ok(Vec::new()),
            Err(error) => Err(self.failed("list", folder, &error)),
        }
    }

    async fn read(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        let full = self.path(path);
        let read = async {
            let mut file = self.client.read(&full).await?;
            let len = file.file_length();
            file.read_bytes(len).await
        };
        match self.call("read", path, read).await? {
            Ok(content) => Ok(Some(content)),
            Err(error) if missing(&error) => Ok(None),
            Err(error) => Err(self.failed("read", path, &error)),
        }
    }

    async fn create(&self, path: &str, content: Bytes) -> Result<bool, StoreError> {
        let ready = Box::pin(async { Ok(()) });
        self.create_after(ready, path, content).await
    }

    /// Closing a file takes half a second (the library asks the NameNode a moment too early whether it knows of the last block,
    /// and then waits so long), so that of the file beside goes on together with what is waited for.
    async fn create_after(
        &self,
        ready: Ready<'_>,
        path: &str,
        content: Bytes,
    ) -> Result<bool, StoreError> {
        let full = self.path(path);
        let (folder, name) = full.rsplit_once('/').unwrap_or(("", &full));
        let beside = format!("{folder}/.{name}.{}", Uuid::new_v4().simple());
        let failed = |error| self.failed("create", path, &error);
        let put = async {
            let put = self.call("create", path, self.put(&beside, content));
            put.await?.map_err(failed)
        };
        tokio::try_join!(ready, put)?;
        let made = async {
            match self.client.rename(&beside, &full, false).await {
                Err(HdfsError::AlreadyExists(_)) => {
                    self.client.delete(&beside, false).await?;
                    Ok(false)
                }
                renamed => renamed.map(|()| true),
            }
        };
        self.call("create", path, made).await?.map_err(failed)
    }

    async fn write(&self, path: &str) -> Result<Box<dyn Writer>, StoreError> {
        let full = self.path(path);
        let created = self.client.create(&full, WriteOptions::default());
        let file = self
            .call("write", path, created)
            .await?
            .map_err(|error| self.failed("write", path, &error))?;
        Ok(Box::new(HdfsWriter {
            store: self.clone(),
            path: path.to_owned(),
            file,
        }))
    }

    async fn rename(&self, from: &str, to: &str) -> Result<bool, StoreError> {
        let (source, target) = (self.path(from), self.path(to));
        let renamed = async {
            let found = self.client.get_file_info(&source).await;
            if found.is_err_and(|error| missing(&error)) {
                return Ok(false);
            }
            let (folder, _) = target.rsplit_once('/').unwrap_or(("", &target));
            self.client.mkdirs(folder, 0o755, true).await?;
            match self.client.rename(&source, &target, true).await {
                // Somebody else was quicker.
                Err(error) if missing(&error) => Ok(false),
                renamed => renamed.map(|()| true),
            }
        };
        self.call("rename", from, renamed)
            .await?
            .map_err(|error| self.failed("rename", from, &error))
    }

    async fn len(&self, path: &str) -> Result<Option<u64>, StoreError> {
        let full = self.path(path);
        let found = self.client.get_file_info(&full);
        match self.call("look at", path, found).await? {
            Ok(found) => Ok(Some(found.length as u64)),
            Err(error) if missing(&error) => Ok(None),
            Err(error) => Err(self.failed("look at", path, &error)),
        }
    }

    async fn append(&self, from: &str, to: &str, at: u64) -> Result<bool, StoreError> {
        let Some(content) = self.read(from).await? else {
            return Ok(false);
        };
        let full = self.path(to);
        let borrowed = tokio::time::timeout(TAKEN, Box::pin(self.borrow(&full))).await;
        let (file, len) = borrowed
            .unwrap_or_else(|_| Err(no_answer(TAKEN)))
            .map_err(|error| self.failed("append to", to, &error))?;
        let mut writer = Box::new(HdfsWriter {
            store: self.clone(),
            path: to.to_owned(),
            file,
        });
        let there = usize::try_from(len.saturating_sub(at)).unwrap_or(usize::MAX);
        let short = len < at;
        if !short && there < content.len() {
            writer.write(content.slice(there..)).await?;
        }
        writer.finish().await?;
        if short {
            return Err(changed(&self.url(to), len, at));
        }
        self.delete(from).await?;
        Ok(true)
    }

    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        let full = self.path(path);
        let deleted = self.client.delete(&full, false);
        match self.call("delete", path, deleted).await? {
            Ok(_) => Ok(()),
            Err(error) if missing(&error) => Ok(()),
            Err(error) => Err(self.failed("delete", path, &error)),
        }
    }

    fn piece_bytes(&self) -> usize {
        1 << 20
    }

    fn url(&self, path: &str) -> String {
        format!("{}{}", self.address, self.path(path))
    }
}

struct HdfsWriter {
    store: Hdfs,
    path: String,
    file: FileWriter,
}

impl HdfsWriter {
    fn failed(&self, error: &HdfsError) -> StoreError {
        self.store.failed("write", &self.path, error)
    }
}

#[async_trait]
impl Writer for HdfsWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        match tokio::time::timeout(PIECE, Box::pin(self.file.write_bytes(bytes))).await {
            Ok(written) => written.map(drop).map_err(|error| self.failed(&error)),
            Err(_) => Err(self.failed(&no_answer(PIECE))),
        }
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        match tokio::time::timeout(PIECE, Box::pin(self.file.close())).await {
            Ok(closed) => closed.map_err(|error| self.failed(&error)),
            Err(_) => Err(self.failed(&no_answer(PIECE))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hdfs() -> Hdfs {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _inside = runtime.enter();
        Hdfs::new("127.0.0.1", Some(9), "/data", &BTreeMap::new()).unwrap()
    }

    fn thrown(class: &str, said: &str) -> HdfsError {
        HdfsError::RPCError(class.to_owned(), said.to_owned())
    }

    #[test]
    fn what_stands_in_the_way_is_said_with_its_remedy() {
        let hdfs = hdfs();
        for (error, words) in [
            (
                thrown(
                    "org.apache.hadoop.security.AccessControlException",
                    "Permission denied: user=ann, access=WRITE, inode=\"/\":hdfs:supergroup:drwxr-xr-x\n\tat org.apache",
                ),
                ["user=ann", "-chown USER /data"],
            ),
            (
                thrown(
                    "org.apache.hadoop.fs.ParentNotDirectoryException",
                    "/data (is not a directory)",
                ),
                ["hdfs://127.0.0.1:9/data", "--to"],
            ),
            (
                thrown(
                    "java.io.IOException",
                    "File /data/x could only be written to 0 of the 1 minReplication nodes. There are 0 datanode(s) running and 0 node(s) are excluded in this operation.",
                ),
                ["no DataNode", "start one"],
            ),
            (
                thrown(
                    "java.io.IOException",
                    "File /data/x could only be written to 0 of the 1 minReplication nodes. There are 1 datanode(s) running and 1 node(s) are excluded in this operation.",
                ),
                ["full", "use.datanode.hostname"],
            ),
        ] {
            let text = hdfs.remedy(&error).to_string();
            for word in words {
                assert!(text.contains(word), "{word} is not in: {text}");
            }
            assert!(!text.contains("\tat "), "{text}");
        }
    }

    #[test]
    fn safe_mode_is_told_with_how_far_it_is() {
        let error = thrown(
            "org.apache.hadoop.hdfs.server.namenode.SafeModeException",
            "Cannot create directory /data. Name node is in safe mode.\nThe reported blocks 12 needs additional 3 blocks to reach the threshold 0.9990 of total blocks 15. Safe mode will be turned off automatically once the thresholds have been reached. NamenodeHostName:localhost\n\tat org.apache.hadoop",
        );
        assert_eq!(
            safe_mode(&error).unwrap(),
            "waiting: the NameNode is in safe mode and takes no files yet. The reported blocks 12 needs additional 3 blocks to reach the threshold 0.9990 of total blocks 15. Safe mode will be turned off automatically once the thresholds have been reached."
        );
        assert_eq!(safe_mode(&thrown("java.io.IOException", "no")), None);
    }
}
