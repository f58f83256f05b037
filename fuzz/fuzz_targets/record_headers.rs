//! Any bytes as record headers and value. The bytes are cut at zeros: value, then a header's name and value by turns.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_media::record;

const NAMES: [&str; 8] = [
    "content-type",
    "frame",
    "pts",
    "dts",
    "codec",
    "size",
    "gop-index",
    "other",
];

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.split(|byte| *byte == 0);
    let value = parts.next().unwrap_or_default();
    let headers: Vec<(&str, &[u8])> = parts
        .filter_map(|part| part.split_first())
        .map(|(name, value)| (NAMES[usize::from(*name) % NAMES.len()], value))
        .collect();
    let _ = record::classify(headers.iter().copied(), value);
    if let Some(meta) = record::read(headers.iter().copied(), value) {
        let written = meta.to_headers();
        let again = record::read(
            written
                .iter()
                .map(|(name, value)| (*name, value.as_bytes())),
            &[],
        );
        assert_eq!(
            again.map(|again| (again.codec, again.key, again.pts_us)),
            Some((meta.codec, meta.key, meta.pts_us))
        );
    }
});
