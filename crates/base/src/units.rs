//! Sizes, durations and rates as people write and read them: `10MB`, `5s`, `5/s`.
//!
//! Text in, numbers out, and back for showing. An error names the text and what would have been accepted.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A text that is no size, duration or rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a size.
    #[error("{0:?} is no size: write a number of bytes, or one with a unit, as 512, 10MB or 1GiB")]
    Bytes(String),
    /// Not a duration.
    #[error("{0:?} is no duration: write a number with a unit, as 200ms, 5s, 2m, 1h or 7d")]
    Duration(String),
    /// Not a rate.
    #[error("{0:?} is no rate: write a number, or one per s, min or h, as 5, 5/s or 10/min")]
    Rate(String),
}

/// How often something happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Times a second; more than 0, and finite.
    pub per_second: f64,
}

impl Rate {
    /// The time from one to the next.
    pub fn interval(self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.per_second).unwrap_or(Duration::MAX)
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let refused = || UnitError::Rate(text.to_owned());
        let (count, per_s) = match text.split_once('/') {
            None => (text, 1.0),
            Some((count, unit)) => {
                let seconds = match unit.trim() {
                    "s" | "sec" | "second" => 1.0,
                    "m" | "min" | "minute" => 60.0,
                    "h" | "hour" => 3600.0,
                    _ => return Err(refused()),
                };
                (count, seconds)
            }
        };
        let per_second = decimal(count.trim()).ok_or_else(refused)? / per_s;
        if per_second > 0.0 && per_second.is_finite() {
            Ok(Self { per_second })
        } else {
            Err(refused())
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.per_second)
    }
}

/// A number of bytes: `512`, `10MB` (powers of 1000), `1GiB` (powers of 1024); the `B` may be left out, case is free.
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    let refused = || UnitError::Bytes(text.to_owned());
    let (number, unit) = split(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "ki" | "kib" => 1 << 10,
        "mi" | "mib" => 1 << 20,
        "gi" | "gib" => 1 << 30,
        "ti" | "tib" => 1 << 40,
        _ => return Err(refused()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(refused);
    }
    let bytes = decimal(number).ok_or_else(refused)? * factor as f64;
    if bytes < u64::MAX as f64 {
        Ok(bytes.round() as u64)
    } else {
        Err(refused())
    }
}

/// A duration: a number with `us`, `ms`, `s`, `m`/`min`, `h` or `d`. A bare number is refused, but for 0: nobody could tell its unit.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let refused = || UnitError::Duration(text.to_owned());
    let (number, unit) = split(text);
    let seconds = match unit.to_ascii_lowercase().as_str() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "" if number == "0" => 1.0,
        _ => return Err(refused()),
    };
    let count = decimal(number).ok_or_else(refused)?;
    // To the nanosecond, so that 0.2 s is 200 ms in spite of binary fractions.
    let nanos = (count * seconds * 1e9).round();
    if nanos < u64::MAX as f64 {
        Ok(Duration::from_nanos(nanos as u64))
    } else {
        Err(refused())
    }
}

/// A number of bytes for people: `512 B`, `1.2 MB` (powers of 1000).
pub fn show_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        // What would be rounded to 1000 of a unit is 1 of the next.
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    format!("{} {unit}", short(value))
}

/// A duration for people, to about three digits: `43 ms`, `1.5 s`, `2 min 5 s`, `3 h 20 min`, `7 d`.
pub fn show_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let seconds = duration.as_secs_f64();
    if nanos == 0 {
        return "0 s".to_owned();
    }
    if nanos < 999_500 {
        return format!("{} µs", short(seconds * 1e6));
    }
    if nanos < 999_500_000 {
        return format!("{} ms", short(seconds * 1e3));
    }
    if seconds < 59.95 {
        return format!("{} s", short(seconds));
    }
    let whole = seconds.round() as u64;
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| {
        if small == 0 {
            format!("{large} {large_unit}")
        } else {
            format!("{large} {large_unit} {small} {small_unit}")
        }
    };
    match whole {
        0..3600 => two(whole / 60, "min", whole % 60, "s"),
        3600..86_400 => two(whole / 3600, "h", whole % 3600 / 60, "min"),
        _ => two(whole / 86_400, "d", whole % 86_400 / 3600, "h"),
    }
}

/// At most three digits, without a tail of zeros.
fn short(value: f64) -> String {
    let text = if value < 9.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    };
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number.trim(), unit.trim())
}

/// Digits with at most one point among them: no sign, exponent, `inf` or `nan`, all of which `f64` would take.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (plain && text.bytes().any(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_decimal_and_binary_units() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("512B", 512),
            ("10MB", 10_000_000),
            ("10 mb", 10_000_000),
            ("1.5k", 1500),
            ("1GiB", 1 << 30),
            ("64Ki", 65_536),
            (" 2tb ", 2_000_000_000_000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_its_text() {
        for text in [
            "",
            "MB",
            "-1",
            "1e9",
            "10XB",
            "1.2.3",
            "inf",
            "nan",
            "18446744073709551616",
            "99999999TiB",
            "1 000",
            "٣",
        ] {
            let error = parse_bytes(text).unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, ms) in [
            ("200ms", 200),
            ("5s", 5000),
            ("0.2s", 200),
            ("2m", 120_000),
            ("2min", 120_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
            ("0", 0),
            ("1.5 s", 1500),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(ms)),
                "{text}"
            );
        }
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "5x",
            "1e3s",
            "999999999999999999999d",
            "NaNs",
            "infs",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_read_per_second_minute_and_hour() {
        for (text, per_second) in [
            ("5/s", 5.0),
            ("30/min", 0.5),
            ("5", 5.0),
            ("0.5 / s", 0.5),
            ("3600/h", 1.0),
        ] {
            assert_eq!(text.parse(), Ok(Rate { per_second }), "{text}");
        }
        for text in ["", "0", "0/s", "-1", "5/", "5/week", "inf", "/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        assert_eq!(
            Rate { per_second: 4.0 }.interval(),
            Duration::from_millis(250)
        );
    }

    #[test]
    fn sizes_are_shown_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (1234, "1.2 kB"),
            (1_200_000, "1.2 MB"),
            (999_600, "1 MB"),
            (15_400_000, "15 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(show_bytes(bytes), text);
        }
    }

    #[test]
    fn durations_are_shown_short() {
        for (duration, text) in [
            (Duration::ZERO, "0 s"),
            (Duration::from_micros(12), "12 µs"),
            (Duration::from_millis(43), "43 ms"),
            (Duration::from_micros(1500), "1.5 ms"),
            (Duration::from_millis(1500), "1.5 s"),
            (Duration::from_mins(1), "1 min"),
            (Duration::from_secs(125), "2 min 5 s"),
            (Duration::from_mins(200), "3 h 20 min"),
            (Duration::from_hours(168), "7 d"),
        ] {
            assert_eq!(show_duration(duration), text);
        }
    }
}
