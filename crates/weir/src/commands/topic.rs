//! `weir topic …`: what topics there are, making and deleting them.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use weir_client::{Created, TopicInfo, TopicSpec};

use crate::context::Context;
use crate::output::{table, write_stdout};

/// What can be done with topics.
#[derive(Debug, Subcommand)]
pub enum TopicCommand {
    /// Make a topic
    Create(CreateArgs),
    /// List the topics
    List(ListArgs),
    /// Show a topic's partitions, offsets and settings
    Describe(NameArgs),
    /// Delete topics with all their records
    Delete(DeleteArgs),
}

/// Options of `weir topic create`.
#[derive(Debug, Args)]
#[command(after_help = "For example, the newest value of each key for ever:\n\
    weir topic create latest --config cleanup.policy=compact")]
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
        let (key, value) = text
            .split_once('=')
            .with_context(|| format!("--config {text}: a setting is written name=value"))?;
        spec = spec.set(key.trim(), value.trim());
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
        let line = json!({ "topic": topic.name, "partitions": partitions, "config": settings });
        return write_stdout(format!("{line}\n").as_bytes());
    }
    let mut text = partitions(&topic, offsets);
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
