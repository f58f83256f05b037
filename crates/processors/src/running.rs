//! The one loop that all processors run in: read, take up, write what is due, keep the position, say how it goes.
//!
//! Results are written in batches and acknowledged before reading goes on; the position is committed behind them, for
//! people and tools, once a second. How far the results are is told by the results themselves.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_base::time::Clock;
use weir_client::Event;

use crate::machine::{Inlet, Machine, Outlet};
use crate::tally::Tally;
use crate::{ProcessorError, Progress, Snapshot, Summary};

/// How often the position is committed.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long the last results may take once told to end.
const LAST_FLUSH: Duration = Duration::from_millis(800);
/// Results after which a batch is written though its time is not up.
const BATCH: usize = 10_000;

/// A processor under way.
pub(crate) struct Running<M, I, O> {
    pub(crate) machine: M,
    pub(crate) inlet: I,
    pub(crate) outlet: O,
    /// How long a result may wait for others.
    pub(crate) flush_every: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) progress: Arc<dyn Progress>,
}

/// What has happened so far.
struct State {
    summary: Summary,
    tally: Tally,
    /// When the first result came that is not yet written.
    pending_since: Option<Duration>,
    committed_at: Duration,
    uncommitted: bool,
    read_bytes: u64,
}

impl State {
    fn end(mut self) -> Summary {
        self.tally.tell();
        let (passed_over, forgotten) = self.tally.into_counts();
        Summary {
            passed_over,
            forgotten,
            ..self.summary
        }
    }
}

/// Comes when the time is over that the last results have once told to end.
async fn last_flush(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(LAST_FLUSH).await;
}

