//! Record batches of the coordinators' topics, format v2 (KIP-98): a few keyed records in, one batch out, and back.
//!
//! The broker passes clients' batches on as bytes; only what the coordinators themselves wrote is taken apart here, once,
//! when the broker starts. Compressed batches are not read: Kafka writes these topics uncompressed.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used
)]

use super::primitives::{Malformed, Reader, Write};
use bytes::{BufMut, Bytes, BytesMut};

/// One keyed record. No value is a tombstone: the key is forgotten at the next compaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRecord {
    /// The key, never empty in these topics.
    pub key: Bytes,
    /// The value, or nothing for a tombstone.
    pub value: Option<Bytes>,
}

/// The producer a transactional batch belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchProducer {
    /// Its id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
}

/// What a batch read back says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Records of the coordinator, each with its offset; `producer` where they belong to a transaction.
    Records {
        /// The transaction's producer.
        producer: Option<BatchProducer>,
        /// Offset and record.
        records: Vec<(i64, KeyedRecord)>,
    },
    /// A transaction's end.
    Marker {
        /// The transaction's producer.
        producer: BatchProducer,
        /// Committed, or aborted.
        commit: bool,
    },
}

const HEADER_LEN_BYTES: usize = 61;
const ATTRIBUTES_POSITION: usize = 21;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const COMPRESSION_MASK: i16 = 0x07;

/// Writes `records` as one batch, base offset 0 (the log sets it), leader epoch -1. With a producer the batch is
/// transactional and has no sequence numbers, as Kafka's group coordinator writes it.
pub fn encode(
    records: &[KeyedRecord],
    timestamp_ms: i64,
    producer: Option<BatchProducer>,
) -> BytesMut {
    let mut body = BytesMut::new();
    for (delta, record) in records.iter().enumerate() {
        let mut one = BytesMut::with_capacity(
            record.key.len() + record.value.as_ref().map_or(0, Bytes::len) + 16,
        );
        one.put_i8(0);
        one.put_varlong(0);
        one.put_varlong(delta as i64);
        one.put_varlong(record.key.len() as i64);
        one.put_slice(&record.key);
        match &record.value {
            Some(value) => {
                one.put_varlong(value.len() as i64);
                one.put_slice(value);
            }
            None => one.put_varlong(-1),
        }
        one.put_varlong(0);
        body.put_varlong(one.len() as i64);
        body.put_slice(&one);
    }

    let mut tail = BytesMut::with_capacity(HEADER_LEN_BYTES - ATTRIBUTES_POSITION + body.len());
    tail.put_i16(if producer.is_some() { TRANSACTIONAL } else { 0 });
    tail.put_i32(records.len() as i32 - 1);
    tail.put_i64(timestamp_ms);
    tail.put_i64(timestamp_ms);
    tail.put_i64(producer.map_or(-1, |producer| producer.id));
    tail.put_i16(producer.map_or(-1, |producer| producer.epoch));
    tail.put_i32(-1);
    tail.put_i32(records.len() as i32);
    tail.put_slice(&body);

    let mut batch = BytesMut::with_capacity(ATTRIBUTES_POSITION + tail.len());
    batch.put_i64(0);
    batch.put_i32((ATTRIBUTES_POSITION - 12 + tail.len()) as i32);
    batch.put_i32(-1);
    batch.put_i8(2);
    batch.put_u32(crc32c::crc32c(&tail));
    batch.put_slice(&tail);
    batch
}

/// The offset behind the first batch of `bytes`, and its length; nothing if not even that can be told.
pub fn extent(bytes: &[u8]) -> Option<(i64, usize)> {
    let mut reader = Reader::new(bytes);
    let base_offset = reader.i64("").ok()?;
    let len = usize::try_from(reader.i32("").ok()?).ok()?;
    let mut reader = Reader::new(reader.take(len, "").ok()?);
    reader.take(4 + 1 + 4 + 2, "").ok()?;
    let last_delta = reader.i32("").ok()?;
    Some((
        base_offset
            .saturating_add(i64::from(last_delta))
            .saturating_add(1),
        12 + len,
    ))
}

