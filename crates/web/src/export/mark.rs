//! A place in a recording, as people name it.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::str::FromStr;
use std::time::Duration;

use weir_base::time::Timestamp;
use weir_base::units::parse_duration;
use weir_client::From;

use crate::problem::excerpt;

/// Whole numbers from here on are milliseconds since 1970 (March 1973 and later): no video topic has so many records.
const FIRST_MS: i64 = 100_000_000_000;

/// A place in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The first picture.
    Beginning,
    /// Behind the last picture.
    End,
    /// The record with this offset.
    Offset(i64),
    /// So many records before the end.
    Last(u64),
    /// The first picture of this time or later.
    Time(Timestamp),
    /// So long behind the first picture.
    AfterBeginning(Duration),
    /// So long before the last picture.
    BeforeEnd(Duration),
}

/// A text that names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is no place in a recording: give a time such as 2026-01-31T12:00:00Z, milliseconds since 1970, 0:30 or 1:02:03 from \
     the beginning, -10m before the end, an offset such as 42, beginning or end"
)]
pub struct BadMark {
    given: String,
}

impl FromStr for Mark {
    type Err = BadMark;

    fn from_str(text: &str) -> Result<Self, BadMark> {
        let refused = || BadMark {
            given: excerpt(text),
        };
        if let Some(duration) = clock(text) {
            return Ok(Self::AfterBeginning(duration));
        }
        if let Some(duration) = text.strip_prefix('-').and_then(clock_or_duration) {
            return Ok(Self::BeforeEnd(duration));
        }
        if text.parse::<i64>().is_err()
            && let Ok(duration) = parse_duration(text)
        {
            return Ok(Self::AfterBeginning(duration));
        }
        match From::parse(text, None) {
            Ok(From::Live) if !text.is_empty() => Ok(Self::End),
            Ok(From::Start) => Ok(Self::Beginning),
            Ok(From::Offset(ms)) if ms >= FIRST_MS => Ok(Self::Time(Timestamp(ms))),
            Ok(From::Offset(offset)) => Ok(Self::Offset(offset)),
            Ok(From::Last(count)) => Ok(Self::Last(count)),
            Ok(From::Time(time)) => Ok(Self::Time(time)),
            _ => Err(refused()),
        }
    }
}

fn clock_or_duration(text: &str) -> Option<Duration> {
    let number = text.parse::<u64>().is_ok();
    clock(text).or_else(|| (!number).then(|| parse_duration(text).ok()).flatten())
}

/// `0:30`, `1:02:03.5`: minutes and seconds, with hours in front or not.
fn clock(text: &str) -> Option<Duration> {
    let mut parts = text.rsplit(':');
    let (seconds, minutes, hours) = (parts.next()?, parts.next()?, parts.next());
    let digits =
        |part: &str| (1..=6).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let bounded = |part: &str| part.len() <= 2 && part.parse::<u64>().is_ok_and(|n| n < 60);
    let sound = parts.next().is_none()
        && digits(whole)
        && digits(fraction)
        && bounded(whole)
        && digits(minutes)
        && hours.is_none_or(|hours| digits(hours) && bounded(minutes));
    if !sound {
        return None;
    }
    let hours: u64 = hours.unwrap_or("0").parse().ok()?;
    let minutes: u64 = minutes.parse().ok()?;
    let micros: u64 = format!("{fraction:0<6}").parse().ok()?;
    let seconds = hours * 3600 + minutes * 60 + whole.parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds) + Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_place_is_read() {
        let seconds = Duration::from_secs_f64;
        for (text, want) in [
            ("beginning", Mark::Beginning),
            ("start", Mark::Beginning),
            ("end", Mark::End),
            ("0", Mark::Offset(0)),
            ("42", Mark::Offset(42)),
            ("-10", Mark::Last(10)),
            ("1769860800123", Mark::Time(Timestamp(1_769_860_800_123))),
            (
                "2026-01-31T12:00:00Z",
                Mark::Time(Timestamp(1_769_860_800_000)),
            ),
            (
                "2026-01-31T12:00:00+00:00",
                Mark::Time(Timestamp(1_769_860_800_000)),
            ),
            ("0:30", Mark::AfterBeginning(seconds(30.0))),
            ("90:00", Mark::AfterBeginning(seconds(5_400.0))),
            ("1:02:03.5", Mark::AfterBeginning(seconds(3_723.5))),
            ("90s", Mark::AfterBeginning(seconds(90.0))),
            ("1.5m", Mark::AfterBeginning(seconds(90.0))),
            ("-10m", Mark::BeforeEnd(seconds(600.0))),
            ("-0:30", Mark::BeforeEnd(seconds(30.0))),
        ] {
            assert_eq!(text.parse(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_names_no_place_is_refused_with_what_does() {
        for text in [
            "",
            "resume",
            "yesterday",
            "0:75",
            "1:75:00",
            ":30",
            "0:",
            "1:2:3:4",
            "--1",
            "-",
            "0:30s",
            "1e9",
            "\0",
            "0:30.",
            "9999999:00",
        ] {
            let refused = text.parse::<Mark>().unwrap_err().to_string();
            assert!(refused.contains("-10m"), "{text}: {refused}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", clocks in "-?[0-9:.]{0,20}[smh]?") {
            let _ = text.parse::<Mark>();
            let _ = clocks.parse::<Mark>();
        }
    }
}
