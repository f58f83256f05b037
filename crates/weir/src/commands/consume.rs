//! `weir consume`: a topic's records to standard output.

use std::io::Write;

use anyhow::Context as _;
use clap::Args;
use weir_client::{Event, From, GroupReaderOptions, GroupStart, Kafka, ReaderOptions, Record};

use crate::context::Context;
use crate::format::Format;

/// Options of `weir consume`.
#[derive(Debug, Args)]
#[command(
    after_help = "For example, the last ten records: weir consume T --from -10 --exit-at-end\n\
    FORMAT is kcat's: %s value, %S its length, %k key, %K its length, %t topic, %p partition, %o offset, %T timestamp in ms,\n\
    %h headers, %% a percent sign, and \\n \\t \\xHH."
)]
pub struct ConsumeArgs {
    /// The topic
    topic: String,
    /// Where to start: beginning, end, an offset, -N for the last N, or a time such as 2026-01-31T12:00:00Z
    /// [default: end; with --group where the group left off, else beginning]
    #[arg(short, long, value_name = "WHERE", allow_hyphen_values = true)]
    from: Option<String>,
    /// Read as a member of this consumer group and commit what was read
    #[arg(short, long, value_name = "NAME")]
    group: Option<String>,
    /// End after so many records
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
    /// How to print each record
    #[arg(
        long,
        default_value = "%s\\n",
        value_name = "FORMAT",
        conflicts_with = "json"
    )]
    format: String,
    /// End when everything there is has been read
    #[arg(short, long)]
    exit_at_end: bool,
    /// Only this partition
    #[arg(short, long, value_name = "N", conflicts_with = "group")]
    partition: Option<i32>,
}

/// Prints records until the end that was asked for.
pub async fn run(args: ConsumeArgs, context: &Context) -> anyhow::Result<()> {
    let print = if context.json {
        Print::Json
    } else {
        Print::Format(Format::parse(&args.format)?)
    };
    let kafka = context.kafka()?;
    match &args.group {
        Some(group) => as_member(&kafka, &args, group, &print, context).await,
        None => alone(&kafka, &args, &print, context).await,
    }
}

enum Print {
    Json,
    Format(Format),
}

impl Print {
    fn write(&self, record: &Record, out: &mut impl Write) -> std::io::Result<()> {
        match self {
            Self::Json => {
                serde_json::to_writer(&mut *out, &crate::format::json(record))?;
                out.write_all(b"\n")
            }
            Self::Format(format) => format.write(record, out),
        }
    }
}

/// Counts down what is still wanted, and flushes when nothing more is at hand, so that a pipe sees a record at once.
struct Output<'a> {
    print: &'a Print,
    left: Option<u64>,
    out: std::io::BufWriter<std::io::Stdout>,
}

impl<'a> Output<'a> {
    fn new(print: &'a Print, count: Option<u64>) -> Self {
        Self {
            print,
            left: count,
            out: std::io::BufWriter::new(std::io::stdout()),
        }
    }

    /// False once enough has been printed.
    fn record(&mut self, record: &Record) -> anyhow::Result<bool> {
        self.print
            .write(record, &mut self.out)
            .context("cannot write to standard output")?;
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        Ok(self.left != Some(0))
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.out.flush().context("cannot write to standard output")
    }
}

async fn alone(
    kafka: &Kafka,
    args: &ConsumeArgs,
    print: &Print,
    context: &Context,
) -> anyhow::Result<()> {
    let from = From::parse(args.from.as_deref().unwrap_or("end"), None).context("--from")?;
    if args.count == Some(0) {
        return Ok(());
    }
    let options = ReaderOptions {
        partitions: args.partition.map(|partition| vec![partition]),
        ..ReaderOptions::default()
    };
    let mut reader = kafka.reader(&args.topic, from, options).await?;
    let mut waiting: std::collections::HashSet<i32> =
        reader.positions().into_iter().map(|(id, _)| id).collect();
    let mut output = Output::new(print, args.count);
    loop {
        let event = if let Some(event) = reader.try_next()? {
            event
        } else {
            output.flush()?;
            tokio::select! {
                event = reader.next() => event?,
                () = context.shutdown.cancelled() => return Ok(()),
            }
        };
        match event {
            Event::Record(record) => {
                if !output.record(&record)? {
                    return output.flush();
                }
            }
            Event::CaughtUp { partition } => {
                waiting.remove(&partition);
                if args.exit_at_end && waiting.is_empty() {
                    return output.flush();
                }
            }
            other => say(&other),
        }
    }
}

async fn as_member(
    kafka: &Kafka,
    args: &ConsumeArgs,
    group: &str,
    print: &Print,
    context: &Context,
) -> anyhow::Result<()> {
    let start = match args
        .from
        .as_deref()
        .map(|from| From::parse(from, None))
        .transpose()
        .context("--from")?
    {
        None | Some(From::Start) => GroupStart::Start,
        Some(From::Live) => GroupStart::Live,
        Some(_) => anyhow::bail!(
            "--from with --group can only be beginning or end (where the group has no position yet): leave --group out to read from an offset or a time"
        ),
    };
    if args.count == Some(0) {
        return Ok(());
    }
    let options = GroupReaderOptions {
        start,
        ..GroupReaderOptions::default()
    };
    let mut reader = kafka
        .group_reader(&[args.topic.as_str()], group, options)
        .await?;
    let mut output = Output::new(print, args.count);
    let mut caught_up = std::collections::HashSet::new();
    let partitions = kafka.topic(&args.topic).await?.partitions.len();
    let done = loop {
        let event = tokio::select! {
            event = reader.next() => event,
            () = context.shutdown.cancelled() => break Ok(()),
        };
        match event {
            Ok(Event::Record(record)) => match output
                .record(&record)
                .and_then(|more| output.flush().map(|()| more))
            {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            },
            Ok(Event::CaughtUp { partition }) => {
                caught_up.insert(partition);
                if args.exit_at_end && caught_up.len() >= partitions {
                    break Ok(());
                }
            }
            Ok(other) => say(&other),
            Err(error) => break Err(error.into()),
        }
    };
    // What was printed is committed however this ends: it must not come a second time.
    reader.commit().await?;
    reader.close().await;
    done
}

fn say(event: &Event) {
    match event {
        Event::Gap {
            partition,
            from,
            to,
        } => {
            eprintln!(
                "weir: partition {partition}: records {from} to {} are no longer there, going on at {to}",
                to - 1
            );
        }
        Event::Disconnected { why } => eprintln!("weir: {why}; waiting for it to come back"),
        Event::Reconnected => eprintln!("weir: connected again"),
        _ => {}
    }
}
