//! Records for people: text where it is text, hexadecimal where it is not, long values cut.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::fmt::Write as _;

use weir_client::Record;

use crate::api::{HeaderView, RecordView, TextEncoding, TextOrHex};

/// What is shown of a value unless all of it was asked for.
pub const SHOWN_BYTES: usize = 4_096;

/// The record as it is shown; `full`: with its value whole.
pub fn record(record: &Record, full: bool) -> RecordView {
    let value = record.value.as_deref();
    let limit = if full { usize::MAX } else { SHOWN_BYTES };
    let value_len_bytes = value.map_or(0, <[u8]>::len);
    RecordView {
        partition: record.partition,
        offset: record.offset,
        timestamp_ms: record.timestamp.map(|time| time.0),
        key: record.key.as_deref().map(|key| shown(key, limit)),
        headers: record
            .headers
            .iter()
            .map(|(name, value)| HeaderView {
                name: name.clone(),
                value: value.as_deref().map(|value| shown(value, limit)),
            })
            .collect(),
        value: value.map(|value| shown(value, limit)),
        value_len_bytes: value_len_bytes as u64,
        truncated: value_len_bytes > limit,
    }
}

/// The first `limit` bytes, as text if they are text. A character that the limit cuts in two does not make text binary.
pub fn shown(bytes: &[u8], limit: usize) -> TextOrHex {
    let cut = bytes.get(..limit).unwrap_or(bytes);
    let text = match std::str::from_utf8(cut) {
        Ok(text) => Some(text),
        Err(error) if cut.len() < bytes.len() && error.error_len().is_none() => cut
            .get(..error.valid_up_to())
            .and_then(|whole| std::str::from_utf8(whole).ok()),
        Err(_) => None,
    };
    match text.filter(|text| !text.chars().any(is_unprintable)) {
        Some(text) => TextOrHex {
            encoding: TextEncoding::Utf8,
            text: text.to_owned(),
        },
        None => TextOrHex {
            encoding: TextEncoding::Hex,
            text: hex(cut),
        },
    }
}

/// Bytes as a name or value in one string: hexadecimal behind `0x` where they are not text.
pub fn named(bytes: &[u8], limit: usize) -> String {
    let shown = shown(bytes, limit);
    match shown.encoding {
        TextEncoding::Utf8 => shown.text,
        TextEncoding::Hex => format!("0x{}", shown.text),
    }
}

/// The same of all the bytes, behind what `out` holds.
pub fn push_named(out: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(is_unprintable) => out.push_str(text),
        _ => {
            out.push_str("0x");
            out.push_str(&hex(bytes));
        }
    }
}

fn is_unprintable(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use weir_base::time::Timestamp;

    use super::*;

    fn of(value: &[u8]) -> Record {
        Record {
            topic: "t".into(),
            partition: 1,
            offset: 7,
            timestamp: Some(Timestamp(5)),
            key: Some(Bytes::from_static(b"\xff\x00")),
            value: Some(Bytes::copy_from_slice(value)),
            headers: vec![
                ("a".into(), Some(Bytes::from_static(b"b"))),
                ("none".into(), None),
            ],
        }
    }

    #[test]
    fn text_is_shown_as_text_and_the_rest_in_hexadecimal() {
        for (bytes, encoding, text) in [
            (&b"hello\n\t"[..], TextEncoding::Utf8, "hello\n\t"),
            ("Grüße 🙂".as_bytes(), TextEncoding::Utf8, "Grüße 🙂"),
            (b"", TextEncoding::Utf8, ""),
            (b"\x00\x01", TextEncoding::Hex, "0001"),
            (b"\xff\xd8\xff", TextEncoding::Hex, "ffd8ff"),
            (b"a\x1b[0m", TextEncoding::Hex, "611b5b306d"),
        ] {
            let shown = shown(bytes, 100);
            assert_eq!((shown.encoding, shown.text.as_str()), (encoding, text));
        }
    }

    #[test]
    fn a_long_value_is_cut_and_says_so() {
        let long = "ü".repeat(3_000);
        let cut = record(&of(long.as_bytes()), false);
        assert!(cut.truncated);
        assert_eq!(cut.value_len_bytes, 6_000);
        let shown = cut.value.unwrap();
        assert_eq!(shown.encoding, TextEncoding::Utf8);
        assert_eq!(shown.text.len(), SHOWN_BYTES);
        let whole = record(&of(long.as_bytes()), true);
        assert!(!whole.truncated);
        assert_eq!(whole.value.unwrap().text, long);
    }

    #[test]
    fn a_cut_through_a_character_leaves_text_text() {
        let odd = format!("a{}", "ü".repeat(3_000));
        let cut = record(&of(odd.as_bytes()), false).value.unwrap();
        assert_eq!(cut.encoding, TextEncoding::Utf8);
        assert_eq!(cut.text.len(), SHOWN_BYTES - 1);
    }

    #[test]
    fn keys_headers_and_their_absence_are_shown() {
        let view = record(&of(b"v"), false);
        assert_eq!(view.key.unwrap().text, "ff00");
        assert_eq!(view.headers[0].value.as_ref().unwrap().text, "b");
        assert_eq!(view.headers[1].value, None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_shown_within_the_limit(bytes in prop::collection::vec(any::<u8>(), 0..200), limit in 0_usize..100) {
            let shown = shown(&bytes, limit);
            prop_assert!(shown.text.len() <= 2 * limit);
        }
    }
}
