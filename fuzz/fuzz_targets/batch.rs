//! Produced bytes: batches, their records, and what was compressed in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_log::{batch, compression, record};

fuzz_target!(|bytes: &[u8]| {
    let _ = batch::check_all(bytes);
    if let Ok(header) = batch::BatchHeader::parse(bytes) {
        let payload = bytes.get(batch::HEADER_LEN..).unwrap_or_default();
        if let Ok(payload) = compression::decompress(header.compression(), payload) {
            record::Records::new(&payload).for_each(drop);
            let _ = record::marker(&payload);
        }
    }
});
