//! A process that archives one partition, with a log in place of Kafka; and what is then in the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use weir_base::time::{ManualClock, Timestamp};
use weir_client::Record;

use crate::claim::Chain;
use crate::formats::Encoders;
use crate::formats::tests::record;
use crate::keeper::{Keeper, Message, Said};
use crate::range::Rolling;
use crate::single::Turns;
use crate::store::StoreError;
use crate::store::memory::{Fate, Memory, State, World};
use crate::{Format, Layout};

/// How a process is set up; processes may differ, as their command lines do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    pub(super) roll_bytes: u64,
    pub(super) batch: usize,
}

/// Long after any record here.
pub(super) const LATER: Timestamp = Timestamp(4_000_000_000_000);

/// A log a partition.
pub(super) type Logs = Vec<Arc<Vec<Record>>>;

const LAYOUT: fn(i32) -> Layout = |partition| Layout::new("t".into(), partition, Format::Jsonl);

/// A log with a hole now and then, whose times go from hour to hour and back.
pub(super) fn log(len: i64, dice: u64) -> Vec<Record> {
    let mut dice = dice;
    let mut roll = move |sides: u64| {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let mut offset = roll(3).cast_signed();
    let mut hour = 490_000;
    let mut records = Vec::new();
    while offset < len {
        hour += i64::from(roll(10) == 0);
        let late = i64::from(roll(6) == 0);
        records.push(Record {
            timestamp: Some(Timestamp((hour - late) * 3_600_000 + offset)),
            ..record(offset, &vec![b'x'; roll(40) as usize])
        });
        offset += 1 + i64::from(roll(9) == 0);
    }
    records
}

/// Archives `log` to its end. `false`: the process was killed on the way.
pub(super) async fn archive(store: Memory, log: Arc<Vec<Record>>, setup: Setup) -> bool {
    let chain = Chain::new(Arc::new(store.clone()), LAYOUT(0));
    keep(chain, store, log, setup, LATER).await
}

/// Archives a log in a format to its end, at a time. `false`: the process was killed on the way.
pub(super) async fn archive_as(
    format: Format,
    store: Memory,
    log: Arc<Vec<Record>>,
    setup: Setup,
    now: Timestamp,
) -> bool {
    let layout = Layout::new("t".into(), 0, format);
    let chain = Chain::new(Arc::new(store.clone()), layout);
    keep(chain, store, log, setup, now).await
}

/// Archives the logs of as many partitions to one file. `false`: the process was killed on the way.
pub(super) async fn archive_to_one(store: Memory, logs: Arc<Logs>, setup: Setup) -> bool {
    let turns = Turns::default();
    let mut keeping = tokio::task::JoinSet::new();
    for (partition, log) in (0..).zip(logs.iter()) {
        let layout = LAYOUT(partition).single();
        let chain = Chain::new(Arc::new(store.clone()), layout).sharing(&turns);
        keeping.spawn(keep(chain, store.clone(), log.clone(), setup, LATER));
    }
    keeping.join_all().await.into_iter().all(|lived| lived)
}

/// Waits for a process that things befall, and wakes it up whenever it sleeps.
pub(super) async fn to_its_end(store: Memory, mut process: JoinHandle<bool>) {
    let mut state = store.state();
    loop {
        tokio::select! {
            ended = &mut process => {
                ended.unwrap();
                return;
            }
            slept = state.wait_for(|state| *state == State::Sleeps) => {
                slept.unwrap();
                store.wake();
            }
        }
    }
}

/// Several processes at once, each befallen by its fates, and one whom nothing befalls, which sees it through; then those who sleep
/// wake up.
pub(super) async fn several<P: Future<Output = bool> + Send + 'static>(
    world: &World,
    fates: Vec<Vec<(u64, Fate)>>,
    sizes: &[(u64, usize)],
    process: impl Fn(Memory, Setup) -> P,
) {
    let mut setups = sizes.iter().map(|(roll_bytes, batch)| Setup {
        roll_bytes: *roll_bytes,
        batch: *batch,
    });
    let last = setups.next_back().unwrap();
    let mut running = Vec::new();
    for (fates, setup) in fates.into_iter().zip(setups) {
        let store = world.store(fates);
        running.push((store.clone(), tokio::spawn(process(store, setup))));
    }
    assert!(process(world.store([]), last).await);
    for (store, process) in running {
        to_its_end(store, process).await;
    }
}

