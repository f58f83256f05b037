//! The times sensors write: RFC 3339 and epochs of every unit, as milliseconds since 1970.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

/// An epoch time by its magnitude: seconds below 10¹¹ (the year 5138), then milliseconds, microseconds, nanoseconds.
/// `None` before March 1973 (10⁸ s), where numbers are more likely something else.
pub(super) fn from_magnitude(value: f64) -> Option<f64> {
    match value {
        1e8..1e11 => Some(value * 1e3),
        1e11..1e14 => Some(value),
        1e14..1e17 => Some(value / 1e3),
        1e17..1e20 => Some(value / 1e6),
        _ => None,
    }
}

/// RFC 3339, also with a space for the `T`, and without an offset (UTC), as Python's `isoformat` and `str` write it.
pub(super) fn from_rfc3339(text: &str) -> Option<f64> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let mut parts = date.split('-');
    let (year, month, day) = (
        digits(parts.next()?, 4)?,
        digits(parts.next()?, 2)?,
        digits(parts.next()?, 2)?,
    );
    if parts.next().is_some() {
        return None;
    }
    let (clock, offset_min) = split_offset(rest)?;
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let seconds = parts.next()?;
    let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let second = digits(second, 2)?;
    if parts.next().is_some() {
        return None;
    }
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction_ms = format!("0.{fraction}").parse::<f64>().ok()? * 1e3;
    let ms = from_fields(year, month, day, hour, minute, second)? - offset_min * 60_000;
    Some(ms as f64 + fraction_ms)
}

/// Milliseconds since 1970 of a UTC time of the Gregorian calendar; `None` where there is none such. The year has at most
/// four digits.
pub(super) fn from_fields(
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
) -> Option<i64> {
    let there_is = (0..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && (0..=23).contains(&hour)
        && (0..=59).contains(&minute)
        // 60 is a leap second.
        && (0..=60).contains(&second);
    if !there_is {
        return None;
    }
    let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute;
    Some((minutes * 60 + second) * 1000)
}

/// The time of day, and the minutes it is ahead of UTC.
fn split_offset(rest: &str) -> Option<(&str, i64)> {
    if let Some(clock) = rest.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = rest.rfind(['+', '-']) else {
        return Some((rest, 0));
    };
    let (clock, offset) = rest.split_at_checked(at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let offset = offset.get(1..)?;
    let (hours, minutes) = match offset.split_once(':') {
        Some(parts) => parts,
        None => offset.split_at_checked(2)?,
    };
    let (hours, minutes) = (
        digits(hours, 2)?,
        if minutes.is_empty() {
            0
        } else {
            digits(minutes, 2)?
        },
    );
    (hours <= 23 && minutes <= 59).then_some((clock, sign * (hours * 60 + minutes)))
}

fn digits(text: &str, count: usize) -> Option<i64> {
    if text.len() != count || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leap_days = before / 4 - before / 100 + before / 400;
    // 719,162 days lie between the years 1 and 1970.
    let days = before * 365 + leap_days - 719_162;
    days + (1..month)
        .map(|month| days_in_month(year, month))
        .sum::<i64>()
        + day
        - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_times_are_read() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0.0),
            ("2026-11-21T04:00:00Z", 1_795_233_600_000.0),
            ("2024-02-29T23:59:60.5z", 1_709_251_200_500.0),
            ("2026-11-21 05:30:00+01:30", 1_795_233_600_000.0),
            ("2026-11-21T03:00:00.001-0100", 1_795_233_600_001.0),
            ("2026-11-21T04:00:00.000123", 1_795_233_600_000.123),
            ("1969-12-31T23:59:59Z", -1000.0),
        ] {
            assert_eq!(from_rfc3339(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "2026-11-21",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+99:00",
            "26-01-01T00:00:00Z",
            "2026-01-01T00:00:00é",
            "２026-01-01T00:00:00Z",
            "2026-1-001T00:00:00Z",
            "+026-01-01T00:00:00Z",
        ] {
            assert_eq!(from_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn epochs_are_told_apart_by_magnitude() {
        for value in [
            1_700_000_000.0,
            1_700_000_000_000.0,
            1_700_000_000_000_000.0,
            1_700_000_000_000_000_000.0,
        ] {
            assert_eq!(from_magnitude(value), Some(1_700_000_000_000.0));
        }
        for value in [0.0, -5.0, 21.5, 99_999_999.0, f64::NAN, f64::INFINITY] {
            assert_eq!(from_magnitude(value), None);
        }
    }
}