/// Reads the first batch of `bytes`; its length is returned with it, so that the next can be read.
pub fn decode(bytes: &[u8]) -> Result<(Content, usize), Malformed> {
    let mut reader = Reader::new(bytes);
    let base_offset = reader.i64("batch's base offset")?;
    let len = usize::try_from(reader.i32("batch's length")?).map_err(|_| Malformed::Invalid {
        what: "batch's length",
    })?;
    let mut reader = Reader::new(reader.take(len, "batch")?);
    reader.i32("batch's leader epoch")?;
    let magic = reader.i8("batch's magic")?;
    if magic != 2 {
        return Err(Malformed::Version {
            what: "record batch",
            version: i16::from(magic),
        });
    }
    reader.u32("batch's checksum")?;
    let attributes = reader.i16("batch's attributes")?;
    if attributes & COMPRESSION_MASK != 0 {
        return Err(Malformed::Invalid {
            what: "batch's compression (an internal topic's is none)",
        });
    }
    reader.take(4 + 8 + 8, "batch's header")?;
    let producer = BatchProducer {
        id: reader.i64("batch's producer id")?,
        epoch: reader.i16("batch's producer epoch")?,
    };
    reader.i32("batch's base sequence")?;
    // A record is never shorter than seven bytes: length, attributes, two deltas, key length, value length, header count.
    let count = reader.count(7, "batch's records")?;

    let content = if attributes & CONTROL != 0 {
        let (_, marker) = record(&mut reader)?;
        let mut key = Reader::new(&marker.key);
        key.i16("marker's version")?;
        Content::Marker {
            producer,
            commit: key.i16("marker's type")? == 1,
        }
    } else {
        let mut records = Vec::with_capacity(count);
        for _ in 0..count {
            let (delta, one) = record(&mut reader)?;
            records.push((base_offset.saturating_add(delta), one));
        }
        Content::Records {
            producer: (attributes & TRANSACTIONAL != 0).then_some(producer),
            records,
        }
    };
    Ok((content, 12 + len))
}

fn record(reader: &mut Reader<'_>) -> Result<(i64, KeyedRecord), Malformed> {
    let len =
        usize::try_from(reader.varint("record's length")?).map_err(|_| Malformed::Invalid {
            what: "record's length",
        })?;
    let mut reader = Reader::new(reader.take(len, "record")?);
    reader.i8("record's attributes")?;
    reader.varlong("record's timestamp")?;
    let delta = reader.varint("record's offset")?;
    let key = sized(&mut reader, "record's key")?.unwrap_or_default();
    let value = sized(&mut reader, "record's value")?;
    Ok((i64::from(delta), KeyedRecord { key, value }))
}

fn sized(reader: &mut Reader<'_>, what: &'static str) -> Result<Option<Bytes>, Malformed> {
    match reader.varint(what)? {
        -1 => Ok(None),
        len => {
            let len = usize::try_from(len).map_err(|_| Malformed::Invalid { what })?;
            reader.take(len, what).map(Bytes::copy_from_slice).map(Some)
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)] // Positions in a batch just made.
mod tests {
    use super::{BatchProducer, Content, KeyedRecord, decode, encode};
    use bytes::Bytes;
    use proptest::prelude::*;

    fn record() -> impl Strategy<Value = KeyedRecord> {
        (any::<Vec<u8>>(), any::<Option<Vec<u8>>>()).prop_map(|(key, value)| KeyedRecord {
            key: key.into(),
            value: value.map(Bytes::from),
        })
    }

    proptest! {
        #[test]
        fn a_batch_comes_back_as_it_went_in(
            records in proptest::collection::vec(record(), 1..20),
            producer in proptest::option::of((0..i64::MAX, 0..i16::MAX)),
        ) {
            let producer = producer.map(|(id, epoch)| BatchProducer { id, epoch });
            let bytes = encode(&records, 1_700_000_000_000, producer);
            let (content, len) = decode(&bytes).unwrap();
            prop_assert_eq!(len, bytes.len());
            let records = (0..).zip(records).collect();
            prop_assert_eq!(content, Content::Records { producer, records });
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }

        #[test]
        fn a_batch_with_one_byte_changed_is_read_or_refused(position in 0_usize..200, byte: u8) {
            let record = KeyedRecord { key: Bytes::from_static(b"key"), value: Some(Bytes::from_static(&[7; 100])) };
            let mut bytes = encode(&[record], 0, None);
            let position = position % bytes.len();
            bytes[position] = byte;
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn a_batch_cut_anywhere_is_refused() {
        let record = KeyedRecord {
            key: Bytes::from_static(b"key"),
            value: None,
        };
        let bytes = encode(&[record], 0, None);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_batch_read_by_kafkas_own_decoder_says_the_same() {
        let record = KeyedRecord {
            key: Bytes::from_static(b"k"),
            value: Some(Bytes::from_static(b"v")),
        };
        let mut bytes = encode(&[record], 5, Some(BatchProducer { id: 9, epoch: 2 })).freeze();
        let set = kafka_protocol::records::RecordBatchDecoder::decode(&mut bytes).unwrap();
        assert_eq!(set.records.len(), 1);
        let read = &set.records[0];
        assert!(read.transactional);
        assert_eq!((read.producer_id, read.producer_epoch), (9, 2));
        assert_eq!(read.key.as_deref(), Some(&b"k"[..]));
        assert_eq!(read.value.as_deref(), Some(&b"v"[..]));
        assert_eq!(read.timestamp, 5);
    }
}
