//! Running counts of the words of a text topic.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::Kafka;

use crate::{ProcessorError, Progress, Summary};

/// Counts words.
#[derive(Clone)]
pub struct Words {
    /// The text.
    pub topic: String,
    /// The counts: key = word, value = `{"count":n}`, compacted.
    pub to: String,
    /// The name under which the position is kept.
    pub group: String,
    /// Different words held in memory at most.
    pub max_words: usize,
    /// How long a changed count may wait to be written.
    pub flush_ms: u64,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Words {
    /// Counts `topic` into `to`.
    pub fn new(topic: impl Into<String>, to: impl Into<String>) -> Self {
        let to = to.into();
        Self {
            topic: topic.into(),
            group: format!("weir-words-{to}"),
            to,
            max_words: 1_000_000,
            flush_ms: 100,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Counts until `shutdown`.
    #[allow(clippy::unused_async, reason = "the skeleton")]
    pub async fn run(
        self,
        _kafka: &Kafka,
        _progress: Arc<dyn Progress>,
        _shutdown: CancellationToken,
    ) -> Result<Summary, ProcessorError> {
        todo!()
    }
}
