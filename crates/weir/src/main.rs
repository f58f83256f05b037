//! `weir`: live video, numbers and text through a Kafka log.
//!
//! Reads what was asked for (`cli`, `config`), then hands it to its command (`commands/`). Results go to standard output,
//! progress and logs to standard error. This is the only place that knows of every crate.

mod cli;
mod commands;
mod config;
mod context;
mod format;
mod listening;
mod output;
mod progress;
mod signals;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Global, LogFormat};
use crate::commands::sources::Source;
use crate::context::Context;

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let (cli, sources) = match parse() {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    start_logging(&cli.global);
    allow_many_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("cannot start")),
    };
    let code = runtime.block_on(run(cli, sources));
    // A read of the terminal cannot be called back: what is still blocked there must not hold up the end.
    runtime.shutdown_background();
    code
}

async fn run(cli: Cli, sources: Vec<Source>) -> ExitCode {
    let shutdown = CancellationToken::new();
    let context = match Context::new(&cli.global, sources, shutdown.clone()) {
        Ok(context) => context,
        Err(error) => {
            eprintln!("weir: {error:#}");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    let signals = signals::watch(shutdown);
    match commands::run(cli.command, &context).await {
        Ok(()) => signals.exit_code(),
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("weir: {error:#}");
    ExitCode::from(FAILED)
}

fn parse() -> Result<(Cli, Vec<Source>), ExitCode> {
    let args: Vec<String> = std::env::args_os()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let file: Option<PathBuf> = config::named_file(&args, std::env::var("WEIR_CONFIG").ok())
        .or_else(|| {
            Path::new(config::DEFAULT_FILE)
                .is_file()
                .then(|| config::DEFAULT_FILE.into())
        });
    let mut command = cli::with_config_option(Cli::command());
    let mut sources = Vec::new();
    if let Some(file) = file {
        let layered = config::with_file(command, &file).map_err(|error| {
            eprintln!("weir: {error}");
            ExitCode::from(WRONG_USAGE)
        })?;
        command = layered.command;
        sources = layered.sources;
    }
    let parsed = command
        .try_get_matches_from(std::env::args_os())
        .and_then(|found| Cli::from_arg_matches(&found));
    parsed.map(|cli| (cli, sources)).map_err(|error| {
        // Help that was asked for is a result; a usage error is not.
        let code = if error.use_stderr() { WRONG_USAGE } else { 0 };
        let _ = error.print();
        ExitCode::from(code)
    })
}

fn start_logging(global: &Global) {
    let default = match (global.quiet, global.verbose) {
        (true, _) => "error",
        // HDFS's client warns of each try, each file and each DataNode; what comes of them in the end is an error or a note of ours.
        (false, 0) => "warn,hdfs_native=error",
        (false, 1) => "info",
        (false, _) => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match global.log_format {
        LogFormat::Text => logs.with_target(false).init(),
        LogFormat::Json => logs.json().init(),
    }
}

/// Takes as many open files as the system lets this process have: a partition holds several, a viewer one, and the 1024
/// that many systems start with are kept low for programs of another age.
#[cfg(unix)]
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::info!(%error, "the number of open files stays as it is");
    }
}

#[cfg(not(unix))]
fn allow_many_files() {}
