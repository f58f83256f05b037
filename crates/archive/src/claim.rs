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

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::layout::{Layout, PRUNED};
use crate::single::Turns;
use crate::store::{Ready, Store, StoreError};

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
    /// Of a single file: the offset that follows the records it then holds, by partition (`single`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub offsets: BTreeMap<i32, i64>,
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
    /// Where it goes in a single file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A place in a single file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The partition whose records are there.
    pub partition: i32,
    /// Bytes in front of it.
    pub at: u64,
}

/// The end of a chain, as somebody saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The offset that has not been claimed; of a single file the position.
    pub next: i64,
    /// Of a single file: the offset that has not been claimed, by partition.
    pub(crate) offsets: BTreeMap<i32, i64>,
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

/// The claims of one partition in one format, or of a single file.
#[derive(Clone)]
pub struct Chain {
    store: Arc<dyn Store>,
    layout: Layout,
    pub(crate) turns: Turns,
}

impl Chain {
    /// The chain in `store`.
    pub fn new(store: Arc<dyn Store>, layout: Layout) -> Self {
        Self {
            store,
            layout,
            turns: Turns::default(),
        }
    }

    /// The same chain for those who write another partition's records to the same single file.
    pub(crate) fn sharing(self, turns: &Turns) -> Self {
        Self {
            turns: turns.clone(),
            ..self
        }
    }

    /// The next offset of this chain's partition.
    pub(crate) fn next_offset(&self, tail: &Tail) -> i64 {
        if self.layout.is_single() {
            let partition = self.layout.partition();
            return tail.offsets.get(&partition).copied().unwrap_or(0);
        }
        tail.next
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
        let mut turn = self.turns.take().await;
        let loaded = self.look().await?;
        *turn = Some(loaded.0.clone());
        Ok(loaded)
    }

    pub(crate) async fn look(&self) -> Result<(Tail, Vec<ClaimedFile>), StoreError> {
        loop {
            let kept = self.claims().await?;
            let Some(&last) = kept.last() else {
                let again = if self.layout.is_single() {
                    self.has_begun().await?
                } else {
                    self.adopt().await?
                };
                if again {
                    continue;
                }
                let tail = Tail {
                    next: 0,
                    offsets: BTreeMap::new(),
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
            if self.layout.is_single() && !self.is_whole(&claim).await? {
                continue;
            }
            let tail = Tail {
                next: claim.next,
                offsets: claim.offsets,
                last: Some((claim.from, claim.id)),
                kept,
            };
            self.sweep(&tail).await?;
            return Ok((tail, settled));
        }
    }

    /// The claims there are, oldest first.
    pub(crate) async fn claims(&self) -> Result<Vec<i64>, StoreError> {
        let names = self.store.list(&self.layout.claims()).await?;
        let mut kept: Vec<i64> = names
            .iter()
            .filter_map(|entry| Layout::claimed_from(&entry.name))
            .collect();
        kept.sort_unstable();
        Ok(kept)
    }

    /// Claims a range that begins where `tail` ends, once what it names is durable (`ready`). After an error only [`Chain::load`]
    /// can tell whether it was claimed.
    pub async fn claim(
        &self,
        ready: Ready<'_>,
        tail: &Tail,
        claim: &Claim,
    ) -> Result<Claimed, StoreError> {
        debug_assert_eq!(tail.next, claim.from, "ranges follow one another");
        let path = self.layout.claim(claim.from);
        let content = serde_json::to_vec(claim).unwrap_or_default();
        let content = Bytes::from(content);
        let made = self.store.create_after(ready, &path, content).await?;
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
            offsets: claim.offsets.clone(),
            last: Some((claim.from, claim.id.clone())),
            kept,
        }))
    }

    /// Gives a claim's files their final names, or their place; those that did not have them yet are told.
    pub async fn settle(&self, claim: &Claim) -> Result<Vec<ClaimedFile>, StoreError> {
        let mut settled = Vec::new();
        for file in &claim.files {
            // One that is not there has its name, or had it: nothing else removes a file that was claimed.
            let done = match file.place {
                None => self.store.rename(&file.written, &file.path).await?,
                Some(place) => {
                    self.store
                        .append(&file.written, &file.path, place.at)
                        .await?
                }
            };
            if done {
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

    /// Removes files that were written for ranges in front of the chain's end: those were claimed with other files. So too marks
    /// that somebody was killed over who made the one that is there.
    async fn sweep(&self, tail: &Tail) -> Result<(), StoreError> {
        let folder = self.layout.claims();
        let entries = self.store.list(&folder).await?;
        let pruned = entries.iter().any(|entry| entry.name == PRUNED);
        for entry in entries {
            let claimed =
                Layout::half_claimed_from(&entry.name).is_some_and(|from| from < tail.next);
            if claimed || pruned && Layout::is_half_pruned(&entry.name) {
                self.store
                    .delete(&format!("{folder}/{}", entry.name))
                    .await?;
            }
        }
        let folder = self.layout.unfinished();
        for entry in self.store.list(&folder).await? {
            let left = self
                .layout
                .unfinished_from(&entry.name)
                .is_some_and(|(partition, from)| {
                    let claimed = if self.layout.is_single() {
                        tail.offsets.get(&partition).copied().unwrap_or(0)
                    } else {
                        tail.next
                    };
                    from < claimed
                });
            if left {
                self.store
                    .delete(&format!("{folder}/{}", entry.name))
                    .await?;
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
            let named = |file: &ClaimedFile| match file.place {
                None => !self.layout.is_single() && ours(&file.path, &kept),
                Some(place) => {
                    self.layout.is_single()
                        && file.path == self.layout.single_file()
                        && i64::try_from(place.at) == Ok(from)
                        && from.checked_add_unsigned(file.bytes) == Some(claim.next)
                }
            };
            claim.from == from
                && claim.next > from
                && claim
                    .files
                    .iter()
                    .all(|file| ours(&file.written, &written) && named(file))
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
            offsets: BTreeMap::new(),
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
