//! When the pictures of a film that goes into its topic faster than it plays count as captured: it ends now, and began as long ago as it
//! plays.
//!
//! So a topic's time line is as long as the film, and a time finds its picture. Looking a time up takes times that rise in the
//! order of the records, and a topic keeps nothing that is older than `retention.ms`: where either stands against it, the pictures
//! count as captured when they are sent, and a person is told why.

use std::time::Duration;

use weir_base::time::Timestamp;
use weir_client::Kafka;

use crate::SourceError;

/// Where a film begins in time; or why it cannot be dated back, and what to do.
pub(crate) async fn begin(
    kafka: &Kafka,
    topic: &str,
    length: Duration,
    now: Timestamp,
) -> Result<Result<Timestamp, String>, SourceError> {
    let length_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let begin = now.plus_ms(length_ms.saturating_neg());
    if begin.0 < 0 {
        return Ok(Err(as_sent("by its own word it began before 1970")));
    }
    // Where settings may not be read, Kafka's own stand against no film.
    let settings = kafka.topic_config(topic).await.unwrap_or_default();
    for name in ["retention.ms", "message.timestamp.before.max.ms"] {
        let setting = settings.iter().find(|setting| setting.name == name);
        let limit_ms: Option<i64> =
            setting.and_then(|setting| setting.value.as_ref()?.parse().ok());
        if let Some(limit_ms) = limit_ms.filter(|limit_ms| (0..=length_ms).contains(limit_ms)) {
            return Ok(Err(as_sent(&format!(
                "topic {topic:?} takes or keeps nothing that old ({name}={limit_ms}); `weir topic alter {topic} --config {name}=…` \
                 mends it"
            ))));
        }
    }
    let newer = kafka.offsets_at(topic, begin).await?;
    if newer.iter().any(|partition| partition.offset.is_some()) {
        return Ok(Err(as_sent(&format!(
            "topic {topic:?} holds records newer than its beginning, and times in a topic rise; a topic of its own, or --pace realtime, \
             gives it its length"
        ))));
    }
    Ok(Ok(begin))
}

fn as_sent(why: &str) -> String {
    format!(
        "its pictures are stamped with the time they are sent, and players' time lines will be as short as that takes: {why}"
    )
}
