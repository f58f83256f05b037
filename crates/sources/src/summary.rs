//! How a source ended.

use std::time::Duration;

use weir_client::ClientError;

/// Why a source ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// There was no more.
    Finished,
    /// It was told to.
    Shutdown,
}

/// What a source did.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Records acknowledged.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Pictures or lines that were not sent, by choice or for damage.
    pub passed_over: u64,
    /// What was not sound, as sentences; the first hundred.
    pub damage: Vec<String>,
    /// How long it took.
    pub took: Duration,
    /// Why it ended.
    pub ended: Ended,
}

impl Summary {
    /// Of a source that was told to end before it began.
    pub(crate) fn nothing() -> Self {
        Self {
            records: 0,
            bytes: 0,
            passed_over: 0,
            damage: Vec::new(),
            took: Duration::ZERO,
            ended: Ended::Shutdown,
        }
    }
}

/// A source that could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Kafka would not.
    #[error(transparent)]
    Kafka(#[from] ClientError),
    /// A file could not be read.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A file of a kind that is not read here; through ffmpeg it may be.
    #[error("{0}")]
    NotRead(String),
    /// A video that cannot be published.
    #[error("{0}")]
    Media(String),
    /// An option that cannot be.
    #[error("{option}: {why}")]
    Option {
        /// The option, as it is written on the command line.
        option: &'static str,
        /// What is wrong, and what is accepted.
        why: String,
    },
    /// Another program follows the same file under the same name.
    #[error(
        "another `weir publish lines --follow` has taken over ({id:?}); to follow twice into one topic, name one of them with --place"
    )]
    Followed {
        /// The transactional id that both have.
        id: String,
    },
    /// A picture could not be encoded.
    #[error("the {codec} encoder failed: {why}")]
    Encoder {
        /// Which.
        codec: &'static str,
        /// What it said.
        why: String,
    },
}
