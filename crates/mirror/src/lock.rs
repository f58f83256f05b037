//! One mirror at a time between two clusters: the member of a consumer group in the target that has the ledger's partition.
//!
//! A mirror that ended has left the group; one that was killed, or has lost its way to the target, is a member until its
//! session of six seconds is over. So whoever has the partition knows that the one before has had no word with the target
//! for so long.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_client::{ClientError, Event, GroupReader, GroupReaderOptions, GroupStart, Kafka};

use crate::ledger;

/// How long to wait before a person is told what is waited for.
const TELL_AFTER: Duration = Duration::from_secs(2);
/// How long leaving may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// Between two tries to join.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The right to mirror.
pub(crate) struct Lock {
    held: watch::Receiver<bool>,
    leave: CancellationToken,
    task: JoinHandle<()>,
}

/// The group of the mirrors from the cluster with this id.
pub(crate) fn group(source: &str) -> String {
    format!("{GROUP_PREFIX}{source}")
}

/// How the groups' names begin; they are not mirrored.
pub(crate) const GROUP_PREFIX: &str = "weir-mirror-";

impl Lock {
    /// Waits for the right to mirror from the cluster `source` to `kafka`.
    pub(crate) async fn take(
        kafka: &Kafka,
        source: &str,
        note: impl Fn(&str),
    ) -> Result<Self, ClientError> {
        let reader = join(kafka, source).await?;
        let (say, held) = watch::channel(false);
        let leave = CancellationToken::new();
        let member = Member {
            kafka: kafka.clone(),
            source: source.to_owned(),
            say,
            leave: leave.clone(),
        };
        let task = tokio::spawn(member.keep(reader));
        let mut lock = Self { held, leave, task };
        let tell_at = Instant::now() + TELL_AFTER;
        let mut told = false;
        loop {
            tokio::select! {
                held = lock.held.wait_for(|held| *held) => {
                    if held.is_err() {
                        return Err(ClientError::Closed { what: "the mirror began".to_owned() });
                    }
                    break;
                }
                () = tokio::time::sleep_until(tell_at), if !told => {
                    told = true;
                    note("another `weir mirror` between these two is at work, or was ended less than 6 s ago; waiting for it to be gone");
                }
            }
        }
        Ok(lock)
    }

    /// Gives it up, so that a successor need not wait.
    pub(crate) async fn release(mut self) {
        self.leave.cancel();
        drop(tokio::time::timeout(LEAVE_WITHIN, &mut self.task).await);
    }

    /// Whether it is held now, to look at and to wait for.
    pub(crate) fn held(&self) -> watch::Receiver<bool> {
        self.held.clone()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn join(kafka: &Kafka, source: &str) -> Result<GroupReader, ClientError> {
    let options = GroupReaderOptions {
        start: GroupStart::Asked,
        max_queued_bytes: 1 << 10,
    };
    kafka
        .group_reader(&[ledger::TOPIC], &group(source), options)
        .await
}

/// Stays in the group; what it says of the partition is what counts.
struct Member {
    kafka: Kafka,
    source: String,
    say: watch::Sender<bool>,
    leave: CancellationToken,
}

impl Member {
    async fn keep(self, mut reader: GroupReader) {
        loop {
            let event = tokio::select! {
                event = reader.next() => event,
                () = self.leave.cancelled() => return reader.close().await,
            };
            match event {
                Ok(Event::Assigned { partitions }) => {
                    self.say.send_replace(!partitions.is_empty());
                }
                Ok(Event::Revoked) => {
                    self.say.send_replace(false);
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!("the mirror's group: {error}");
                    self.say.send_replace(false);
                    loop {
                        tokio::select! {
                            () = tokio::time::sleep(RETRY_AFTER) => {}
                            () = self.leave.cancelled() => return,
                        }
                        if let Ok(again) = join(&self.kafka, &self.source).await {
                            reader = again;
                            break;
                        }
                    }
                }
            }
        }
    }
}
