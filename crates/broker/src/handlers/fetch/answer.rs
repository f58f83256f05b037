//! A Fetch answer, written so that record batches stay the log's buffers: what is around them is encoded here, they are put in
//! between as they are.
//!
//! The codec would copy every batch. That both write the same is a test's business.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use uuid::Uuid;
use weir_log::{AbortedTxn, Offset, Offsets};

use crate::handlers::Body;

/// The whole answer.
pub(super) struct Answer {
    pub error: Option<ResponseError>,
    pub topics: Vec<TopicAnswer>,
}

/// One topic's.
pub(super) struct TopicAnswer {
    /// Up to version 12.
    pub name: Bytes,
    /// From version 13 on.
    pub id: Uuid,
    pub partitions: Vec<PartitionAnswer>,
}

/// One partition's.
pub(super) struct PartitionAnswer {
    pub index: i32,
    pub error: Option<ResponseError>,
    pub offsets: Offsets,
    pub diverging: Option<Diverging>,
    /// With `read_committed` alone.
    pub aborted: Option<Vec<AbortedTxn>>,
    pub batches: Vec<Bytes>,
}

/// Where the log went another way than the client's (KIP-595).
pub(super) struct Diverging {
    pub epoch: i32,
    pub end: Offset,
}

/// What stands for an offset that is not known.
const UNKNOWN: Offset = Offset(-1);

impl PartitionAnswer {
    /// An answer without records.
    pub fn empty(index: i32, offsets: Offsets) -> Self {
        Self {
            index,
            error: None,
            offsets,
            diverging: None,
            aborted: None,
            batches: Vec::new(),
        }
    }

    /// An answer that is an error.
    pub fn refused(index: i32, error: ResponseError) -> Self {
        let offsets = Offsets {
            log_start: UNKNOWN,
            high_watermark: UNKNOWN,
            last_stable: UNKNOWN,
            log_end: UNKNOWN,
        };
        Self {
            error: Some(error),
            ..Self::empty(index, offsets)
        }
    }

    /// The bytes of its batches.
    pub fn len_bytes(&self) -> usize {
        self.batches.iter().map(Bytes::len).sum()
    }
}

impl Answer {
    /// The answer in `version`.
    pub fn encode(self, version: i16) -> Body {
        let mut out = Pieces {
            closed: Vec::new(),
            open: BytesMut::with_capacity(256),
            flexible: version >= 12,
        };
        out.open.put_i32(0);
        if version >= 7 {
            out.open.put_i16(self.error.map_or(0, |error| error.code()));
            out.open.put_i32(0);
        }
        out.len(self.topics.len(), 4);
        for topic in self.topics {
            if version >= 13 {
                out.open.put_slice(topic.id.as_bytes());
            } else {
                out.len(topic.name.len(), 2);
                out.open.put_slice(&topic.name);
            }
            out.len(topic.partitions.len(), 4);
            for partition in topic.partitions {
                out.partition(partition, version);
            }
            out.no_tags();
        }
        out.no_tags();
        out.closed.push(out.open.freeze());
        out.closed
    }
}

struct Pieces {
    closed: Vec<Bytes>,
    open: BytesMut,
    flexible: bool,
}

impl Pieces {
    fn partition(&mut self, partition: PartitionAnswer, version: i16) {
        self.open.put_i32(partition.index);
        self.open
            .put_i16(partition.error.map_or(0, |error| error.code()));
        self.open.put_i64(partition.offsets.high_watermark.0);
        self.open.put_i64(partition.offsets.last_stable.0);
        if version >= 5 {
            self.open.put_i64(partition.offsets.log_start.0);
        }
        match &partition.aborted {
            None => self.null(4),
            Some(aborted) => {
                self.len(aborted.len(), 4);
                for txn in aborted {
                    self.open.put_i64(txn.producer_id);
                    self.open.put_i64(txn.first_offset.0);
                    self.no_tags();
                }
            }
        }
        if version >= 11 {
            // No replica is preferred.
            self.open.put_i32(-1);
        }
        let len = partition.len_bytes();
        self.len(len, 4);
        if len > 0 {
            self.closed.push(self.open.split().freeze());
            self.closed.extend(partition.batches);
        }
        if !self.flexible {
            return;
        }
        match partition.diverging {
            None => self.no_tags(),
            Some(diverging) => {
                // One tagged field, number 0, of 13 bytes: epoch, offset, no tagged fields of its own.
                self.open.put_slice(&[1, 0, 13]);
                self.open.put_i32(diverging.epoch);
                self.open.put_i64(diverging.end.0);
                self.no_tags();
            }
        }
    }

