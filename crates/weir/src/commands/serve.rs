//! `weir serve`: the embedded broker (unless a Kafka is named), the page, the sources of `weir.toml`; and what `demo` shares
//! with it.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use weir_base::units::{Rate, parse_bytes};
use weir_web::{IngestLimits, Origin, WebConfig};

use crate::commands::broker::{Backend, BrokerOptions};
use crate::commands::sources::{self, Board};
use crate::context::Context;
use crate::listening;

/// Options of `weir serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "For example, the page for an existing Kafka: weir --bootstrap kafka:9092 serve\n\
    Each [[source]] of weir.toml is published as well, and started again when it fails: kind = \"rtsp\", topic = \"door\", url = …"
)]
pub struct ServeArgs {
    #[command(flatten)]
    pub web: WebOptions,
    #[command(flatten)]
    pub broker: BrokerOptions,
}

/// What the web server can be told.
#[derive(Debug, Clone, Args)]
pub struct WebOptions {
    /// Where the page and the HTTP interface listen
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "HOST:PORT")]
    pub listen: SocketAddr,
    /// A further name under which browsers may reach the page (repeatable); loopback and --listen always may
    #[arg(long, value_name = "HOST")]
    pub allow_host: Vec<String>,
    /// A site whose pages may post to /ingest, such as http://localhost:8000 (repeatable); they can read nothing
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<Origin>,
    /// The longest body that /ingest takes
    #[arg(long, default_value = "1MB", value_parser = parse_max_bytes, value_name = "SIZE")]
    pub ingest_max_bytes: usize,
    /// How often one sender may post to /ingest; a second's worth may come at once
    #[arg(long, default_value = "100/s", value_name = "RATE")]
    pub ingest_rate: Rate,
    /// How often all senders together may post to /ingest
    #[arg(long, default_value = "1000/s", value_name = "RATE")]
    pub ingest_rate_total: Rate,
}

/// What one body may be made to hold in memory, whoever sends it.
const MOST_BYTES: u64 = 64 << 20;

fn parse_max_bytes(text: &str) -> Result<usize, String> {
    let len_bytes = parse_bytes(text).map_err(|error| error.to_string())?;
    if !(1..=MOST_BYTES).contains(&len_bytes) {
        return Err("a body is 1 B to 64MiB long; send more in several".to_owned());
    }
    usize::try_from(len_bytes).map_err(|error| error.to_string())
}

/// Runs the page until it is told to end.
pub async fn run(args: ServeArgs, context: &Context) -> anyhow::Result<()> {
    // Listening comes first: a port in use must be told before anything is started.
    let mut page = Page::listen(&args.web).await?;
    let backend = Backend::start(&args.broker, context).await?;
    let board = Board::new(&context.sources, context);
    page.config.sources = Some(board.subscribe());
    let page = page.serve(&backend, None, context);
    announce(&page.url, &backend.address(), context);
    let mut running = sources::start(&context.sources, &board, backend.kafka(), context);
    let ended = tokio::select! {
        () = context.shutdown.cancelled() => Ok(()),
        failure = backend.failed() => Err(failure),
    };
    context.shutdown.cancel();
    while running.join_next().await.is_some() {}
    page.ended().await?;
    backend.shutdown().await;
    ended
}

/// Says where everything is.
pub fn announce(url: &str, kafka: &str, context: &Context) {
    if context.json {
        println!("{}", serde_json::json!({ "page": url, "kafka": kafka }));
    } else {
        println!("Page   {url}\nKafka  {kafka}\n\nCtrl-C ends it.");
    }
}

/// The web server, listening and not yet answering.
pub struct Page {
    listener: TcpListener,
    config: WebConfig,
    url: String,
}

/// The web server, answering.
pub struct RunningPage {
    /// Where it is.
    pub url: String,
    task: JoinHandle<std::io::Result<()>>,
}

impl Page {
    /// Takes the address.
    pub async fn listen(options: &WebOptions) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(|error| listening::refusal("--listen", options.listen, &error))?;
        let addr = listener
            .local_addr()
            .context("cannot tell the page's address")?;
        let config = WebConfig {
            allowed_hosts: options.allow_host.clone(),
            ingest: IngestLimits {
                allowed_origins: options.allow_origin.clone(),
                max_bytes: options.ingest_max_bytes,
                rate: options.ingest_rate,
                rate_total: options.ingest_rate_total,
            },
            ..WebConfig::default()
        };
        Ok(Self {
            listener,
            config,
            url: format!("http://{addr}/"),
        })
    }

    /// Answers until `context.shutdown`; `/video` without a topic shows `video_topic`.
    pub fn serve(
        mut self,
        backend: &Backend,
        video_topic: Option<&str>,
        context: &Context,
    ) -> RunningPage {
        self.config.default_video_topic = video_topic.map(str::to_owned);
        self.config.embedded = backend.is_embedded();
        let served = weir_web::serve(
            self.listener,
            backend.kafka().clone(),
            context.clock.clone(),
            self.config,
            context.shutdown.clone(),
        );
        RunningPage {
            url: self.url,
            task: tokio::spawn(served),
        }
    }
}

impl RunningPage {
    /// Waits until the last connection has ended.
    pub async fn ended(self) -> anyhow::Result<()> {
        self.task
            .await
            .context("the web server has stopped")?
            .context("the web server has stopped")
    }
}
