//! Developers' tasks, run as `cargo xtask TASK`:
//!
//! - `ci` – every check that `.ci/run` makes, as one table of steps ([`ci`])
//! - `tidy` – rules about the sources that no compiler checks ([`tidy`])
//! - `interop` – clients nobody here wrote, against the built program ([`interop`])
//! - `bench` – figures of weir and Apache Kafka side by side ([`bench`])
//!
//! It is no part of the product: nothing imports it, and it reaches the product only as a user does, through the
//! program and its ports.

mod bench;
mod ci;
mod http;
mod install;
mod interop;
mod process;
mod report;
mod tidy;
mod ui_test;
mod wire;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Developers' tasks.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    /// Install what is missing, as CI does (apt-get as root, venvs, jars).
    #[arg(long, global = true)]
    install: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Every check, as CI runs them; the last line counts them.
    Ci {
        /// Only these steps, by name.
        #[arg(long, value_name = "NAME")]
        only: Vec<String>,
    },
    /// Rules about the sources: imports, absences, headers, lengths, options in the docs.
    Tidy,
    /// Clients nobody here wrote, against the built program.
    Interop {
        /// Only cases whose name contains one of these.
        names: Vec<String>,
        /// The program to test; without it, the release build is made and used.
        #[arg(long, value_name = "FILE")]
        weir: Option<PathBuf>,
        /// Run the clients' cases against this broker instead of starting one (to see that a case itself is right).
        #[arg(long, value_name = "HOST:PORT")]
        bootstrap: Option<String>,
        /// List the cases and end.
        #[arg(long)]
        list: bool,
    },
    /// Figures of weir and of Apache Kafka, appended to bench/results.md.
    Bench {
        /// Only measurements whose name contains one of these.
        names: Vec<String>,
        /// The program to measure; without it, the release build is made and used.
        #[arg(long, value_name = "FILE")]
        weir: Option<PathBuf>,
        /// Print the table, append nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// The page in a real browser, against `weir demo`; screenshots go to artefacts/.
    UiTest {
        /// The program to test; without it, the release build is made and used.
        #[arg(long, value_name = "FILE")]
        weir: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<bool> {
    let workspace = Workspace::find(arguments.install)?;
    match arguments.task {
        Task::Ci { only } => ci::run(&workspace, &only),
        Task::Tidy => {
            let findings = tidy::run(&workspace)?;
            for finding in &findings {
                println!("{finding}");
            }
            println!("tidy: {} findings", findings.len());
            Ok(findings.is_empty())
        }
        Task::Interop {
            names,
            weir,
            bootstrap,
            list,
        } => {
            if list {
                interop::list();
                return Ok(true);
            }
            let tally = interop::run(&workspace, weir.as_deref(), bootstrap.as_deref(), &names)?;
            println!("{tally}");
            Ok(tally.failed == 0 && !(workspace.ci && tally.skipped > 0))
        }
        Task::Bench {
            names,
            weir,
            dry_run,
        } => {
            bench::run(&workspace, weir.as_deref(), &names, dry_run)?;
            Ok(true)
        }
        Task::UiTest { weir } => {
            let weir = workspace.weir(weir.as_deref())?;
            let (tally, remark, _) = ui_test::run_tests(&workspace, &weir)?;
            println!("{remark}");
            Ok(tally.failed == 0 && !(workspace.ci && tally.skipped > 0))
        }
    }
}
