//! Keeps one partition: records in, ranges claimed one after the other.
//!
//! A keeper looks up where the chain ends, asks for the records from there on, and writes. While one range is being finished and
//! claimed the next is being written already. Whatever goes wrong (the store, a range another has claimed) ends the
//! attempt: what was being written is thrown away, and it begins again with a look at the chain. Kafka is the buffer in front of a
//! store that is away; nothing is read meanwhile. Dropping a keeper at any moment is as good as killing the process.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use weir_base::time::{Clock, Timestamp};
use weir_client::Record;

use crate::claim::{Chain, ClaimedFile, Tail};
use crate::formats::Encoders;
use crate::pictures::{Group, Groups, NoVideo};
use crate::range::{Range, Rolling, Sealed};
use crate::store::StoreError;

/// Batches of records that wait for a keeper.
const WAITING: usize = 2;
/// How old a video's newest picture must be for its last group of pictures to be whole, where nobody waits for the next.
const SILENT_MS: i64 = 10_000;
/// How long a store that fails is left alone at most.
const RETRY_MOST: Duration = Duration::from_secs(10);

/// What a keeper is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// The next records, in their order.
    Records(Vec<Record>),
    /// There are no more for now.
    CaughtUp,
    /// Where the log ended when it was asked for: whoever does not follow is done there.
    EndsAt(i64),
    /// There will be no more: archive what there is, and end.
    End,
}

/// What a keeper says.
#[derive(Debug)]
pub(crate) enum Said {
    /// Records are wanted from `offset` on; what was asked for before no longer is.
    ReadFrom {
        partition: i32,
        offset: i64,
        to: mpsc::Sender<Message>,
    },
    /// No records are wanted for now.
    Hold { partition: i32 },
    /// The files are archived, and with them everything before `next`.
    Archived {
        partition: i32,
        next: i64,
        files: Vec<ClaimedFile>,
    },
    /// The store would not, and is tried again.
    Waiting { partition: i32, why: StoreError },
    /// Records that have been passed by are in no file.
    PassedOver { partition: i32, records: u64 },
    /// What the partition holds cannot be kept in this format.
    Refused { partition: i32, why: NoVideo },
    /// Everything there was is archived.
    Done { partition: i32 },
}

/// Keeps a partition.
pub(crate) struct Keeper {
    pub(crate) chain: Chain,
    pub(crate) encoders: Encoders,
    pub(crate) rolling: Rolling,
    /// Whether it goes on when it has caught up.
    pub(crate) follow: bool,
    pub(crate) clock: Arc<dyn Clock>,
    /// How long a store that fails is left alone at first.
    pub(crate) retry: Duration,
    pub(crate) said: mpsc::UnboundedSender<Said>,
}

/// Why an attempt ended.
enum Ended {
    /// Nobody gives us records any more.
    Gone,
    /// Another was quicker.
    Lost,
    /// The store.
    Failed(StoreError),
    /// The records.
    Refused(NoVideo),
}

impl From<NoVideo> for Ended {
    fn from(why: NoVideo) -> Self {
        Self::Refused(why)
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Keeper {
    /// Keeps the partition until it is told to end, or nobody listens.
    pub(crate) async fn run(self) {
        let partition = self.chain.layout().partition();
        let mut retry = self.retry;
        loop {
            let mut attempt = Attempt::new(&self);
            let ended = attempt.keep().await;
            if attempt.archived_something {
                retry = self.retry;
            }
            drop(attempt);
            match ended {
                Ok(()) => {
                    self.say(Said::Done { partition });
                    return;
                }
                Err(Ended::Gone) => return,
                Err(Ended::Lost) => {}
                Err(Ended::Refused(why)) => {
                    self.say(Said::Refused { partition, why });
                    return;
                }
                Err(Ended::Failed(why)) => {
                    self.say(Said::Hold { partition });
                    self.say(Said::Waiting { partition, why });
                    if self.said.is_closed() {
                        return;
                    }
                    tokio::time::sleep(retry).await;
                    retry = (retry * 2).min(RETRY_MOST);
                }
            }
        }
    }

    fn say(&self, said: Said) {
        // Where nobody listens any more the keeper is about to be dropped.
        let _ = self.said.send(said);
    }
}

/// One attempt, from a look at the chain on.
struct Attempt<'a> {
    keeper: &'a Keeper,
    /// The range being written.
    range: Option<Range>,
    /// The range before it, being finished and claimed.
    sealing: Option<Sealing>,
    /// The offset of the next record wanted.
    next: i64,
    /// The offset that follows the records in ranges.
    put: i64,
    /// Of video: the records that wait for the rest of their group, and when the last came.
    groups: Option<Groups>,
    came: Option<Duration>,
    ends_at: Option<i64>,
    archived_something: bool,
}

/// Ends its task when dropped.
struct Sealing(JoinHandle<Result<Sealed, StoreError>>);

impl Drop for Sealing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<'a> Attempt<'a> {
    fn new(keeper: &'a Keeper) -> Self {
        Self {
            keeper,
            range: None,
            sealing: None,
            next: 0,
            groups: None,
            put: 0,
            came: None,
            ends_at: None,
            archived_something: false,
        }
    }

