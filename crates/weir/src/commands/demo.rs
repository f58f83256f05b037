//! `weir demo`: the whole path in one process: broker, page, a video, three sensors with their averages, a bursty one, a text
//! feed and its word counts.
//!
//! Nothing here is special: the same sources, processors and page run as `weir publish …`, `weir process …` and
//! `weir serve`, put together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use weir_base::time::Clock;
use weir_client::{Kafka, TopicSpec};
use weir_processors::average::Average;
use weir_processors::combine::Combine;
use weir_processors::words::Words;
use weir_sources::Silent;
use weir_sources::sensor::{Arrival, Sensors};
use weir_sources::testcard::TestCardSource;
use weir_sources::text_feed::TextFeed;
use weir_sources::video_file::VideoFile;

use crate::commands::broker::{Backend, BrokerOptions};
use crate::commands::serve::{Page, WebOptions, announce};
use crate::context::Context;

const VIDEO: &str = "demo-video";
const SENSORS: &str = "sensors";
const SENSORS_AVERAGE: &str = "sensors-average";
const SENSORS_COMBINED: &str = "sensors-combined";
const BURSTY: &str = "bursty";
const TEXT: &str = "demo-text";
const WORDS: &str = "demo-words";

/// A demo left running for a week must not fill the disk: what each of its topics keeps at most.
const KEPT_BYTES: &str = "268435456";
const SEGMENT_BYTES: &str = "67108864";

/// How long the end may take. What was acknowledged is on the disk already; what a busy disk holds up is the last syncs, without
/// which the next start has the newest segments to check.
const ENDING: Duration = Duration::from_millis(1_800);

/// Options of `weir demo`.
#[derive(Debug, Args)]
#[command(after_help = "For example: weir demo holiday.mp4")]
pub struct DemoArgs {
    /// The video to play on a loop (MP4, MOV, Matroska, WebM) instead of the built-in test card
    file: Option<PathBuf>,
    #[command(flatten)]
    pub web: WebOptions,
    #[command(flatten)]
    pub broker: BrokerOptions,
}

/// Runs everything until it is told to end.
pub async fn run(args: DemoArgs, context: &Context) -> anyhow::Result<()> {
    if let Some(file) = &args.file {
        VideoFile::new(file, VIDEO).probe()?;
    }
    let page = Page::listen(&args.web).await?;
    let backend = Backend::start(&args.broker, context).await?;
    let page = page.serve(&backend, Some(VIDEO), context);
    create_topics(backend.kafka()).await?;
    announce(&page.url, &backend.address(), context);

    let mut parts = start_parts(args.file.as_deref(), backend.kafka(), context);
    let ended = loop {
        tokio::select! {
            () = context.shutdown.cancelled() => break Ok(()),
            failure = backend.failed() => break Err(failure),
            Some(part) = parts.join_next() => match part.context("a part of the demo has stopped") {
                Ok(Ok(())) => {}
                Ok(Err(error)) | Err(error) => break Err(error),
            },
        }
    };
    context.shutdown.cancel();
    let ending = async {
        while parts.join_next().await.is_some() {}
        let page = page.ended().await;
        backend.shutdown().await;
        page
    };
    if let Ok(page) = tokio::time::timeout(ENDING, ending).await {
        page?;
    } else {
        tracing::warn!(
            "the disk is too busy for an end in order; nothing acknowledged is lost, the next start checks the log"
        );
    }
    ended
}

/// What every part works with.
#[derive(Clone)]
struct Stage {
    kafka: Kafka,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
}

async fn create_topics(kafka: &Kafka) -> anyhow::Result<()> {
    for name in [VIDEO, SENSORS, BURSTY, TEXT] {
        let mut spec = TopicSpec::new(name)
            .partitions(1)
            .set("retention.bytes", KEPT_BYTES)
            .set("segment.bytes", SEGMENT_BYTES);
        if name == BURSTY {
            // Its plot is of creation against arrival, also of what arrived before the page was opened.
            spec = spec.set("message.timestamp.type", "LogAppendTime");
        }
        kafka.create_topic(spec).await?;
    }
    Ok(())
}

fn start_parts(
    file: Option<&Path>,
    kafka: &Kafka,
    context: &Context,
) -> JoinSet<anyhow::Result<()>> {
    let stage = Stage {
        kafka: kafka.clone(),
        clock: context.clock.clone(),
        shutdown: context.shutdown.clone(),
    };
    let mut parts = JoinSet::new();
    parts.spawn(video(file.map(Path::to_owned), stage.clone()));
    parts.spawn(sensors(stage.clone()));
    parts.spawn(bursty(stage.clone()));
    parts.spawn(average(stage.clone()));
    parts.spawn(combine(stage.clone()));
    parts.spawn(text(stage.clone()));
    parts.spawn(words(stage));
    parts
}

async fn video(file: Option<PathBuf>, on: Stage) -> anyhow::Result<()> {
    if let Some(file) = file {
        let source = VideoFile {
            repeat: true,
            clock: on.clock,
            ..VideoFile::new(file, VIDEO)
        };
        source.run(&on.kafka, Arc::new(Silent), on.shutdown).await?;
    } else {
        let source = TestCardSource {
            clock: on.clock,
            ..TestCardSource::new(VIDEO)
        };
        source.run(&on.kafka, Arc::new(Silent), on.shutdown).await?;
    }
    Ok(())
}

async fn sensors(on: Stage) -> anyhow::Result<()> {
    let source = Sensors {
        producers: 3,
        clock: on.clock,
        ..Sensors::new(SENSORS)
    };
    source.run(&on.kafka, Arc::new(Silent), on.shutdown).await?;
    Ok(())
}

async fn bursty(on: Stage) -> anyhow::Result<()> {
    let source = Sensors {
        name: BURSTY.to_owned(),
        arrival: Arrival::Bursty,
        clock: on.clock,
        ..Sensors::new(BURSTY)
    };
    source.run(&on.kafka, Arc::new(Silent), on.shutdown).await?;
    Ok(())
}

async fn average(on: Stage) -> anyhow::Result<()> {
    let average = Average {
        clock: on.clock,
        ..Average::new(SENSORS, SENSORS_AVERAGE)
    };
    average
        .run(&on.kafka, Arc::new(Silent), on.shutdown)
        .await?;
    Ok(())
}

async fn combine(on: Stage) -> anyhow::Result<()> {
    let combine = Combine {
        clock: on.clock,
        ..Combine::new(SENSORS, SENSORS_COMBINED)
    };
    combine
        .run(&on.kafka, Arc::new(Silent), on.shutdown)
        .await?;
    Ok(())
}

async fn text(on: Stage) -> anyhow::Result<()> {
    let feed = TextFeed {
        clock: on.clock,
        ..TextFeed::new(TEXT)
    };
    feed.run(&on.kafka, Arc::new(Silent), on.shutdown).await?;
    Ok(())
}

async fn words(on: Stage) -> anyhow::Result<()> {
    let words = Words {
        clock: on.clock,
        ..Words::new(TEXT, WORDS)
    };
    words.run(&on.kafka, Arc::new(Silent), on.shutdown).await?;
    Ok(())
}
