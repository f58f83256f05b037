//! Consumer groups: who is in them and how far they got.

use std::sync::Arc;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};

use crate::context::{Background, Context};
use crate::error::code_of;
use crate::kafka::{ASK_TIMEOUT, refused};
use crate::topics::admin_options;
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

/// One group's positions in any topics, through a client that is kept: for those who look often.
pub struct GroupPositions {
    kafka: Kafka,
    group: String,
    client: Arc<Background<BaseConsumer<Context>>>,
}

/// A position that a group has committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset of the next record.
    pub offset: i64,
    /// What whoever committed it wrote beside it; consumers write nothing.
    pub note: String,
}

impl GroupPositions {
    /// What the group has committed for these partitions; those without a position are left out.
    pub async fn committed(
        &self,
        partitions: Vec<(Arc<str>, i32)>,
    ) -> Result<Vec<Position>, ClientError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.client.clone();
        let what = format!("read the positions of group {:?}", self.group);
        let ask = self.kafka.ask(&what, move |_query| {
            let mut list = TopicPartitionList::with_capacity(partitions.len());
            for (topic, partition) in &partitions {
                list.add_partition(topic, *partition);
            }
            let found = client.committed_offsets(list, ASK_TIMEOUT)?;
            let mut positions = Vec::new();
            for (topic, partition) in partitions {
                let Some(element) = found.find_partition(&topic, partition) else {
                    continue;
                };
                match element.error() {
                    Ok(()) => {}
                    // The group has no position in a topic that is not there.
                    Err(error) if code_of(&error) == Some(Code::UnknownTopicOrPartition) => {
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                if let Offset::Offset(offset) = element.offset() {
                    positions.push(Position {
                        note: element.metadata().to_owned(),
                        topic,
                        partition,
                        offset,
                    });
                }
            }
            Ok(positions)
        });
        ask.await
    }

    /// Sets positions. A group that has members refuses it with [`ClientError::GroupInUse`].
    pub async fn commit(&self, positions: &[Position]) -> Result<(), ClientError> {
        if positions.is_empty() {
            return Ok(());
        }
        let client = self.client.clone();
        let positions = positions.to_vec();
        let what = format!("set the positions of group {:?}", self.group);
        let ask = self.kafka.ask(&what, move |_query| {
            let mut list = TopicPartitionList::with_capacity(positions.len());
            for position in &positions {
                let mut element = list.add_partition(&position.topic, position.partition);
                element.set_offset(Offset::Offset(position.offset))?;
                element.set_metadata(&position.note);
            }
            let committed = client.commit(&list, CommitMode::Sync);
            Ok(match committed.as_ref().map_err(code_of) {
                Err(Some(
                    Code::UnknownMemberId | Code::IllegalGeneration | Code::RebalanceInProgress,
                )) => false,
                _ => committed.map(|()| true)?,
            })
        });
        if ask.await? {
            Ok(())
        } else {
            Err(ClientError::GroupInUse {
                group: self.group.clone(),
            })
        }
    }
}

impl Kafka {
    /// A group's positions, to look at and set often.
    pub fn group_positions(&self, group: &str) -> Result<GroupPositions, ClientError> {
        Ok(GroupPositions {
            kafka: self.clone(),
            group: group.to_owned(),
            client: Arc::new(self.group_client(group)?),
        })
    }

    /// All consumer groups, by name.
    pub async fn groups(&self) -> Result<Vec<GroupInfo>, ClientError> {
        self.list_groups(None).await
    }

    /// One group.
    pub async fn group(&self, name: &str) -> Result<GroupInfo, ClientError> {
        self.list_groups(Some(name.to_owned()))
            .await?
            .into_iter()
            // A group nobody has heard of is described as dead.
            .find(|group| group.name == name && group.state != "Dead")
            .ok_or_else(|| ClientError::NoSuchGroup {
                group: name.to_owned(),
            })
    }

