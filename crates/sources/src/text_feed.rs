//! Sentences without end: the harbour's reports, so that words can be counted.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::Kafka;

use crate::{Progress, SourceError, Summary};

/// Publishes made-up reports.
#[derive(Clone)]
pub struct TextFeed {
    /// Where to.
    pub topic: String,
    /// Sentences a second.
    pub per_second: f64,
    /// The same seed gives the same sentences; `None`: others each time.
    pub seed: Option<u64>,
    /// So many sentences; `None`: without end.
    pub count: Option<u64>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl TextFeed {
    /// Two sentences a second.
    pub fn new(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            per_second: 2.0,
            seed: None,
            count: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Publishes until `count` or `shutdown`.
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
