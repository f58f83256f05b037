//! The records of `__consumer_offsets`: a group's metadata and its committed offsets, as Kafka's `GroupMetadataKey/Value`,
//! `OffsetCommitKey/Value` schemas have them.
//!
//! Written are the versions Kafka 4 writes (`GroupMetadataValue` 3, `OffsetCommitValue` 3, or 1 where a commit brings its
//! own expiry); read are all of them, 4 (flexible) included.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used
)]

use super::batch::KeyedRecord;
use super::primitives::{Malformed, Reader, Write};
use bytes::{BufMut, Bytes, BytesMut};

/// One record of the topic, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupRecord {
    /// A committed offset, or its tombstone.
    Offset {
        /// Group id.
        group: String,
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// What was committed; nothing for a tombstone.
        value: Option<OffsetValue>,
    },
    /// A group's metadata, or its tombstone.
    Group {
        /// Group id.
        group: String,
        /// The metadata; nothing for a tombstone.
        value: Option<GroupValue>,
    },
    /// A record of a kind this broker does not keep (a newer Kafka's); it is left as it is.
    Unknown {
        /// The key's version, which says the kind.
        kind: i16,
    },
}

/// A committed offset as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetValue {
    /// The offset of the next record to read.
    pub offset: i64,
    /// The leader epoch of the last record read, -1 if unknown.
    pub leader_epoch: i32,
    /// The client's own text.
    pub metadata: String,
    /// When it was committed, ms since the epoch.
    pub commit_timestamp_ms: i64,
    /// When it ends, set by clients up to version 4 of the request only.
    pub expire_timestamp_ms: Option<i64>,
}

/// A group's metadata as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupValue {
    /// `consumer` for consumers; empty for a group that only holds offsets.
    pub protocol_type: String,
    /// The generation.
    pub generation: i32,
    /// The assignment strategy chosen.
    pub protocol: Option<String>,
    /// The leader's member id.
    pub leader: Option<String>,
    /// When the group came into its state, ms since the epoch, -1 if unknown.
    pub state_timestamp_ms: i64,
    /// The members.
    pub members: Vec<MemberValue>,
}

/// A member as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberValue {
    /// Member id.
    pub member_id: String,
    /// `group.instance.id` of a static member (KIP-345).
    pub instance_id: Option<String>,
    /// Client id.
    pub client_id: String,
    /// The address it came from.
    pub client_host: String,
    /// How long it may take to rejoin, ms.
    pub rebalance_timeout_ms: i32,
    /// How long it may stay silent, ms.
    pub session_timeout_ms: i32,
    /// Its metadata under the chosen protocol.
    pub subscription: Bytes,
    /// What the leader gave it.
    pub assignment: Bytes,
}

const GROUP_KEY: i16 = 2;
const VALUE_VERSION: i16 = 3;

/// The record that stores a committed offset, or without a value the one that forgets it.
pub fn offset_record(
    group: &str,
    topic: &str,
    partition: i32,
    value: Option<&OffsetValue>,
) -> KeyedRecord {
    let mut key = BytesMut::with_capacity(group.len() + topic.len() + 10);
    key.put_i16(1);
    key.put_string(group);
    key.put_string(topic);
    key.put_i32(partition);
    let value = value.map(|value| {
        let mut bytes = BytesMut::with_capacity(value.metadata.len() + 32);
        // Only version 1 has room for an expiry of the commit's own.
        if let Some(expire) = value.expire_timestamp_ms {
            bytes.put_i16(1);
            bytes.put_i64(value.offset);
            bytes.put_string(&value.metadata);
            bytes.put_i64(value.commit_timestamp_ms);
            bytes.put_i64(expire);
        } else {
            bytes.put_i16(VALUE_VERSION);
            bytes.put_i64(value.offset);
            bytes.put_i32(value.leader_epoch);
            bytes.put_string(&value.metadata);
            bytes.put_i64(value.commit_timestamp_ms);
        }
        bytes.freeze()
    });
    KeyedRecord {
        key: key.freeze(),
        value,
    }
}

