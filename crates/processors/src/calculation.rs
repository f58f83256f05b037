//! Numbers in, numbers out: what the processors of numbers share.
//!
//! A [`Calculation`] is the state and the arithmetic alone. [`Calculating`] makes a [`Machine`] of it: reads the numbers of
//! each record, writes how far it is into each result (`ledger`), and after a restart feeds the records again that the state
//! is made of without giving their results a second time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use weir_base::time::Clock;
use weir_client::{From, Kafka, NewRecord, ReaderOptions, Record};

use crate::ledger::{Layout, Ledger, Mark};
use crate::machine::Machine;
use crate::result_topic::ResultTopic;
use crate::running::Running;
use crate::sample::Sample;
use crate::tally::Tally;
use crate::{ProcessorError, Progress, Summary};

/// How long a result may wait for others.
const FLUSH_EVERY: Duration = Duration::from_millis(5);

/// A result without the topic it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) key: Option<Bytes>,
    /// A JSON object.
    pub(crate) value: String,
}

/// State and arithmetic. The same records in the same order give the same outcomes.
pub(crate) trait Calculation: Send {
    /// Its name as a command.
    const NAME: &'static str;
    /// Into which partition its results go.
    const LAYOUT: Layout;

    /// Takes up the newest result of an earlier run, where all results are in one partition, and gives none again that came
    /// before it. An error is the rest of a sentence.
    fn resume(&mut self, newest: &Record) -> Result<(), String> {
        let _ = newest;
        Ok(())
    }
    /// Takes a sample up and puts what follows from it into `outcomes`. `live` is false where its outcomes are not wanted
    /// again.
    fn take(
        &mut self,
        sample: &Sample<'_>,
        live: bool,
        tally: &mut Tally,
        outcomes: &mut Vec<Outcome>,
    );
    /// Reading the partition from here on makes the state anew; `None` if nothing of it is needed.
    fn rebuilt_from(&self, partition: i32) -> Option<i64>;
}

/// A calculation as a machine.
pub(crate) struct Calculating<C> {
    calculation: C,
    ledger: Ledger,
    to: Arc<str>,
    pending: Vec<NewRecord>,
    outcomes: Vec<Outcome>,
}

impl<C: Calculation> Calculating<C> {
    pub(crate) fn new(calculation: C, ledger: Ledger, to: &str) -> Self {
        Self {
            calculation,
            ledger,
            to: Arc::from(to),
            pending: Vec::new(),
            outcomes: Vec::new(),
        }
    }
}

impl<C: Calculation> Machine for Calculating<C> {
    fn take(&mut self, record: &Record, tally: &mut Tally) -> Result<bool, ProcessorError> {
        let partition = record.partition;
        let before = self.ledger.mark(partition);
        let live = record.offset >= before.next;
        tally.listen(live);
        self.outcomes.clear();
        match Sample::read(record) {
            Ok(sample) => self
                .calculation
                .take(&sample, live, tally, &mut self.outcomes),
            Err(why) => tally.pass_over(record, why),
        }
        tally.listen(true);
        if !live {
            return Ok(false);
        }
        // Those of this record's results that are there since before the restart.
        let given = match C::LAYOUT {
            Layout::Same if record.offset == before.next => before.given,
            _ => 0,
        };
        let count = self.outcomes.len();
        let done = Mark {
            next: record.offset + 1,
            given: 0,
        };
        // Without a result to say it in, what was true before is enough: the state never needs older records than before.
        let rebuilt_from = if count > given {
            self.calculation
                .rebuilt_from(partition)
                .map_or(done.next, |from| from.min(done.next))
        } else {
            self.ledger.rebuilt_from(partition).unwrap_or(record.offset)
        };
        let result_partition = self.ledger.result_partition(partition);
        for (at, outcome) in self.outcomes.drain(..).enumerate().skip(given) {
            if at + 1 == count {
                self.ledger.set(partition, done, rebuilt_from);
            } else {
                // The rest of this record's results must come of the state as it was before the record.
                self.ledger.give(partition, record.offset, at + 1);
            }
            self.pending.push(NewRecord {
                topic: self.to.clone(),
                partition: Some(result_partition),
                key: outcome.key,
                value: Some(Bytes::from(outcome.value)),
                headers: self.ledger.headers(result_partition),
                timestamp: record.timestamp,
            });
        }
        self.ledger.set(partition, done, rebuilt_from);
        Ok(true)
    }

    fn missed(&mut self, partition: i32, from: i64, to: i64) {
        if to < from {
            self.ledger.set(partition, Mark { next: to, given: 0 }, to);
        }
    }

    fn pending(&self) -> usize {
        self.pending.len()
    }

    fn results(&mut self, _read_to: &[(i32, i64)]) -> Vec<NewRecord> {
        std::mem::take(&mut self.pending)
    }
}

/// From which topic to which.
pub(crate) struct Job<'a> {
    pub(crate) topic: &'a str,
    pub(crate) to: &'a str,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Job<'_> {
    /// Runs a calculation until `shutdown`; `make` is given the number of the input's partitions.
    pub(crate) async fn run<C: Calculation>(
        self,
        make: impl FnOnce(usize) -> C,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Summary, ProcessorError> {
        let input = kafka.topic(self.topic).await?;
        let told = progress.clone();
        let mut outlet = ResultTopic::open(kafka, self.topic, self.to, C::LAYOUT, told).await?;
        let mut calculation = make(input.partitions.len());
        let processor = format!("{} of {}", C::NAME, self.topic);
        let mut ledger = Ledger::new(C::LAYOUT, outlet.partitions(), &processor);
        let newest = tokio::select! {
            newest = outlet.newest(kafka) => newest?,
            () = shutdown.cancelled() => return Ok(Summary::default()),
        };
        for record in &newest {
            let resumed = ledger.restore(record).and_then(|()| match C::LAYOUT {
                Layout::One => calculation.resume(record),
                Layout::Same => Ok(()),
            });
            resumed.map_err(|why| ProcessorError::ResultTopic {
                topic: self.to.to_owned(),
                why: format!(
                    "the record at offset {} of partition {} {why}",
                    record.offset, record.partition
                ),
            })?;
        }
        let group = format!("weir-{}-{}", C::NAME, self.to);
        if outlet.has_lost_results(&newest) {
            // Retention took the results with their headers; the group remembers.
            for committed in kafka.committed(&group, self.topic).await? {
                if let Some(offset) = committed.offset {
                    ledger.begin(committed.partition, offset);
                }
            }
        }
        let reader = kafka
            .reader(
                self.topic,
                From::Positions(ledger.read_from()),
                ReaderOptions {
                    commit_as: Some(group),
                    ..ReaderOptions::default()
                },
            )
            .await?;
        Running {
            machine: Calculating::new(calculation, ledger, self.to),
            inlet: reader,
            outlet,
            flush_every: FLUSH_EVERY,
            clock: self.clock,
            progress,
        }
        .run(&shutdown)
        .await
    }
}
