//! What clients ask of groups, each request from its state machine's turn to an answer that may leave.
//!
//! An answer is let out when what it promises is durable, and what it shows could not be taken back by a power cut.

use super::coordinator::{GroupCoordinator, Parked, lock};
use super::group::{Group, GroupState, join_error, sync_error, text};
use super::offsets::{Commit, Committer, TopicPartition};
use super::turn::{Caller, Reply};
use crate::internal_topics::group_records::OffsetValue;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    GroupId, JoinGroupRequest, JoinGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Commits that are written but perhaps not durable.
#[derive(Debug)]
pub struct WrittenCommits {
    results: Vec<Result<(), ResponseError>>,
    last_offset: Option<i64>,
}

/// A partition's committed offset, or why it cannot be told.
pub type Fetched = (TopicPartition, Result<Option<OffsetValue>, ResponseError>);

impl GroupCoordinator {
    async fn parked(
        &self,
        group_id: &str,
        waiting: oneshot::Receiver<Parked>,
        closing: &CancellationToken,
    ) -> Result<Reply, ResponseError> {
        let parked = tokio::select! {
            parked = waiting => parked.map_err(|_| ResponseError::CoordinatorNotAvailable)?,
            () = closing.cancelled() => return Err(ResponseError::CoordinatorNotAvailable),
        };
        self.durable(group_id, parked.durable).await?;
        Ok(parked.reply)
    }

    /// `JoinGroup`.
    pub async fn join(
        &self,
        caller: &Caller,
        request: &JoinGroupRequest,
        closing: &CancellationToken,
    ) -> JoinGroupResponse {
        let id = request.group_id.as_str();
        let member_id = request.member_id.as_str();
        if let Err(error) = check_group_id(id) {
            return join_error(member_id, error);
        }
        if request.session_timeout_ms < self.settings.min_session_timeout_ms
            || request.session_timeout_ms > self.settings.max_session_timeout_ms
        {
            return join_error(member_id, ResponseError::InvalidSessionTimeout);
        }
        if let Err(error) = self.ready().await {
            return join_error(member_id, error);
        }
        let stepped = self.step(id, member_id.is_empty(), |step| {
            let (call, waiting) = step.park();
            step.turn(|group, turn| group.join(call, caller, request, turn));
            waiting
        });
        let Some((waiting, _)) = stepped else {
            return join_error(member_id, ResponseError::UnknownMemberId);
        };
        match self.parked(id, waiting, closing).await {
            Ok(Reply::Join(response)) => response,
            Ok(Reply::Sync(_)) => join_error(member_id, ResponseError::UnknownServerError),
            Err(error) => join_error(member_id, error),
        }
    }

    /// `SyncGroup`.
    pub async fn sync(
        &self,
        request: &SyncGroupRequest,
        closing: &CancellationToken,
    ) -> SyncGroupResponse {
        let id = request.group_id.as_str();
        if let Err(error) = check_group_id(id) {
            return sync_error(error);
        }
        let stepped = self.step(id, false, |step| {
            let (call, waiting) = step.park();
            step.turn(|group, turn| group.sync(call, request, turn));
            waiting
        });
        let Some((waiting, _)) = stepped else {
            return sync_error(ResponseError::UnknownMemberId);
        };
        match self.parked(id, waiting, closing).await {
            Ok(Reply::Sync(response)) => response,
            Ok(Reply::Join(_)) => sync_error(ResponseError::UnknownServerError),
            Err(error) => sync_error(error),
        }
    }

    /// Heartbeat.
    pub fn heartbeat(
        &self,
        group_id: &str,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), ResponseError> {
        check_group_id(group_id)?;
        self.on(group_id, |group, turn| {
            group.heartbeat(member_id, instance_id, generation, turn)
        })
        .map_or(Err(ResponseError::UnknownMemberId), |(result, _)| result)
    }

    /// `LeaveGroup`.
    pub async fn leave(
        &self,
        group_id: &str,
        members: &[MemberIdentity],
    ) -> Result<Vec<MemberResponse>, ResponseError> {
        check_group_id(group_id)?;
        let Some((result, appended)) = self.on(group_id, |group, turn| group.leave(members, turn))
        else {
            return Ok(members
                .iter()
                .map(|identity| {
                    MemberResponse::default()
                        .with_member_id(identity.member_id.clone())
                        .with_group_instance_id(identity.group_instance_id.clone())
                        .with_error_code(ResponseError::UnknownMemberId.code())
                })
                .collect());
        };
        self.durable(group_id, appended).await?;
        result
    }

    /// `OffsetCommit`: refused as a whole, or answered for each in the order given.
    pub async fn commit(
        &self,
        group_id: &str,
        committer: &Committer<'_>,
        commits: &[Commit],
        retention_ms: Option<i64>,
    ) -> Result<Vec<Result<(), ResponseError>>, ResponseError> {
        self.ready().await?;
        let written = self.write_commits(group_id, committer, commits, retention_ms)?;
        self.commits_durable(group_id, written).await
    }