/// The record that stores a group's metadata, or without a value the one that forgets the group.
pub fn group_record(group: &str, value: Option<&GroupValue>) -> KeyedRecord {
    let mut key = BytesMut::with_capacity(group.len() + 4);
    key.put_i16(GROUP_KEY);
    key.put_string(group);
    let value = value.map(|value| {
        let mut bytes = BytesMut::with_capacity(256);
        bytes.put_i16(VALUE_VERSION);
        bytes.put_string(&value.protocol_type);
        bytes.put_i32(value.generation);
        bytes.put_nullable_string(value.protocol.as_deref());
        bytes.put_nullable_string(value.leader.as_deref());
        bytes.put_i64(value.state_timestamp_ms);
        bytes.put_i32(value.members.len() as i32);
        for member in &value.members {
            bytes.put_string(&member.member_id);
            bytes.put_nullable_string(member.instance_id.as_deref());
            bytes.put_string(&member.client_id);
            bytes.put_string(&member.client_host);
            bytes.put_i32(member.rebalance_timeout_ms);
            bytes.put_i32(member.session_timeout_ms);
            bytes.put_sized_bytes(&member.subscription);
            bytes.put_sized_bytes(&member.assignment);
        }
        bytes.freeze()
    });
    KeyedRecord {
        key: key.freeze(),
        value,
    }
}

/// Reads a record of the topic.
pub fn decode(record: &KeyedRecord) -> Result<GroupRecord, Malformed> {
    let mut key = Reader::new(&record.key);
    match key.i16("key's version")? {
        0 | 1 => Ok(GroupRecord::Offset {
            group: key.string("group id")?,
            topic: key.string("topic")?,
            partition: key.i32("partition")?,
            value: record.value.as_deref().map(offset_value).transpose()?,
        }),
        GROUP_KEY => Ok(GroupRecord::Group {
            group: key.string("group id")?,
            value: record.value.as_deref().map(group_value).transpose()?,
        }),
        kind => Ok(GroupRecord::Unknown { kind }),
    }
}

fn offset_value(bytes: &[u8]) -> Result<OffsetValue, Malformed> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16("committed offset's version")?;
    if !(0..=4).contains(&version) {
        return Err(Malformed::Version {
            what: "committed offset",
            version,
        });
    }
    let offset = reader.i64("offset")?;
    let leader_epoch = if version >= 3 {
        reader.i32("leader epoch")?
    } else {
        -1
    };
    let metadata = if version >= 4 {
        reader.compact_string("metadata")?
    } else {
        reader.string("metadata")?
    };
    let commit_timestamp_ms = reader.i64("commit timestamp")?;
    let expire_timestamp_ms = if version == 1 {
        Some(reader.i64("expire timestamp")?).filter(|&at| at != -1)
    } else {
        None
    };
    Ok(OffsetValue {
        offset,
        leader_epoch,
        metadata,
        commit_timestamp_ms,
        expire_timestamp_ms,
    })
}

