//! `weir completions SHELL`: what a shell needs to complete the command line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;

/// Options of `weir completions`.
#[derive(Debug, Args)]
#[command(
    after_help = "For example: weir completions bash > ~/.local/share/bash-completion/completions/weir"
)]
pub struct CompletionsArgs {
    /// The shell to print completions for
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions to standard output.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "weir", &mut script);
    crate::output::write_stdout(&script)
}
