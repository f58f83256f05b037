//! `weir broker`: the embedded broker alone; and how `serve` and `demo` start the same one.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use weir_base::fs::RealFs;
use weir_broker::{BrokerConfig, BrokerError, RunningBroker, Settings};
use weir_client::Kafka;

use crate::context::Context;
use crate::listening;

/// Options of `weir broker`.
#[derive(Debug, Args)]
#[command(
    after_help = "Any Kafka client, in any language, connects to the address that is printed.\n\
    For example: weir broker --set num.partitions=3 --set log.retention.hours=24"
)]
pub struct BrokerArgs {
    #[command(flatten)]
    pub broker: BrokerOptions,
}

/// What the embedded broker can be told.
#[derive(Debug, Clone, Args)]
pub struct BrokerOptions {
    /// Where the embedded broker listens for Kafka clients
    #[arg(long, default_value = "127.0.0.1:9092", value_name = "HOST:PORT")]
    pub kafka_listen: SocketAddr,
    /// A setting of the embedded broker by Kafka's own name, such as num.partitions=3 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Runs the broker until it is told to end.
pub async fn run(args: BrokerArgs, context: &Context) -> anyhow::Result<()> {
    let broker = start(&args.broker, context).await?;
    if context.json {
        println!(
            "{}",
            serde_json::json!({ "kafka": broker.addr().to_string() })
        );
    } else {
        println!("Kafka  {}", broker.addr());
    }
    tokio::select! {
        () = context.shutdown.cancelled() => {}
        failure = broker.failed() => return Err(failure).context("the broker has stopped"),
    }
    broker.shutdown().await;
    Ok(())
}

/// Starts the embedded broker.
pub async fn start(options: &BrokerOptions, context: &Context) -> anyhow::Result<RunningBroker> {
    let mut pairs = Vec::new();
    for text in &options.set {
        let (key, value) = text
            .split_once('=')
            .with_context(|| format!("--set {text}: a setting is written name=value"))?;
        pairs.push((key.trim().to_owned(), value.trim().to_owned()));
    }
    let config = BrokerConfig {
        data_dir: context.data_dir()?,
        listen: options.kafka_listen,
        settings: Settings::parse(pairs).context("--set")?,
    };
    let started = weir_broker::start(config, Arc::new(RealFs), context.clock.clone()).await;
    started.map_err(|error| match error {
        BrokerError::Listen { addr, source } => listening::refusal("--kafka-listen", addr, &source),
        other => other.into(),
    })
}

/// The Kafka of a command that brings its own unless one is named.
pub enum Backend {
    /// Somebody else's.
    Named(Kafka, String),
    /// Ours, running in this process.
    Embedded(Kafka, RunningBroker),
}

impl Backend {
    /// Takes the Kafka that `--bootstrap` names, or starts the embedded broker.
    pub async fn start(options: &BrokerOptions, context: &Context) -> anyhow::Result<Self> {
        if let Some(bootstrap) = &context.bootstrap {
            return Ok(Self::Named(context.kafka()?, bootstrap.clone()));
        }
        let broker = start(options, context).await?;
        // Reached by its address like any other, so that nothing else can tell the embedded broker from a cluster.
        let kafka = Kafka::new(&broker.addr().to_string(), &[])?;
        Ok(Self::Embedded(kafka, broker))
    }

    /// The way to it.
    pub fn kafka(&self) -> &Kafka {
        match self {
            Self::Named(kafka, _) | Self::Embedded(kafka, _) => kafka,
        }
    }

    /// Whether it is ours.
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded(..))
    }

    /// Where it is, for people.
    pub fn address(&self) -> String {
        match self {
            Self::Named(_, bootstrap) => bootstrap.clone(),
            Self::Embedded(_, broker) => broker.addr().to_string(),
        }
    }

    /// Resolves when the embedded broker cannot go on; never for somebody else's.
    pub async fn failed(&self) -> anyhow::Error {
        match self {
            Self::Named(..) => std::future::pending().await,
            Self::Embedded(_, broker) => {
                anyhow::Error::new(broker.failed().await).context("the broker has stopped")
            }
        }
    }

    /// Ends the embedded broker in order.
    pub async fn shutdown(self) {
        if let Self::Embedded(_, broker) = self {
            broker.shutdown().await;
        }
    }
}
