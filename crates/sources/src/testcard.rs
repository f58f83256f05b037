//! A moving picture with the wall clock burnt in, encoded as H.264.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::Kafka;

use crate::{Progress, SourceError, Summary};

/// Publishes the test card.
#[derive(Clone)]
pub struct TestCardSource {
    /// Where to.
    pub topic: String,
    /// The records' key.
    pub key: String,
    /// Pixels, even.
    pub width: u32,
    /// Pixels, even.
    pub height: u32,
    /// Pictures a second.
    pub fps: f64,
    /// Bits a second; `None`: by the picture's size.
    pub bitrate_bps: Option<u32>,
    /// Seconds from key frame to key frame.
    pub key_every_s: f64,
    /// So many pictures; `None`: without end.
    pub count: Option<u64>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl TestCardSource {
    /// 1280x720, 25 pictures a second.
    pub fn new(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            key: "testcard".to_owned(),
            width: 1280,
            height: 720,
            fps: 25.0,
            bitrate_bps: None,
            key_every_s: 2.0,
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
