//! `weir topic …`: what topics there are, what they keep, making, changing and deleting them.

mod keeping;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use weir_client::{Created, TopicInfo, TopicSpec};

use crate::context::Context;
use crate::output::{table, write_stdout};

/// How long a topic keeps what is said with Kafka's own settings.
const SETTINGS: &str = "\
How long a topic keeps what:
  for ever                     --config retention.ms=-1
  for a time                   --config retention.ms=3600000 (an hour; a week where nothing is said)
  up to a size, each partition --config retention.ms=-1 --config retention.bytes=1000000000
  the newest of each key       --config cleanup.policy=compact
  both, key and time           --config cleanup.policy=compact,delete --config retention.ms=86400000
Records are deleted and compacted a segment at a time (segment.bytes, segment.ms), so some stay longer than that.
`weir topic describe` says in words what a topic keeps.";

/// What can be done with topics.
#[derive(Debug, Subcommand)]
pub enum TopicCommand {
    /// Make a topic
    Create(CreateArgs),
    /// List the topics
    List(ListArgs),
    /// Show a topic's partitions, offsets and settings, and what it keeps for how long
    Describe(NameArgs),
    /// Change a topic's settings, or give it more partitions
    Alter(AlterArgs),
    /// Delete topics with all their records
    Delete(DeleteArgs),
}

/// Options of `weir topic create`.
#[derive(Debug, Args)]
#[command(after_help = SETTINGS)]
pub struct CreateArgs {
    /// The topic
    name: String,
    /// How many partitions [default: the broker's num.partitions]
    #[arg(short, long, value_name = "N")]
    partitions: Option<i32>,
    /// How many brokers hold each record [default: the broker's default.replication.factor]
    #[arg(short, long, value_name = "N")]
    replication: Option<i32>,
    /// A setting by Kafka's name, such as retention.ms=3600000 (repeatable)
    #[arg(short, long = "config", id = "topic-config", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// It is no failure if the topic is already there
    #[arg(long)]
    if_not_exists: bool,
}

/// Options of `weir topic list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Kafka's own topics too
    #[arg(long)]
    internal: bool,
}

/// Options of `weir topic alter`.
#[derive(Debug, Args)]
#[command(after_help = SETTINGS)]
pub struct AlterArgs {
    /// The topic
    name: String,
    /// A setting by Kafka's name, such as retention.ms=3600000 (repeatable); the others stay as they are
    #[arg(short, long = "config", id = "topic-config", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// A setting that falls back to the broker's value, such as retention.ms (repeatable)
    #[arg(short, long, value_name = "KEY")]
    delete_config: Vec<String>,
    /// How many partitions it has then: more than now. Keys may move to other partitions
    #[arg(short, long, value_name = "N")]
    partitions: Option<i32>,
}

/// A topic's name.
#[derive(Debug, Args)]
pub struct NameArgs {
    /// The topic
    name: String,
}

/// Options of `weir topic delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The topics
    #[arg(required = true)]
    names: Vec<String>,
}

/// Does it.
pub async fn run(command: TopicCommand, context: &Context) -> anyhow::Result<()> {
    match command {
        TopicCommand::Create(args) => create(args, context).await,
        TopicCommand::List(args) => list(&args, context).await,
        TopicCommand::Describe(args) => describe(&args, context).await,
        TopicCommand::Alter(args) => alter(args, context).await,
        TopicCommand::Delete(args) => delete(args, context).await,
    }
}

async fn create(args: CreateArgs, context: &Context) -> anyhow::Result<()> {
    let mut spec = TopicSpec {
        partitions: args.partitions,
        replication: args.replication,
        ..TopicSpec::new(&args.name)
    };
    for text in &args.settings {
        let (key, value) = setting(text)?;
        spec = spec.set(key, value);
    }
    match context.kafka()?.create_topic(spec).await? {
        Created::AlreadyThere if !args.if_not_exists => {
            bail!(
                "there is a topic {} already; --if-not-exists lets that pass",
                args.name
            )
        }
        _ => Ok(()),
    }
}

/// `name=value`.
fn setting(text: &str) -> anyhow::Result<(&str, &str)> {
    let (key, value) = text
        .split_once('=')
        .with_context(|| format!("--config {text}: a setting is written name=value"))?;
    Ok((key.trim(), value.trim()))
}

