//! Consumer groups: who is in them and how far they got.

use crate::{ClientError, Kafka};

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its name.
    pub name: String,
    /// Kafka's word for its state: `Stable`, `Empty`, `Dead`, …
    pub state: String,
    /// The assignment protocol its members agreed on.
    pub protocol: String,
    /// Who is in it.
    pub members: Vec<MemberInfo>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// The name the coordinator gave it.
    pub id: String,
    /// The name it gave itself.
    pub client_id: String,
    /// Where it connected from.
    pub host: String,
}

/// How far a group got in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The partition.
    pub partition: i32,
    /// The offset of the next record; `None` where nothing was committed.
    pub offset: Option<i64>,
}

#[allow(clippy::unused_async, reason = "the skeleton")]
impl Kafka {
    /// All consumer groups.
    pub async fn groups(&self) -> Result<Vec<GroupInfo>, ClientError> {
        todo!()
    }

    /// One group.
    pub async fn group(&self, _name: &str) -> Result<GroupInfo, ClientError> {
        todo!()
    }

    /// How far `group` got in each partition of `topic`.
    pub async fn committed(
        &self,
        _group: &str,
        _topic: &str,
    ) -> Result<Vec<CommittedOffset>, ClientError> {
        todo!()
    }

    /// Sets where `group` goes on: `(partition, offset of the next record)`. The group must have no members.
    pub async fn commit(
        &self,
        _group: &str,
        _topic: &str,
        _positions: &[(i32, i64)],
    ) -> Result<(), ClientError> {
        todo!()
    }

    /// Deletes a group with its positions.
    pub async fn delete_group(&self, _name: &str) -> Result<(), ClientError> {
        todo!()
    }
}
