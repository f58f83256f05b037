//! The records in a batch, read one by one: for lookups by time, compaction and transaction markers, nothing else.
//!
//! In goes a batch's payload, decompressed; out come borrowed keys, values and headers.
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

/// One record, borrowed from its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Its timestamp less the batch's base timestamp.
    pub timestamp_delta: i64,
    /// Its offset less the batch's base offset.
    pub offset_delta: i32,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; none makes it a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// Its headers' count and the headers, as they stand there.
    pub headers: &'a [u8],
    /// The whole record with its length in front.
    pub bytes: &'a [u8],
}

/// Iterates over the records in a payload; the first that is not sound is an error and ends it.
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// The records of a decompressed `payload`.
    pub fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    fn read(&mut self) -> Result<RecordView<'a>, LogError> {
        let start = self.rest;
        let mut behind = start;
        let length = varint(&mut behind)?;
        let body_len = usize::try_from(length)
            .ok()
            .filter(|length| *length <= behind.len())
            .ok_or_else(|| LogError::corrupt(format!("a record's length is {length}")))?;
        let (mut body, behind) = behind.split_at_checked(body_len).unwrap_or((&[], &[]));
        let bytes = start.get(..start.len() - behind.len()).unwrap_or_default();
        let attributes = body.split_off_first();
        attributes.ok_or_else(|| LogError::corrupt("a record is empty"))?;
        let timestamp_delta = varint(&mut body)?;
        let offset_delta = i32::try_from(varint(&mut body)?)
            .map_err(|_| LogError::corrupt("a record's offset delta is over 32 bits"))?;
        let key = field(&mut body)?;
        let value = field(&mut body)?;
        self.rest = behind;
        Ok(RecordView {
            timestamp_delta,
            offset_delta,
            key,
            value,
            headers: body,
            bytes,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordView<'a>, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.read();
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

/// Appends a record to a payload; `headers` as [`RecordView::headers`] has them (a single 0 for none).
pub fn write(
    payload: &mut Vec<u8>,
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[u8],
) {
    let length = 1
        + varint_len(timestamp_delta)
        + varint_len(i64::from(offset_delta))
        + field_len(key)
        + field_len(value)
        + headers.len();
    put_varint(payload, length as i64);
    payload.push(0);
    put_varint(payload, timestamp_delta);
    put_varint(payload, i64::from(offset_delta));
    for field in [key, value] {
        match field {
            None => put_varint(payload, -1),
            Some(bytes) => {
                put_varint(payload, bytes.len() as i64);
                payload.extend_from_slice(bytes);
            }
        }
    }
    payload.extend_from_slice(headers);
}

/// A transaction's end, from the first record of a control batch (KIP-98): whether it was committed, and the coordinator's epoch.
pub fn marker(payload: &[u8]) -> Option<(bool, i32)> {
    let record = Records::new(payload).next()?.ok()?;
    let [0, 0, 0, kind] = record.key? else {
        return None;
    };
    let (version, rest) = record.value?.split_first_chunk::<2>()?;
    let (epoch, _) = rest.split_first_chunk::<4>()?;
    let sound = i16::from_be_bytes(*version) >= 0 && *kind <= 1;
    sound.then_some((*kind == 1, i32::from_be_bytes(*epoch)))
}

/// The payload of a control batch that ends a transaction.
pub(crate) fn marker_payload(commit: bool, coordinator_epoch: i32) -> Vec<u8> {
    let mut payload = Vec::with_capacity(20);
    let mut value = [0_u8; 6];
    value[2..].copy_from_slice(&coordinator_epoch.to_be_bytes());
    write(
        &mut payload,
        0,
        0,
        Some(&[0, 0, 0, u8::from(commit)]),
        Some(&value),
        &[0],
    );
    payload
}

fn field<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, LogError> {
    let length = varint(bytes)?;
    if length < 0 {
        return Ok(None);
    }
    let cut = usize::try_from(length)
        .ok()
        .and_then(|length| bytes.split_at_checked(length));
    let (field, rest) =
        cut.ok_or_else(|| LogError::corrupt(format!("a field's length is {length}")))?;
    *bytes = rest;
    Ok(Some(field))
}

fn field_len(field: Option<&[u8]>) -> usize {
    field.map_or(1, |bytes| varint_len(bytes.len() as i64) + bytes.len())
}

/// A zigzag number of up to ten bytes, as Protocol Buffers have it.
fn varint(bytes: &mut &[u8]) -> Result<i64, LogError> {
    let mut raw = 0_u64;
    for shift in (0..70).step_by(7) {
        let byte = *bytes
            .split_off_first()
            .ok_or_else(|| LogError::corrupt("a record is cut off"))?;
        if shift == 63 && byte > 1 {
            break;
        }
        raw |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((raw >> 1) as i64 ^ -((raw & 1) as i64));
        }
    }
    Err(LogError::corrupt("a number in a record is over 64 bits"))
}

fn put_varint(bytes: &mut Vec<u8>, value: i64) {
    let mut raw = ((value << 1) ^ (value >> 63)) as u64;
    while raw >= 0x80 {
        bytes.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    bytes.push(raw as u8);
}

fn varint_len(value: i64) -> usize {
    let raw = ((value << 1) ^ (value >> 63)) as u64;
    (64 - (raw | 1).leading_zeros() as usize).div_ceil(7)
}
