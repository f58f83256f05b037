//! Which records are in which file: decided once for each, by whoever asks the store first.
//!
//! # Why every record is archived exactly once, whatever is killed
//!
//! A partition's offsets are cut into ranges that follow one another. Each range is decided by a **claim**: a small file named
//! after the offset the range begins with ([`Layout::claim`]), which says where it ends and which finished files hold it. The
//! first range begins at 0; each other one where the one before ends.
//!
//! 1. *One claim an offset.* A claim is made by [`Store::create`], which of several who try lets one succeed.
//! 2. *One chain.* Whoever claims has seen the claim that ends where its own begins (or begins at 0). By 1 and induction the
//!    claims are one chain; ranges neither overlap nor leave anything out.
//! 3. *Claimed is kept.* What a claim names was written and made durable before the claim, under names of that attempt alone.
//!    Giving the files their final names ([`Chain::settle`]) needs nothing but the claim and the store, may be done any number
//!    of times by anybody, and is done by whoever finds the claim. The bytes are those of the attempt that won.
//! 4. *Claimed is settled before more is claimed*: [`Chain::load`] settles the last claim, and a writer its own, before either
//!    claims what follows. So only the chain's last claim can be unsettled.
//!
//! So a process may be killed anywhere, be asleep for a week and wake up, or believe itself to be the only one: it either makes the
//! claim, or finds that another has and throws its attempt away. Where a range ends (size, the hour's end, time on the wall clock,
//! the end of a run) may therefore be decided by anything; nobody has to come to the same decision twice, nor to write the same bytes
//! again. Kafka's committed offset is never asked: it is kept for people who look at the lag.
//!
//! Old claims are removed, oldest first, all but the newest [`KEPT`]; the first of all only once a mark says that some have been. One
//! who wakes up late could then make a claim a second time. He knows it, because he looks after he has claimed ([`Chain::claim`]):
//! the claim he saw in front of his, by its id, is gone, for it was removed first; and one who claims offset 0 sees the mark. What he
//! claimed counts for nobody, because only the chain's end is ever looked at.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::layout::Layout;
use crate::store::{Store, StoreError};

/// Claims that stay.
pub const KEPT: usize = 16;

/// What one range of a partition's offsets became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The attempt that made it.
    pub id: String,
    /// The range's first offset.
    pub from: i64,
    /// The first offset behind the range.
    pub next: i64,
    /// The files that hold its records: one for each hour.
    pub files: Vec<ClaimedFile>,
}

/// A finished file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimedFile {
    /// Where it was written.
    pub written: String,
    /// Its final name.
    pub path: String,
    /// The offset of its first record.
    pub first: i64,
    /// The offset of its last record.
    pub last: i64,
    /// How many it holds.
    pub records: u64,
    /// Its length.
    pub bytes: u64,
}

/// The end of a chain, as somebody saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The offset that has not been claimed.
    pub next: i64,
    /// The last claim's first offset and id; `None` where nothing is claimed.
    last: Option<(i64, String)>,
    /// The claims there are, oldest first.
    kept: Vec<i64>,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The range is ours.
    Won(Tail),
    /// Another has claimed it.
    Lost,
}

/// The claims of one partition in one format.
#[derive(Clone)]
pub struct Chain {
    store: Arc<dyn Store>,
    layout: Layout,
}

impl Chain {
    /// The chain in `store`.
    pub fn new(store: Arc<dyn Store>, layout: Layout) -> Self {
        Self { store, layout }
    }

    /// The names it uses.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The store it is in.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Looks up the chain's end, and settles it: the files it gave their names are told. What attempts left lying about is removed.
    pub async fn load(&self) -> Result<(Tail, Vec<ClaimedFile>), StoreError> {
        loop {
            let names = self.store.list(&self.layout.claims()).await?;
            let mut kept: Vec<i64> = names
                .iter()
                .filter_map(|entry| Layout::claimed_from(&entry.name))
                .collect();
            kept.sort_unstable();
            let Some(&last) = kept.last() else {
                if self.adopt().await? {
                    continue;
                }
                let tail = Tail {
                    next: 0,
                    last: None,
                    kept,
                };
                return Ok((tail, Vec::new()));
            };
            // Removed meanwhile: the chain has gone on.
            let Some(claim) = self.read(last).await? else {
                continue;
            };
            let settled = self.settle(&claim).await?;
            self.sweep(claim.next).await?;
            let tail = Tail {
                next: claim.next,
                last: Some((claim.from, claim.id)),
                kept,
            };
            return Ok((tail, settled));
        }
    }

