//! Every check of this project as one table of steps. A step prints its name, its result and its time; what cannot run
//! says SKIPPED and why, and in CI that is a failure. The last line counts tests, cases and steps alike.
//!
//! Adding a step is one function and one line in [`STEPS`].

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::install::program;
use crate::process::run_any;
use crate::report::{Outcome, Tally, failures, row, seconds};
use crate::workspace::{Workspace, cargo};
use crate::{install, interop, tidy, ui_test};

/// Name and work. What the work counts (tests, cases) is added up; a step that counts nothing counts as one itself.
type Step = (&'static str, fn(&Workspace) -> Result<Counted>);

const STEPS: &[Step] = &[
    ("rustfmt", rustfmt),
    ("clippy", clippy),
    ("test", test),
    ("tidy", tidy_step),
    ("ui", ui),
    ("build", build),
    ("browser", browser),
    ("interop", interop_step),
];

/// What a step that passed found.
struct Counted {
    tally: Option<Tally>,
    remark: String,
    /// The tests that failed, by name.
    failed: Vec<String>,
}

impl Counted {
    fn one(remark: impl Into<String>) -> Self {
        Self {
            tally: None,
            remark: remark.into(),
            failed: Vec::new(),
        }
    }
}

/// Runs the steps; true when all of them passed.
pub fn run(workspace: &Workspace, only: &[String]) -> Result<bool> {
    if let Some(unknown) = only
        .iter()
        .find(|name| STEPS.iter().all(|(step, _)| step != name))
    {
        let known: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
        bail!(
            "there is no step {unknown}; the steps are {}",
            known.join(", ")
        );
    }
    thread::scope(|scope| {
        if only.is_empty() && workspace.ci {
            scope.spawn(|| install::ahead(workspace));
        }
        Ok(steps(workspace, only))
    })
}

fn steps(workspace: &Workspace, only: &[String]) -> bool {
    let started = Instant::now();
    let mut total = Tally::default();
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for (name, work) in STEPS
        .iter()
        .filter(|(name, _)| only.is_empty() || only.iter().any(|o| o == name))
    {
        println!("==> {name}");
        let mut counted = None;
        let row = row(name, || {
            let result = work(workspace)?;
            counted = result.tally;
            let of_step = result.failed.into_iter();
            failed.extend(of_step.map(|test| format!("{name}: {test}")));
            Ok(result.remark)
        });
        match counted {
            Some(tally) => {
                total.add(tally);
                // A step may fail as a whole though each of its tests passed: say so once.
                if row.outcome == Outcome::Passed
                    && (tally.failed > 0 || (workspace.ci && tally.skipped > 0))
                {
                    println!("<== {name} FAILED after {}: {tally}", seconds(row.took));
                    rows.push((row, Outcome::Failed));
                    continue;
                }
            }
            None => total.count(row.outcome),
        }
        println!(
            "<== {name} {} after {}: {}",
            row.outcome.word(),
            seconds(row.took),
            row.remark
        );
        let outcome = row.outcome;
        rows.push((row, outcome));
    }
    println!();
    for (row, outcome) in &rows {
        println!(
            "{:<8} {:<8} {:>8}  {}",
            row.name,
            outcome.word(),
            seconds(row.took),
            row.remark
        );
    }
    // Once more where a log that was cut still has them.
    for test in &failed {
        println!("FAILED   {test}");
    }
    println!("in {}", seconds(started.elapsed()));
    let good = total.failed == 0
        && rows.iter().all(|(_, outcome)| *outcome != Outcome::Failed)
        && !(workspace.ci && total.skipped > 0);
    println!("{total}");
    good
}

/// Runs a command with its output shown as it comes.
fn shown(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    if !status.success() {
        bail!("`{}` ended with {status}", crate::process::show(command));
    }
    Ok(())
}

fn rustfmt(workspace: &Workspace) -> Result<Counted> {
    shown(
        Command::new(cargo())
            .args(["fmt", "--all", "--check"])
            .current_dir(&workspace.root),
    )?;
    Ok(Counted::one("formatted"))
}

fn clippy(workspace: &Workspace) -> Result<Counted> {
    shown(
        Command::new(cargo())
            .args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ])
            .current_dir(&workspace.root),
    )?;
    Ok(Counted::one("no warning"))
}

