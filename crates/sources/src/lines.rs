//! A record a line, from a file or standard input.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::Kafka;

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
    /// Goes on with what is appended, as `tail -F`: starts at the end of the file, survives rotation and truncation.
    pub follow: bool,
    /// With [`Lines::follow`]: what the file holds already comes first.
    pub from_start: bool,
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
            key_separator: None,
            max_line_bytes: 1_000_000,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Publishes until the end or `shutdown`.
    #[allow(clippy::unused_async, reason = "the skeleton")]
    pub async fn run(
        self,
        _kafka: &Kafka,
        _progress: Arc<dyn Progress>,
        _shutdown: CancellationToken,
    ) -> Result<Summary, SourceError> {
        todo!()
    }
}
