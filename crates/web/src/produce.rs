//! Records that come over HTTP: the bodies of `POST /topics/{topic}` and `POST /ingest/{topic}` taken apart, and sent.
//!
//! A body is taken whole or not at all: whatever is wrong with one record is found before the first is sent.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use weir_client::{ClientError, Delivered, ErrorKind, NewRecord, Producer};

use crate::problem::Problem;

/// When to come back where brokers are away or a replica is out of sync.
pub const AGAIN: Duration = Duration::from_secs(5);

/// How keys and values stand in a REST Proxy body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embedded {
    /// As JSON, which is the record's bytes.
    Json,
    /// As base64.
    Binary,
    /// As JSON texts, whose characters are the record's bytes.
    Text,
}

impl Embedded {
    /// What a content type says; `None` if it is not the REST Proxy's.
    pub fn of(content_type: &str) -> Option<Self> {
        match essence(content_type).as_str() {
            "application/vnd.kafka.json.v2+json" => Some(Self::Json),
            "application/vnd.kafka.binary.v2+json" => Some(Self::Binary),
            "application/vnd.kafka.text.v2+json" => Some(Self::Text),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Body<'b> {
    #[serde(borrow)]
    records: Vec<Posted<'b>>,
}

#[derive(Deserialize)]
struct Posted<'b> {
    #[serde(borrow, default)]
    key: Option<&'b RawValue>,
    #[serde(borrow, default)]
    value: Option<&'b RawValue>,
    #[serde(default)]
    partition: Option<i32>,
}

/// The records of a REST Proxy body.
pub fn rest_records(
    topic: &str,
    embedded: Embedded,
    body: &[u8],
) -> Result<Vec<NewRecord>, Problem> {
    let body: Body<'_> = serde_json::from_slice(body).map_err(|error| {
        Problem::bad("records", format!("the body cannot be read: {error}"))
            .remedy(r#"send {"records":[{"key":…,"value":…}]}"#)
    })?;
    if body.records.is_empty() {
        return Err(Problem::bad("records", "there are no records in the body"));
    }
    let topic: Arc<str> = topic.into();
    let records = body.records.iter().enumerate();
    records
        .map(|(n, posted)| {
            Ok(NewRecord {
                partition: posted.partition,
                key: unpack(embedded, posted.key, || format!("records[{n}].key"))?,
                value: unpack(embedded, posted.value, || format!("records[{n}].value"))?,
                ..NewRecord::new(topic.clone(), Bytes::new())
            })
        })
        .collect()
}

fn unpack(
    embedded: Embedded,
    given: Option<&RawValue>,
    name: impl Fn() -> String,
) -> Result<Option<Bytes>, Problem> {
    let Some(given) = given.filter(|given| given.get() != "null") else {
        return Ok(None);
    };
    if embedded == Embedded::Json {
        return Ok(Some(Bytes::copy_from_slice(given.get().as_bytes())));
    }
    let text: String = serde_json::from_str(given.get())
        .map_err(|_| Problem::bad(&name(), format!("{} is not a text", name())))?;
    match embedded {
        Embedded::Binary => base64(&text)
            .map(|bytes| Some(bytes.into()))
            .ok_or_else(|| Problem::bad(&name(), format!("{} is not base64", name()))),
        _ => Ok(Some(text.into())),
    }
}

/// The records of an ingested body; `None` of a content type that is not taken.
pub fn ingested(
    topic: &str,
    content_type: &str,
    body: &Bytes,
) -> Option<Result<Vec<NewRecord>, Problem>> {
    let topic: Arc<str> = topic.into();
    let one = |value: Bytes| NewRecord::new(topic.clone(), value);
    Some(match essence(content_type).as_str() {
        "text/plain" => Ok(vec![one(body.clone())]),
        "application/json" => check_json(body, "body").map(|()| vec![one(body.clone())]),
        "application/x-ndjson" => lines(body)
            .map(|(n, line)| {
                check_json(&line, &format!("line {n}"))?;
                Ok(one(line))
            })
            .collect(),
        // Kafka Protocol Binding for CloudEvents §3.3, structured mode: the event is the value.
        kind @ "application/cloudevents+json" => check_json(body, "body")
            .map(|()| vec![one(body.clone()).header("content-type", kind.to_owned())]),
        "application/cloudevents-batch+json" => serde_json::from_slice::<Vec<&RawValue>>(body)
            .map_err(|error| Problem::bad("body", format!("the batch cannot be read: {error}")))
            .map(|events| {
                events
                    .into_iter()
                    .map(|event| {
                        one(Bytes::copy_from_slice(event.get().as_bytes()))
                            .header("content-type", "application/cloudevents+json")
                    })
                    .collect()
            }),
        _ => return None,
    })
}

fn lines(body: &Bytes) -> impl Iterator<Item = (usize, Bytes)> {
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    lines
        .map(|(n, line)| (n + 1, body.slice_ref(line.trim_ascii())))
        .filter(|(_, line)| !line.is_empty())
}

fn check_json(bytes: &[u8], field: &str) -> Result<(), Problem> {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes)
        .map(|_| ())
        .map_err(|error| Problem::bad(field, format!("the {field} is no JSON: {error}")))
}

