//! The records of `__transaction_state`: what a transactional id is doing, as Kafka's `TransactionLogKey/Value` schemas
//! have it.
//!
//! Written is version 0, or 1 (flexible) where a field only it has is set (KIP-890); both are read.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used
)]

use super::batch::KeyedRecord;
use super::primitives::{Malformed, Reader, Write};
use bytes::{BufMut, BytesMut};
use std::collections::{BTreeMap, BTreeSet};

/// A transactional id's state as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionValue {
    /// The producer id in use.
    pub producer_id: i64,
    /// The one before, -1 if none (KIP-890).
    pub previous_producer_id: i64,
    /// The one the client was told to use next, -1 if none (KIP-890).
    pub next_producer_id: i64,
    /// The producer epoch.
    pub producer_epoch: i16,
    /// How long a transaction may last, ms.
    pub timeout_ms: i32,
    /// Kafka's number of the state.
    pub status: i8,
    /// The partitions in the transaction, topic by topic.
    pub partitions: BTreeMap<String, BTreeSet<i32>>,
    /// When this was written, ms since the epoch.
    pub last_update_ms: i64,
    /// When the transaction began, ms since the epoch, -1 if there is none.
    pub start_ms: i64,
    /// 2 where the client bumps its epoch with each transaction (KIP-890), else 0.
    pub client_version: i16,
}

/// The record that stores a transactional id's state, or without a value the one that forgets it.
pub fn transaction_record(id: &str, value: Option<&TransactionValue>) -> KeyedRecord {
    let mut key = BytesMut::with_capacity(id.len() + 4);
    key.put_i16(0);
    key.put_string(id);
    KeyedRecord {
        key: key.freeze(),
        value: value.map(|value| encode(value).freeze()),
    }
}

fn encode(value: &TransactionValue) -> BytesMut {
    let tagged = [
        (0_u64, value.previous_producer_id, -1),
        (1, value.next_producer_id, -1),
        (2, i64::from(value.client_version), 0),
    ];
    let set: Vec<_> = tagged
        .into_iter()
        .filter(|(_, value, default)| value != default)
        .collect();
    let flexible = !set.is_empty();
    let mut bytes = BytesMut::with_capacity(128);
    bytes.put_i16(i16::from(flexible));
    bytes.put_i64(value.producer_id);
    bytes.put_i16(value.producer_epoch);
    bytes.put_i32(value.timeout_ms);
    bytes.put_i8(value.status);
    if flexible {
        bytes.put_unsigned_varint(value.partitions.len() as u64 + 1);
    } else {
        bytes.put_i32(value.partitions.len() as i32);
    }
    for (topic, partitions) in &value.partitions {
        if flexible {
            bytes.put_unsigned_varint(topic.len() as u64 + 1);
            bytes.put_slice(topic.as_bytes());
            bytes.put_unsigned_varint(partitions.len() as u64 + 1);
        } else {
            bytes.put_string(topic);
            bytes.put_i32(partitions.len() as i32);
        }
        for &partition in partitions {
            bytes.put_i32(partition);
        }
        if flexible {
            bytes.put_unsigned_varint(0);
        }
    }
    bytes.put_i64(value.last_update_ms);
    bytes.put_i64(value.start_ms);
    if flexible {
        bytes.put_unsigned_varint(set.len() as u64);
        for (tag, value, _) in set {
            bytes.put_unsigned_varint(tag);
            if tag == 2 {
                bytes.put_unsigned_varint(2);
                bytes.put_i16(value as i16);
            } else {
                bytes.put_unsigned_varint(8);
                bytes.put_i64(value);
            }
        }
    }
    bytes
}

/// Reads a record of the topic: the transactional id, and its state unless it is a tombstone.
pub fn decode(record: &KeyedRecord) -> Result<(String, Option<TransactionValue>), Malformed> {
    let mut key = Reader::new(&record.key);
    let version = key.i16("key's version")?;
    if version != 0 {
        return Err(Malformed::Version {
            what: "transaction's key",
            version,
        });
    }
    let id = key.string("transactional id")?;
    let value = record.value.as_deref().map(decode_value).transpose()?;
    Ok((id, value))
}

fn decode_value(bytes: &[u8]) -> Result<TransactionValue, Malformed> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16("transaction's version")?;
    if !(0..=1).contains(&version) {
        return Err(Malformed::Version {
            what: "transaction",
            version,
        });
    }
    let flexible = version >= 1;
    let producer_id = reader.i64("producer id")?;
    let producer_epoch = reader.i16("producer epoch")?;
    let timeout_ms = reader.i32("transaction timeout")?;
    let status = reader.i8("transaction's status")?;
    let mut partitions: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    let topics = if flexible {
        // 0 is null, which is no partitions.
        reader.unsigned_varint("topics")?.saturating_sub(1)
    } else {
        u32::try_from(reader.i32("topics")?).unwrap_or(0)
    };
    // Nothing is reserved by these counts: what they announce must be there to be read.
    for _ in 0..topics {
        let topic = if flexible {
            reader.compact_string("topic")?
        } else {
            reader.string("topic")?
        };
        let count = if flexible {
            reader.compact_count(4, "partitions")?
        } else {
            reader.count(4, "partitions")?
        };
        let of_topic = partitions.entry(topic).or_default();
        for _ in 0..count {
            of_topic.insert(reader.i32("partition")?);
        }
        if flexible {
            reader.tagged_fields(|_, _| Ok(()))?;
        }
    }
    let mut value = TransactionValue {
        producer_id,
        previous_producer_id: -1,
        next_producer_id: -1,
        producer_epoch,
        timeout_ms,
        status,
        partitions,
        last_update_ms: reader.i64("last update")?,
        start_ms: reader.i64("start")?,
        client_version: 0,
    };
    if flexible {
        reader.tagged_fields(|tag, bytes| {
            let mut field = Reader::new(bytes);
            match tag {
                0 => value.previous_producer_id = field.i64("previous producer id")?,
                1 => value.next_producer_id = field.i64("next producer id")?,
                2 => value.client_version = field.i16("client's transaction version")?,
                _ => {}
            }
            Ok(())
        })?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = TransactionValue> {
        let partitions = proptest::collection::btree_map(
            ".{0,9}",
            proptest::collection::btree_set(any::<i32>(), 0..5),
            0..4,
        );
        (
            any::<i64>(),
            -1..3_i64,
            -1..3_i64,
            any::<i16>(),
            any::<i32>(),
            0..7_i8,
            partitions,
            any::<i64>(),
            any::<i64>(),
            prop_oneof![Just(0_i16), Just(2)],
        )
            .prop_map(
                |(
                    producer_id,
                    previous_producer_id,
                    next_producer_id,
                    producer_epoch,
                    timeout_ms,
                    status,
                    partitions,
                    last_update_ms,
                    start_ms,
                    client_version,
                )| {
                    TransactionValue {
                        producer_id,
                        previous_producer_id,
                        next_producer_id,
                        producer_epoch,
                        timeout_ms,
                        status,
                        partitions,
                        last_update_ms,
                        start_ms,
                        client_version,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn a_transaction_comes_back_as_it_went_in(id in ".{0,20}", value in proptest::option::of(value())) {
            let record = transaction_record(&id, value.as_ref());
            prop_assert_eq!(decode(&record), Ok((id, value)));
        }

        #[test]
        fn any_bytes_are_read_or_refused(version in 0..2_i16, bytes: Vec<u8>) {
            let bytes = [&version.to_be_bytes()[..], &bytes].concat();
            let _ = decode_value(&bytes);
            let _ = decode(&KeyedRecord { key: bytes.into(), value: None });
        }
    }
}
