//! `weir produce`: standard input to a topic, a record a line.

use std::collections::VecDeque;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use weir_client::{Acks, Compression, DeliveryFuture, NewRecord, Producer, ProducerOptions};

use crate::context::Context;

/// Deliveries not looked at yet; beyond it the oldest is waited for.
const MAX_PENDING: usize = 10_000;

/// A line is a record's value, and Kafka's brokers take about 1 MB unless told otherwise; this only bounds memory.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// Options of `weir produce`.
#[derive(Debug, Args)]
#[command(after_help = "For example: echo hello | weir produce greetings\n\
    With keys: printf 'ann:1\\nbob:2\\n' | weir produce scores --key-separator :")]
pub struct ProduceArgs {
    /// The topic; made with the broker's defaults where there is none
    topic: String,
    /// What stands between key and value on each line; without it records have no key
    #[arg(short = 'K', long, value_name = "TEXT")]
    key_separator: Option<String>,
    /// The key of every record
    #[arg(short, long, value_name = "TEXT", conflicts_with = "key_separator")]
    key: Option<String>,
    /// A header of every record (repeatable)
    #[arg(short = 'H', long, value_name = "NAME=VALUE")]
    header: Vec<String>,
    /// The partition [default: by the key, else spread]
    #[arg(short, long, value_name = "N")]
    partition: Option<i32>,
    /// Compress record batches
    #[arg(short = 'z', long, value_enum, value_name = "CODEC")]
    compression: Option<CompressionChoice>,
    /// Who must have a record before it counts: all in-sync replicas, the leader, or nobody
    #[arg(long, value_enum, default_value_t = AcksChoice::All, value_name = "WHO")]
    acks: AcksChoice,
    /// All of standard input is one record
    #[arg(long)]
    whole: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CompressionChoice {
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AcksChoice {
    All,
    Leader,
    None,
}

/// Sends standard input.
pub async fn run(args: ProduceArgs, context: &Context) -> anyhow::Result<()> {
    let headers = args
        .header
        .iter()
        .map(|text| parse_header(text))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let kafka = context.kafka()?;
    kafka
        .create_topic(weir_client::TopicSpec::new(&args.topic))
        .await?;
    let producer = kafka.producer(options(&args))?;
    if !context.quiet {
        tell_standstill(&producer);
    }
    let mut input = BufReader::new(tokio::io::stdin());
    let mut pending: VecDeque<DeliveryFuture> = VecDeque::new();
    let mut sent = 0_u64;
    loop {
        let line = tokio::select! {
            line = next_record(&mut input, args.whole) => line?,
            () = context.shutdown.cancelled() => None,
        };
        let Some(line) = line else { break };
        let (key, value) = split_key(line, args.key_separator.as_deref());
        let record = NewRecord {
            partition: args.partition,
            key: key.or_else(|| args.key.clone().map(Bytes::from)),
            headers: headers.clone(),
            ..NewRecord::new(args.topic.as_str(), value)
        };
        pending.push_back(producer.send(record).await?);
        sent += 1;
        while pending.len() > MAX_PENDING {
            delivered(&mut pending).await?;
        }
        if args.whole {
            break;
        }
    }
    while !pending.is_empty() {
        delivered(&mut pending).await?;
    }
    producer.flush().await?;
    if context.json {
        println!(
            "{}",
            serde_json::json!({ "topic": args.topic, "records": sent })
        );
    }
    Ok(())
}

/// Says what records wait for, and when they wait no more: the library tries on in silence.
fn tell_standstill(producer: &Producer) {
    let mut standstill = producer.standstill();
    tokio::spawn(async move {
        while standstill.changed().await.is_ok() {
            let why = standstill.borrow_and_update().clone();
            match why {
                Some(why) => eprintln!("weir: {why}"),
                None => eprintln!("weir: records are acknowledged again"),
            }
        }
    });
}

async fn delivered(pending: &mut VecDeque<DeliveryFuture>) -> anyhow::Result<()> {
    if let Some(oldest) = pending.pop_front() {
        oldest.await?;
    }
    Ok(())
}

fn options(args: &ProduceArgs) -> ProducerOptions {
    ProducerOptions {
        linger_ms: 5,
        compression: args.compression.map(|codec| match codec {
            CompressionChoice::Gzip => Compression::Gzip,
            CompressionChoice::Snappy => Compression::Snappy,
            CompressionChoice::Lz4 => Compression::Lz4,
            CompressionChoice::Zstd => Compression::Zstd,
        }),
        acks: match args.acks {
            AcksChoice::All => Acks::All,
            AcksChoice::Leader => Acks::Leader,
            AcksChoice::None => Acks::None,
        },
        ..ProducerOptions::default()
    }
}

fn parse_header(text: &str) -> anyhow::Result<(String, Bytes)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            Ok((name.to_owned(), Bytes::copy_from_slice(value.as_bytes())))
        }
        _ => bail!("--header {text}: a header is written name=value"),
    }
}

async fn next_record(
    input: &mut (impl AsyncBufRead + Unpin),
    whole: bool,
) -> anyhow::Result<Option<Vec<u8>>> {
    let mut record = Vec::new();
    let mut bounded = input.take(MAX_LINE_BYTES + 1);
    let read = if whole {
        bounded.read_to_end(&mut record).await
    } else {
        bounded.read_until(b'\n', &mut record).await
    };
    let read = read.context("cannot read standard input")?;
    if read as u64 > MAX_LINE_BYTES {
        bail!(
            "a record of more than {} on standard input: no Kafka takes that",
            weir_base::units::show_bytes(MAX_LINE_BYTES)
        );
    }
    if read == 0 && !whole {
        return Ok(None);
    }
    if !whole && record.ends_with(b"\n") {
        record.pop();
        if record.ends_with(b"\r") {
            record.pop();
        }
    }
    Ok(Some(record))
}

fn split_key(line: Vec<u8>, separator: Option<&str>) -> (Option<Bytes>, Bytes) {
    let line = Bytes::from(line);
    let Some(separator) = separator
        .filter(|separator| !separator.is_empty())
        .map(str::as_bytes)
    else {
        return (None, line);
    };
    match line
        .windows(separator.len())
        .position(|window| window == separator)
    {
        Some(at) => (Some(line.slice(..at)), line.slice(at + separator.len()..)),
        None => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_its_first_separator() {
        assert_eq!(
            split_key(b"a::b::c".to_vec(), Some("::")),
            (Some("a".into()), "b::c".into())
        );
    }

    #[test]
    fn a_line_without_the_separator_has_no_key() {
        assert_eq!(split_key(b"abc".to_vec(), Some(":")), (None, "abc".into()));
        assert_eq!(split_key(b"a:b".to_vec(), None), (None, "a:b".into()));
    }

    #[tokio::test]
    async fn a_line_ends_at_newline_or_at_the_end_and_loses_its_carriage_return() {
        let mut input = BufReader::new(&b"one\r\n\ntwo"[..]);
        let mut lines = Vec::new();
        while let Some(line) = next_record(&mut input, false).await.unwrap() {
            lines.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(lines, ["one", "", "two"]);
    }

    #[test]
    fn a_header_without_a_name_is_refused() {
        assert!(parse_header("=x").is_err());
        assert!(
            parse_header("x")
                .unwrap_err()
                .to_string()
                .contains("name=value")
        );
    }
}