/// Sends the records; one result for each, in order.
pub async fn send(
    producer: &Producer,
    records: Vec<NewRecord>,
) -> Vec<Result<Delivered, ClientError>> {
    let mut under_way = Vec::with_capacity(records.len());
    for record in records {
        under_way.push(producer.send(record).await);
    }
    let mut delivered = Vec::with_capacity(under_way.len());
    for delivery in under_way {
        delivered.push(match delivery {
            Ok(delivery) => delivery.await,
            Err(error) => Err(error),
        });
    }
    delivered
}

/// The REST Proxy's code for a record that was not delivered: 2 where trying again may help.
pub fn rest_code(error: &ClientError) -> i32 {
    match error.kind() {
        ErrorKind::Unreachable | ErrorKind::TimedOut => 2,
        _ => 1,
    }
}

fn essence(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// RFC 4648 §4, with or without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for &c in chunk {
            let six = match c {
                b'A'..=b'Z' => c - b'A',
                b'a'..=b'z' => c - b'a' + 26,
                b'0'..=b'9' => c - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(six);
        }
        let len_bytes = match chunk.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        bits <<= 6 * (4 - chunk.len()) as u32;
        out.extend(bits.to_be_bytes().iter().skip(1).take(len_bytes));
    }
    Some(out)
}

/// Whether any of this panics on any body: what the fuzz target calls.
pub fn read_any(content_type: &str, body: &Bytes) {
    if let Some(embedded) = Embedded::of(content_type) {
        let _ = rest_records("t", embedded, body);
    }
    let _ = ingested("t", content_type, body);
    let _: Result<Value, _> = serde_json::from_slice(body);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type KeyAndValue = (Option<String>, Option<String>);

    fn rest(embedded: Embedded, body: &str) -> Result<Vec<KeyAndValue>, String> {
        let text =
            |bytes: Option<Bytes>| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        rest_records("t", embedded, body.as_bytes())
            .map(|records| {
                records
                    .into_iter()
                    .map(|record| (text(record.key), text(record.value)))
                    .collect()
            })
            .map_err(|problem| problem.field.unwrap_or_default())
    }

    #[test]
    fn json_is_kept_as_it_was_written() {
        let body = r#"{"records":[{"key":"k","value":{"b": 1.50,"a":[]}},{"value":7,"partition":2},{"value":null}]}"#;
        assert_eq!(
            rest(Embedded::Json, body).unwrap(),
            [
                (Some("\"k\"".into()), Some(r#"{"b": 1.50,"a":[]}"#.into())),
                (None, Some("7".into())),
                (None, None),
            ]
        );
    }

    #[test]
    fn binary_is_base64_and_text_is_text() {
        let body = r#"{"records":[{"key":"aw==","value":"aGVsbG8"}]}"#;
        let want = [(Some("k".into()), Some("hello".into()))];
        assert_eq!(rest(Embedded::Binary, body).unwrap(), want);
        let body = r#"{"records":[{"key":"k","value":"hello"}]}"#;
        assert_eq!(rest(Embedded::Text, body).unwrap(), want);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, field) in [
            ("", "records"),
            ("[]", "records"),
            ("{}", "records"),
            (r#"{"records":[]}"#, "records"),
            (r#"{"records":[{"value":"!!"}]}"#, "records[0].value"),
            (
                r#"{"records":[{"value":"YQ=="},{"key":5}]}"#,
                "records[1].key",
            ),
            (
                r#"{"records":[{"value":"YQ==","partition":1e99}]}"#,
                "records",
            ),
        ] {
            assert_eq!(rest(Embedded::Binary, body), Err(field.into()), "{body}");
        }
    }

    #[test]
    fn what_devices_send_becomes_records() {
        let count = |kind: &str, body: &'static str| {
            ingested("t", kind, &Bytes::from_static(body.as_bytes()))
                .map(|records| records.map(|r| r.len()).map_err(|p| p.field))
        };
        assert_eq!(count("text/plain;charset=UTF-8", "hi"), Some(Ok(1)));
        assert_eq!(count("application/json", "{}"), Some(Ok(1)));
        assert_eq!(count("application/x-ndjson", "1\n\n2\r\n3"), Some(Ok(3)));
        assert_eq!(
            count("application/x-ndjson", "1\nnope"),
            Some(Err(Some("line 2".into())))
        );
        assert_eq!(
            count("application/cloudevents-batch+json", "[{},{}]"),
            Some(Ok(2))
        );
        assert_eq!(
            count("application/json", "{"),
            Some(Err(Some("body".into())))
        );
        assert_eq!(count("image/png", ""), None);
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..9) {
            let kinds = [
                "application/vnd.kafka.json.v2+json", "application/vnd.kafka.binary.v2+json",
                "application/vnd.kafka.text.v2+json", "text/plain", "application/json", "application/x-ndjson",
                "application/cloudevents+json", "application/cloudevents-batch+json", "",
            ];
            read_any(kinds[at], &Bytes::from(body));
        }
    }
}
