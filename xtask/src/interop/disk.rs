//! A full disk: the broker refuses to write with the protocol's error, goes on answering and reading, loses nothing it
//! acknowledged, and writes again when there is space. The disk is a small tmpfs, which only root may mount.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::server::Weir;
use super::{Case, Context};
use crate::install::python;
use crate::process::{free_port, run};
use crate::report::cannot;
use crate::wire::answers;

const DEADLINE: Duration = Duration::from_mins(2);

pub(super) const CASES: &[Case] = &[Case {
    name: "full disk",
    what: "64 MB filled: refused with the protocol's error, all acknowledged readable, writes again with space",
    run: full,
}];

/// A mounted tmpfs; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Err(cannot("only root may mount the small disk this needs"));
        }
        run(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
                .arg(folder),
            b"",
            DEADLINE,
        )
        .map_err(|error| cannot(format!("mounting is not allowed here: {error:#}")))?;
        Ok(Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("-l").arg(&self.0), b"", DEADLINE);
    }
}

fn full(context: &Context) -> Result<String> {
    let folder = context.folder("disk")?;
    // Before the server, so that it is unmounted after the server has ended.
    let disk = SmallDisk::mount(&folder)?;
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![0; 16 << 20])?;
    let mut server = Weir::broker(
        context.weir()?,
        &disk.0,
        free_port()?,
        &["--set", "log.segment.bytes=8388608"],
    )?;
    let bootstrap = server.kafka.to_string();
    let script = |mode: &str, count: &str| -> Result<String> {
        let mut command = Command::new(python(context.workspace, "current")?);
        command
            .arg(context.workspace.path("interop/python/full_disk.py"))
            .args([&bootstrap, "full", mode, count]);
        Ok(run(&mut command, b"", DEADLINE)?.text().trim().to_owned())
    };
    let filled = script("fill", "0")?;
    let (acknowledged, refusal) = filled
        .split_once(' ')
        .context("full_disk.py printed no refusal")?;
    ensure!(
        acknowledged.parse::<u32>()? > 100,
        "only {acknowledged} records fitted on 48 MB"
    );
    // The protocol's word for a log that cannot be written; a timeout on the client's side would be silence.
    ensure!(
        ["KAFKA_STORAGE_ERROR", "UNKNOWN", "LOG_DIR_NOT_FOUND"].contains(&refusal),
        "the refusal was {refusal}"
    );
    server.still_runs()?;
    ensure!(
        answers(server.kafka),
        "it does not answer with its disk full"
    );
    script("read", acknowledged).context("reading with the disk full")?;
    fs::remove_file(&ballast)?;
    let more = script("write", "20").context("with space again")?;
    let all = (acknowledged.parse::<u32>()? + more.parse::<u32>()?).to_string();
    script("read", &all).context("reading what was written after the space came back")?;
    Ok(format!(
        "{acknowledged} acknowledged, then {refusal}; all readable; 20 more after space came back"
    ))
}
