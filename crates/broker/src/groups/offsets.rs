//! Committed offsets: `OffsetCommit`, `TxnOffsetCommit`, `OffsetFetch`, `OffsetDelete`, and their expiry.
//!
//! A commit is in the journal before it is in memory. One that belongs to a transaction is kept apart until the
//! transaction's marker says what becomes of it (KIP-98, KIP-447).

use super::group::{Group, GroupState};
use super::turn::Turn;
use crate::internal_topics::batch::{BatchProducer, KeyedRecord};
use crate::internal_topics::group_records::{OffsetValue, group_record, offset_record};
use crate::internal_topics::journal::Now;
use kafka_protocol::ResponseError;
use std::collections::{BTreeMap, HashMap};

/// A topic's partition.
pub type TopicPartition = (String, i32);

/// A committed offset and the offset of the record it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// What was committed.
    pub value: OffsetValue,
    /// Where it stands in `__consumer_offsets`.
    pub record_offset: i64,
}

/// All a group has committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offsets {
    committed: BTreeMap<TopicPartition, Committed>,
    /// By producer id: what its open transaction will commit.
    pending: HashMap<i64, BTreeMap<TopicPartition, Committed>>,
}

impl Offsets {
    /// Nothing committed and nothing about to be.
    pub fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty()
    }

    /// Every committed offset, in the order of topic and partition.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &Committed)> {
        self.committed.iter()
    }

    /// The committed offset of a partition.
    pub fn get(&self, partition: &TopicPartition) -> Option<&Committed> {
        self.committed.get(partition)
    }

    /// Whether an open transaction may still change this partition's offset.
    pub fn is_pending(&self, partition: &TopicPartition) -> bool {
        self.pending
            .values()
            .any(|offsets| offsets.contains_key(partition))
    }

    /// The producers whose open transactions hold offsets of this group.
    pub fn pending_producers(&self) -> impl Iterator<Item = i64> {
        self.pending.keys().copied()
    }

    /// A commit as the journal has it.
    pub fn put(&mut self, producer: Option<i64>, partition: TopicPartition, offset: Committed) {
        match producer {
            None => self.committed.insert(partition, offset),
            Some(id) => self
                .pending
                .entry(id)
                .or_default()
                .insert(partition, offset),
        };
    }

    /// A tombstone as the journal has it.
    pub fn forget(&mut self, partition: &TopicPartition) {
        self.committed.remove(partition);
        for offsets in self.pending.values_mut() {
            offsets.remove(partition);
        }
        self.pending.retain(|_, offsets| !offsets.is_empty());
    }

    /// The end of a producer's transaction. An offset committed since by another way stands.
    pub fn complete(&mut self, producer_id: i64, commit: bool) {
        let Some(offsets) = self.pending.remove(&producer_id) else {
            return;
        };
        if !commit {
            return;
        }
        for (partition, offset) in offsets {
            let newer = self
                .committed
                .get(&partition)
                .is_none_or(|current| offset.record_offset > current.record_offset);
            if newer {
                self.committed.insert(partition, offset);
            }
        }
    }
}

/// Who commits.
#[derive(Debug, Clone, Copy)]
pub struct Committer<'a> {
    /// Its member id, empty for a simple consumer.
    pub member_id: &'a str,
    /// Its instance id.
    pub instance_id: Option<&'a str>,
    /// Its generation, -1 for a simple consumer.
    pub generation: i32,
    /// The transaction this belongs to.
    pub producer: Option<BatchProducer>,
}

/// One partition's offset to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Topic and partition.
    pub partition: TopicPartition,
    /// The offset of the next record to read.
    pub offset: i64,
    /// The leader epoch of the last record read, -1 if unknown.
    pub leader_epoch: i32,
    /// The client's own text.
    pub metadata: String,
}

