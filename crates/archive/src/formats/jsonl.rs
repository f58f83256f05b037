//! `jsonl`: a JSON object a record, with the names of `weir consume --json`.
//!
//! `{"topic":"t","partition":0,"offset":7,"timestamp_ms":1769850000123,"key":"k","value":{"t":21.5},"headers":[{"name":"n","value":"v"}]}`
//!
//! A value that is a JSON object, array, number, `true` or `false` stands as it is; any other text (`null` too) as a string; bytes
//! that are no UTF-8 as hexadecimal digits in `value_hex`. So the value's bytes can be had back exactly, but for line ends between
//! the members of an object, which become blanks. Keys and headers are strings, or `key_hex`.

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::IgnoredAny;
use weir_client::Record;

use super::{EncodeError, Encoder};

#[derive(Default)]
pub(super) struct Jsonl(BytesMut);

impl Encoder for Jsonl {
    fn push(&mut self, record: &Record) {
        let out = &mut self.0;
        out.put_slice(b"{\"topic\":");
        string(out, &record.topic);
        out.put_slice(b",\"partition\":");
        number(out, i64::from(record.partition));
        out.put_slice(b",\"offset\":");
        number(out, record.offset);
        out.put_slice(b",\"timestamp_ms\":");
        match record.timestamp {
            Some(time) => number(out, time.0),
            None => out.put_slice(b"null"),
        }
        out.put_u8(b',');
        member(out, "key", record.key.as_deref());
        out.put_u8(b',');
        match record.value.as_deref().filter(|value| is_plain_json(value)) {
            Some(value) => {
                out.put_slice(b"\"value\":");
                one_line(out, value);
            }
            None => member(out, "value", record.value.as_deref()),
        }
        out.put_slice(b",\"headers\":[");
        for (i, (name, value)) in record.headers.iter().enumerate() {
            out.put_slice(if i == 0 {
                b"{\"name\":"
            } else {
                b",{\"name\":"
            });
            string(out, name);
            out.put_u8(b',');
            member(out, "value", value.as_deref());
            out.put_u8(b'}');
        }
        out.put_slice(b"]}\n");
    }

    fn ready_bytes(&self) -> usize {
        self.0.len()
    }

    fn held_bytes(&self) -> usize {
        self.0.len()
    }

    fn take(&mut self) -> Bytes {
        self.0.split().freeze()
    }

    fn finish(&mut self) -> Result<Bytes, EncodeError> {
        Ok(self.take())
    }
}

/// Whether a value can stand as it is and be told from a text that stands as a string.
fn is_plain_json(value: &[u8]) -> bool {
    let first = value.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_some_and(|byte| matches!(byte, b'{' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f'))
        && std::str::from_utf8(value).is_ok()
        && serde_json::from_slice::<IgnoredAny>(value).is_ok()
}

/// JSON has no line ends but between its tokens, where a blank means the same.
fn one_line(out: &mut BytesMut, json: &[u8]) {
    let start = out.len();
    out.put_slice(json);
    for byte in out.iter_mut().skip(start) {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

fn member(out: &mut BytesMut, name: &str, bytes: Option<&[u8]>) {
    out.put_u8(b'"');
    out.put_slice(name.as_bytes());
    match bytes.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => out.put_slice(b"\":null"),
        Some((Ok(text), _)) => {
            out.put_slice(b"\":");
            string(out, text);
        }
        Some((Err(_), bytes)) => {
            out.put_slice(b"_hex\":\"");
            for byte in bytes {
                let digit =
                    |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0') as u8;
                out.put_u8(digit(byte >> 4));
                out.put_u8(digit(byte & 15));
            }
            out.put_u8(b'"');
        }
    }
}

fn string(out: &mut BytesMut, text: &str) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer((&mut *out).writer(), text);
}

fn number(out: &mut BytesMut, number: i64) {
    let _ = serde_json::to_writer((&mut *out).writer(), &number);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::formats::tests::{encode, record};

    fn line(record: Record) -> Value {
        let bytes = encode(Box::<Jsonl>::default(), &[record]);
        assert_eq!(
            bytes.iter().position(|byte| *byte == b'\n'),
            Some(bytes.len() - 1)
        );
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_record_is_an_object_with_the_names_of_consume() {
        let record = Record {
            key: Some(Bytes::from_static(b"k\"")),
            headers: vec![
                ("n".to_owned(), Some(Bytes::from_static(b"v"))),
                ("n".to_owned(), None),
                ("b".to_owned(), Some(Bytes::from_static(b"\xfe"))),
            ],
            ..record(7, b"{\"t\": 21.50}")
        };
        assert_eq!(
            line(record),
            json!({
                "topic": "t", "partition": 0, "offset": 7, "timestamp_ms": 1_769_850_000_007_i64,
                "key": "k\"", "value": {"t": 21.5},
                "headers": [
                    {"name": "n", "value": "v"}, {"name": "n", "value": null}, {"name": "b", "value_hex": "fe"},
                ],
            })
        );
    }

    #[test]
    fn a_value_stands_so_that_its_bytes_can_be_had_back() {
        for (value, want) in [
            (&b"42"[..], json!({"value": 42})),
            (b"\"42\"", json!({"value": "\"42\""})),
            (b"[1,\r\n 2]", json!({"value": [1, 2]})),
            (b"true", json!({"value": true})),
            (b"null", json!({"value": "null"})),
            (b"{\"a\":", json!({"value": "{\"a\":"})),
            (b"two\nlines", json!({"value": "two\nlines"})),
            (b"", json!({"value": ""})),
            (
                b"{\"a\":\"\xff\"}",
                json!({"value_hex": "7b2261223a22ff227d"}),
            ),
        ] {
            let line = line(record(0, value));
            let (name, want) = want.as_object().unwrap().iter().next().unwrap();
            assert_eq!(line.get(name), Some(want), "{value:?}");
        }
        let none = Record {
            value: None,
            ..record(0, b"")
        };
        assert_eq!(line(none)["value"], Value::Null);
    }

    #[test]
    fn deep_json_is_no_trouble() {
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        let bytes = encode(Box::<Jsonl>::default(), &[record(0, &deep)]);
        assert!(bytes.len() > deep.len());
    }
}
