//! A topic's settings on their way: which of the source's the target's topic gets.
//!
//! Those that were set for the topic go along. So do those that decide what is kept and what is taken, wherever they were set:
//! a source that keeps everything by its broker's `log.retention.ms` would otherwise lose its old records to the target's
//! seven days.

use weir_client::{ClientError, Kafka, Setting};

/// What decides which records there are, and how large they may be.
const DECISIVE: &[&str] = &["cleanup.policy", LIMIT, "retention.bytes", "retention.ms"];
/// What names brokers of the source, or would keep records from coming as they are.
const STAY: &[&str] = &[
    "follower.replication.throttled.replicas",
    "leader.replication.throttled.replicas",
    TIMES,
];
/// The largest batch.
pub(crate) const LIMIT: &str = "max.message.bytes";
const TIMES: &str = "message.timestamp.type";

/// The settings that the target's topic gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// By name.
    pub(crate) settings: Vec<(String, String)>,
    /// The source stamps records itself; what was stamped goes along as it is.
    pub(crate) stamped: bool,
}

/// What the target's topic gets of these settings of the source's.
pub(crate) fn wanted(source: &[Setting]) -> Wanted {
    let goes = |setting: &&Setting| {
        let name = setting.name.as_str();
        !STAY.contains(&name) && (!setting.default || DECISIVE.contains(&name))
    };
    let carried = source.iter().filter(goes).filter_map(|setting| {
        let value = setting.value.clone()?;
        Some((setting.name.clone(), value))
    });
    let mut settings: Vec<(String, String)> = carried.collect();
    // The target must not stamp them anew.
    settings.push((TIMES.to_owned(), "CreateTime".to_owned()));
    Wanted {
        settings,
        stamped: source.iter().any(|setting| {
            setting.name == TIMES && setting.value.as_deref() == Some("LogAppendTime")
        }),
    }
}

/// What has to be changed at the target, whose settings these are.
pub(crate) fn changes(wanted: &Wanted, target: &[Setting]) -> Vec<(String, String)> {
    let differs = |(name, value): &&(String, String)| {
        let found = target.iter().find(|setting| setting.name == *name);
        // A broker that does not know a setting of today's kind refuses it by name.
        found.is_none_or(|found| found.value.as_ref() != Some(value))
    };
    wanted.settings.iter().filter(differs).cloned().collect()
}

/// A setting that was changed at the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Why it was not.
    pub(crate) refused: Option<String>,
}

/// Changes them one by one, so that those that are refused can be named.
pub(crate) async fn apply(
    to: &Kafka,
    topic: &str,
    changes: &[(String, String)],
) -> Result<Vec<Change>, ClientError> {
    let mut changed = Vec::new();
    for (name, value) in changes {
        let change = [(name.clone(), Some(value.clone()))];
        let refused = match to.alter_topic_config(topic, &change).await {
            Ok(()) => None,
            Err(ClientError::Refused { .. }) => Some("it takes no such setting or value"),
            Err(ClientError::Denied { .. }) => Some(
                "not allowed; an administrator grants AlterConfigs on the topic with kafka-acls",
            ),
            Err(error) => return Err(error),
        };
        changed.push(Change {
            name: name.clone(),
            value: value.clone(),
            refused: refused.map(str::to_owned),
        });
    }
    Ok(changed)
}

/// The largest batch that a topic with these settings takes.
pub(crate) fn max_message_bytes(settings: &[Setting]) -> usize {
    let limit = settings.iter().find(|setting| setting.name == LIMIT);
    limit
        .and_then(|limit| limit.value.as_ref()?.parse().ok())
        .unwrap_or(DEFAULT_MAX_MESSAGE_BYTES)
}

/// Kafka's default.
const DEFAULT_MAX_MESSAGE_BYTES: usize = 1_048_588;

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str, value: &str, default: bool) -> Setting {
        Setting {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            default,
        }
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn what_was_set_goes_along_and_what_decides_what_is_kept_in_any_case() {
        let source = [
            setting("cleanup.policy", "delete", true),
            setting("compression.type", "zstd", false),
            setting("flush.ms", "1000", true),
            setting("leader.replication.throttled.replicas", "*", false),
            setting("message.timestamp.type", "LogAppendTime", false),
            setting("retention.ms", "-1", true),
        ];
        let wanted = wanted(&source);
        assert!(wanted.stamped);
        assert_eq!(
            wanted.settings,
            [
                pair("cleanup.policy", "delete"),
                pair("compression.type", "zstd"),
                pair("retention.ms", "-1"),
                pair("message.timestamp.type", "CreateTime"),
            ]
        );
        let target = [
            setting("cleanup.policy", "delete", true),
            setting("compression.type", "producer", true),
            setting("message.timestamp.type", "CreateTime", true),
            setting("retention.ms", "604800000", true),
        ];
        assert_eq!(
            changes(&wanted, &target),
            [pair("compression.type", "zstd"), pair("retention.ms", "-1")]
        );
    }
}