impl Group {
    /// Whether this committer may commit here now.
    fn validate_commit(&self, committer: &Committer<'_>) -> Result<(), ResponseError> {
        if self.state == GroupState::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        if committer.generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        let transactional = committer.producer.is_some();
        if committer.generation >= 0
            || !committer.member_id.is_empty()
            || committer.instance_id.is_some()
        {
            self.validate_member(committer.member_id, committer.instance_id)?;
            if committer.generation != self.generation {
                return Err(ResponseError::IllegalGeneration);
            }
        } else if !transactional && self.state != GroupState::Empty {
            // A group with members takes commits of its members only.
            return Err(ResponseError::UnknownMemberId);
        }
        if !transactional && self.state == GroupState::CompletingRebalance {
            return Err(ResponseError::RebalanceInProgress);
        }
        Ok(())
    }

    /// Commits offsets. The whole request is refused, or each partition is answered for, in the order given.
    pub fn commit(
        &mut self,
        committer: &Committer<'_>,
        commits: &[Commit],
        retention_ms: Option<i64>,
        turn: &mut Turn<'_>,
    ) -> Result<Vec<Result<(), ResponseError>>, ResponseError> {
        self.validate_commit(committer)?;
        if matches!(
            self.state,
            GroupState::Stable | GroupState::PreparingRebalance
        ) && committer.producer.is_none()
        {
            self.touch(committer.member_id, turn);
        }
        let now_ms = turn.now.wall_ms;
        let max_len = self.settings.offset_metadata_max_bytes;
        let mut results = Vec::with_capacity(commits.len());
        let mut records: Vec<KeyedRecord> = Vec::new();
        let mut values = Vec::new();
        for commit in commits {
            if commit.metadata.len() > max_len || commit.metadata.len() > i16::MAX as usize {
                results.push(Err(ResponseError::OffsetMetadataTooLarge));
                continue;
            }
            results.push(Ok(()));
            let value = OffsetValue {
                offset: commit.offset,
                leader_epoch: commit.leader_epoch,
                metadata: commit.metadata.clone(),
                commit_timestamp_ms: now_ms,
                expire_timestamp_ms: retention_ms
                    .map(|retention_ms| now_ms.saturating_add(retention_ms)),
            };
            let (topic, partition) = &commit.partition;
            records.push(offset_record(&self.id, topic, *partition, Some(&value)));
            values.push((commit.partition.clone(), value));
        }
        if records.is_empty() {
            return Ok(results);
        }
        match turn.journal.append(&records, committer.producer) {
            Ok(base_offset) => {
                for ((partition, value), record_offset) in values.into_iter().zip(base_offset..) {
                    self.offsets.put(
                        committer.producer.map(|producer| producer.id),
                        partition,
                        Committed {
                            value,
                            record_offset,
                        },
                    );
                }
            }
            Err(error) => {
                let error = match error {
                    ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge => {
                        ResponseError::InvalidCommitOffsetSize
                    }
                    other => other,
                };
                for result in &mut results {
                    if result.is_ok() {
                        *result = Err(error);
                    }
                }
            }
        }
        Ok(results)
    }

    /// The end of a transaction that may have committed offsets here.
    pub fn complete_transaction(&mut self, producer_id: i64, commit: bool) {
        self.offsets.complete(producer_id, commit);
    }

    /// Forgets the offsets of partitions that no consumer of the group subscribes to. Answers in the order given.
    pub fn delete_offsets(
        &mut self,
        partitions: &[TopicPartition],
        turn: &mut Turn<'_>,
    ) -> Result<Vec<Result<(), ResponseError>>, ResponseError> {
        match self.state {
            GroupState::Dead => return Err(ResponseError::GroupIdNotFound),
            GroupState::Empty => {}
            _ if self.uses_consumer_protocol() => {}
            _ => return Err(ResponseError::NonEmptyGroup),
        }
        let mut gone = Vec::new();
        let results = partitions
            .iter()
            .map(|partition| {
                if self.state != GroupState::Empty && self.is_subscribed_to(&partition.0) {
                    return Err(ResponseError::GroupSubscribedToTopic);
                }
                if self.offsets.get(partition).is_some() || self.offsets.is_pending(partition) {
                    gone.push(partition.clone());
                }
                Ok(())
            })
            .collect();
        self.forget_offsets(&gone, turn)?;
        Ok(results)
    }

