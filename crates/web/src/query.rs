//! What a request asks for: the topic in its path and the parameters behind the `?`, read once and refused by name.
//!
//! Unknown parameters are passed over, as on the rest of the web. Of a repeated one the first counts, unless it is one that is meant to be.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use weir_base::time::Timestamp;
use weir_client::From as Start;

use crate::problem::{Problem, excerpt};

/// The parameters behind the `?`.
#[derive(Debug, Clone, Default)]
pub struct Params(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(pairs)| Self(pairs))
            .map_err(|error| Problem::bad("?", format!("the query cannot be read: {error}")))
    }
}

impl Params {
    /// The parameters of a query string, for tests and fuzzing.
    pub fn parse(query: &str) -> Self {
        let uri = axum::http::Uri::builder()
            .path_and_query(format!("/?{query}"))
            .build();
        uri.ok()
            .and_then(|uri| Query::try_from_uri(&uri).ok())
            .map(|Query(pairs)| Self(pairs))
            .unwrap_or_default()
    }

    /// The parameter's text; an empty one counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Every text of a parameter that may be repeated; empty ones count as absent.
    pub fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        let given = self.0.iter().filter(move |(given, _)| given == name);
        given
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// `from`, with the `group` that `resume` needs.
    pub fn from(&self) -> Result<Start, Problem> {
        let group = self.group()?;
        Ok(Start::parse(self.text("from").unwrap_or_default(), group)?)
    }

    /// `from`, where a missing one means `default`.
    pub fn from_or(&self, default: Start) -> Result<Start, Problem> {
        match self.text("from") {
            None => Ok(default),
            Some(_) => self.from(),
        }
    }

    /// `group`: what Kafka takes as a name, within reason.
    pub fn group(&self) -> Result<Option<&str>, Problem> {
        match self.text("group") {
            Some(group) if group.len() > 249 || group.chars().any(char::is_control) => Err(
                Problem::bad("group", format!("{:?} cannot name a group", excerpt(group)))
                    .remedy("use 1 to 249 bytes without control characters"),
            ),
            group => Ok(group),
        }
    }

    /// `to`: where to end, the first record not to be sent.
    pub fn to(&self) -> Result<Option<End>, Problem> {
        let Some(text) = self.text("to") else {
            return Ok(None);
        };
        match Start::parse(text, None) {
            Ok(Start::Offset(offset)) => Ok(Some(End::Offset(offset))),
            Ok(Start::Time(time)) => Ok(Some(End::Time(time))),
            _ => Err(
                Problem::bad("to", format!("to={:?} is no end", excerpt(text)))
                    .remedy("give an offset such as 42 or a time such as 2026-01-31T12:00:00Z"),
            ),
        }
    }

    /// Refuses an end that lies in front of the beginning.
    pub fn check_order(from: &Start, end: Option<End>) -> Result<(), Problem> {
        let backwards = match (from, end) {
            (Start::Offset(from), Some(End::Offset(to))) => to < *from,
            (Start::Time(from), Some(End::Time(to))) => to < *from,
            _ => false,
        };
        if backwards {
            return Err(Problem::bad("to", "`to` lies in front of `from`"));
        }
        Ok(())
    }

    /// A whole number within `range`.
    pub fn number<N>(&self, name: &str, range: RangeInclusive<N>) -> Result<Option<N>, Problem>
    where
        N: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match text.parse::<N>() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(Problem::bad(
                name,
                format!("{name}={:?} is not within its range", excerpt(text)),
            )
            .remedy(format!(
                "give a whole number from {} to {}",
                range.start(),
                range.end()
            ))),
        }
    }

    /// `true`/`false`/`1`/`0`; the name alone means true.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        let given = self.0.iter().find(|(given, _)| given == name);
        match given.map(|(_, value)| value.as_str()) {
            None | Some("false" | "0") => Ok(false),
            Some("" | "true" | "1") => Ok(true),
            Some(other) => Err(Problem::bad(
                name,
                format!("{name}={:?} is neither true nor false", excerpt(other)),
            )
            .remedy("give true or false")),
        }
    }

    /// A duration such as `60s`, more than nothing and at most `max`.
    pub fn duration(&self, name: &str, max: Duration) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let refuse = |why: String| {
            Problem::bad(name, format!("{name}={:?}: {why}", excerpt(text)))
                .remedy("give a duration such as 500ms, 60s, 5m or 1h")
        };
        let duration =
            weir_base::units::parse_duration(text).map_err(|error| refuse(error.to_string()))?;
        if duration.is_zero() || duration > max {
            return Err(refuse(format!(
                "it must be more than nothing and at most {}s",
                max.as_secs()
            )));
        }
        Ok(Some(duration))
    }
}

