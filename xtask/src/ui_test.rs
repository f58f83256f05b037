//! The page in a real browser: starts `weir demo` on free ports over an empty folder and runs the UI's end-to-end tests
//! against it. Screenshots go to `artefacts/`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::install::program;
use crate::interop::server;
use crate::process::{run, tail};
use crate::workspace::Workspace;

/// Runs the browser tests; what they said at their end.
pub fn run_tests(workspace: &Workspace, weir: &Path) -> Result<String> {
    let npm = program(workspace, "npm")?;
    let chromium = program(workspace, "chromium")?;
    let folder = workspace.path("crates/ui");
    let artefacts = workspace.path("artefacts");
    fs::create_dir_all(&artefacts)?;
    if !folder.join("node_modules").is_dir() {
        run(
            Command::new(&npm)
                .args(["ci", "--no-audit", "--no-fund"])
                .current_dir(&folder),
            b"",
            Duration::from_mins(10),
        )?;
    }
    let work = tempfile::tempdir()?;
    let demo = server::Weir::demo(weir, work.path(), &[])?;
    let ended = run(
        Command::new(npm)
            .args(["run", "e2e"])
            .current_dir(&folder)
            .env("CI", "true")
            .env("WEIR_URL", demo.url(""))
            .env("CHROMIUM", &chromium)
            .env("ARTEFACTS", &artefacts),
        b"",
        Duration::from_mins(10),
    )?;
    let said = ended.text();
    println!("{said}");
    let (status, took) = demo.end()?;
    anyhow::ensure!(status.success(), "weir demo ended with {status} on SIGTERM");
    Ok(format!(
        "{}; demo ended in {} ms",
        tail(&said).chars().take(200).collect::<String>(),
        took.as_millis()
    ))
}
