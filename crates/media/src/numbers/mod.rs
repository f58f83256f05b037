//! What numbers a record's value holds, and when they were made.
//!
//! A value is a JSON object whose numeric members are the series (`{"t": "2026-01-01T00:00:00Z", "count": 42}`), a bare
//! number, or `timestamp,number`, in brackets or not. The `str` of a Python dict (`{'count': 42}`), which many small
//! programs send, is read as the object it stands for, with what Python writes of a `datetime` and of numpy's numbers.
//! Members that are no numbers (text, lists, nested objects, NaN, infinity) are passed over; a value with nothing left
//! holds no numbers.
//!
//! Creation time is the member `t`, `ts`, `time`, `timestamp`, `date` or `datetime`, in capitals or not: RFC 3339 (UTC
//! where no offset is given), or a number of seconds, milliseconds, microseconds or nanoseconds since 1970 by its
//! magnitude. A number before 1973 in such a member is no time but a series like any other.
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
mod python;
mod time;

use std::ops::RangeInclusive;

use object::Member;

/// The numbers of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// When they were made, in ms since the Unix epoch, where the value says.
    pub time_ms: Option<f64>,
    /// Name and value of each number in the order they stand; a bare number's name is `value`. Every value is finite.
    pub values: Vec<(String, f64)>,
    /// Members that are NaN, infinite or too large for a number here, and so not among `values`.
    pub not_finite: u32,
}

/// Why a value holds no numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value holds no numbers: {why}")]
pub struct NotNumbers {
    /// What it is instead: one of the constants beside [`parse`], short enough to be a name to count under.
    pub why: &'static str,
}

/// Bytes that are no text.
pub const NO_UTF8: &str = "no UTF-8";
/// Text, or an object with no number in it.
pub const NO_NUMBER: &str = "no number";
/// The only number is NaN, infinite or too large.
pub const NOT_FINITE: &str = "NaN or infinite";
/// Longer than is looked into.
pub const TOO_LONG: &str = "longer than 256 kB";
/// More series than one value may have.
pub const TOO_MANY: &str = "more than 256 numbers";
/// A creation time outside [`TIME_RANGE_MS`].
pub const NO_TIME: &str = "a time outside 1970 to 9999";

/// The most series one value may have.
pub const MAX_SERIES: usize = 256;
/// The creation times there can be, in ms since the Unix epoch: the years 1970 to 9999.
pub const TIME_RANGE_MS: RangeInclusive<f64> = 0.0..=253_402_300_799_999.0;
/// Longer values are not looked into: they are text or pictures.
const MAX_VALUE_BYTES: usize = 256 * 1024;
const TIME_MEMBERS: [&str; 6] = ["t", "ts", "time", "timestamp", "date", "datetime"];

impl Numbers {
    /// When they were made: what the value says, else the record's own timestamp in ms; `None` where neither is known.
    pub fn created_ms(&self, record_ms: Option<i64>) -> Result<Option<f64>, NotNumbers> {
        match self.time_ms.or(record_ms.map(|ms| ms as f64)) {
            Some(ms) if !TIME_RANGE_MS.contains(&ms) => Err(no(NO_TIME)),
            created => Ok(created),
        }
    }

    fn one(time_ms: Option<f64>, value: f64) -> Self {
        Self {
            time_ms,
            values: vec![("value".to_owned(), value)],
            not_finite: 0,
        }
    }
}