    /// Claims a range that begins where `tail` ends. After an error only [`Chain::load`] can tell whether it was claimed.
    pub async fn claim(&self, tail: &Tail, claim: &Claim) -> Result<Claimed, StoreError> {
        debug_assert_eq!(tail.next, claim.from, "ranges follow one another");
        let path = self.layout.claim(claim.from);
        let content = serde_json::to_vec(claim).unwrap_or_default();
        let made = self.store.create(&path, Bytes::from(content)).await?;
        if !made
            && self
                .read(claim.from)
                .await?
                .is_none_or(|there| there.id != claim.id)
        {
            return Ok(Claimed::Lost);
        }
        let late = match &tail.last {
            Some((from, id)) => self.read(*from).await?.is_none_or(|there| there.id != *id),
            None => self.store.read(&self.layout.pruned()).await?.is_some(),
        };
        if late {
            // The chain went on long ago, and the claim that we have just made again had been removed.
            self.store.delete(&path).await?;
            return Ok(Claimed::Lost);
        }
        let mut kept = tail.kept.clone();
        kept.push(claim.from);
        Ok(Claimed::Won(Tail {
            next: claim.next,
            last: Some((claim.from, claim.id.clone())),
            kept,
        }))
    }

    /// Gives a claim's files their final names; those that did not have them yet are told.
    pub async fn settle(&self, claim: &Claim) -> Result<Vec<ClaimedFile>, StoreError> {
        let mut settled = Vec::new();
        for file in &claim.files {
            // One that is not there has its name, or had it: nothing else removes a file that was claimed.
            if self.store.rename(&file.written, &file.path).await? {
                settled.push(file.clone());
            }
        }
        Ok(settled)
    }

    /// Removes the claims that are no longer needed.
    pub async fn prune(&self, tail: &mut Tail) -> Result<(), StoreError> {
        if tail.kept.len() > KEPT && tail.kept.first() == Some(&0) {
            let mark = Bytes::from_static(b"Claims of earlier offsets have been removed.\n");
            self.store.create(&self.layout.pruned(), mark).await?;
        }
        while tail.kept.len() > KEPT {
            let oldest = tail.kept.first().copied().unwrap_or_default();
            self.store.delete(&self.layout.claim(oldest)).await?;
            tail.kept.remove(0);
        }
        Ok(())
    }

    /// Removes files that were written for ranges before `next`: those were claimed with other files.
    async fn sweep(&self, next: i64) -> Result<(), StoreError> {
        for folder in [self.layout.claims(), self.layout.unfinished()] {
            for entry in self.store.list(&folder).await? {
                let left = !entry.folder
                    && Layout::claimed_from(&entry.name).is_none()
                    && Layout::unfinished_from(&entry.name).is_some_and(|from| from < next);
                if left {
                    self.store
                        .delete(&format!("{folder}/{}", entry.name))
                        .await?;
                }
            }
        }
        Ok(())
    }

    async fn read(&self, from: i64) -> Result<Option<Claim>, StoreError> {
        let path = self.layout.claim(from);
        let Some(content) = self.store.read(&path).await? else {
            return Ok(None);
        };
        let claim = serde_json::from_slice::<Claim>(&content).ok();
        let claim = claim.filter(|claim| {
            let ours = |path: &String, folder: &str| {
                path.strip_prefix(folder)
                    .is_some_and(|rest| rest.starts_with('/'))
                    && path.split('/').all(|part| part != ".." && part != ".")
            };
            let (written, kept) = (self.layout.unfinished(), self.layout.topic_folder());
            claim.from == from
                && claim.next > from
                && claim
                    .files
                    .iter()
                    .all(|file| ours(&file.written, &written) && ours(&file.path, &kept))
        });
        claim.map(Some).ok_or_else(|| {
            StoreError::Remedy(format!(
                "{} is no claim of this archive: it has been changed by hand or is of another program; restore it, or archive to another folder",
                self.store.url(&path)
            ))
        })
    }

    /// Where there are files but no claim (somebody removed the folder `_weir`), the chain goes on behind them: claims what they
    /// hold. `false`: there are none.
    async fn adopt(&self) -> Result<bool, StoreError> {
        let mut last = None;
        let topic = self.layout.topic_folder();
        for date in self.folders(&topic, "date=").await? {
            for hour in self.folders(&date, "hour=").await? {
                let files = self.store.list(&hour).await?;
                last = last.max(
                    files
                        .iter()
                        .filter_map(|file| self.layout.last_of(&file.name))
                        .max(),
                );
            }
        }
        let Some(last) = last else {
            return Ok(false);
        };
        let claim = Claim {
            id: Uuid::new_v4().simple().to_string(),
            from: 0,
            next: last.saturating_add(1),
            files: Vec::new(),
        };
        let content = serde_json::to_vec(&claim).unwrap_or_default();
        let path = self.layout.claim(0);
        self.store.create(&path, Bytes::from(content)).await?;
        Ok(true)
    }

    async fn folders(&self, folder: &str, prefix: &str) -> Result<Vec<String>, StoreError> {
        let entries = self.store.list(folder).await?;
        Ok(entries
            .into_iter()
            .filter(|entry| entry.folder && entry.name.starts_with(prefix))
            .map(|entry| format!("{folder}/{}", entry.name))
            .collect())
    }
}
