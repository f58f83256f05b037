//! The page in a real browser: starts `weir demo` on free ports over an empty folder and runs the UI's end-to-end tests
//! against it. Screenshots go to `artefacts/`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::install::program;
use crate::interop::server;
use crate::process::{free_port, local, run, run_any};
use crate::report::{Tally, failures};
use crate::workspace::Workspace;

/// Playwright over the UI's tests, which `url` answers; what it needs is installed. Chromium ends with it.
pub fn playwright(workspace: &Workspace, url: &str) -> Result<Command> {
    let npm = program(workspace, "npm")?;
    let chromium = program(workspace, "chromium")?;
    let folder = workspace.path("crates/ui");
    let artefacts = workspace.path("artefacts");
    fs::create_dir_all(&artefacts)?;
    if !folder.join("node_modules/.bin/playwright").exists() {
        run(
            Command::new(&npm)
                .args(["ci", "--no-audit", "--no-fund"])
                .current_dir(&folder),
            b"",
            Duration::from_mins(10),
        )?;
    }
    let mut command = Command::new(folder.join("node_modules/.bin/playwright"));
    command
        .arg("test")
        .current_dir(&folder)
        .env("CI", "true")
        .env("WEIR_URL", url)
        .env("CHROMIUM", &chromium)
        .env("ARTEFACTS", &artefacts);
    Ok(command)
}

/// Runs the browser tests: what they counted, how `demo` ended, and which tests failed.
pub fn run_tests(workspace: &Workspace, weir: &Path) -> Result<(Tally, String, Vec<String>)> {
    let work = tempfile::tempdir()?;
    // Where the tests serve the example page from: its origin must be known before the server starts.
    let origin = format!("http://{}", local(free_port()?));
    let demo = server::Weir::demo(weir, work.path(), &["--allow-origin", &origin])?;
    let bootstrap = demo.kafka.to_string();
    run(
        Command::new(weir).args(["--bootstrap", &bootstrap, "topic", "create", "clicks"]),
        b"",
        Duration::from_mins(1),
    )?;
    let ended = run_any(
        playwright(workspace, &demo.url(""))?
            .env("EXAMPLE_ORIGIN", &origin)
            .env("WEIR", weir),
        b"",
        Duration::from_mins(20),
    )?;
    let said = ended.text();
    println!("{said}{}", ended.stderr);
    let tally = Tally::of_summary(&said);
    ensure!(
        ended.status.success() || tally.failed > 0,
        "the browser tests ended with {}",
        ended.status
    );
    let (status, took) = demo.end()?;
    ensure!(status.success(), "weir demo ended with {status} on SIGTERM");
    Ok((
        tally,
        format!("{tally}; demo ended in {} ms", took.as_millis()),
        failures(&said),
    ))
}
