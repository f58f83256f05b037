//! `weir process …`: processors that read a topic and write another.

use clap::{Args, Subcommand};
use serde_json::json;
use weir_processors::words::Words;

use crate::context::Context;
use crate::progress;

/// The processors there are.
#[derive(Debug, Subcommand)]
pub enum ProcessCommand {
    /// Running counts of a text topic's words, kept as a compacted topic
    Words(WordsArgs),
}

/// Options of `weir process words`.
#[derive(Debug, Args)]
#[command(
    after_help = "For example: weir process words --topic tweets --to tweets-words\n\
    Its result is a topic: key = word, value = {\"count\":n}; GET /topics/tweets-words/latest shows it as it changes."
)]
pub struct WordsArgs {
    /// The topic with the text
    #[arg(short, long, value_name = "T")]
    topic: String,
    /// The topic for the counts; made, compacted, where there is none
    #[arg(long, value_name = "R")]
    to: String,
    /// The consumer group under which the position is kept [default: weir-words- and the result topic's name]
    #[arg(short, long, value_name = "NAME")]
    group: Option<String>,
    /// How many different words are held in memory at most
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    max_words: usize,
}

/// Runs the processor until it is told to end.
pub async fn run(command: ProcessCommand, context: &Context) -> anyhow::Result<()> {
    let ProcessCommand::Words(args) = command;
    let mut words = Words {
        max_words: args.max_words,
        clock: context.clock.clone(),
        ..Words::new(args.topic, &args.to)
    };
    if let Some(group) = args.group {
        words.group = group;
    }
    let summary = words
        .run(
            &context.kafka()?,
            progress::reporter(context),
            context.shutdown.clone(),
        )
        .await?;
    if context.json {
        println!(
            "{}",
            json!({ "to": args.to, "read": summary.read, "written": summary.written })
        );
    }
    Ok(())
}
