//! `weir process …`: processors that read a topic and write another.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use weir_base::units::parse_duration;
use weir_client::Kafka;
use weir_processors::average::{Average, Span};
use weir_processors::combine::Combine;
use weir_processors::stats::Stats;
use weir_processors::words::Words;
use weir_processors::{Progress, Summary};

use crate::commands::process_file;
use crate::context::Context;
use crate::progress;

/// The processors there are.
#[derive(Debug, Subcommand)]
pub enum ProcessCommand {
    /// The moving average of each key's numbers, a result for each record
    Average(AverageArgs),
    /// Several producers side by side at the same instants, and their average
    Combine(CombineArgs),
    /// Least, greatest and mean number of each key, window by window
    Stats(StatsArgs),
    /// Running counts of a text topic's words, kept as a compacted topic
    Words(WordsArgs),
    /// Several processors at once, as a file names them
    Run(RunArgs),
}

/// Options of `weir process average`.
#[derive(Debug, Args)]
#[command(
    after_help = "For example: weir process average --topic sensors --to sensors-average --last 5\n\
    A result has the record's key and {\"t\":1769860800123,\"average\":21.5,\"count\":5}; GET /topics/sensors-average/series plots it.\n\n\
    A key's records are averaged in the order they came; where several partitions have records without key, each partition \
    has an average of its own. With --window a record out of order is averaged with what of its own time is still held; one \
    whose time is further off than the window stands alone, and if the next agrees with it the window begins anew there.\n\n\
    Records without a number are counted and passed over. A key that does not come again within a million records is forgotten, \
    and of more than 100,000 keys the one that came least recently. Killed and started again, no result is lost or doubled."
)]
pub struct AverageArgs {
    /// The topic with the numbers
    #[arg(short, long, value_name = "T")]
    topic: String,
    /// The topic for the averages; made where there is none, and written by this processor alone
    #[arg(long, value_name = "R")]
    to: String,
    /// Average the last N numbers of each key
    #[arg(long, default_value_t = 5, value_name = "N", conflicts_with = "window")]
    last: usize,
    /// Average what was made within this time up to each record instead, such as 10s
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    window: Option<Duration>,
    /// Which member of the records' objects [default: the first number]
    #[arg(long, value_name = "NAME")]
    member: Option<String>,
}

/// Options of `weir process combine`.
#[derive(Debug, Args)]
#[command(
    after_help = "For example: weir process combine --topic sensors --to sensors-combined --every 1s\n\
    A result has the key `average` and {\"t\":1769860800000,\"average\":21.5,\"a\":20,\"b\":23,\"producers\":2,\"missing\":[\"c\"]}.\n\n\
    Time is the records' own (event time). A producer's value at an instant is its last at or before it, at most --silent old. \
    An instant is given out when every producer that is not silent has delivered something at or after it, or when the newest \
    event time has passed it by --late: a producer that is late is missing there, and what it delivers later counts from the \
    next instant on. A producer whose last value is older than --silent is missing, and not waited for. Where no records come, time stands still.\n\n\
    A producer is a key; of records without key each member is one. A single time that is far from its neighbours is passed \
    over; a clock that was set is followed. Of a topic with several partitions one that is read behind the others is late like a \
    producer; producers that are to be combined are best in one partition. At most 250 producers. Killed and started again, no result is lost or doubled."
)]
pub struct CombineArgs {
    /// The topic with the producers' numbers
    #[arg(short, long, value_name = "T")]
    topic: String,
    /// The topic for the results; made where there is none, and written by this processor alone
    #[arg(long, value_name = "R")]
    to: String,
    /// The producers to combine, waited for from the beginning [default: all that come]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    keys: Option<Vec<String>>,
    /// From one instant to the next
    #[arg(long, default_value = "1s", value_parser = parse_duration, value_name = "TIME")]
    every: Duration,
    /// How long, in event time, an instant waits for a producer that is late
    #[arg(long, default_value = "2s", value_parser = parse_duration, value_name = "TIME")]
    late: Duration,
    /// How old a producer's value may be; longer than the producers' own intervals
    #[arg(long, default_value = "10s", value_parser = parse_duration, value_name = "TIME")]
    silent: Duration,
    /// Which member of the records' objects [default: every number is a producer of its own]
    #[arg(long, value_name = "NAME")]
    member: Option<String>,
}

