//! Made-up sensors: numbers that wander.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::Kafka;

use crate::{Progress, SourceError, Summary};

/// When values come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arrival {
    /// One after another, evenly.
    #[default]
    Uniform,
    /// Measured evenly, sent several at once after a pause.
    Bursty,
}

/// Publishes one or several sensors.
#[derive(Clone)]
pub struct Sensors {
    /// Where to.
    pub topic: String,
    /// The sensor's name, the records' key; several are told apart by `-1`, `-2`, ….
    pub name: String,
    /// Values a second of each sensor.
    pub per_second: f64,
    /// The least and the greatest value.
    pub range: (f64, f64),
    /// When values come.
    pub arrival: Arrival,
    /// How many sensors.
    pub producers: u32,
    /// So many values of each; `None`: without end.
    pub count: Option<u64>,
    /// The same seed gives the same numbers; `None`: others each time.
    pub seed: Option<u64>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Sensors {
    /// One sensor, five values a second between 0 and 100.
    pub fn new(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            name: "sensor".to_owned(),
            per_second: 5.0,
            range: (0.0, 100.0),
            arrival: Arrival::Uniform,
            producers: 1,
            count: None,
            seed: None,
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