impl<M: Machine, I: Inlet, O: Outlet> Running<M, I, O> {
    /// Runs until `shutdown`.
    pub(crate) async fn run(
        mut self,
        shutdown: &CancellationToken,
    ) -> Result<Summary, ProcessorError> {
        let now = self.clock.monotonic();
        let mut state = State {
            summary: Summary::default(),
            tally: Tally::new(self.progress.clone(), self.clock.clone()),
            // A result may be due from what was restored.
            pending_since: (self.machine.pending() > 0).then_some(now),
            committed_at: now,
            uncommitted: false,
            read_bytes: 0,
        };
        while !shutdown.is_cancelled() {
            let now = self.clock.monotonic();
            if self.is_flush_due(&state, now) {
                // However long results wait, they do not keep it from ending.
                tokio::select! {
                    flushed = self.flush(&mut state) => flushed?,
                    () = last_flush(shutdown) => return Ok(state.end()),
                }
                self.commit_when_due(&mut state).await;
                continue;
            }
            let wait = self.next_wait(&state, now);
            let timer = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                event = self.inlet.next() => self.take(event?, &mut state)?,
                () = timer => {
                    state.tally.tell_when_due();
                    self.commit_when_due(&mut state).await;
                }
            }
        }
        // What was read and cannot be written in time is read again by the next run.
        if let Ok(flushed) = tokio::time::timeout(LAST_FLUSH, self.flush(&mut state)).await {
            flushed?;
            if state.uncommitted {
                drop(tokio::time::timeout(LAST_FLUSH, self.inlet.commit()).await);
            }
        }
        Ok(state.end())
    }

    fn is_flush_due(&self, state: &State, now: Duration) -> bool {
        state
            .pending_since
            .is_some_and(|since| now >= since + self.flush_every || self.machine.pending() >= BATCH)
    }

    /// How long there is nothing to do but read.
    fn next_wait(&self, state: &State, now: Duration) -> Option<Duration> {
        let flush = state.pending_since.map(|since| since + self.flush_every);
        let commit = (state.pending_since.is_none() && state.uncommitted)
            .then(|| state.committed_at + COMMIT_EVERY);
        [flush, commit, state.tally.due()]
            .into_iter()
            .flatten()
            .min()
            .map(|due| due.saturating_sub(now))
    }

    fn take(&mut self, event: Event, state: &mut State) -> Result<(), ProcessorError> {
        match event {
            Event::Record(record) => {
                state.uncommitted = true;
                if self.machine.take(&record, &mut state.tally)? {
                    state.summary.read += 1;
                    state.read_bytes += record.value.as_ref().map_or(0, |value| value.len() as u64);
                }
                if state.pending_since.is_none() && self.machine.pending() > 0 {
                    state.pending_since = Some(self.clock.monotonic());
                }
            }
            Event::Gap {
                partition,
                from,
                to,
            } => {
                self.machine.missed(partition, from, to);
                self.progress.note(&if to < from {
                    format!(
                        "partition {partition} was made anew: it is read from offset {to} on, not from {from}"
                    )
                } else {
                    format!(
                        "offsets {from} to {to} of partition {partition} are gone: what was in them is not in the results to come"
                    )
                });
            }
            Event::Disconnected { why } => self.progress.waiting(&why),
            Event::Reconnected => self.progress.going_on("Kafka answers again"),
            _ => {}
        }
        Ok(())
    }

    async fn flush(&mut self, state: &mut State) -> Result<(), ProcessorError> {
        state.pending_since = None;
        state.tally.tell_when_due();
        let results = self.machine.results(&self.inlet.positions());
        let count = results.len() as u64;
        if count > 0 {
            self.outlet.write(results).await?;
        }
        state.summary.written += count;
        self.progress.update(&Snapshot {
            records: state.summary.read,
            bytes: state.read_bytes,
            passed_over: state.tally.total(),
            ..Snapshot::default()
        });
        Ok(())
    }

    async fn commit_when_due(&mut self, state: &mut State) {
        let now = self.clock.monotonic();
        if !state.uncommitted
            || now < state.committed_at + COMMIT_EVERY
            || state.pending_since.is_some()
        {
            return;
        }
        state.committed_at = now;
        state.uncommitted = false;
        if let Err(error) = self.inlet.commit().await {
            // The results themselves say how far they are.
            tracing::debug!("{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use weir_base::time::{ManualClock, Timestamp};
    use weir_client::{ClientError, NewRecord, Record};

    use super::*;
    use crate::Silent;

    /// Always has one result.
    struct One;

    impl Machine for One {
        fn take(&mut self, _record: &Record, _tally: &mut Tally) -> Result<bool, ProcessorError> {
            Ok(true)
        }

        fn missed(&mut self, _partition: i32, _from: i64, _to: i64) {}

        fn pending(&self) -> usize {
            1
        }

        fn results(&mut self, _read_to: &[(i32, i64)]) -> Vec<NewRecord> {
            vec![NewRecord::new("r", "1")]
        }
    }

    /// Has nothing more, and notes that its position is kept.
    struct Nothing(Arc<AtomicBool>);

    impl Inlet for Nothing {
        async fn next(&mut self) -> Result<Event, ClientError> {
            std::future::pending().await
        }

        fn positions(&self) -> Vec<(i32, i64)> {
            Vec::new()
        }

        async fn commit(&mut self) -> Result<(), ClientError> {
            self.0.store(true, Ordering::Relaxed);
            Ok(())
        }
    }

    /// A topic with too few replicas in sync, which takes nothing; whoever runs this is told to end meanwhile.
    struct Stuck(CancellationToken);

    impl Outlet for Stuck {
        async fn write(&mut self, _results: Vec<NewRecord>) -> Result<(), ProcessorError> {
            self.0.cancel();
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn results_that_nobody_takes_do_not_keep_it_from_ending_and_their_position_is_not_kept() {
        let shutdown = CancellationToken::new();
        let committed = Arc::new(AtomicBool::new(false));
        let running = Running {
            machine: One,
            inlet: Nothing(committed.clone()),
            outlet: Stuck(shutdown.clone()),
            flush_every: Duration::ZERO,
            clock: Arc::new(ManualClock::new(Timestamp(0))),
            progress: Arc::new(Silent),
        };
        let summary = running.run(&shutdown).await.unwrap();
        assert_eq!(summary.written, 0);
        assert!(!committed.load(Ordering::Relaxed));
    }
}