fn group_value(bytes: &[u8]) -> Result<GroupValue, Malformed> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16("group metadata's version")?;
    if !(0..=4).contains(&version) {
        return Err(Malformed::Version {
            what: "group metadata",
            version,
        });
    }
    let flexible = version >= 4;
    let string = |reader: &mut Reader<'_>, what| {
        if flexible {
            reader.compact_string(what)
        } else {
            reader.string(what)
        }
    };
    let nullable = |reader: &mut Reader<'_>, what| {
        if flexible {
            reader.compact_nullable_string(what)
        } else {
            reader.nullable_string(what)
        }
    };
    let sized = |reader: &mut Reader<'_>, what| {
        if flexible {
            reader.compact_bytes(what)
        } else {
            reader.bytes(what)
        }
    };
    let protocol_type = string(&mut reader, "protocol type")?;
    let generation = reader.i32("generation")?;
    let protocol = nullable(&mut reader, "protocol")?;
    let leader = nullable(&mut reader, "leader")?;
    let state_timestamp_ms = if version >= 2 {
        reader.i64("state timestamp")?
    } else {
        -1
    };
    let count = if flexible {
        reader.compact_count(12, "members")?
    } else {
        reader.count(18, "members")?
    };
    let mut members = Vec::with_capacity(count);
    for _ in 0..count {
        let member_id = string(&mut reader, "member id")?;
        let instance_id = if version >= 3 {
            nullable(&mut reader, "group instance id")?
        } else {
            None
        };
        let client_id = string(&mut reader, "client id")?;
        let client_host = string(&mut reader, "client host")?;
        let rebalance_timeout_ms = if version >= 1 {
            Some(reader.i32("rebalance timeout")?)
        } else {
            None
        };
        let session_timeout_ms = reader.i32("session timeout")?;
        let subscription = sized(&mut reader, "subscription")?;
        let assignment = sized(&mut reader, "assignment")?;
        if flexible {
            reader.tagged_fields(|_, _| Ok(()))?;
        }
        members.push(MemberValue {
            member_id,
            instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms: rebalance_timeout_ms
                .filter(|&ms| ms != -1)
                .unwrap_or(session_timeout_ms),
            session_timeout_ms,
            subscription,
            assignment,
        });
    }
    Ok(GroupValue {
        protocol_type,
        generation,
        protocol,
        leader,
        state_timestamp_ms,
        members,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offset_value() -> impl Strategy<Value = OffsetValue> {
        (
            any::<i64>(),
            ".{0,20}",
            any::<i64>(),
            proptest::option::of(0..i64::MAX),
            -1..9_i32,
        )
            .prop_map(
                |(offset, metadata, commit_timestamp_ms, expire_timestamp_ms, leader_epoch)| {
                    OffsetValue {
                        offset,
                        // Version 1, the one with an expiry, has no room for it.
                        leader_epoch: if expire_timestamp_ms.is_some() {
                            -1
                        } else {
                            leader_epoch
                        },
                        metadata,
                        commit_timestamp_ms,
                        expire_timestamp_ms,
                    }
                },
            )
    }

    fn group_value() -> impl Strategy<Value = GroupValue> {
        let member = (
            ".{0,9}",
            proptest::option::of(".{0,9}"),
            ".{0,9}",
            0..9_i32,
            0..9_i32,
            any::<Vec<u8>>(),
            any::<Vec<u8>>(),
        )
            .prop_map(
                |(
                    member_id,
                    instance_id,
                    client,
                    rebalance_timeout_ms,
                    session_timeout_ms,
                    subscription,
                    assignment,
                )| MemberValue {
                    member_id,
                    instance_id,
                    client_id: client.clone(),
                    client_host: client,
                    rebalance_timeout_ms,
                    session_timeout_ms,
                    subscription: subscription.into(),
                    assignment: assignment.into(),
                },
            );
        (
            ".{0,9}",
            any::<i32>(),
            proptest::option::of(".{0,9}"),
            proptest::option::of(".{0,9}"),
            any::<i64>(),
            proptest::collection::vec(member, 0..4),
        )
            .prop_map(
                |(protocol_type, generation, protocol, leader, state_timestamp_ms, members)| {
                    GroupValue {
                        protocol_type,
                        generation,
                        protocol,
                        leader,
                        state_timestamp_ms,
                        members,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn a_committed_offset_comes_back_as_it_went_in(group in ".{0,9}", topic in ".{0,9}", partition: i32, value in proptest::option::of(offset_value())) {
            let record = offset_record(&group, &topic, partition, value.as_ref());
            prop_assert_eq!(decode(&record), Ok(GroupRecord::Offset { group, topic, partition, value }));
        }

        #[test]
        fn a_group_comes_back_as_it_went_in(group in ".{0,9}", value in proptest::option::of(group_value())) {
            let record = group_record(&group, value.as_ref());
            prop_assert_eq!(decode(&record), Ok(GroupRecord::Group { group, value }));
        }

        #[test]
        fn any_bytes_are_read_or_refused(kind in 0..4_i16, key: Vec<u8>, version in 0..5_i16, value: Vec<u8>) {
            let key = [&kind.to_be_bytes()[..], &key].concat();
            let value = [&version.to_be_bytes()[..], &value].concat();
            let _ = decode(&KeyedRecord { key: key.into(), value: Some(value.into()) });
            let _ = super::offset_value(&version.to_be_bytes());
        }
    }

    #[test]
    fn a_commit_written_by_apache_kafka_is_read() {
        // Key and value as kafka-dump-log shows them byte by byte: group "g", topic "t", partition 0, offset 5.
        let record = KeyedRecord {
            key: Bytes::from_static(&[0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 0]),
            value: Some(Bytes::from_static(&[
                0, 3, 0, 0, 0, 0, 0, 0, 0, 5, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
            ])),
        };
        let value = OffsetValue {
            offset: 5,
            leader_epoch: -1,
            metadata: String::new(),
            commit_timestamp_ms: 9,
            expire_timestamp_ms: None,
        };
        assert_eq!(
            decode(&record),
            Ok(GroupRecord::Offset {
                group: "g".into(),
                topic: "t".into(),
                partition: 0,
                value: Some(value.clone())
            })
        );
        assert_eq!(offset_record("g", "t", 0, Some(&value)), record);
    }

    #[test]
    fn a_kind_of_record_from_a_newer_kafka_is_told_apart() {
        let record = KeyedRecord {
            key: Bytes::from_static(&[0, 3, 0, 1, b'g']),
            value: None,
        };
        assert_eq!(decode(&record), Ok(GroupRecord::Unknown { kind: 3 }));
    }
}
