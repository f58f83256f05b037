//! What Python's `repr` writes of objects that sensors' programs put into a dict: `datetime.datetime(2026, 1, 31, 12, 0)`,
//! `np.float64(21.5)`, `Decimal('21.5')`, `Timestamp('2026-01-31 12:00:00')`.
//!
//! A `datetime` without a time zone is taken as UTC, as its text is; one with a zone that only Python's tables know is no
//! time.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use super::object::{Arguments, Member, is_not_finite};
use super::time;

/// The member that `name(arguments)` is.
pub(super) fn call(name: &str, arguments: &Arguments) -> Member {
    // `datetime.datetime`, `np.float64`, `numpy.float64`, `decimal.Decimal`: the last part tells.
    let last = name.rsplit('.').next().unwrap_or(name);
    match last {
        "datetime" => datetime(arguments).map_or(Member::Other, Member::Time),
        "Timestamp" | "datetime64" => match arguments.first() {
            Some((None, Member::Text(text))) => {
                time::from_rfc3339(text).map_or(Member::Other, Member::Time)
            }
            _ => Member::Other,
        },
        "timedelta" => span_min(arguments).map_or(Member::Other, Member::Zone),
        "timezone" => match arguments.first() {
            Some((None, Member::Zone(minutes))) => Member::Zone(*minutes),
            _ => Member::Other,
        },
        "Decimal" | "float" | "float16" | "float32" | "float64" | "longdouble" | "int8"
        | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64" => {
            scalar(arguments)
        }
        _ => Member::Other,
    }
}

/// What a bare name among arguments stands for.
pub(super) fn named(name: &str) -> Member {
    match name {
        "datetime.timezone.utc" | "timezone.utc" | "datetime.UTC" | "UTC" => Member::Zone(0),
        _ => Member::Other,
    }
}

fn scalar(arguments: &Arguments) -> Member {
    match arguments.first() {
        Some((None, member @ (Member::Number(_) | Member::NotFinite))) => member.clone(),
        Some((None, Member::Text(text))) if is_not_finite(&text.to_ascii_lowercase()) => {
            Member::NotFinite
        }
        Some((None, Member::Text(text))) => {
            super::number(text).map_or(Member::Other, Member::Number)
        }
        _ => Member::Other,
    }
}

/// Year, month, day, hour, minute, second, microsecond, as far as they are given, and a zone.
fn datetime(arguments: &Arguments) -> Option<f64> {
    let mut fields = [0_i64; 7];
    let mut given = 0;
    let mut ahead_min = 0;
    for (name, member) in arguments {
        match (name.as_deref(), member) {
            (None, Member::Number(value)) => {
                *fields.get_mut(given)? = whole(*value)?;
                given += 1;
            }
            (Some("tzinfo"), Member::Zone(minutes)) => ahead_min = *minutes,
            // After an hour was set back the same hour comes twice; which of them it is changes nothing in UTC.
            (Some("fold"), _) => {}
            _ => return None,
        }
    }
    let [year, month, day, hour, minute, second, us] = fields;
    if given < 3 || !(1..=9999).contains(&year) || !(0..1_000_000).contains(&us) {
        return None;
    }
    let ms = time::from_fields(year, month, day, hour, minute, second)?;
    Some(ms as f64 + us as f64 / 1e3 - (ahead_min * 60_000) as f64)
}

/// A time zone's distance from UTC in minutes: `timedelta(seconds=3600)`, `timedelta(days=-1, seconds=68400)`.
fn span_min(arguments: &Arguments) -> Option<i64> {
    let mut seconds = 0;
    for (at, (name, member)) in arguments.iter().enumerate() {
        let Member::Number(value) = member else {
            return None;
        };
        let value = whole(*value)?;
        seconds += match (name.as_deref(), at) {
            (Some("days"), _) | (None, 0) => value * 86_400,
            (Some("seconds"), _) | (None, 1) => value,
            _ => return None,
        };
    }
    (seconds.abs() < 86_400).then_some(seconds / 60)
}

/// A whole number no larger than a time's fields need.
fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() < 1e9).then_some(value as i64)
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn time(value: &str) -> Option<f64> {
        let text = format!("{{'t': {value}, 'count': 1}}");
        let numbers = parse(text.as_bytes()).unwrap_or_else(|no| panic!("{text}: {no}"));
        assert_eq!(numbers.values, [("count".to_owned(), 1.0)], "{text}");
        numbers.time_ms
    }

    #[test]
    fn datetimes_are_read_with_their_zones() {
        for (text, ms) in [
            (
                "datetime.datetime(2026, 1, 1, 0, 0)",
                Some(1_767_225_600_000.0),
            ),
            ("datetime.datetime(2026, 1, 1)", Some(1_767_225_600_000.0)),
            (
                "datetime.datetime(2026, 1, 1, 12, 30, 15, 250000, fold=1)",
                Some(1_767_270_615_250.0),
            ),
            (
                "datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)",
                Some(1_767_225_600_000.0),
            ),
            (
                "datetime.datetime(2026, 1, 1, 1, 0, tzinfo=datetime.timezone(datetime.timedelta(seconds=3600)))",
                Some(1_767_225_600_000.0),
            ),
            (
                "datetime.datetime(2025, 12, 31, 19, 0, tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=68400), 'EST'))",
                Some(1_767_225_600_000.0),
            ),
            (
                "Timestamp('2026-01-01 00:00:00')",
                Some(1_767_225_600_000.0),
            ),
            (
                "Timestamp('2026-01-01 00:00:00+0000', tz='UTC')",
                Some(1_767_225_600_000.0),
            ),
            (
                "np.datetime64('2026-01-01T00:00:00')",
                Some(1_767_225_600_000.0),
            ),
            (
                "datetime.datetime(2026, 1, 1, 0, 0, tzinfo=zoneinfo.ZoneInfo(key='Europe/Berlin'))",
                None,
            ),
            ("datetime.datetime(2026, 13, 1, 0, 0)", None),
            ("datetime.datetime(2026, 1)", None),
            ("datetime.datetime(50000, 1, 1, 0, 0)", None),
            ("datetime.date(2026, 1, 1)", None),
            ("something.Else(a=b, c=[1, 2], d=e(f))", None),
        ] {
            assert_eq!(time(text), ms, "{text}");
        }
    }

    #[test]
    fn numbers_of_numpy_and_decimal_are_numbers() {
        for (text, value) in [
            ("np.float64(21.5)", 21.5),
            ("numpy.float32(21.5)", 21.5),
            ("np.int64(-3)", -3.0),
            ("np.uint8(3)", 3.0),
            ("Decimal('21.5')", 21.5),
        ] {
            let numbers = parse(format!("{{'a': {text}}}").as_bytes()).unwrap();
            assert_eq!(numbers.values, [("a".to_owned(), value)], "{text}");
        }
        for text in [
            "np.str_('x')",
            "Decimal('x')",
            "Decimal('NaN')",
            "np.float64()",
            "np.float64(1",
            "f(((((1))))",
        ] {
            assert!(
                parse(format!("{{'a': {text}}}").as_bytes()).is_err(),
                "{text}"
            );
        }
        let deep = format!("{{'a': {}1{}}}", "f(".repeat(50_000), ")".repeat(50_000));
        assert!(parse(deep.as_bytes()).is_err());
    }
}
