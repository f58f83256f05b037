//! How a processor ended.

use std::collections::BTreeMap;

use weir_client::ClientError;

/// What a processor did before it was told to end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Records read whose results were not there yet.
    pub read: u64,
    /// Results written.
    pub written: u64,
    /// Records passed over, by the reason why.
    pub passed_over: BTreeMap<&'static str, u64>,
    /// Keys forgotten because there were too many, or because they had not come for too long.
    pub forgotten: u64,
}

/// A processor that could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessorError {
    /// Kafka would not.
    #[error(transparent)]
    Kafka(#[from] ClientError),
    /// The result topic holds something else.
    #[error("topic {topic:?} cannot take the results: {why}")]
    ResultTopic {
        /// The topic.
        topic: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// An option that cannot be.
    #[error("{option}: {why}")]
    Option {
        /// The option, as it is written on the command line.
        option: &'static str,
        /// What is wrong, and what is accepted.
        why: String,
    },
    /// More keys than are held in memory.
    #[error("more than {limit} different {what}: raise the limit with {option}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are held.
        limit: usize,
        /// The option that raises it.
        option: &'static str,
    },
}
