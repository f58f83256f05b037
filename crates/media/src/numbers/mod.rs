//! What numbers a record's value holds, and when they were made.
//!
//! A value is a JSON object whose numeric members are the series (`{"t": "2026-01-01T00:00:00Z", "count": 42}`), a bare
//! number, or `timestamp,number`. The `str` of a Python dict (`{'count': 42}`), which many small programs send, is read
//! as the object it stands for. Members that are no numbers (text, lists, nested objects, NaN, infinity) are passed
//! over; a value with nothing left holds no numbers.
//!
//! Creation time is the member `t`, `ts` or `timestamp`: RFC 3339 (UTC where no offset is given), or a number of
//! seconds, milliseconds, microseconds or nanoseconds since 1970 by its magnitude. A number before 1973 in such a
//! member is no time but a series like any other.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

mod object;
mod time;

use object::Member;

/// The numbers of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// When they were made, in ms since the Unix epoch, where the value says.
    pub time_ms: Option<f64>,
    /// Name and value of each number in the order they stand; a bare number's name is `value`. Every value is finite.
    pub values: Vec<(String, f64)>,
}

/// Why a value holds no numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value holds no numbers: {why}")]
pub struct NotNumbers {
    /// What it is instead.
    pub why: &'static str,
}

/// The most series one value may have.
pub const MAX_SERIES: usize = 256;
/// Longer values are not looked into: they are text or pictures.
const MAX_VALUE_BYTES: usize = 256 * 1024;
const TIME_MEMBERS: [&str; 3] = ["t", "ts", "timestamp"];

/// Reads a JSON object's numeric members, a bare number, or `timestamp,number`.
pub fn parse(value: &[u8]) -> Result<Numbers, NotNumbers> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(no("it is longer than 256 kB"));
    }
    let text = std::str::from_utf8(value)
        .map_err(|_| no("it is not UTF-8"))?
        .trim();
    if text.starts_with('{') {
        return from_object(text);
    }
    if let Some(value) = number(text) {
        return Ok(Numbers {
            time_ms: None,
            values: vec![("value".to_owned(), value)],
        });
    }
    let (time, value) = text
        .split_once(',')
        .ok_or(no("it is no JSON object, number, or `timestamp,number`"))?;
    let (time, value) = (time.trim(), value.trim());
    let time_ms = number(time)
        .and_then(time::from_magnitude)
        .or_else(|| time::from_rfc3339(time));
    match (time_ms, number(value)) {
        (Some(time_ms), Some(value)) => Ok(Numbers {
            time_ms: Some(time_ms),
            values: vec![("value".to_owned(), value)],
        }),
        _ => Err(no("it is no JSON object, number, or `timestamp,number`")),
    }
}

fn from_object(text: &str) -> Result<Numbers, NotNumbers> {
    let mut numbers = Numbers {
        time_ms: None,
        values: Vec::new(),
    };
    object::members(text, |name, member| {
        if numbers.time_ms.is_none() && TIME_MEMBERS.contains(&name.as_str()) {
            numbers.time_ms = match &member {
                Member::Number(value) => time::from_magnitude(*value),
                Member::Text(text) => time::from_rfc3339(text.trim()),
                Member::Other => None,
            };
            if numbers.time_ms.is_some() {
                return true;
            }
        }
        if let Member::Number(value) = member {
            match numbers.values.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => numbers.values.push((name, value)),
            }
        }
        numbers.values.len() <= MAX_SERIES
    })
    .ok_or(no(
        "it begins like a JSON object but is not sound, or has more than 256 series",
    ))?;
    if numbers.values.is_empty() {
        return Err(no("it is an object without numbers"));
    }
    Ok(numbers)
}

