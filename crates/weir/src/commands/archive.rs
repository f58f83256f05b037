//! `weir archive`: topics kept as files in HDFS, S3 or a folder.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, Args};
use weir_archive::{Archive, Archived, Destination, Format, S3};
use weir_base::units::{parse_bytes, parse_duration, show_bytes};

use crate::context::Context;
use crate::output::write_stdout;
use crate::progress;

/// How long after it came a record is in a single file at the latest, unless --roll-time says otherwise.
const SEEN_AFTER: Duration = Duration::from_secs(1);

/// Options of `weir archive`.
#[derive(Debug, Args)]
#[command(
    after_help = "For example: weir archive --topic log --to file:///srv/archive --format jsonl\n\
    Files are named topics/T/date=2026-01-31/hour=09/T+PARTITION+FIRST+LAST.jsonl, by the records' time (UTC), and appear when \
    they are whole. Every record is in one file once, whatever is killed; start it again and it goes on. Several started with the \
    same options share the work."
)]
pub struct ArchiveArgs {
    /// The topics to keep (repeatable, or separated by commas)
    #[arg(
        short,
        long = "topic",
        value_name = "T",
        required = true,
        value_delimiter = ','
    )]
    topics: Vec<String>,
    /// Where to: file:///DIR, s3://BUCKET/PREFIX or hdfs://HOST:PORT/DIR (the NameNode's RPC port)
    #[arg(long, value_name = "URL")]
    to: Destination,
    /// What the files hold: text (each value a line), jsonl (a JSON object a record), parquet (a row a record, with columns
    /// for the members of JSON values), mp4 (the pictures of a video: each file begins with a key frame and plays on its own, so
    /// it ends at the first key frame past --roll-size, --roll-time or the hour; what is no picture is passed over and counted)
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// One file a topic that grows, topics/T.txt or topics/T.jsonl, with all records of all partitions; in a folder or HDFS
    #[arg(long)]
    single_file: bool,
    /// How large a file becomes before the next is begun
    #[arg(long, default_value = "64MiB", value_name = "SIZE", value_parser = parse_bytes)]
    roll_size: u64,
    /// How long after its first record a file is finished at the latest [default: 5m]; with --single-file, how long after it
    /// came a record is in the file at the latest [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    roll_time: Option<Duration>,
    /// With --follow=false: end when everything that is there now has been archived
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1)]
    #[arg(
        require_equals = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    follow: bool,
    /// An option of the store by its name there (repeatable): aws_endpoint=http://127.0.0.1:9000 for S3, which also takes AWS_…
    /// from the environment; Hadoop's settings for HDFS
    #[arg(long = "store-option", value_name = "KEY=VALUE", value_parser = parse_option)]
    store_options: Vec<(String, String)>,
    /// The consumer group that instances share the work in [default: weir-archive-, the topic, and a mark of where to]
    #[arg(short, long, value_name = "NAME")]
    group: Option<String>,
}

fn parse_option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        _ => Err("write KEY=VALUE, such as aws_region=eu-central-1".to_owned()),
    }
}

/// What the environment and the command line say of the store; the command line stands over the environment.
fn store_options(to: &Destination, given: Vec<(String, String)>) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    if to.is_s3() {
        for (name, value) in std::env::vars() {
            let name = name.to_ascii_lowercase();
            // What else begins with AWS_ is other programs': AWS_PAGER, AWS_PROFILE.
            if S3::knows_option(&name) && !value.is_empty() {
                options.insert(name, value);
            }
        }
    }
    options.extend(given.into_iter().map(|(name, value)| {
        (
            if to.is_s3() {
                name.to_ascii_lowercase()
            } else {
                name
            },
            value,
        )
    }));
    options
}

/// Archives until it is told to end, or has caught up.
pub async fn run(args: ArchiveArgs, context: &Context) -> anyhow::Result<()> {
    let mut topics = args.topics;
    topics.sort();
    topics.dedup();
    let (json, quiet) = (context.json, context.quiet || args.single_file);
    let progress = progress::reporter(context);
    let notes = progress.clone();
    let mut archive = Archive {
        store_options: store_options(&args.to, args.store_options),
        single_file: args.single_file,
        roll_bytes: args.roll_size.max(1),
        follow: args.follow,
        group: args.group,
        clock: context.clock.clone(),
        on_file: Arc::new(move |file: &Archived| {
            if json {
                let line = serde_json::to_string(file).unwrap_or_default() + "\n";
                if let Err(error) = write_stdout(line.as_bytes()) {
                    tracing::debug!("{error:#}");
                }
            } else if !quiet {
                notes.note(&format!(
                    "{}  {} records, {}",
                    file.url,
                    file.records,
                    show_bytes(file.bytes)
                ));
            }
        }),
        ..Archive::new(topics, args.to, args.format)
    };
    if args.single_file {
        archive.roll_after = SEEN_AFTER;
    }
    if let Some(time) = args.roll_time {
        archive.roll_after = time;
    }
    archive
        .run(&context.kafka()?, progress, context.shutdown.clone())
        .await?;
    Ok(())
}
