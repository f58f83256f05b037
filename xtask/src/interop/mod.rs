//! Clients nobody here wrote, against the built program: each case starts what it needs, drives it through its ports as a
//! user would, and ends PASSED, FAILED or SKIPPED with a reason. The table is printed and kept in `target/interop.md`.
//!
//! Adding a case is one function and one line in a module's `CASES`; a client program lives under `interop/` in the
//! language it is written in and fails by exiting non-zero, its last line saying what was wrong, or, when it passes, which
//! versions it ran.

mod archive;
mod archived_video;
mod averages;
mod clients;
mod cluster;
mod disk;
mod durability;
mod election;
mod election_page;
mod failover;
pub(crate) mod hdfs;
mod hostile;
mod kcat;
mod mirror;
mod page;
mod preflight;
mod s3;
mod secure;
mod secure_page;
pub(crate) mod server;
mod single_file;
mod sound;
mod sources;
mod spark;
mod tools;
mod torture;
mod tutorials;

use std::cell::{Cell, OnceCell};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::report::{Outcome, Row, Tally, cannot, row, seconds, table};
use crate::workspace::Workspace;
use server::Weir;

/// One thing that must work with somebody else's program.
pub(crate) struct Case {
    /// Who, and in which version: what `cargo xtask interop NAME` picks.
    pub name: &'static str,
    /// What it does there.
    pub what: &'static str,
    /// Does it; the remark goes into the table.
    pub run: fn(&Context) -> Result<String>,
}

/// Every case, in the order they run.
fn cases() -> Vec<&'static Case> {
    [
        clients::CASES,
        kcat::CASES,
        tools::CASES,
        tutorials::CASES,
        averages::CASES,
        page::CASES,
        sources::CASES,
        sound::CASES,
        durability::CASES,
        hostile::CASES,
        disk::CASES,
        cluster::CASES,
        mirror::CASES,
        election::CASES,
        election_page::CASES,
        failover::CASES,
        secure::CASES,
        archive::CASES,
        single_file::CASES,
        archived_video::CASES,
        preflight::CASES,
        spark::CASES,
        torture::CASES,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Cases that run when they are named: few kernels have the virtual camera's module.
const WHEN_NAMED: &[Case] = &[sources::VIVID];

/// What a case works with: the program, and one running server that the cases share.
pub(crate) struct Context<'a> {
    pub workspace: &'a Workspace,
    weir: Option<PathBuf>,
    given: Option<SocketAddr>,
    folder: TempDir,
    shared: OnceCell<Weir>,
    names: Cell<u32>,
}

impl Context<'_> {
    /// The program under test.
    pub fn weir(&self) -> Result<&Path> {
        self.weir
            .as_deref()
            .ok_or_else(|| cannot("this case starts weir itself; without --bootstrap it runs"))
    }

    /// The server that the cases share, started by the first that asks.
    pub fn server(&self) -> Result<&Weir> {
        if let Some(server) = self.shared.get() {
            return Ok(server);
        }
        let server = Weir::serve(self.weir()?, &self.folder.path().join("shared"), &[])?;
        Ok(self.shared.get_or_init(|| server))
    }

    /// The broker named on the command line.
    pub fn given(&self) -> Result<SocketAddr> {
        self.given.ok_or_else(|| cannot("no broker was named"))
    }

    /// The broker a client's case talks to: ours, or the one named on the command line.
    pub fn bootstrap(&self) -> Result<SocketAddr> {
        match self.given {
            Some(address) => Ok(address),
            None => Ok(self.server()?.kafka),
        }
    }

    /// A topic name that no other case uses.
    pub fn topic(&self, what: &str) -> String {
        self.names.set(self.names.get() + 1);
        format!("{what}-{}-{}", std::process::id(), self.names.get())
    }

    /// A folder of a case's own, emptied at the end.
    pub fn folder(&self, what: &str) -> Result<PathBuf> {
        self.names.set(self.names.get() + 1);
        let folder = self
            .folder
            .path()
            .join(format!("{what}-{}", self.names.get()));
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// Prints what there is.
pub(crate) fn list() {
    for case in cases() {
        println!("{:<28} {}", case.name, case.what);
    }
    for case in WHEN_NAMED {
        println!("{:<28} {} (only when named)", case.name, case.what);
    }
}

/// Runs the cases whose names contain one of `names` (all without names), prints and keeps the table, and counts.
pub(crate) fn run(
    workspace: &Workspace,
    weir: Option<&Path>,
    bootstrap: Option<&str>,
    names: &[String],
) -> Result<Tally> {
    let named = |case: &Case| names.iter().any(|name| case.name.contains(name.as_str()));
    let mut chosen: Vec<&Case> = cases()
        .into_iter()
        .filter(|case| names.is_empty() || named(case))
        .collect();
    chosen.extend(WHEN_NAMED.iter().filter(|case| named(case)));
    if chosen.is_empty() {
        bail!("no case is named like that; `cargo xtask interop --list` names them");
    }
    let given = bootstrap
        .map(|address| {
            address
                .parse()
                .with_context(|| format!("{address} is not HOST:PORT in numbers"))
        })
        .transpose()?;
    let weir = match (weir, given) {
        (None, Some(_)) => None,
        (weir, _) => Some(workspace.weir(weir)?),
    };
    let context = Context {
        workspace,
        weir,
        given,
        folder: tempfile::Builder::new().prefix("weir-interop-").tempdir()?,
        shared: OnceCell::new(),
        names: Cell::new(0),
    };
    let mut rows: Vec<(Row, &str)> = Vec::new();
    for case in chosen {
        let row = row(case.name, || (case.run)(&context));
        println!(
            "{:<7} {:<28} {:>8}  {}: {}",
            row.outcome.word(),
            row.name,
            seconds(row.took),
            case.what,
            row.remark
        );
        rows.push((row, case.what));
    }
    if let Some(server) = context.shared.into_inner() {
        rows.push((
            row("weir serve", || {
                let (status, took) = server.end()?;
                anyhow::ensure!(status.success(), "it ended with {status} on SIGTERM");
                Ok(format!("in {} ms", took.as_millis()))
            }),
            "after all of these ends cleanly on SIGTERM",
        ));
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|(row, what)| {
            vec![
                row.name.clone(),
                (*what).to_owned(),
                row.outcome.word().to_owned(),
                seconds(row.took),
                row.remark.clone(),
            ]
        })
        .collect();
    let text = table(&["who", "what", "outcome", "time", "remark"], &cells);
    println!("\n{text}");
    fs::create_dir_all(&workspace.target)?;
    fs::write(
        workspace.target.join("interop.md"),
        format!("commit {}\n\n{text}", workspace.commit()),
    )?;
    let mut tally = Tally::default();
    for (row, _) in &rows {
        tally.count(row.outcome);
    }
    debug_assert!(
        rows.iter()
            .all(|(row, _)| row.outcome != Outcome::Skipped || !row.remark.is_empty())
    );
    Ok(tally)
}
