//! A record a line, from a file or standard input.
//!
//! A line ends with LF or CRLF, which the record does not hold; the last line of an input that is not followed may lack
//! it; an empty line is an empty record. A line longer than the limit becomes several records, cut between characters where it
//! is UTF-8. Bytes that are no UTF-8, and NUL bytes, go into the record as they are. None of this ends anything; it is
//! counted and told at the end.

mod deliver;
mod follow;
mod once;
mod place;
mod places;
mod records;
mod split;

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::Kafka;

pub(crate) use self::follow::cannot_open;
use crate::{Progress, SourceError, Summary};

/// Where lines come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input, until it ends.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// Publishes lines.
#[derive(Clone)]
pub struct Lines {
    /// Where to.
    pub topic: String,
    /// Where from.
    pub input: Input,
    /// Goes on with what is appended, as `tail -F`, through rotation and truncation. Where it stands is kept in Kafka, in
    /// the transactions that write the lines: another run goes on there, and readers of committed records see each line
    /// once. The first time it starts at the end of the file.
    pub follow: bool,
    /// With [`Lines::follow`]: the first time, what the file holds already comes first.
    pub from_start: bool,
    /// With [`Lines::follow`]: the name the place is kept under, one a topic; `None`: the file's path.
    pub place: Option<String>,
    /// What stands before it is the key.
    pub key_separator: Option<String>,
    /// A longer line is cut into records of this many bytes at most.
    pub max_line_bytes: usize,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Lines {
    /// All lines of `input` once.
    pub fn new(topic: impl Into<String>, input: Input) -> Self {
        Self {
            topic: topic.into(),
            input,
            follow: false,
            from_start: true,
            place: None,
            key_separator: None,
            max_line_bytes: 1_000_000,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Publishes until the end or `shutdown`.
    pub async fn run(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Summary, SourceError> {
        self.check()?;
        match &self.input {
            Input::File(path) if self.follow => {
                let path = path.clone();
                deliver::run(self, &path, kafka, progress, shutdown).await
            }
            _ => once::run(self, kafka, progress, shutdown).await,
        }
    }

    fn check(&self) -> Result<(), SourceError> {
        let wrong = |option, why: &str| {
            Err(SourceError::Option {
                option,
                why: why.to_owned(),
            })
        };
        if self.max_line_bytes < 16 {
            return wrong("--max-line", "give 16 bytes or more");
        }
        if self.key_separator.as_ref().is_some_and(String::is_empty) {
            return wrong("--key-separator", "give one character or more");
        }
        if self.follow && self.input == Input::Stdin {
            return wrong(
                "--follow",
                "standard input is read to its end anyway; name a file to follow",
            );
        }
        Ok(())
    }
}
