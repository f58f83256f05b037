//! A single file that grows: all partitions of a topic in `topics/<topic>.<ending>`, each record once, whatever is killed.
//!
//! It has one chain of claims (`claim`) for all partitions, and its numbers are **positions** in the file: a claim says which
//! bytes of it follow the position it is named after, which partition's records they are, and the offset that then follows in every
//! partition. To settle a claim is to put these bytes there ([`Store::append`]), which anybody can do, any number of times, at
//! once with others: they have been finished under a name of the attempt's own, so it is always the same bytes in the same place.
//! What a killed process left half appended is therefore gone on with, never cut off and never repeated, and a reader of the file
//! sees claimed bytes alone, the last of them perhaps cut short.
//!
//! What is about to be appended does not depend on where: who finds that others have claimed the position looks up the file's new
//! end, and claims that, as long as nobody has claimed records of his partition. So partitions, and several instances, take turns.
//! Each partition's records are in the order of their offsets; between partitions there is none, as in Kafka.
//!
//! A file whose length is not what has been claimed was changed by somebody else. Nobody can tell what it holds, so it is left
//! alone, and that is said.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use crate::claim::{Chain, Claim, Claimed, ClaimedFile, Place, Tail};
use crate::store::StoreError;

/// Whose turn it is among those in this process who append to the same file; and where it ends, as the last of them saw it.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<Option<Tail>>>);

impl Turns {
    /// Returns when it is our turn.
    pub(crate) async fn take(&self) -> MutexGuard<'_, Option<Tail>> {
        self.0.lock().await
    }
}

/// Records of one partition that are about to be appended.
pub(crate) struct Piece {
    pub(crate) id: String,
    /// The offset they begin at.
    pub(crate) from: i64,
    /// The offset behind them.
    pub(crate) next: i64,
    pub(crate) file: ClaimedFile,
}

impl Chain {
    /// Claims the file's end for a piece, and appends it. What was appended is told, with what others had claimed but not appended
    /// yet; `None`: another has claimed records of this partition.
    pub(crate) async fn append(
        &self,
        tail: Tail,
        piece: Piece,
    ) -> Result<Option<(Tail, Vec<ClaimedFile>)>, StoreError> {
        let partition = self.layout().partition();
        let mut turn = self.turns.take().await;
        let mut tail = turn.take().unwrap_or(tail);
        let mut appended = Vec::new();
        while self.next_offset(&tail) == piece.from {
            let mut offsets = tail.offsets.clone();
            offsets.insert(partition, piece.next);
            let file = ClaimedFile {
                place: Some(Place {
                    partition,
                    at: tail.next.unsigned_abs(),
                }),
                ..piece.file.clone()
            };
            let claim = Claim {
                id: piece.id.clone(),
                from: tail.next,
                next: tail.next.saturating_add_unsigned(file.bytes),
                files: vec![file],
                offsets,
            };
            match self
                .claim(Box::pin(async { Ok(()) }), &tail, &claim)
                .await?
            {
                Claimed::Won(mut won) => {
                    self.settle(&claim).await?;
                    self.prune(&mut won).await?;
                    appended.extend(claim.files);
                    *turn = Some(won.clone());
                    return Ok(Some((won, appended)));
                }
                Claimed::Lost => {
                    let (end, settled) = self.look().await?;
                    tail = end;
                    appended.extend(settled);
                }
            }
        }
        *turn = Some(tail);
        Ok(None)
    }

    /// Whether the file has begun, where there seemed to be no claims.
    pub(crate) async fn has_begun(&self) -> Result<bool, StoreError> {
        let path = self.layout().single_file();
        if self.store().len(&path).await?.unwrap_or(0) == 0 {
            return Ok(false);
        }
        // What is in it was claimed before it was there.
        if self.claims().await?.is_empty() {
            return Err(StoreError::Remedy(format!(
                "{} is there already, and which records it holds is not known: it is of another program, or {} was removed; give it another name, or archive to another folder",
                self.store().url(&path),
                self.store().url(&self.layout().claims()),
            )));
        }
        Ok(true)
    }

    /// Whether the file ends where its last claim, which is settled, does. `false`: the chain has gone on.
    pub(crate) async fn is_whole(&self, last: &Claim) -> Result<bool, StoreError> {
        let path = self.layout().single_file();
        let len = self.store().len(&path).await?.unwrap_or(0);
        if i64::try_from(len) == Ok(last.next) {
            return Ok(true);
        }
        if self.claims().await?.last() != Some(&last.from) {
            return Ok(false);
        }
        Err(changed(
            &self.store().url(&path),
            len,
            last.next.unsigned_abs(),
        ))
    }
}

/// A file was changed by somebody else.
pub(crate) fn changed(url: &str, len: u64, archived: u64) -> StoreError {
    StoreError::Remedy(format!(
        "{url} has {len} bytes where {archived} were archived: it has been changed by somebody else; put it back as it was, or archive to another folder"
    ))
}
