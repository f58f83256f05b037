//! One file a command: its options and what it does with them.
//!
//! A new command is one new file here and one line in `cli::Command` and in `run`.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of options are the help that people read in a terminal"
)]

pub mod archive;
pub mod broker;
pub mod completions;
pub mod consume;
pub mod demo;
pub mod export;
pub mod man;
pub mod mirror;
pub mod process;
mod process_file;
pub mod produce;
pub mod publish;
pub mod serve;
pub mod sources;
pub mod topic;

use crate::cli::Command;
use crate::context::Context;

/// Runs the command that was asked for.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Demo(args) => demo::run(args, context).await,
        Command::Serve(args) => serve::run(args, context).await,
        Command::Broker(args) => broker::run(args, context).await,
        Command::Publish(command) => publish::run(command, context).await,
        Command::Produce(args) => produce::run(args, context).await,
        Command::Consume(args) => consume::run(args, context).await,
        Command::Topic(command) => topic::run(command, context).await,
        Command::Process(command) => process::run(command, context).await,
        Command::Archive(args) => archive::run(args, context).await,
        Command::Mirror(args) => mirror::run(args, context).await,
        Command::Export(args) => export::run(args, context).await,
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
