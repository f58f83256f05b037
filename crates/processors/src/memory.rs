//! A log in memory, for the tests: records in partitions, a result topic that can be killed in the middle of a write.
//!
//! A run goes through the same loop, ledger and restart as over Kafka; the clock moves a millisecond with every record.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;
use weir_base::time::{ManualClock, Timestamp};
use weir_client::{ClientError, Event, NewRecord, Record};

use crate::calculation::{Calculating, Calculation};
use crate::ledger::{Layout, Ledger};
use crate::machine::{Inlet, Outlet};
use crate::running::Running;
use crate::{ProcessorError, Silent, Summary};

/// An input topic and the result topic.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) input: Vec<Vec<Record>>,
    results: Arc<Mutex<Vec<Vec<Record>>>>,
}

/// How a run goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Records between two writes.
    pub(crate) batch: u64,
    /// The write that kills it; of it each partition keeps a part.
    pub(crate) killed_at: Option<usize>,
    /// What decides between partitions, and what a killed write leaves.
    pub(crate) seed: u64,
}

impl Run {
    /// To the end, a write for every record.
    pub(crate) fn whole() -> Self {
        Self {
            batch: 0,
            killed_at: None,
            seed: 0,
        }
    }
}

/// One to five runs that are killed.
pub(crate) fn kills() -> impl Strategy<Value = Vec<Run>> {
    let kill = (0_u64..6, 0_usize..12, any::<u64>()).prop_map(|(batch, killed_at, seed)| Run {
        batch,
        killed_at: Some(killed_at),
        seed,
    });
    prop::collection::vec(kill, 1..6)
}

impl Memory {
    /// A topic of so many partitions.
    pub(crate) fn new(partitions: usize) -> Self {
        Self {
            input: vec![Vec::new(); partitions],
            results: Arc::new(Mutex::new(vec![Vec::new(); partitions])),
        }
    }

    /// Appends a record; its timestamp is `log_ms`.
    pub(crate) fn say(
        &mut self,
        partition: usize,
        key: &str,
        log_ms: i64,
        value: impl Into<Bytes>,
    ) {
        let log = &mut self.input[partition];
        log.push(Record {
            topic: "t".into(),
            partition: partition as i32,
            offset: log.len() as i64,
            timestamp: Some(Timestamp(log_ms)),
            key: (!key.is_empty()).then(|| Bytes::copy_from_slice(key.as_bytes())),
            value: Some(value.into()),
            headers: Vec::new(),
        });
    }

    /// Runs a calculation over what is there, from where an earlier run left off; `make` as in `Job::run`.
    pub(crate) fn run<C: Calculation>(
        &self,
        make: impl FnOnce(usize) -> C,
        how: Run,
    ) -> Result<Summary, ProcessorError> {
        let partitions = self.input.len();
        let mut calculation = make(partitions);
        let name = format!("{} of t", C::NAME);
        let mut ledger = Ledger::new(C::LAYOUT, partitions as i32, &name);
        for newest in self.results.lock().unwrap().iter().filter_map(|p| p.last()) {
            ledger.restore(newest).unwrap();
            if C::LAYOUT == Layout::One {
                calculation.resume(newest).unwrap();
            }
        }
        let positions: BTreeMap<i32, i64> = ledger.read_from().into_iter().collect();
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        let ended = CancellationToken::new();
        let inlet = MemoryInlet {
            left: self
                .input
                .iter()
                .enumerate()
                .map(|(partition, log)| {
                    let from = positions.get(&(partition as i32)).copied().unwrap_or(0);
                    log[from as usize..].iter().cloned().collect()
                })
                .collect(),
            positions: (0..partitions as i32)
                .map(|p| (p, positions.get(&p).copied().unwrap_or(0)))
                .collect(),
            random: how.seed,
            clock: clock.clone(),
            ended: ended.clone(),
        };
        let outlet = MemoryOutlet {
            results: self.results.clone(),
            writes: 0,
            how,
        };
        let running = Running {
            machine: Calculating::new(calculation, ledger, "r"),
            inlet,
            outlet,
            flush_every: Duration::from_millis(how.batch),
            clock,
            progress: Arc::new(Silent),
        };
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(running.run(&ended))
    }

