//! What the broker does without being asked: rolling, retention and compaction, by the clock.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::settings;

/// Looks after all partitions every `log.retention.check.interval.ms`, and those that are compacted every
/// `log.cleaner.backoff.ms`, until `closing` is cancelled.
pub(crate) async fn run(broker: Arc<Broker>, closing: CancellationToken) {
    let retention = period(
        broker
            .settings
            .get(settings::LOG_RETENTION_CHECK_INTERVAL_MS),
    );
    let compaction = period(broker.settings.get(settings::LOG_CLEANER_BACKOFF_MS));
    let tick = retention.min(compaction);
    let mut since_retention = Duration::ZERO;
    loop {
        tokio::select! {
            () = closing.cancelled() => return,
            () = tokio::time::sleep(tick) => {}
        }
        since_retention += tick;
        let everything = since_retention >= retention;
        if everything {
            since_retention = Duration::ZERO;
        }
        let broker = Arc::clone(&broker);
        let closing = closing.clone();
        let _ =
            tokio::task::spawn_blocking(move || look_after(&broker, everything, &closing)).await;
    }
}

fn look_after(broker: &Broker, everything: bool, closing: &CancellationToken) {
    for topic in broker.topics.list() {
        for partition in topic.partitions().iter() {
            if closing.is_cancelled() {
                return;
            }
            if !(everything || partition.log.config().cleanup_policy.compact) {
                continue;
            }
            if let Err(error) = partition.log.maintain() {
                tracing::warn!(topic = %partition.topic, partition = partition.index, %error, "maintenance failed, and is tried again later");
            }
        }
    }
}

fn period(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or_default().max(100))
}