    async fn keep(&mut self) -> Result<(), Ended> {
        let store = self.keeper.chain.store();
        self.keeper.encoders.load(&**store).await?;
        let (mut tail, settled) = self.keeper.chain.load().await?;
        self.next = self.keeper.chain.next_offset(&tail);
        self.put = self.next;
        if self.keeper.chain.layout().format().is_video() {
            self.groups = Some(Groups::new(self.next > 0));
        }
        self.archived(&tail, settled);
        let (to, mut messages) = mpsc::channel(WAITING);
        self.keeper.say(Said::ReadFrom {
            partition: self.keeper.chain.layout().partition(),
            offset: self.next,
            to,
        });
        loop {
            let message = tokio::select! {
                biased;
                sealed = wait_for(&mut self.sealing) => {
                    tail = self.sealed(sealed)?;
                    continue;
                }
                () = time_is_up(self.keeper, self.range.as_ref().map(|range| range.began)), if self.sealing.is_none() => {
                    self.seal(&mut tail).await?;
                    continue;
                }
                () = time_is_up(self.keeper, self.came) => {
                    self.came = None;
                    self.put_last(&mut tail, true).await?;
                    continue;
                }
                message = messages.recv() => message,
            };
            let end = match message {
                Some(Message::Records(records)) => {
                    self.take(&mut tail, records).await?;
                    self.ends_at.is_some_and(|end| self.next >= end)
                }
                Some(Message::CaughtUp) => true,
                Some(Message::EndsAt(end)) => {
                    self.ends_at = Some(end);
                    self.next >= end
                }
                Some(Message::End) => {
                    self.seal_all(&mut tail).await?;
                    return Ok(());
                }
                // The partition is another's now: so is what is being written.
                None => return Err(Ended::Gone),
            };
            if end && !self.keeper.follow {
                self.put_last(&mut tail, false).await?;
                self.seal_all(&mut tail).await?;
                return Ok(());
            }
        }
    }

    async fn take(&mut self, tail: &mut Tail, records: Vec<Record>) -> Result<(), Ended> {
        let keeper = self.keeper;
        let next = self.next;
        let mut left: VecDeque<Record> = records
            .into_iter()
            .skip_while(|record| record.offset < next)
            .collect();
        while let Some(first) = left.pop_front() {
            self.next = first.offset + 1;
            if let Some(groups) = &mut self.groups {
                self.came = Some(keeper.clock.monotonic());
                if let Some(group) = groups.push(first)? {
                    self.put(tail, group).await?;
                }
                continue;
            }
            left.push_front(first);
            self.fill(tail, &mut left).await?;
        }
        if let Some(range) = &mut self.range {
            range.send(&**keeper.chain.store()).await?;
        }
        Ok(())
    }

    /// Puts records into the range, or a new one, until it is full.
    async fn fill(&mut self, tail: &mut Tail, left: &mut VecDeque<Record>) -> Result<(), Ended> {
        let keeper = self.keeper;
        let is_full = |range: &Range| {
            left.front().is_some_and(|record| {
                range.is_full_for(record, keeper.chain.layout(), &keeper.rolling)
            })
        };
        if self.range.as_ref().is_some_and(is_full) {
            self.seal(tail).await?;
        }
        let (put, began) = (self.put, keeper.clock.monotonic());
        let range = self.range.take().unwrap_or_else(|| Range::new(put, began));
        let filled = range.fill(
            &keeper.chain,
            &keeper.encoders,
            &keeper.rolling,
            std::mem::take(left),
        );
        let (range, rest) = filled.await?;
        *left = rest;
        self.put = range.next();
        self.next = range.next();
        self.range = Some(range);
        Ok(())
    }

