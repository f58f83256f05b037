//! The command line: every option, its help and its default, in one place a command.
//!
//! The same definitions are what `weir.toml` is checked against (`config`), what `weir man` and `weir completions` print
//! and what `xtask tidy` holds the README against. What a command does is in `commands/`.

#![allow(
    clippy::doc_markdown,
    reason = "these comments are the help that people read in a terminal"
)]

use std::path::PathBuf;

use clap::{Arg, ArgAction, Args, Command as Clap, Parser, Subcommand, ValueEnum};

use crate::commands;

/// Live video, numbers and text through a Kafka log: publish, watch, plot, count.
#[derive(Debug, Parser)]
#[command(name = "weir", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Start with `weir demo`. Every option can stand in weir.toml too.\n\
    Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command knows.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The Kafka to use [default: 127.0.0.1:9092; demo and serve start the embedded broker unless this is given]
    #[arg(
        long,
        global = true,
        env = "WEIR_BOOTSTRAP",
        value_name = "HOST:PORT,…"
    )]
    pub bootstrap: Option<String>,
    /// Any librdkafka property, as in kcat: -X security.protocol=SASL_SSL (repeatable; in WEIR_X separated by `;`)
    #[arg(
        short = 'X',
        global = true,
        env = "WEIR_X",
        hide_env_values = true,
        value_name = "KEY=VALUE"
    )]
    #[arg(value_delimiter = ';', action = ArgAction::Append, id = "X")]
    pub property: Vec<String>,
    /// Everything the options say, as TOML [default: weir.toml in this folder, where there is one]
    #[arg(long, env = "WEIR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the embedded broker keeps its log [default: the platform's data folder + /weir]
    #[arg(long, global = true, env = "WEIR_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Results as one JSON object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more on stderr (-vv for all); RUST_LOG says it in detail
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// How logs are written to stderr
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// The shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One object a line
    Json,
}

/// The commands, in the order a newcomer meets them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Broker, page, a video, three sensors and a text feed: everything live at once
    Demo(commands::demo::DemoArgs),
    /// The embedded broker (unless --bootstrap is given) and the page
    Serve(commands::serve::ServeArgs),
    /// The embedded broker alone
    Broker(commands::broker::BrokerArgs),
    /// Publish video, cameras, a test card, sensor values, prices or lines to a topic
    #[command(subcommand)]
    Publish(commands::publish::PublishCommand),
    /// Records from standard input to a topic
    Produce(commands::produce::ProduceArgs),
    /// Records of a topic to standard output
    Consume(commands::consume::ConsumeArgs),
    /// Create, list, describe, change and delete topics
    #[command(subcommand)]
    Topic(commands::topic::TopicCommand),
    /// Processors: read a topic, write another
    #[command(subcommand)]
    Process(commands::process::ProcessCommand),
    /// Keep topics as files in HDFS, S3 or a folder, every record once
    Archive(commands::archive::ArchiveArgs),
    /// Carry topics and groups' positions from one Kafka to another while everything runs
    Mirror(commands::mirror::MirrorArgs),
    /// Cut a stretch of video out of a topic, as an MP4 file
    Export(commands::export::ExportArgs),
    /// Print the completions for a shell
    Completions(commands::completions::CompletionsArgs),
    /// Print the manual page, or write one for every command with --out
    Man(commands::man::ManArgs),
}

/// Lets `--config FILE` stand behind every command too, but where the word has Kafka's meaning (`topic create`, `topic alter`).
///
/// It is read before all others (`config::named_file`), so nothing looks at the value found here.
pub fn with_config_option(command: Clap) -> Clap {
    command.mut_subcommands(|sub| {
        let sub = with_config_option(sub);
        if sub.get_arguments().any(|arg| arg.get_long() == Some("config")) {
            return sub;
        }
        sub.arg(
            Arg::new("config-file")
                .long("config")
                .value_name("FILE")
                .help("Everything the options say, as TOML [default: weir.toml in this folder, where there is one]")
                .help_heading("Global options"),
        )
    })
}