/// Reads the numeric members of a JSON object or a Python dict, a bare number, or `timestamp,number`.
pub fn parse(value: &[u8]) -> Result<Numbers, NotNumbers> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(no(TOO_LONG));
    }
    let text = std::str::from_utf8(value).map_err(|_| no(NO_UTF8))?.trim();
    if text.starts_with('{') {
        return from_object(text);
    }
    // A program that turns its dict into text, and that into JSON, sends the text in quotes.
    if text.starts_with('"')
        && let Some(inner) = object::whole_string(text)
        && inner.trim_start().starts_with('{')
    {
        return from_object(inner.trim());
    }
    match number(text) {
        Ok(value) => return Ok(Numbers::one(None, value)),
        Err(NotNumbers { why: NOT_FINITE }) => return Err(no(NOT_FINITE)),
        Err(_) => {}
    }
    // A list or tuple of the two, as JSON or Python writes it.
    let pair = [('[', ']'), ('(', ')')]
        .iter()
        .find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close))
        .unwrap_or(text);
    let (time, value) = pair.split_once(',').ok_or(no(NO_NUMBER))?;
    let (time, value) = (time.trim(), value.trim());
    let time_ms = number(time)
        .ok()
        .and_then(time::from_magnitude)
        .or_else(|| time::from_rfc3339(time.trim_matches(['"', '\''])))
        .ok_or(no(NO_NUMBER))?;
    Ok(Numbers::one(Some(time_ms), number(value)?))
}

fn from_object(text: &str) -> Result<Numbers, NotNumbers> {
    let mut numbers = Numbers {
        time_ms: None,
        values: Vec::new(),
        not_finite: 0,
    };
    let sound = object::members(text, |name, member| {
        if numbers.time_ms.is_none() && is_time_member(&name) {
            numbers.time_ms = match &member {
                Member::Number(value) => time::from_magnitude(*value),
                Member::Text(text) => time::from_rfc3339(text.trim()),
                Member::Time(ms) => Some(*ms),
                _ => None,
            };
            if numbers.time_ms.is_some() {
                return true;
            }
        }
        match member {
            Member::Number(value) => {
                match numbers.values.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, known)) => *known = value,
                    None => numbers.values.push((name, value)),
                }
            }
            Member::NotFinite => numbers.not_finite = numbers.not_finite.saturating_add(1),
            _ => {}
        }
        numbers.values.len() <= MAX_SERIES
    });
    if numbers.values.len() > MAX_SERIES {
        Err(no(TOO_MANY))
    } else if sound.is_none() {
        Err(no(NO_NUMBER))
    } else if !numbers.values.is_empty() {
        Ok(numbers)
    } else if numbers.not_finite > 0 {
        Err(no(NOT_FINITE))
    } else {
        Err(no(NO_NUMBER))
    }
}