/// A look at a single file's end.
pub(super) async fn look(store: &Memory) -> Result<(), StoreError> {
    let chain = Chain::new(Arc::new(store.clone()), LAYOUT(0).single());
    chain.load().await.map(drop)
}

/// Archives a partition to its end. `false`: the process was killed on the way.
async fn keep(
    chain: Chain,
    store: Memory,
    log: Arc<Vec<Record>>,
    setup: Setup,
    now: Timestamp,
) -> bool {
    let mut state = store.state();
    let (said, mut hears) = mpsc::unbounded_channel();
    let keeper = Keeper {
        encoders: Encoders::new(chain.layout()),
        chain,
        rolling: Rolling {
            bytes: setup.roll_bytes,
            after: Duration::MAX,
            held_bytes: usize::MAX,
        },
        follow: false,
        clock: Arc::new(ManualClock::new(now)),
        retry: Duration::ZERO,
        said,
    };
    let mut keeping = tokio::spawn(keeper.run());
    let mut feeding: Option<tokio::task::JoinHandle<()>> = None;
    let done = loop {
        let said = tokio::select! {
            said = hears.recv() => said,
            Ok(_) = state.wait_for(|state| *state == State::Dead) => break false,
        };
        match said {
            Some(Said::ReadFrom { offset, to, .. }) => {
                feeding.take().inspect(tokio::task::JoinHandle::abort);
                feeding = Some(tokio::spawn(feed(log.clone(), offset, to, setup.batch)));
            }
            Some(Said::Hold { .. }) => {
                feeding.take().inspect(tokio::task::JoinHandle::abort);
            }
            Some(Said::Done { .. }) => break true,
            Some(_) => {}
            None => break false,
        }
    };
    feeding.take().inspect(tokio::task::JoinHandle::abort);
    if done {
        (&mut keeping).await.unwrap();
    }
    keeping.abort();
    done
}

pub(super) async fn feed(
    log: Arc<Vec<Record>>,
    from: i64,
    to: mpsc::Sender<Message>,
    batch: usize,
) {
    let behind: Vec<Record> = log
        .iter()
        .filter(|record| record.offset >= from)
        .cloned()
        .collect();
    for records in behind.chunks(batch) {
        if to.send(Message::Records(records.to_vec())).await.is_err() {
            return;
        }
    }
    // Nobody to tell any more is fine.
    let _ = to.send(Message::CaughtUp).await;
}

/// Panics unless each record of `log` is in one file, once, and where its name says.
pub(super) fn check(world: &World, log: &[Record]) {
    let mut found = BTreeMap::new();
    for (path, content) in world.files() {
        if path.contains("/_weir/") {
            continue;
        }
        let mut offsets = Vec::new();
        for line in std::str::from_utf8(&content).unwrap().lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let offset = line["offset"].as_i64().unwrap();
            offsets.push(offset);
            let hour = line["timestamp_ms"].as_i64().unwrap() / 3_600_000 % 24;
            assert!(
                path.contains(&format!("/hour={hour:02}/")),
                "{path}: {line}"
            );
            if let Some(other) = found.insert(offset, path.clone()) {
                panic!("offset {offset} is in {other} and in {path}");
            }
        }
        let (first, last) = (offsets.first().unwrap(), offsets.last().unwrap());
        assert!(
            path.ends_with(&format!("/t+0+{first:020}+{last:020}.jsonl")),
            "{path}"
        );
    }
    let missing: Vec<i64> = log
        .iter()
        .map(|record| record.offset)
        .filter(|offset| found.remove(offset).is_none())
        .collect();
    assert!(missing.is_empty(), "offsets {missing:?} are in no file");
    assert!(found.is_empty(), "nobody wrote {found:?}");
}
