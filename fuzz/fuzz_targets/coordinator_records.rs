//! What the coordinators read back of their topics: batches, and the records of groups and transactions in them.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use weir_broker::internal_topics::batch::{self, Content, KeyedRecord};
use weir_broker::internal_topics::{group_records, transaction_records};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Some((_, len)) = batch::extent(rest) {
        if let Ok((Content::Records { records, .. }, _)) = batch::decode(rest) {
            for (_, record) in &records {
                let _ = group_records::decode(record);
                let _ = transaction_records::decode(record);
            }
        }
        rest = &rest[len..];
    }
    // Batches have checksums that a fuzzer rarely finds its way past in a log: the records on their own, too.
    let (key, value) = bytes.split_at(bytes.len() / 4);
    let record = KeyedRecord {
        key: Bytes::copy_from_slice(key),
        value: Some(Bytes::copy_from_slice(value)),
    };
    let _ = group_records::decode(&record);
    let _ = transaction_records::decode(&record);
});
