//! A camera or server that speaks RTSP (RFC 2326), over its one TCP connection.
//!
//! The first connection must come about, so that a wrong address or password is told at once. From then on whatever breaks is tried
//! again with growing pauses, and the topic's time line goes on.

mod address;
mod capture;
mod session;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::Kafka;

pub use self::address::Address;
use self::session::{Failure, Session, Taken};
use crate::backoff::Backoff;
use crate::live::Live;
use crate::pace::sleep;
use crate::{Ended, Progress, SourceError, Summary};

/// Publishes the pictures of an RTSP server.
#[derive(Clone)]
pub struct Rtsp {
    /// Where it is, and the sign-in.
    pub address: Address,
    /// Where to.
    pub topic: String,
    /// The records' key; `None`: the server's host name.
    pub key: Option<String>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Rtsp {
    /// The pictures of `address`.
    pub fn new(address: Address, topic: impl Into<String>) -> Self {
        Self {
            address,
            topic: topic.into(),
            key: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Publishes until `shutdown`.
    pub async fn run(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Summary, SourceError> {
        let key = self.key.clone();
        let key = key.unwrap_or_else(|| self.address.host().to_owned());
        // Nobody is asked for a Kafka before there is something to publish.
        let first = tokio::select! {
            first = Session::open(&self.address, self.clock.clone()) => first,
            () = shutdown.cancelled() => return Ok(Summary::nothing()),
        };
        let mut session = Some(first.map_err(|failure| SourceError::Media(failure.why))?);
        let clock = self.clock.clone();
        let mut live = Live::open(kafka, &self.topic, &key, clock, progress).await?;
        let mut backoff = Backoff::default();
        let mut reopened = false;
        loop {
            let begun = self.clock.monotonic();
            let opened = if let Some(session) = session.take() {
                Ok(session)
            } else {
                tokio::select! {
                    opened = Session::open(&self.address, self.clock.clone()) => opened,
                    () = shutdown.cancelled() => break,
                }
            };
            let (failure, worked) = match opened {
                Err(failure) => (failure, Duration::ZERO),
                Ok(session) => {
                    if reopened {
                        live.going_on(&format!("{} is there again", self.address));
                    }
                    match publish(session, &mut live, &shutdown).await? {
                        None => break,
                        Some(failure) => (failure, self.clock.monotonic().saturating_sub(begun)),
                    }
                }
            };
            reopened = true;
            let wait = backoff.after(worked);
            live.broke_off(&format!(
                "{}; trying again in {} s",
                failure.why,
                wait.as_secs()
            ));
            if !sleep(wait, &shutdown).await {
                break;
            }
        }
        live.finish(Ended::Shutdown).await
    }
}

/// One connection's life; nothing if told to end.
async fn publish(
    mut session: Session,
    live: &mut Live,
    shutdown: &CancellationToken,
) -> Result<Option<Failure>, SourceError> {
    let failure = loop {
        let taken = tokio::select! {
            biased;
            () = shutdown.cancelled() => break None,
            taken = session.next() => taken,
        };
        match taken {
            Ok(Taken::Shot(shot)) => {
                if !live.send(shot, shutdown).await? {
                    break None;
                }
            }
            Ok(Taken::Gap) => live.gap(),
            Err(failure) => break Some(failure),
        }
    };
    session.close().await;
    Ok(failure)
}
