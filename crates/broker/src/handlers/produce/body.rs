//! A Produce request's body, read so that each partition's batches keep the buffer they arrived in.
//!
//! The codec would hand out shared, immutable bytes; the log patches offsets in place. Small batches are copied instead, or a
//! few hundred bytes in the log's cache would hold on to a whole read buffer.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use bytes::{Buf, BytesMut};
use uuid::Uuid;

use crate::request::{self, Malformed};
use crate::transactions::transaction::Producer;

/// Kafka's number for zstd in a batch's attributes.
pub(super) const ZSTD: u8 = 4;

/// Where a batch's attributes stand: behind base offset, length, leader epoch, magic and CRC.
const ATTRIBUTES_LOW_BYTE: usize = 22;
/// In that byte: the batch belongs to a transaction.
const TRANSACTIONAL: u8 = 0x10;
/// Where a batch's producer id stands, with the epoch behind it.
const PRODUCER_ID: usize = 43;
/// Batches shorter than this are copied out of the buffer they arrived in.
const COPIED_BELOW_BYTES: usize = 8 * 1024;

const CUT_OFF: Malformed = Malformed("the request ends in the middle of a field");

/// A Produce request.
pub(super) struct Produce {
    pub transactional_id: Option<String>,
    pub acks: i16,
    pub timeout_ms: i32,
    pub topics: Vec<TopicRecords>,
}

/// What is for one topic.
pub(super) struct TopicRecords {
    pub topic: TopicRef,
    pub partitions: Vec<PartitionRecords>,
}

/// How a topic is named; by id from version 13 on.
pub(super) enum TopicRef {
    Name(String),
    Id(Uuid),
}

/// What is for one partition.
pub(super) struct PartitionRecords {
    pub index: i32,
    pub records: Option<BytesMut>,
}

/// The compression type of the first batch in `records`, as its attributes number it.
pub(super) fn compression(records: &[u8]) -> Option<u8> {
    records.get(ATTRIBUTES_LOW_BYTE).map(|low| low & 7)
}

/// The producer whose transaction the first batch in `records` belongs to, if it belongs to one.
pub(super) fn transaction(records: &[u8]) -> Option<Producer> {
    let transactional = records.get(ATTRIBUTES_LOW_BYTE)? & TRANSACTIONAL != 0;
    let mut producer = records.get(PRODUCER_ID..)?;
    let id = producer.try_get_i64().ok()?;
    let epoch = producer.try_get_i16().ok()?;
    transactional.then_some(Producer { id, epoch })
}

/// Reads a body.
pub(super) fn read(body: BytesMut, version: i16) -> Result<Produce, Malformed> {
    request::check(0, version, &body)?;
    let mut reader = Reader {
        rest: body,
        flexible: version >= 9,
    };
    let transactional_id = if version >= 3 { reader.text()? } else { None };
    let acks = reader.rest.try_get_i16().map_err(|_| CUT_OFF)?;
    let timeout_ms = reader.int()?;
    let mut topics = Vec::new();
    for _ in 0..reader.count()? {
        let topic = if version >= 13 {
            let bytes = reader.bytes(16)?;
            TopicRef::Id(Uuid::from_slice(&bytes).map_err(|_| CUT_OFF)?)
        } else {
            TopicRef::Name(reader.text()?.unwrap_or_default())
        };
        let mut partitions = Vec::new();
        for _ in 0..reader.count()? {
            let index = reader.int()?;
            let records = reader.records()?;
            reader.tags()?;
            partitions.push(PartitionRecords { index, records });
        }
        reader.tags()?;
        topics.push(TopicRecords { topic, partitions });
    }
    Ok(Produce {
        transactional_id,
        acks,
        timeout_ms,
        topics,
    })
}

struct Reader {
    rest: BytesMut,
    flexible: bool,
}

impl Reader {
    fn int(&mut self) -> Result<i32, Malformed> {
        self.rest.try_get_i32().map_err(|_| CUT_OFF)
    }

    fn bytes(&mut self, len: usize) -> Result<BytesMut, Malformed> {
        if len > self.rest.len() {
            return Err(CUT_OFF);
        }
        Ok(self.rest.split_to(len))
    }

    fn count(&mut self) -> Result<usize, Malformed> {
        Ok(self.len(4)?.unwrap_or(0))
    }

    fn text(&mut self) -> Result<Option<String>, Malformed> {
        let Some(len) = self.len(2)? else {
            return Ok(None);
        };
        let bytes = self.bytes(len)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(Malformed("a text is not UTF-8")),
        }
    }

    fn records(&mut self) -> Result<Option<BytesMut>, Malformed> {
        let Some(len) = self.len(4)? else {
            return Ok(None);
        };
        let records = self.bytes(len)?;
        Ok(Some(if len < COPIED_BELOW_BYTES {
            BytesMut::from(&*records)
        } else {
            records
        }))
    }

    /// A length or count: compact, or of two or four bytes.
    fn len(&mut self, width: usize) -> Result<Option<usize>, Malformed> {
        let len = match (self.flexible, width) {
            (true, _) => i64::from(request::take_varint(&mut self.rest)?) - 1,
            (false, 2) => i64::from(self.rest.try_get_i16().map_err(|_| CUT_OFF)?),
            (false, _) => i64::from(self.int()?),
        };
        match len {
            -1 => Ok(None),
            len => usize::try_from(len)
                .map(Some)
                .map_err(|_| Malformed("a length is negative")),
        }
    }

    fn tags(&mut self) -> Result<(), Malformed> {
        if self.flexible {
            let len = request::tagged_fields_len(&self.rest)?;
            self.bytes(len)?;
        }
        Ok(())
    }
}