    /// The same input without results.
    pub(crate) fn anew(&self) -> Self {
        Self {
            input: self.input.clone(),
            ..Self::new(self.input.len())
        }
    }

    /// Key and value of each result, by partition.
    pub(crate) fn results(&self) -> Vec<Vec<(String, String)>> {
        let text = |bytes: &Option<Bytes>| {
            String::from_utf8(bytes.as_deref().unwrap_or_default().to_vec()).unwrap()
        };
        let results = self.results.lock().unwrap();
        results
            .iter()
            .map(|log| {
                log.iter()
                    .map(|record| (text(&record.key), text(&record.value)))
                    .collect()
            })
            .collect()
    }

    /// All values, partition after partition.
    pub(crate) fn values(&self) -> Vec<String> {
        let of_partition = |log: Vec<(String, String)>| log.into_iter().map(|(_, value)| value);
        self.results().into_iter().flat_map(of_partition).collect()
    }

    /// Runs with kills, then to the end: each result must be there once, in the order of a run that nobody killed.
    pub(crate) fn assert_exactly_once<C: Calculation>(
        &self,
        make: impl Fn(usize) -> C,
        kills: &[Run],
    ) {
        let whole = self.anew();
        whole.run(&make, Run::whole()).unwrap();
        for kill in kills {
            // It may come to its end before it is killed.
            drop(self.run(&make, *kill));
        }
        self.run(&make, Run::whole()).unwrap();
        assert_eq!(self.results(), whole.results(), "{kills:?}");
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 31)
}

struct MemoryInlet {
    left: Vec<VecDeque<Record>>,
    positions: BTreeMap<i32, i64>,
    random: u64,
    clock: Arc<ManualClock>,
    ended: CancellationToken,
}

impl Inlet for MemoryInlet {
    async fn next(&mut self) -> Result<Event, ClientError> {
        let filled: Vec<usize> = (0..self.left.len())
            .filter(|at| !self.left[*at].is_empty())
            .collect();
        if filled.is_empty() {
            self.ended.cancel();
            return std::future::pending().await;
        }
        let at = filled[(random(&mut self.random) % filled.len() as u64) as usize];
        let record = self.left[at].pop_front().unwrap();
        self.positions.insert(record.partition, record.offset + 1);
        self.clock.advance(Duration::from_millis(1));
        Ok(Event::Record(record))
    }

    fn positions(&self) -> Vec<(i32, i64)> {
        self.positions.iter().map(|(p, next)| (*p, *next)).collect()
    }

    async fn commit(&mut self) -> Result<(), ClientError> {
        Ok(())
    }
}

struct MemoryOutlet {
    results: Arc<Mutex<Vec<Vec<Record>>>>,
    writes: usize,
    how: Run,
}

impl Outlet for MemoryOutlet {
    async fn write(&mut self, results: Vec<NewRecord>) -> Result<(), ProcessorError> {
        let mut logs = self.results.lock().unwrap();
        let killed = self.how.killed_at == Some(self.writes);
        self.writes += 1;
        let mut seed = self.how.seed;
        let mut room: Vec<u64> = logs
            .iter()
            .map(|_| {
                if killed {
                    random(&mut seed) % (results.len() as u64 + 1)
                } else {
                    u64::MAX
                }
            })
            .collect();
        for result in results {
            let partition = result.partition.unwrap() as usize;
            if room[partition] == 0 {
                continue;
            }
            room[partition] -= 1;
            let log = &mut logs[partition];
            log.push(Record {
                topic: result.topic,
                partition: partition as i32,
                offset: log.len() as i64,
                timestamp: result.timestamp,
                key: result.key,
                value: result.value,
                headers: result
                    .headers
                    .into_iter()
                    .map(|(name, value)| (name, Some(value)))
                    .collect(),
            });
        }
        if killed {
            return Err(ClientError::Closed {
                what: "kill -9".to_owned(),
            }
            .into());
        }
        Ok(())
    }
}