async fn alter(args: AlterArgs, context: &Context) -> anyhow::Result<()> {
    let mut changes: Vec<(String, Option<String>)> = Vec::new();
    for text in &args.settings {
        let (key, value) = setting(text)?;
        changes.push((key.to_owned(), Some(value.to_owned())));
    }
    for key in args.delete_config {
        if changes.iter().any(|(set, _)| *set == key) {
            bail!("--config and --delete-config both name {key}: give it a value or none");
        }
        changes.push((key, None));
    }
    if changes.is_empty() && args.partitions.is_none() {
        bail!("nothing to change: give --config KEY=VALUE, --delete-config KEY or --partitions N");
    }
    let kafka = context.kafka()?;
    if let Some(partitions) = args.partitions {
        kafka.add_partitions(&args.name, partitions).await?;
    }
    if !changes.is_empty() {
        kafka.alter_topic_config(&args.name, &changes).await?;
    }
    if !context.quiet {
        let keeps = keeping::in_words(&kafka.topic_config(&args.name).await?);
        eprintln!("weir: {} {keeps}", args.name);
    }
    Ok(())
}

async fn list(args: &ListArgs, context: &Context) -> anyhow::Result<()> {
    let kafka = context.kafka()?;
    let mut topics = kafka.topics().await?;
    topics.retain(|topic| args.internal || !topic.internal);
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    let mut rows = Vec::new();
    for topic in &topics {
        let records: i64 = kafka
            .watermarks(&topic.name)
            .await?
            .iter()
            .map(|marks| marks.end - marks.start)
            .sum();
        if context.json {
            let line = json!({ "topic": topic.name, "partitions": topic.partitions.len(), "records": records });
            write_stdout(format!("{line}\n").as_bytes())?;
        }
        rows.push(vec![
            topic.name.clone(),
            topic.partitions.len().to_string(),
            records.to_string(),
        ]);
    }
    if context.json {
        Ok(())
    } else {
        write_stdout(table(&["TOPIC", "PARTITIONS", "RECORDS"], &rows).as_bytes())
    }
}

async fn describe(args: &NameArgs, context: &Context) -> anyhow::Result<()> {
    let kafka = context.kafka()?;
    let topic = kafka.topic(&args.name).await?;
    let marks = kafka.watermarks(&args.name).await?;
    let mut settings = kafka.topic_config(&args.name).await?;
    let keeps = keeping::in_words(&settings);
    settings.retain(|setting| !setting.default);
    let offsets = |id: i32| {
        marks
            .iter()
            .find(|marks| marks.partition == id)
            .map_or((None, None), |marks| (Some(marks.start), Some(marks.end)))
    };
    if context.json {
        let partitions: Vec<_> = topic
            .partitions
            .iter()
            .map(|part| {
                let (start, end) = offsets(part.id);
                json!({ "partition": part.id, "leader": part.leader, "replicas": part.replicas, "isr": part.isr,
                        "log_start_offset": start, "high_watermark": end })
            })
            .collect();
        let settings: serde_json::Map<_, _> = settings
            .into_iter()
            .map(|setting| (setting.name, json!(setting.value)))
            .collect();
        let line = json!({ "topic": topic.name, "keeps": keeps, "partitions": partitions, "config": settings });
        return write_stdout(format!("{line}\n").as_bytes());
    }
    let mut text = partitions(&topic, offsets);
    text.extend([&topic.name, " ", &keeps, "\n"]);
    for setting in settings {
        let value = setting.value.as_deref().unwrap_or("(secret)");
        text.extend([&setting.name, "=", value, "\n"]);
    }
    write_stdout(text.as_bytes())
}

fn partitions(topic: &TopicInfo, offsets: impl Fn(i32) -> (Option<i64>, Option<i64>)) -> String {
    let number =
        |number: Option<i64>| number.map_or_else(|| "–".to_owned(), |number| number.to_string());
    let ids = |ids: &[i32]| {
        ids.iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    let rows: Vec<Vec<String>> = topic
        .partitions
        .iter()
        .map(|part| {
            let (start, end) = offsets(part.id);
            let leader = part
                .leader
                .map_or_else(|| "none".to_owned(), |id| id.to_string());
            vec![
                part.id.to_string(),
                leader,
                ids(&part.replicas),
                ids(&part.isr),
                number(start),
                number(end),
            ]
        })
        .collect();
    table(
        &["PARTITION", "LEADER", "REPLICAS", "ISR", "START", "END"],
        &rows,
    )
}

async fn delete(args: DeleteArgs, context: &Context) -> anyhow::Result<()> {
    let kafka = context.kafka()?;
    for name in &args.names {
        kafka.delete_topic(name).await?;
    }
    Ok(())
}
