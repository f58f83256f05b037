//! What is posted: the first byte chooses the content type, the rest is the body.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|posted: &[u8]| {
    let kinds = [
        "application/vnd.kafka.json.v2+json",
        "application/vnd.kafka.binary.v2+json",
        "application/vnd.kafka.text.v2+json",
        "text/plain",
        "application/json",
        "application/x-ndjson",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
    ];
    if let [kind, body @ ..] = posted {
        let kind = kinds[usize::from(*kind) % kinds.len()];
        weir_web::produce::read_any(kind, &Bytes::copy_from_slice(body));
    }
});