    async fn list_groups(&self, name: Option<String>) -> Result<Vec<GroupInfo>, ClientError> {
        let mut groups = self
            .ask("list the groups", move |query| {
                let list = query.fetch_group_list(name.as_deref(), ASK_TIMEOUT)?;
                Ok(list
                    .groups()
                    .iter()
                    .map(|group| GroupInfo {
                        name: group.name().to_owned(),
                        state: group.state().to_owned(),
                        protocol: group.protocol().to_owned(),
                        members: group
                            .members()
                            .iter()
                            .map(|member| MemberInfo {
                                id: member.id().to_owned(),
                                client_id: member.client_id().to_owned(),
                                host: member.client_host().to_owned(),
                            })
                            .collect(),
                    })
                    .collect::<Vec<_>>())
            })
            .await?;
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(groups)
    }

    /// How far `group` got in each partition of `topic`.
    pub async fn committed(
        &self,
        group: &str,
        topic: &str,
    ) -> Result<Vec<CommittedOffset>, ClientError> {
        let partitions = self.partition_ids(topic).await?;
        self.committed_of(group, topic, partitions).await
    }

    pub(crate) async fn committed_of(
        &self,
        group: &str,
        topic: &str,
        partitions: Vec<i32>,
    ) -> Result<Vec<CommittedOffset>, ClientError> {
        let places = partitions.iter().map(|id| (topic.to_owned(), *id));
        let committed = self.committed_in(group, places.collect()).await?;
        Ok(partitions
            .into_iter()
            .zip(committed)
            .map(|(partition, offset)| CommittedOffset { partition, offset })
            .collect())
    }

    /// The offset of the next record for `group` in each of these partitions of any topics, in their order; `None` where nothing was
    /// committed. One question, however many they are.
    pub async fn committed_in(
        &self,
        group: &str,
        places: Vec<(String, i32)>,
    ) -> Result<Vec<Option<i64>>, ClientError> {
        let client = self.group_client(group)?;
        self.ask(
            &format!("read the position of group {group:?}"),
            move |_query| {
                let mut list = TopicPartitionList::with_capacity(places.len());
                for (topic, partition) in &places {
                    list.add_partition(topic, *partition);
                }
                let found = client.committed_offsets(list, ASK_TIMEOUT)?;
                let mut committed = Vec::with_capacity(places.len());
                for (topic, partition) in &places {
                    let element = found.find_partition(topic, *partition);
                    if let Some(element) = &element {
                        element.error()?;
                    }
                    committed.push(match element.map(|element| element.offset()) {
                        Some(Offset::Offset(offset)) => Some(offset),
                        _ => None,
                    });
                }
                Ok(committed)
            },
        )
        .await
    }

    /// Sets where `group` goes on: `(partition, offset of the next record)`. The group must have no members.
    pub async fn commit(
        &self,
        group: &str,
        topic: &str,
        positions: &[(i32, i64)],
    ) -> Result<(), ClientError> {
        if positions.is_empty() {
            return Ok(());
        }
        let client = self.group_client(group)?;
        let list = offset_list(topic, positions);
        self.ask(
            &format!("set the position of group {group:?}"),
            move |_query| client.commit(&list?, CommitMode::Sync),
        )
        .await
    }

    /// Deletes a group with its positions.
    pub async fn delete_group(&self, name: &str) -> Result<(), ClientError> {
        let what = format!("delete group {name:?}");
        let admin = self.admin().await?;
        match admin.delete_groups(&[name], &admin_options()).await {
            Err(error) => Err(self.explain(&what, &error).await),
            Ok(results) => match results.into_iter().next() {
                Some(Err((_, Code::GroupIdNotFound))) => Err(ClientError::NoSuchGroup {
                    group: name.to_owned(),
                }),
                Some(Err((_, code))) => Err(refused(&what, code)),
                Some(Ok(_)) | None => Ok(()),
            },
        }
    }
}

pub(crate) fn offset_list(
    topic: &str,
    positions: &[(i32, i64)],
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (partition, offset) in positions {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    Ok(list)
}