/// Where something read ends: the first record not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In front of this offset, in every partition.
    Offset(i64),
    /// In front of the first record with this timestamp or a later one.
    Time(Timestamp),
}

impl End {
    /// Whether a record lies at or behind the end.
    pub fn reached_by(self, offset: i64, timestamp_ms: i64) -> bool {
        match self {
            Self::Offset(end) => offset >= end,
            Self::Time(end) => timestamp_ms >= end.0,
        }
    }
}

/// The topic named in the path.
#[derive(Debug, Clone)]
pub struct Topic(pub String);

impl Topic {
    /// Kafka's rule for names: 1 to 249 of `[a-zA-Z0-9._-]`, neither `.` nor `..`.
    pub fn check(name: &str) -> Result<Self, Problem> {
        let fits = (1..=249).contains(&name.len())
            && name != "."
            && name != ".."
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if fits {
            Ok(Self(name.to_owned()))
        } else {
            Err(
                Problem::bad("topic", format!("{:?} cannot name a topic", excerpt(name)))
                    .remedy("use 1 to 249 letters, digits, dots, underscores and hyphens"),
            )
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Topic {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(name) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::bad("topic", "the path names no topic"))?;
        Self::check(&name)
    }
}

/// Whether any of this panics on any text: what the fuzz target calls.
pub fn read_any(text: &str) {
    let params = Params::parse(text);
    let from = params.from();
    let end = params.to();
    if let (Ok(from), Ok(end)) = (&from, &end) {
        let _ = Params::check_order(from, *end);
    }
    let _ = params.number("limit", 1_u64..=u64::MAX);
    let _ = params.flag("full");
    let _ = params.duration("window", Duration::MAX);
    let _ = Topic::check(text);
    let _ = crate::guard::host_name(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_parameters_are_refused_by_the_name_of_the_field() {
        let window = Duration::from_hours(24);
        for (query, field) in [
            ("from=yesterday", "from"),
            ("from=%00", "from"),
            ("from=1e9", "from"),
            ("from=99999999999999999999", "from"),
            ("from=%F0%9F%99%82", "from"),
            ("from=2026-13-45T99:00:00Z", "from"),
            ("from=resume", "group"),
            ("from=resume&group=%0a", "group"),
            ("to=live", "to"),
            ("to=resume", "to"),
            ("limit=-1", "limit"),
            ("limit=0", "limit"),
            ("limit=18446744073709551616", "limit"),
            ("limit=NaN", "limit"),
            ("full=maybe", "full"),
            ("window=0s", "window"),
            ("window=-5s", "window"),
            ("window=9999999d", "window"),
            ("window=1e400s", "window"),
            ("window=soon", "window"),
        ] {
            let params = Params::parse(query);
            let refused = [
                params.from().err(),
                params.to().err(),
                params.number("limit", 1_u64..=1_000_000).err(),
                params.flag("full").err(),
                params.duration("window", window).err(),
            ];
            let refused: Vec<_> = refused.into_iter().flatten().collect();
            assert_eq!(refused.len(), 1, "{query}: {refused:?}");
            assert_eq!(refused[0].field.as_deref(), Some(field), "{query}");
            assert_eq!(refused[0].status, 400, "{query}");
        }
        let long = "g".repeat(300);
        let refused = Params::parse(&format!("group={long}")).group().unwrap_err();
        assert_eq!(refused.field.as_deref(), Some("group"));
        assert!(refused.detail.len() < 200);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}", names in "(from|to|limit|full|window|group)=.{0,20}(&(from|to)=.{0,20})?") {
            read_any(&text);
            read_any(&names);
        }
    }

    #[test]
    fn names_that_kafka_would_not_take_are_no_topics() {
        for bad in ["", ".", "..", "a b", "a/b", "ä", "a\0", &"x".repeat(250)] {
            assert_eq!(
                Topic::check(bad).unwrap_err().field.as_deref(),
                Some("topic"),
                "{bad:?}"
            );
        }
        for good in ["a", "my-topic", "A.b_c-9", &"x".repeat(249)] {
            assert!(Topic::check(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn an_end_is_the_first_record_not_sent() {
        assert!(!End::Offset(5).reached_by(4, 0));
        assert!(End::Offset(5).reached_by(5, 0));
        assert!(End::Time(Timestamp(10)).reached_by(0, 10));
        assert!(!End::Time(Timestamp(10)).reached_by(9, 9));
    }
}