    /// A group of pictures is whole.
    async fn put(&mut self, tail: &mut Tail, group: Group) -> Result<(), Ended> {
        let keeper = self.keeper;
        let Some(first) = group.records.first() else {
            return Ok(());
        };
        let cut = self.range.as_ref().is_some_and(|range| {
            group.apart || range.is_full_for(first, keeper.chain.layout(), &keeper.rolling)
        });
        if cut {
            self.seal(tail).await?;
        }
        let put = self.put;
        let range = self
            .range
            .get_or_insert_with(|| Range::new(put, keeper.clock.monotonic()));
        for record in &group.records {
            range.push(&keeper.chain, &keeper.encoders, &keeper.rolling, record);
        }
        range.passed_over += group.passed_over;
        self.put = range.next();
        Ok(())
    }

    /// Takes the group that waits for whole, if its publisher has been silent for long.
    async fn put_last(&mut self, tail: &mut Tail, silent: bool) -> Result<(), Ended> {
        let Some(groups) = &mut self.groups else {
            return Ok(());
        };
        let now = self.keeper.clock.now();
        let over = |taken: Timestamp| now.since_ms(taken) >= SILENT_MS;
        if !silent && !groups.newest().is_none_or(over) {
            return Ok(());
        }
        if let Some(group) = groups.close() {
            self.put(tail, group).await?;
            self.seal(tail).await?;
        }
        Ok(())
    }

    /// Begins to seal the range, as soon as the one before is.
    async fn seal(&mut self, tail: &mut Tail) -> Result<(), Ended> {
        if self.sealing.is_some() {
            let sealed = wait_for(&mut self.sealing).await;
            *tail = self.sealed(sealed)?;
        }
        if let Some(range) = self.range.take() {
            let keeper = self.keeper;
            let sealing = range.seal(keeper.chain.clone(), keeper.encoders.clone(), tail.clone());
            self.sealing = Some(Sealing(tokio::spawn(sealing)));
        }
        Ok(())
    }

    async fn seal_all(&mut self, tail: &mut Tail) -> Result<(), Ended> {
        self.seal(tail).await?;
        if self.sealing.is_some() {
            let sealed = wait_for(&mut self.sealing).await;
            *tail = self.sealed(sealed)?;
        }
        Ok(())
    }

    fn sealed(&mut self, sealed: Result<Sealed, StoreError>) -> Result<Tail, Ended> {
        self.sealing = None;
        match sealed? {
            Sealed::Won {
                tail,
                files,
                passed_over,
            } => {
                self.archived(&tail, files);
                if passed_over > 0 {
                    self.keeper.say(Said::PassedOver {
                        partition: self.keeper.chain.layout().partition(),
                        records: passed_over,
                    });
                }
                Ok(tail)
            }
            Sealed::Lost => Err(Ended::Lost),
        }
    }

    fn archived(&mut self, tail: &Tail, files: Vec<ClaimedFile>) {
        self.archived_something |= !files.is_empty();
        self.keeper.say(Said::Archived {
            partition: self.keeper.chain.layout().partition(),
            next: self.keeper.chain.next_offset(tail),
            files,
        });
    }
}

/// Returns when a range that began then has been open long enough; never without one.
async fn time_is_up(keeper: &Keeper, began: Option<Duration>) {
    let Some(began) = began else {
        return std::future::pending().await;
    };
    let due = began.saturating_add(keeper.rolling.after);
    loop {
        let left = due.saturating_sub(keeper.clock.monotonic());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left).await;
    }
}

async fn wait_for(sealing: &mut Option<Sealing>) -> Result<Sealed, StoreError> {
    let Some(Sealing(task)) = sealing else {
        return std::future::pending().await;
    };
    match task.await {
        Ok(sealed) => sealed,
        Err(ended) => Err(StoreError::Remedy(format!(
            "a file could not be finished: {ended}"
        ))),
    }
}
