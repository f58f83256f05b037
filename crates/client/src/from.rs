//! Where a reader starts: the one grammar of `from` in URLs and on the command line.

use jiff::Timestamp as Instant;
use weir_base::time::Timestamp;

/// The position a reader starts at, for each partition of its topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum From {
    /// Only what is appended from now on.
    #[default]
    Live,
    /// The oldest record still there.
    Start,
    /// Where the group left off; a group without a position starts at the oldest record.
    Resume {
        /// The group whose committed offsets are read.
        group: String,
    },
    /// The record with this offset, in every partition.
    Offset(i64),
    /// The first record with this timestamp or a later one.
    Time(Timestamp),
    /// So many records before the end of each partition.
    Last(u64),
    /// The offset of the next record in each partition; those that are not named start at their oldest record. Where the
    /// offset is no longer there, or not yet, a [`crate::Event::Gap`] says so.
    Positions(Vec<(i32, i64)>),
}

/// A `from` that says nothing this program understands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFrom {
    /// Neither a word, nor a number, nor a time.
    #[error(
        "from={given:?} is no position: give live, start, resume (with group=NAME), an offset such as 42, -N for the last N records, or a time such as 2026-01-31T12:00:00Z"
    )]
    Unknown {
        /// What was given.
        given: String,
    },
    /// `resume` without a group.
    #[error("from=resume needs group=NAME: the name under which the position was kept")]
    ResumeNeedsGroup,
}

impl From {
    /// Reads `live`/`end`, `start`/`beginning`, `resume`, an offset, `-N` (the last N) or an RFC 3339 time.
    ///
    /// The empty text is `live`. `group` is used by `resume` alone.
    pub fn parse(text: &str, group: Option<&str>) -> Result<Self, BadFrom> {
        let unknown = || BadFrom::Unknown {
            given: text.chars().take(80).collect(),
        };
        match text {
            "" | "live" | "end" | "latest" => Ok(Self::Live),
            "start" | "beginning" | "earliest" => Ok(Self::Start),
            "resume" | "stored" => match group {
                Some(group) if !group.is_empty() => Ok(Self::Resume {
                    group: group.to_owned(),
                }),
                _ => Err(BadFrom::ResumeNeedsGroup),
            },
            _ => {
                if let Ok(number) = text.parse::<i64>() {
                    return Ok(if number < 0 {
                        Self::Last(number.unsigned_abs())
                    } else {
                        Self::Offset(number)
                    });
                }
                // A '+' in a URL's query arrives as a space: 2026-01-31T12:00:00+01:00.
                let repaired = text.replace(' ', "+");
                text.parse::<Instant>()
                    .or_else(|_| repaired.parse::<Instant>())
                    .map(|time| Self::Time(Timestamp(time.as_millisecond())))
                    .map_err(|_| unknown())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_from_is_read() {
        let resume = From::Resume {
            group: "tv".to_owned(),
        };
        for (text, group, want) in [
            ("", None, From::Live),
            ("live", None, From::Live),
            ("end", Some("tv"), From::Live),
            ("start", None, From::Start),
            ("beginning", None, From::Start),
            ("resume", Some("tv"), resume),
            ("0", None, From::Offset(0)),
            ("9223372036854775807", None, From::Offset(i64::MAX)),
            ("-1", None, From::Last(1)),
            ("-9223372036854775808", None, From::Last(1 << 63)),
            ("1970-01-01T00:00:01.5Z", None, From::Time(Timestamp(1_500))),
            (
                "1970-01-01T01:00:01+01:00",
                None,
                From::Time(Timestamp(1_000)),
            ),
            (
                "1970-01-01T01:00:01 01:00",
                None,
                From::Time(Timestamp(1_000)),
            ),
        ] {
            assert_eq!(From::parse(text, group), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_position_is_refused_with_the_forms_that_are() {
        for text in [
            "yesterday",
            "1.5",
            "9223372036854775808",
            "2026-13-01T00:00:00Z",
            "🙂",
            "\0",
            "--1",
        ] {
            let error = From::parse(text, None).unwrap_err();
            assert!(error.to_string().contains("start, resume"), "{text}");
        }
    }

    #[test]
    fn resume_without_a_group_says_that_one_is_needed() {
        assert_eq!(From::parse("resume", None), Err(BadFrom::ResumeNeedsGroup));
        assert_eq!(
            From::parse("resume", Some("")),
            Err(BadFrom::ResumeNeedsGroup)
        );
    }
}
