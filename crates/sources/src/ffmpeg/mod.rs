//! Anything else that ffmpeg reads: other protocols (http, rtmp, srt, udp), other containers, other codecs.
//!
//! ffmpeg runs as a child and writes an MP4 that grows to a pipe: the pictures as they are where weir carries their codec, else encoded
//! as H.264. What has no end is asked for again, with growing pauses, when it breaks off.

mod child;
mod input;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock, Timestamp};
use weir_client::Kafka;

use self::child::{Event, Running};
pub use self::input::Input;
use crate::backoff::Backoff;
use crate::live::{Live, Shot};
use crate::outlet::Target;
use crate::pace::sleep;
use crate::{Ended, Progress, SourceError, Summary};
use crate::{dating, pictures};

/// Whether a name is an address rather than a file.
pub fn is_address(name: &Path) -> bool {
    let text = name.to_string_lossy();
    text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Publishes what ffmpeg reads.
#[derive(Clone)]
pub struct Ffmpeg {
    /// What it reads.
    pub input: Input,
    /// Where to.
    pub topic: String,
    /// The records' key; `None`: the last part of the input's name.
    pub key: Option<String>,
    /// Encode as H.264 whatever it is.
    pub encode: bool,
    /// As fast as Kafka takes it and stamped as if it ended now, where it has an end; else in real time.
    pub max_pace: bool,
    /// From the start again at the end.
    pub repeat: bool,
    /// From this time on.
    pub from: Option<Duration>,
    /// Up to this time.
    pub to: Option<Duration>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Ffmpeg {
    /// `input` as it is.
    pub fn new(input: Input, topic: impl Into<String>) -> Self {
        Self {
            input,
            topic: topic.into(),
            key: None,
            encode: false,
            max_pace: false,
            repeat: false,
            from: None,
            to: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Whether there is an ffmpeg to read with.
    pub fn is_there() -> bool {
        child::is_there()
    }

    /// Publishes until the end, or without one until `shutdown`.
    pub async fn run(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Summary, SourceError> {
        let key = self.key.clone().unwrap_or_else(|| self.input.key());
        // Nobody is asked for a Kafka before there is something to publish.
        let first = tokio::select! {
            first = self.start() => first?,
            () = shutdown.cancelled() => return Ok(Summary::nothing()),
        };
        progress.note(&first.what);
        let dated = self.dated(kafka, first.length, &progress).await?;
        let clock = self.clock.clone();
        let mut live = Live::open(kafka, &self.topic, &key, clock, progress).await?;
        let mut backoff = Backoff::default();
        let mut running = Some(first);
        let ended = loop {
            let begun = self.clock.monotonic();
            let again = running.is_none();
            let started = if let Some(running) = running.take() {
                Ok(running)
            } else {
                tokio::select! {
                    started = self.start() => started,
                    () = shutdown.cancelled() => break Ended::Shutdown,
                }
            };
            let (why, worked) = match started {
                Err(error) => (error.to_string(), Duration::ZERO),
                Ok(Running {
                    events,
                    what,
                    has_end,
                    ending: _ending,
                    ..
                }) => {
                    if again {
                        live.going_on(&format!("it goes on: {what}"));
                    }
                    match self.publish(events, dated, &mut live, &shutdown).await? {
                        Over::Told => break Ended::Shutdown,
                        Over::End if has_end => break Ended::Finished,
                        Over::End => (
                            format!("{} has ended", self.input),
                            self.clock.monotonic().saturating_sub(begun),
                        ),
                        Over::Failed(why) if has_end => return Err(SourceError::Media(why)),
                        Over::Failed(why) => (why, self.clock.monotonic().saturating_sub(begun)),
                    }
                }
            };
            let wait = backoff.after(worked);
            live.broke_off(&format!("{why}; trying again in {} s", wait.as_secs()));
            if !sleep(wait, &shutdown).await {
                break Ended::Shutdown;
            }
        };
        live.finish(ended).await
    }

    async fn start(&self) -> Result<Running, SourceError> {
        let options = self.clone();
        let started = tokio::task::spawn_blocking(move || child::start(&options)).await;
        started.unwrap_or_else(|error| Err(SourceError::Media(error.to_string())))
    }

    /// When the input began in time, where it goes faster than it plays and is dated back.
    async fn dated(
        &self,
        kafka: &Kafka,
        length: Option<Duration>,
        progress: &Arc<dyn Progress>,
    ) -> Result<Option<Timestamp>, SourceError> {
        let Some(length) = length.filter(|_| self.max_pace && !self.repeat) else {
            return Ok(None);
        };
        let length = length.min(self.to.unwrap_or(Duration::MAX));
        let length = length.saturating_sub(self.from.unwrap_or_default());
        // The topic's settings and newest records count, so it is made first.
        Target::open(kafka, pictures::topic(&self.topic)).await?;
        Ok(
            match dating::begin(kafka, &self.topic, length, self.clock.now()).await? {
                Ok(at) => Some(at),
                Err(why) => {
                    progress.note(&why);
                    None
                }
            },
        )
    }

    async fn publish(
        &self,
        mut events: mpsc::Receiver<Event>,
        dated: Option<Timestamp>,
        live: &mut Live,
        shutdown: &CancellationToken,
    ) -> Result<Over, SourceError> {
        let mut first_us = None;
        loop {
            let event = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(Over::Told),
                event = events.recv() => event,
            };
            match event {
                Some(Event::Picture(codec, unit)) => {
                    let now = self.clock.now();
                    let zero_us = *first_us.get_or_insert(unit.pts_us);
                    let since_ms = unit.pts_us.saturating_sub(zero_us).div_euclid(1_000);
                    let shot = Shot {
                        codec,
                        unit,
                        size: None,
                        captured: dated.map_or(now, |begun| begun.plus_ms(since_ms).min(now)),
                    };
                    if !live.send(shot, shutdown).await? {
                        return Ok(Over::Told);
                    }
                }
                Some(Event::Failed(why)) => return Ok(Over::Failed(why)),
                None => return Ok(Over::End),
            }
        }
    }
}

/// How one child's life ended.
enum Over {
    Told,
    End,
    Failed(String),
}