    fn forget_offsets(
        &mut self,
        gone: &[TopicPartition],
        turn: &mut Turn<'_>,
    ) -> Result<(), ResponseError> {
        if gone.is_empty() {
            return Ok(());
        }
        let tombstones: Vec<_> = gone
            .iter()
            .map(|(topic, partition)| offset_record(&self.id, topic, *partition, None))
            .collect();
        turn.journal.append(&tombstones, None)?;
        for partition in gone {
            self.offsets.forget(partition);
        }
        Ok(())
    }

    /// The offsets of partitions that are no more.
    pub fn forget_partitions(
        &mut self,
        is_gone: impl Fn(&TopicPartition) -> bool,
        turn: &mut Turn<'_>,
    ) -> Result<(), ResponseError> {
        let gone: Vec<_> = self
            .offsets
            .iter()
            .map(|(partition, _)| partition)
            .filter(|partition| is_gone(partition))
            .cloned()
            .collect();
        self.forget_offsets(&gone, turn)
    }

    /// Forgets offsets whose time is over, and the group with them when nothing is left of it (KIP-211).
    pub fn expire(&mut self, turn: &mut Turn<'_>) -> Result<(), ResponseError> {
        let expired: Vec<_> = self
            .offsets
            .iter()
            .filter(|(partition, offset)| {
                self.is_expired(partition, &offset.value, turn.now)
                    && !self.offsets.is_pending(partition)
            })
            .map(|(partition, _)| partition.clone())
            .collect();
        self.forget_offsets(&expired, turn)?;
        if self.state == GroupState::Empty
            && self.pending_join.is_empty()
            && self.offsets.is_empty()
        {
            self.die(turn)?;
        }
        Ok(())
    }

    fn is_expired(&self, (topic, _): &TopicPartition, value: &OffsetValue, now: Now) -> bool {
        let simple = self.protocol_type.is_none();
        let since_ms = if simple {
            value.commit_timestamp_ms
        } else if self.state == GroupState::Empty {
            self.state_since_ms.unwrap_or(value.commit_timestamp_ms)
        } else if self.state == GroupState::Stable
            && self.subscribed_topics.is_some()
            && !self.is_subscribed_to(topic)
        {
            value.commit_timestamp_ms
        } else {
            return false;
        };
        let end_ms = value
            .expire_timestamp_ms
            .unwrap_or(since_ms.saturating_add(self.settings.offsets_retention_ms));
        now.wall_ms >= end_ms
    }

    /// `DeleteGroups`: forgets a group without members, its offsets included.
    pub fn delete(&mut self, turn: &mut Turn<'_>) -> Result<(), ResponseError> {
        match self.state {
            GroupState::Dead => return Err(ResponseError::GroupIdNotFound),
            GroupState::Empty => {}
            _ => return Err(ResponseError::NonEmptyGroup),
        }
        self.die(turn)
    }

    fn die(&mut self, turn: &mut Turn<'_>) -> Result<(), ResponseError> {
        let mut partitions: Vec<_> = self.offsets.committed.keys().cloned().collect();
        for pending in self.offsets.pending.values() {
            partitions.extend(pending.keys().cloned());
        }
        partitions.sort();
        partitions.dedup();
        let mut tombstones: Vec<_> = partitions
            .iter()
            .map(|(topic, partition)| offset_record(&self.id, topic, *partition, None))
            .collect();
        tombstones.push(group_record(&self.id, None));
        turn.journal.append(&tombstones, None)?;
        self.offsets = Offsets::default();
        self.pending_join.clear();
        self.transition(GroupState::Dead, turn);
        Ok(())
    }
}