/// The README's second command, as it stands there.
fn test(workspace: &Workspace) -> Result<Counted> {
    let ended = run_any(
        Command::new(cargo())
            .args(["test", "--no-fail-fast"])
            .current_dir(&workspace.root),
        b"",
        std::time::Duration::from_mins(40),
    )?;
    let text = ended.text();
    let tally = count_tests(&text);
    if !ended.status.success() {
        println!("{text}\n{}", ended.stderr);
        if tally.failed == 0 {
            bail!("cargo test ended with {}", ended.status);
        }
    }
    Ok(Counted {
        remark: tally.to_string(),
        tally: Some(tally),
        failed: failures(&text),
    })
}

/// Adds up the `test result:` lines of Rust's test harness. Ignored tests did not run: they are skipped.
fn count_tests(text: &str) -> Tally {
    let mut tally = Tally::default();
    for line in text.lines().filter(|line| line.starts_with("test result:")) {
        let number = |what: &str| -> usize {
            line.split([';', '.'])
                .find_map(|part| part.trim().strip_suffix(what)?.trim().parse().ok())
                .unwrap_or(0)
        };
        tally.passed += number("passed");
        tally.failed += number("failed");
        tally.skipped += number("ignored");
    }
    tally
}

fn tidy_step(workspace: &Workspace) -> Result<Counted> {
    let findings = tidy::run(workspace)?;
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    Ok(Counted::one("no finding"))
}

fn ui(workspace: &Workspace) -> Result<Counted> {
    let npm = program(workspace, "npm")?;
    let folder = workspace.path("crates/ui");
    for arguments in [&["ci", "--no-audit", "--no-fund"][..], &["run", "check"]] {
        shown(
            Command::new(&npm)
                .args(arguments)
                .current_dir(&folder)
                .env("CI", "true"),
        )?;
    }
    let ended = run_any(
        Command::new(&npm)
            .arg("test")
            .current_dir(&folder)
            .env("CI", "true")
            .env("NO_COLOR", "1"),
        b"",
        std::time::Duration::from_mins(10),
    )?;
    let said = ended.text();
    println!("{said}{}", ended.stderr);
    let tally = Tally::of_summary(&said);
    if !ended.status.success() && tally.failed == 0 {
        bail!("npm test ended with {}", ended.status);
    }
    Ok(Counted {
        remark: format!("types; {tally}"),
        tally: Some(tally),
        failed: failures(&said),
    })
}

fn build(workspace: &Workspace) -> Result<Counted> {
    let weir = workspace.weir(None)?;
    let megabytes = fs::metadata(&weir)?.len() / 1_000_000;
    Ok(Counted::one(format!("release build, {megabytes} MB")))
}

fn browser(workspace: &Workspace) -> Result<Counted> {
    let weir = workspace.weir(None)?;
    let (tally, remark, failed) = ui_test::run_tests(workspace, &weir)?;
    Ok(Counted {
        tally: Some(tally),
        remark,
        failed,
    })
}

fn interop_step(workspace: &Workspace) -> Result<Counted> {
    let tally = interop::run(workspace, None, None, &[])?;
    // Its own table ends the log but for ours.
    Ok(Counted {
        remark: tally.to_string(),
        tally: Some(tally),
        failed: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harness_lines_of_every_test_program_are_added_up() {
        let text = "running 2 tests\ntest result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
                    test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 4 filtered out; finished in 1.25s\n";
        assert_eq!(
            count_tests(text),
            Tally {
                passed: 15,
                failed: 2,
                skipped: 1
            }
        );
    }
}
