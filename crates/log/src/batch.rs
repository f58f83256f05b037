//! The header of a record batch, message format 2 (KIP-98): all that the log needs to know of what it stores.
//!
//! Bytes go in, checked fields come out; offsets, leader epoch and append time are patched in place. The records behind the header
//! stay bytes: `record` reads them where a lookup or compaction must.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use crate::error::LogError;
use crate::offset::Offset;

/// The bytes of a batch in front of its records.
pub const HEADER_LEN: usize = 61;
/// Offset and length: what stands in front of the bytes that the length counts.
pub const PREFIX_LEN: usize = 12;
/// The smallest record: length, attributes, two deltas, no key, no value, no headers, a byte each.
const SMALLEST_RECORD_LEN: usize = 7;

const LEADER_EPOCH_AT: usize = 12;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const MAX_TIMESTAMP_AT: usize = 35;

const COMPRESSION_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

/// A batch's header. Every field is as it stands in the bytes but for `size_bytes`, which counts the prefix too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// The first record's offset.
    pub base_offset: Offset,
    /// The whole batch.
    pub size_bytes: usize,
    /// The leader epoch it was appended in.
    pub leader_epoch: i32,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Compression, timestamp type, transactional, control.
    pub attributes: i16,
    /// The last record's offset less the first's. Compaction removes records but keeps this.
    pub last_offset_delta: i32,
    /// The first record's timestamp, or, with a delete horizon, that.
    pub base_timestamp: i64,
    /// The largest timestamp.
    pub max_timestamp: i64,
    /// -1 without idempotence.
    pub producer_id: i64,
    /// -1 without idempotence.
    pub producer_epoch: i16,
    /// The first record's sequence number; -1 without idempotence.
    pub base_sequence: i32,
    /// How many records there are.
    pub records_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`, which may end before the batch does. Checks what can be checked without the
    /// records: the format, and that length, delta and count are possible.
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        let Some(&magic) = bytes.get(MAGIC_AT) else {
            return Err(LogError::corrupt(format!(
                "{} bytes are less than a header",
                bytes.len()
            )));
        };
        if magic != 2 {
            return Err(if magic < 2 {
                LogError::UnsupportedMagic { magic: magic as i8 }
            } else {
                LogError::corrupt(format!("magic {} is unknown", magic as i8))
            });
        }
        let mut fields = Fields {
            bytes: bytes.get(..HEADER_LEN).ok_or_else(|| {
                LogError::corrupt(format!("{} bytes are less than a header", bytes.len()))
            })?,
        };
        let base_offset = fields.i64()?;
        let length = fields.i32()?;
        let leader_epoch = fields.i32()?;
        let _magic = fields.take::<1>()?;
        let header = Self {
            base_offset: Offset(base_offset),
            size_bytes: usize::try_from(length).unwrap_or(0) + PREFIX_LEN,
            leader_epoch,
            crc: u32::from_be_bytes(fields.take()?),
            attributes: fields.i16()?,
            last_offset_delta: fields.i32()?,
            base_timestamp: fields.i64()?,
            max_timestamp: fields.i64()?,
            producer_id: fields.i64()?,
            producer_epoch: fields.i16()?,
            base_sequence: fields.i32()?,
            records_count: fields.i32()?,
        };
        if header.size_bytes < HEADER_LEN {
            return Err(LogError::corrupt(format!(
                "length {length} is less than a header"
            )));
        }
        if header.last_offset_delta < 0 || header.records_count < 0 {
            return Err(LogError::corrupt(format!(
                "{} records up to offset delta {}",
                header.records_count, header.last_offset_delta
            )));
        }
        if base_offset
            .checked_add(i64::from(header.last_offset_delta))
            .is_none_or(|last| last == i64::MAX)
        {
            return Err(LogError::corrupt(format!(
                "base offset {base_offset} is past the end of offsets"
            )));
        }
        Ok(header)
    }

    /// The last record's offset.
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// The offset behind the last record's.
    pub fn next_offset(&self) -> Offset {
        self.last_offset().plus(1)
    }

    /// The compression's number: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub fn compression(&self) -> u8 {
        (self.attributes & COMPRESSION_MASK) as u8
    }

    /// Whether the records are part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether this is a marker that ends a transaction.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether all records have `max_timestamp`, the time of the append.
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Whether `base_timestamp` says until when compaction keeps the tombstones (KIP-534).
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & DELETE_HORIZON != 0
    }

    /// Whether an idempotent producer wrote it.
    pub fn has_producer(&self) -> bool {
        self.producer_id >= 0
    }

    /// The last record's sequence number; they go round from `i32::MAX` to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return -1;
        }
        advance_sequence(self.base_sequence, self.last_offset_delta)
    }
}

/// The sequence number `by` further on.
pub(crate) fn advance_sequence(sequence: i32, by: i32) -> i32 {
    ((i64::from(sequence) + i64::from(by)) & i64::from(i32::MAX)) as i32
}

/// The sequence number `by` back.
pub(crate) fn rewind_sequence(sequence: i32, by: i32) -> i32 {
    ((i64::from(sequence) - i64::from(by)) & i64::from(i32::MAX)) as i32
}

/// Takes the batches that stand back to back in `bytes` apart: each must be whole, and its CRC right.
pub fn check_all(bytes: &[u8]) -> Result<Vec<BatchHeader>, LogError> {
    let mut headers = Vec::with_capacity(1);
    let mut rest = bytes;
    if rest.is_empty() {
        return Err(LogError::invalid("there is no record batch"));
    }
    while !rest.is_empty() {
        let header = BatchHeader::parse(rest)?;
        let Some((batch, behind)) = rest.split_at_checked(header.size_bytes) else {
            return Err(LogError::corrupt(format!(
                "length of {} bytes with {} there",
                header.size_bytes,
                rest.len()
            )));
        };
        check_crc(&header, batch)?;
        headers.push(header);
        rest = behind;
    }
    Ok(headers)
}

/// Whether a whole batch's bytes match its CRC.
pub fn check_crc(header: &BatchHeader, batch: &[u8]) -> Result<(), LogError> {
    let crc = crc32c::crc32c(batch.get(ATTRIBUTES_AT..).unwrap_or_default());
    if crc == header.crc {
        Ok(())
    } else {
        Err(LogError::corrupt(format!(
            "its CRC is {crc:08x}, the header says {:08x}",
            header.crc
        )))
    }
}

/// What may be appended, beyond being sound: as Kafka's `LogValidator` has it, as far as headers tell.
pub(crate) fn check_produced(header: &BatchHeader) -> Result<(), LogError> {
    let codec = header.compression();
    if codec > 4 {
        return Err(LogError::UnsupportedCompression { codec });
    }
    if header.is_control() {
        return Err(LogError::invalid("clients may not write control records"));
    }
    if header.has_delete_horizon() {
        return Err(LogError::invalid("clients may not set a delete horizon"));
    }
    if header.records_count == 0 {
        return Err(LogError::invalid("a record batch has no records"));
    }
    if i64::from(header.records_count) != i64::from(header.last_offset_delta) + 1 {
        return Err(LogError::invalid(format!(
            "{} records do not reach to offset delta {}",
            header.records_count, header.last_offset_delta
        )));
    }
    let payload_len = header.size_bytes - HEADER_LEN;
    if codec == 0
        && (header.records_count as usize).saturating_mul(SMALLEST_RECORD_LEN) > payload_len
    {
        return Err(LogError::invalid(format!(
            "{} records do not fit into {payload_len} bytes",
            header.records_count
        )));
    }
    if header.has_producer() {
        if header.producer_epoch < 0 {
            return Err(LogError::invalid(format!(
                "producer {} sent epoch {}",
                header.producer_id, header.producer_epoch
            )));
        }
    } else if header.is_transactional() {
        return Err(LogError::invalid(
            "a transactional record batch has no producer id",
        ));
    }
    Ok(())
}

/// A client's idempotent producer numbers its batches; a coordinator, writing offsets in its name, does not (KIP-98).
pub(crate) fn check_sequence(header: &BatchHeader) -> Result<(), LogError> {
    if header.has_producer() && header.base_sequence < 0 {
        return Err(LogError::invalid(format!(
            "producer {} sent sequence {}",
            header.producer_id, header.base_sequence
        )));
    }
    Ok(())
}

/// Writes the offset and the leader epoch, both outside the CRC, into a batch.
pub(crate) fn patch_offset(batch: &mut [u8], base_offset: Offset, leader_epoch: i32) {
    put(batch, 0, &base_offset.0.to_be_bytes());
    put(batch, LEADER_EPOCH_AT, &leader_epoch.to_be_bytes());
}

/// Marks a batch as stamped on append, and makes its CRC right again.
pub(crate) fn patch_append_time(batch: &mut [u8], header: &mut BatchHeader, now_ms: i64) {
    header.attributes |= LOG_APPEND_TIME;
    header.max_timestamp = now_ms;
    put(batch, ATTRIBUTES_AT, &header.attributes.to_be_bytes());
    put(batch, MAX_TIMESTAMP_AT, &now_ms.to_be_bytes());
    header.crc = crc32c::crc32c(batch.get(ATTRIBUTES_AT..).unwrap_or_default());
    put(batch, CRC_AT, &header.crc.to_be_bytes());
}

/// The attributes of a batch that compaction writes anew.
pub(crate) fn rewritten_attributes(header: &BatchHeader, delete_horizon: bool) -> i16 {
    let kept = header.attributes & !(COMPRESSION_MASK | DELETE_HORIZON);
    if delete_horizon {
        kept | DELETE_HORIZON
    } else {
        kept
    }
}

/// The attributes of a transaction marker.
pub(crate) const MARKER_ATTRIBUTES: i16 = TRANSACTIONAL | CONTROL;

/// A batch of `header` and uncompressed `records`; size, CRC and count are set here.
pub fn build(header: &BatchHeader, records: &[u8]) -> Vec<u8> {
    let mut batch = Vec::with_capacity(HEADER_LEN + records.len());
    batch.extend_from_slice(&header.base_offset.0.to_be_bytes());
    let length = HEADER_LEN - PREFIX_LEN + records.len();
    batch.extend_from_slice(&(length as u32).to_be_bytes());
    batch.extend_from_slice(&header.leader_epoch.to_be_bytes());
    batch.push(2);
    batch.extend_from_slice(&[0; 4]);
    batch.extend_from_slice(&header.attributes.to_be_bytes());
    batch.extend_from_slice(&header.last_offset_delta.to_be_bytes());
    batch.extend_from_slice(&header.base_timestamp.to_be_bytes());
    batch.extend_from_slice(&header.max_timestamp.to_be_bytes());
    batch.extend_from_slice(&header.producer_id.to_be_bytes());
    batch.extend_from_slice(&header.producer_epoch.to_be_bytes());
    batch.extend_from_slice(&header.base_sequence.to_be_bytes());
    batch.extend_from_slice(&header.records_count.to_be_bytes());
    batch.extend_from_slice(records);
    let crc = crc32c::crc32c(batch.get(ATTRIBUTES_AT..).unwrap_or_default());
    put(&mut batch, CRC_AT, &crc.to_be_bytes());
    batch
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + field.len()) {
        place.copy_from_slice(field);
    }
}

struct Fields<'a> {
    bytes: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], LogError> {
        let (field, rest) = self
            .bytes
            .split_first_chunk::<N>()
            .ok_or_else(|| LogError::corrupt("the header is cut off"))?;
        self.bytes = rest;
        Ok(*field)
    }

    fn i16(&mut self) -> Result<i16, LogError> {
        Ok(i16::from_be_bytes(self.take()?))
    }

    fn i32(&mut self) -> Result<i32, LogError> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    fn i64(&mut self) -> Result<i64, LogError> {
        Ok(i64::from_be_bytes(self.take()?))
    }
}
