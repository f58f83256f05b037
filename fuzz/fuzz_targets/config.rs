//! `weir.toml`: any text makes a command line that works, or a refusal.
#![no_main]

use std::path::Path;

use clap::{Arg, ArgAction, Command};
use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the program uses the rest")]
#[path = "../../crates/weir/src/config.rs"]
mod config;

fn command() -> Command {
    let set = || Arg::new("set").long("set").action(ArgAction::Append);
    Command::new("weir")
        .arg(Arg::new("bootstrap").long("bootstrap"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue))
        .arg(Arg::new("X").short('X').action(ArgAction::Append))
        .subcommand(Command::new("broker").arg(set()))
        .subcommand(Command::new("serve").arg(Arg::new("listen").long("listen")).arg(set()))
}

fuzz_target!(|text: &str| {
    if let Ok(command) = config::with_text(command(), Path::new("weir.toml"), text) {
        let _ = command.try_get_matches_from(["weir", "serve"]);
    }
});