/// Options of `weir process stats`.
#[derive(Debug, Args)]
#[command(
    after_help = "For example: weir process stats --topic sensors --to sensors-stats --window 10s\n\
    A result has the records' key and {\"t\":1769860800000,\"min\":20,\"max\":23,\"mean\":21.5,\"count\":50}; t is the window's beginning.\n\n\
    Windows lie on multiples of their length since 1970, by the records' own time. A key's window is given out when the key's \
    time has passed its end by --late, or when others come and the key has been silent for a window and --late. What comes for a window that was given out is counted and passed over."
)]
pub struct StatsArgs {
    /// The topic with the numbers
    #[arg(short, long, value_name = "T")]
    topic: String,
    /// The topic for the results; made where there is none, and written by this processor alone
    #[arg(long, value_name = "R")]
    to: String,
    /// How long a window is
    #[arg(long, default_value = "10s", value_parser = parse_duration, value_name = "TIME")]
    window: Duration,
    /// How long, in event time, a window waits for what is late
    #[arg(long, default_value = "2s", value_parser = parse_duration, value_name = "TIME")]
    late: Duration,
    /// Which member of the records' objects [default: the first number]
    #[arg(long, value_name = "NAME")]
    member: Option<String>,
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

/// Options of `weir process run`.
#[derive(Debug, Args)]
#[command(
    after_help = "The file names each processor with its options, as they are called on the command line:\n\n  \
    [[process]]\n  kind = \"average\"\n  topic = \"sensors\"\n  to = \"sensors-average\"\n  last = 5\n\n  \
    [[process]]\n  kind = \"combine\"\n  topic = \"sensors\"\n  to = \"sensors-combined\"\n  keys = [\"sensor-1\", \"sensor-2\"]\n\n\
    One may read what another writes. When one fails, all end."
)]
pub struct RunArgs {
    /// The file
    file: PathBuf,
}

/// Runs the processor, or those of the file, until it is told to end.
pub async fn run(command: ProcessCommand, context: &Context) -> anyhow::Result<()> {
    if let ProcessCommand::Run(args) = command {
        return process_file::run(&args.file, context).await;
    }
    let progress = progress::reporter(context);
    let (to, shutdown) = (command.to().to_owned(), context.shutdown.clone());
    let summary = command
        .process(&context.kafka()?, progress, shutdown, context)
        .await?;
    tell(&to, &summary, context);
    Ok(())
}

/// The result as JSON, where that was asked for.
pub fn tell(to: &str, summary: &Summary, context: &Context) {
    if context.json {
        println!(
            "{}",
            json!({
                "to": to,
                "read": summary.read,
                "written": summary.written,
                "passed_over": summary.passed_over,
                "forgotten": summary.forgotten,
            })
        );
    }
}

impl ProcessCommand {
    /// The topic that is read.
    pub fn topic(&self) -> &str {
        match self {
            Self::Average(args) => &args.topic,
            Self::Combine(args) => &args.topic,
            Self::Stats(args) => &args.topic,
            Self::Words(args) => &args.topic,
            Self::Run(_) => "",
        }
    }

    /// The topic that is written.
    pub fn to(&self) -> &str {
        match self {
            Self::Average(args) => &args.to,
            Self::Combine(args) => &args.to,
            Self::Stats(args) => &args.to,
            Self::Words(args) => &args.to,
            Self::Run(_) => "",
        }
    }

    /// Runs one processor until `shutdown`.
    pub async fn process(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
        context: &Context,
    ) -> anyhow::Result<Summary> {
        let clock = context.clock.clone();
        let summary = match self {
            Self::Average(args) => {
                let average = Average {
                    span: args.window.map_or(Span::Last(args.last), Span::Window),
                    member: args.member,
                    clock,
                    ..Average::new(args.topic, args.to)
                };
                average.run(kafka, progress, shutdown).await?
            }
            Self::Combine(args) => {
                let combine = Combine {
                    keys: args.keys,
                    every: args.every,
                    late: args.late,
                    silent: args.silent,
                    member: args.member,
                    clock,
                    ..Combine::new(args.topic, args.to)
                };
                combine.run(kafka, progress, shutdown).await?
            }
            Self::Stats(args) => {
                let stats = Stats {
                    window: args.window,
                    late: args.late,
                    member: args.member,
                    clock,
                    ..Stats::new(args.topic, args.to)
                };
                stats.run(kafka, progress, shutdown).await?
            }
            Self::Words(args) => {
                let mut words = Words {
                    max_words: args.max_words,
                    clock,
                    ..Words::new(args.topic, args.to)
                };
                if let Some(group) = args.group {
                    words.group = group;
                }
                words.run(kafka, progress, shutdown).await?
            }
            Self::Run(_) => anyhow::bail!("a file names processors, no other file"),
        };
        Ok(summary)
    }
}