    /// A length or count: compact, or in `width` bytes.
    fn len(&mut self, len: usize, width: usize) {
        match (self.flexible, width) {
            (true, _) => self.varint(len as u32 + 1),
            (false, 2) => self.open.put_i16(len as i16),
            (false, _) => self.open.put_i32(len as i32),
        }
    }

    fn null(&mut self, width: usize) {
        match (self.flexible, width) {
            (true, _) => self.open.put_u8(0),
            (false, 2) => self.open.put_i16(-1),
            (false, _) => self.open.put_i32(-1),
        }
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.open.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.open.put_u8(value as u8);
    }

    fn no_tags(&mut self) {
        if self.flexible {
            self.open.put_u8(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use kafka_protocol::messages::FetchResponse;
    use kafka_protocol::protocol::{Decodable, Encodable};

    use super::*;

    fn answer() -> Answer {
        let offsets = Offsets {
            log_start: Offset(1),
            high_watermark: Offset(9),
            last_stable: Offset(8),
            log_end: Offset(10),
        };
        let mut full = PartitionAnswer::empty(3, offsets);
        full.batches = vec![Bytes::from(vec![1; 200]), Bytes::from_static(b"xyz")];
        full.aborted = Some(vec![AbortedTxn {
            producer_id: 7,
            first_offset: Offset(2),
            last_offset: Offset(4),
            last_stable: Offset(2),
        }]);
        let mut diverging = PartitionAnswer::empty(5, offsets);
        diverging.diverging = Some(Diverging {
            epoch: 4,
            end: Offset(77),
        });
        Answer {
            error: None,
            topics: vec![TopicAnswer {
                name: Bytes::from_static(b"topic"),
                id: Uuid::from_u128(5),
                partitions: vec![
                    full,
                    diverging,
                    PartitionAnswer::refused(4, ResponseError::OffsetOutOfRange),
                ],
            }],
        }
    }

    #[test]
    fn the_codec_reads_every_version_as_it_would_have_written_it() {
        for version in 4..=18 {
            let mut body = BytesMut::new();
            for piece in answer().encode(version) {
                body.extend_from_slice(&piece);
            }
            let written = body.clone().freeze();
            let mut bytes = written.clone();
            let response = FetchResponse::decode(&mut bytes, version).unwrap();
            assert!(!bytes.has_remaining(), "version {version}");
            let mut again = BytesMut::new();
            response.encode(&mut again, version).unwrap();
            let partitions = &response.responses[0].partitions;
            assert_eq!(partitions[0].records.as_ref().unwrap().len(), 203);
            assert_eq!(
                partitions[0].aborted_transactions.as_ref().unwrap().len(),
                1
            );
            assert_eq!(partitions[2].error_code, 1);
            assert_eq!(partitions[2].high_watermark, -1);
            if version >= 12 {
                assert_eq!(partitions[1].diverging_epoch.end_offset, 77);
            }
            assert_eq!(again.freeze(), written, "version {version}");
        }
    }

    #[test]
    fn batches_are_not_copied() {
        let answer = answer();
        let batch = answer.topics[0].partitions[0].batches[0].clone();
        let pieces = answer.encode(12);
        assert!(pieces.iter().any(|piece| piece.as_ptr() == batch.as_ptr()));
    }
}