/// A finite decimal number and nothing else.
fn number(text: &str) -> Option<f64> {
    // Rust's own parser also takes names (`inf`, `NaN`), which are no numbers here.
    if !text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
    {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

fn no(why: &'static str) -> NotNumbers {
    NotNumbers { why }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &str) -> Vec<(String, f64)> {
        parse(text.as_bytes())
            .unwrap_or_else(|no| panic!("{text}: {no}"))
            .values
    }

    #[test]
    fn objects_bare_numbers_and_pairs_are_read() {
        for (text, time_ms, expected) in [
            ("42", None, &[("value", 42.0)][..]),
            (" -1.5e3\n", None, &[("value", -1500.0)]),
            (
                "1700000000.5,3",
                Some(1_700_000_000_500.0),
                &[("value", 3.0)],
            ),
            (
                "2026-01-01T00:00:00Z, 3",
                Some(1_767_225_600_000.0),
                &[("value", 3.0)],
            ),
            (r#"{"count":42}"#, None, &[("count", 42.0)]),
            (
                r#"{"t":"2026-01-01T00:00:00.250+01:00","a":1,"b":-2.5,"c":"x","d":true,"e":null}"#,
                Some(1_767_222_000_250.0),
                &[("a", 1.0), ("b", -2.5)],
            ),
            (
                r#"{"ts":1700000000123,"a":1}"#,
                Some(1_700_000_000_123.0),
                &[("a", 1.0)],
            ),
            (
                r#"{"timestamp":1700000000123456,"a":1}"#,
                Some(1_700_000_000_123.456),
                &[("a", 1.0)],
            ),
            (r#"{"a":{"b":[1,{"c":2}]},"d":3}"#, None, &[("d", 3.0)]),
            (
                r#"{"t":21.5,"humidity":40}"#,
                None,
                &[("t", 21.5), ("humidity", 40.0)],
            ),
            (r#"{"a":1,"a":2}"#, None, &[("a", 2.0)]),
            (r#"{"tempé\"":1}"#, None, &[("tempé\"", 1.0)]),
            (
                "{'t': '2026-01-01 00:00:00', 'count': 42, 'ok': True, 'none': None}",
                Some(1_767_225_600_000.0),
                &[("count", 42.0)],
            ),
            (
                "{\"a\":1,\"b\":NaN,\"c\":Infinity,\"d\":-Infinity,\"e\":1e999}",
                None,
                &[("a", 1.0)],
            ),
        ] {
            let numbers = parse(text.as_bytes()).unwrap_or_else(|no| panic!("{text}: {no}"));
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect();
            assert_eq!(numbers.values, expected, "{text}");
            assert_eq!(numbers.time_ms, time_ms, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            " ",
            "hello",
            "NaN",
            "inf",
            "-inf",
            "1e999",
            "{}",
            "{\"a\":\"1\"}",
            "{\"a\":1",
            "{\"a\":1}}",
            "{\"a\":1,}x",
            "{a:1}",
            "[1,2]",
            "\"42\"",
            "1,2",
            "3,14",
            "1 2",
            "true",
            "0x10",
            "--1",
            "1700000000,",
            ",1",
            "{\"a\":NaN}",
            "{\"a\" 1}",
            "{\"a\":01x}",
            "{\"t\":\"2026-01-01T00:00:00Z\"}",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(&[0xff, 0xfe]).is_err());
    }

    #[test]
    fn deep_nesting_and_many_series_are_refused() {
        let deep = format!(
            "{{\"a\":{}{},\"b\":1}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert!(parse(deep.as_bytes()).is_err());
        let many: Vec<String> = (0..=MAX_SERIES).map(|at| format!("\"m{at}\":1")).collect();
        assert!(parse(format!("{{{}}}", many.join(",")).as_bytes()).is_err());
        assert_eq!(
            values(&format!("{{{}}}", many[1..].join(","))).len(),
            MAX_SERIES
        );
    }

    proptest! {
        #[test]
        fn any_finite_numbers_come_back(members in prop::collection::btree_map("[a-z]{3,8}", -1e300f64..1e300, 1..20)) {
            let body: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value:e}")).collect();
            let expected: Vec<_> = members.into_iter().collect();
            prop_assert_eq!(values(&format!("{{{}}}", body.join(","))), expected);
        }

        #[test]
        fn any_text_is_read_without_harm(text in "[\\[\\]{}'\":,\\\\a-z0-9 .+uéT-]{0,60}") {
            if let Ok(numbers) = parse(text.as_bytes()) {
                prop_assert!(numbers.values.iter().all(|(_, value)| value.is_finite()));
            }
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&bytes);
        }
    }
}