    /// The first half of a commit: it is in the log when this returns, and may not be answered yet.
    pub fn write_commits(
        &self,
        group_id: &str,
        committer: &Committer<'_>,
        commits: &[Commit],
        retention_ms: Option<i64>,
    ) -> Result<WrittenCommits, ResponseError> {
        check_group_id(group_id)?;
        let make = committer.generation < 0;
        let (results, last_offset) = self
            .step(group_id, make, |step| {
                step.turn(|group, turn| group.commit(committer, commits, retention_ms, turn))
            })
            .ok_or(ResponseError::IllegalGeneration)?;
        if let (Some(producer), Some(_)) = (committer.producer, last_offset) {
            lock(&self.open_transactions)
                .entry((self.partition_for(group_id), producer.id))
                .or_default()
                .insert(group_id.to_owned());
        }
        Ok(WrittenCommits {
            results: results?,
            last_offset,
        })
    }

    /// The second half: it is durable when this returns.
    pub async fn commits_durable(
        &self,
        group_id: &str,
        written: WrittenCommits,
    ) -> Result<Vec<Result<(), ResponseError>>, ResponseError> {
        self.durable(group_id, written.last_offset).await?;
        Ok(written.results)
    }

    /// The end of a producer's transaction in a partition of `__consumer_offsets`.
    pub fn complete_transaction(&self, partition: i32, producer_id: i64, commit: bool) {
        let groups = lock(&self.open_transactions).remove(&(partition, producer_id));
        for id in groups.into_iter().flatten() {
            self.on(&id, |group, _| {
                group.complete_transaction(producer_id, commit);
            });
        }
    }

    /// `OffsetFetch`: the committed offsets of these partitions, or of all.
    pub async fn fetch(
        &self,
        group_id: &str,
        partitions: Option<&[TopicPartition]>,
        require_stable: bool,
    ) -> Result<Vec<Fetched>, ResponseError> {
        let look = |group: &Group| -> Vec<Fetched> {
            let one = |partition: &TopicPartition| {
                let value = if require_stable && group.offsets().is_pending(partition) {
                    Err(ResponseError::UnstableOffsetCommit)
                } else {
                    Ok(group
                        .offsets()
                        .get(partition)
                        .map(|offset| offset.value.clone()))
                };
                (partition.clone(), value)
            };
            match partitions {
                Some(partitions) => partitions.iter().map(one).collect(),
                None => group
                    .offsets()
                    .iter()
                    .map(|(partition, _)| one(partition))
                    .collect(),
            }
        };
        let found = self.step(group_id, false, |step| {
            (look(&step.inner.group), step.inner.last_appended)
        });
        match found {
            Some(((fetched, last_appended), _)) => {
                // What is shown must not be taken back by a power cut.
                self.durable(group_id, last_appended).await?;
                Ok(fetched)
            }
            None => Ok(partitions
                .unwrap_or_default()
                .iter()
                .map(|partition| (partition.clone(), Ok(None)))
                .collect()),
        }
    }

    /// `OffsetDelete`: refused as a whole, or answered for each in the order given.
    pub async fn delete_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<(), ResponseError>>, ResponseError> {
        check_group_id(group_id)?;
        let (result, appended) = self
            .on(group_id, |group, turn| {
                group.delete_offsets(partitions, turn)
            })
            .ok_or(ResponseError::GroupIdNotFound)?;
        self.durable(group_id, appended).await?;
        result
    }

    /// `DeleteGroups`, one of them.
    pub async fn delete(&self, group_id: &str) -> Result<(), ResponseError> {
        let (result, appended) = self
            .on(group_id, super::group::Group::delete)
            .ok_or(ResponseError::GroupIdNotFound)?;
        self.durable(group_id, appended).await?;
        result
    }

    /// `DescribeGroups`, one of them; nothing if there is no such group.
    pub fn describe(&self, group_id: &str) -> Option<DescribedGroup> {
        self.step(group_id, false, |step| step.inner.group.describe())
            .map(|(described, _)| described)
    }

    /// `ListGroups`.
    pub fn list(&self) -> Vec<ListedGroup> {
        let mut listed: Vec<_> = self
            .ids()
            .iter()
            .filter_map(|id| self.step(id, false, |step| step.inner.group.listed()))
            .map(|(listed, _)| listed)
            .collect();
        listed.sort_by(|a, b| a.group_id.as_str().cmp(b.group_id.as_str()));
        listed
    }
}

/// A group id is not empty and fits the length field of the record it is kept in.
pub fn check_group_id(group_id: &str) -> Result<(), ResponseError> {
    if group_id.is_empty() || group_id.len() > i16::MAX as usize {
        Err(ResponseError::InvalidGroupId)
    } else {
        Ok(())
    }
}

/// How a group that does not exist is described: dead, to versions that have no error for it.
pub fn describe_missing(group_id: &GroupId, version: i16) -> DescribedGroup {
    let described = DescribedGroup::default()
        .with_group_id(group_id.clone())
        .with_group_state(text(GroupState::Dead.name()));
    if version >= 6 {
        described
            .with_error_code(ResponseError::GroupIdNotFound.code())
            .with_error_message(Some(text(&format!(
                "Group {} not found.",
                group_id.as_str()
            ))))
    } else {
        described
    }
}