fn is_time_member(name: &str) -> bool {
    TIME_MEMBERS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

/// A finite decimal number and nothing else.
fn number(text: &str) -> Result<f64, NotNumbers> {
    if object::is_not_finite(text) {
        return Err(no(NOT_FINITE));
    }
    // Rust's own parser also takes names (`inf`, `NaN`), which are no numbers here.
    if !text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
    {
        return Err(no(NO_NUMBER));
    }
    let value: f64 = text.parse().map_err(|_| no(NO_NUMBER))?;
    if value.is_finite() {
        Ok(value)
    } else {
        Err(no(NOT_FINITE))
    }
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
                "{'timestamp': 1700000000.123, 'count': 5}",
                Some(1_700_000_000_123.0),
                &[("count", 5.0)],
            ),
            (
                "{'Time': '2026-01-01 00:00:00.250000', 'count': 5, 'last': True,}",
                Some(1_767_225_600_250.0),
                &[("count", 5.0)],
            ),
            (
                "{'timestamp': datetime.datetime(2026, 1, 1, 0, 0, 1, 500000), 'count': np.int64(5)}",
                Some(1_767_225_601_500.0),
                &[("count", 5.0)],
            ),
            (
                r#""{'ts': 1700000000, 'count': 5}""#,
                Some(1_700_000_000_000.0),
                &[("count", 5.0)],
            ),
            (
                r#""{\"ts\": 1700000000, \"count\": 5}""#,
                Some(1_700_000_000_000.0),
                &[("count", 5.0)],
            ),
            (
                "[1700000000.5, 3]",
                Some(1_700_000_000_500.0),
                &[("value", 3.0)],
            ),
            (
                "(1700000000.5, 3)",
                Some(1_700_000_000_500.0),
                &[("value", 3.0)],
            ),
            (
                "[\"2026-01-01T00:00:00Z\", 3]",
                Some(1_767_225_600_000.0),
                &[("value", 3.0)],
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
    fn what_is_no_number_is_refused_and_says_why() {
        for (text, why) in [
            ("", NO_NUMBER),
            (" ", NO_NUMBER),
            ("hello", NO_NUMBER),
            ("NaN", NOT_FINITE),
            ("nan", NOT_FINITE),
            ("inf", NOT_FINITE),
            ("-inf", NOT_FINITE),
            ("Infinity", NOT_FINITE),
            ("1e999", NOT_FINITE),
            ("1700000000,NaN", NOT_FINITE),
            ("{\"a\":NaN}", NOT_FINITE),
            ("{'a': nan, 'b': inf}", NOT_FINITE),
            ("{'a': np.float64(nan)}", NOT_FINITE),
            ("{'a': float('nan')}", NOT_FINITE),
            ("{\"a\":-1e999,\"b\":\"x\"}", NOT_FINITE),
            ("{}", NO_NUMBER),
            ("{\"a\":\"1\"}", NO_NUMBER),
            ("{\"a\":1", NO_NUMBER),
            ("{\"a\":1}}", NO_NUMBER),
            ("{\"a\":1,}x", NO_NUMBER),
            ("{a:1}", NO_NUMBER),
            ("[1,2]", NO_NUMBER),
            ("[1700000000,2,3]", NO_NUMBER),
            ("\"42\"", NO_NUMBER),
            ("\"{'a': 1\"", NO_NUMBER),
            ("\"{'a': 1}", NO_NUMBER),
            ("1,2", NO_NUMBER),
            ("3,14", NO_NUMBER),
            ("1 2", NO_NUMBER),
            ("true", NO_NUMBER),
            ("0x10", NO_NUMBER),
            ("--1", NO_NUMBER),
            ("1700000000,", NO_NUMBER),
            (",1", NO_NUMBER),
            ("{\"a\" 1}", NO_NUMBER),
            ("{\"a\":01x}", NO_NUMBER),
            ("{\"t\":\"2026-01-01T00:00:00Z\"}", NO_NUMBER),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(no(why)), "{text}");
        }
        assert_eq!(parse(&[0xff, 0xfe]), Err(no(NO_UTF8)));
        assert_eq!(parse(&vec![b'1'; MAX_VALUE_BYTES + 1]), Err(no(TOO_LONG)));
    }

    #[test]
    fn members_that_are_not_finite_are_counted_beside_those_that_are() {
        let numbers = parse(b"{'a': 1, 'b': nan, 'c': -inf, 'd': 1e999}").unwrap();
        assert_eq!(numbers.values, [("a".to_owned(), 1.0)]);
        assert_eq!(numbers.not_finite, 3);
    }

    #[test]
    fn the_creation_time_is_the_values_own_else_the_records_and_within_four_digit_years() {
        let at = |text: &str, record_ms| parse(text.as_bytes()).unwrap().created_ms(record_ms);
        assert_eq!(at("1700000000,3", Some(5)), Ok(Some(1_700_000_000_000.0)));
        assert_eq!(at("3", Some(5)), Ok(Some(5.0)));
        assert_eq!(at("3", None), Ok(None));
        for (text, record_ms) in [
            ("3", Some(-1)),
            ("3", Some(1_515_685_219_200_000)), // the year 50,000
            ("3", Some(i64::MAX)),
            ("{\"t\":\"1969-12-31T23:59:59Z\",\"a\":1}", Some(5)),
            ("{\"t\":\"0001-01-01T00:00:00Z\",\"a\":1}", Some(5)),
        ] {
            assert_eq!(
                at(text, record_ms),
                Err(no(NO_TIME)),
                "{text} {record_ms:?}"
            );
        }
        assert_eq!(
            at("{\"t\":\"9999-12-31T23:59:59.999Z\",\"a\":1}", None),
            Ok(Some(253_402_300_799_999.0))
        );
        // A time that is none leaves the record's.
        assert_eq!(
            at("{\"t\":\"+50000-01-01T00:00:00Z\",\"a\":1}", Some(5)),
            Ok(Some(5.0))
        );
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
        assert_eq!(
            parse(format!("{{{}}}", many.join(",")).as_bytes()),
            Err(no(TOO_MANY))
        );
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
