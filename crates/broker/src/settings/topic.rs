//! Topic settings: their table, their check, and the log's configuration they come to.
//!
//! A topic's own value counts, else the server setting it falls back on.

use std::collections::BTreeMap;

use weir_log::{CleanupPolicy, LogConfig, TimestampType};

use super::Kind::{Bool, Double, Int, List, Long, OneOf};
use super::{Kind, Settings, Value};

/// A topic's own settings, by name.
pub(crate) type Overrides = BTreeMap<String, String>;

/// One topic setting in the table.
#[derive(Debug)]
pub(crate) struct TopicSetting {
    /// Kafka's name for it.
    pub name: &'static str,
    /// The server setting it falls back on.
    pub server: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// Its default where the server has no setting for it.
    pub default: Option<&'static str>,
    /// What it does.
    pub meaning: &'static str,
}

const MAX_INT: i64 = i32::MAX as i64;
const MAX: i64 = i64::MAX;

const fn setting(
    name: &'static str,
    server: &'static str,
    kind: Kind,
    meaning: &'static str,
) -> TopicSetting {
    TopicSetting {
        name,
        server,
        kind,
        default: None,
        meaning,
    }
}

const fn alone(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    meaning: &'static str,
) -> TopicSetting {
    TopicSetting {
        name,
        server: "",
        kind,
        default: Some(default),
        meaning,
    }
}

/// Every topic setting.
#[rustfmt::skip] // A line a setting.
pub(crate) static TABLE: &[TopicSetting] = &[
    setting("cleanup.policy", "log.cleanup.policy", List(&["delete", "compact"]), "What becomes of old records."),
    setting("compression.type", "compression.type", OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), "How batches are compressed; they stay as the producer sent them, whatever this says."),
    alone("compression.gzip.level", "-1", Int(-1, 9), "Kept and shown; batches stay as the producer sent them."),
    alone("compression.lz4.level", "9", Int(1, 17), "Kept and shown; batches stay as the producer sent them."),
    alone("compression.zstd.level", "3", Int(-131_072, 22), "Kept and shown; batches stay as the producer sent them."),
    setting("delete.retention.ms", "log.cleaner.delete.retention.ms", Long(0, MAX), "How long a compacted topic keeps tombstones, in milliseconds."),
    setting("file.delete.delay.ms", "log.segment.delete.delay.ms", Long(0, MAX), "How long a removed segment's files stay, in milliseconds."),
    setting("flush.messages", "log.flush.interval.messages", Long(1, MAX), "Kept and shown; records are always durable before acks=all is answered."),
    setting("flush.ms", "log.flush.interval.ms", Long(0, MAX), "Kept and shown; records are always durable before acks=all is answered."),
    alone("follower.replication.throttled.replicas", "", Kind::List(&[]), "Kept and shown; nothing is replicated here."),
    setting("index.interval.bytes", "log.index.interval.bytes", Int(0, MAX_INT), "How many bytes of records an entry of the offset index stands for."),
    alone("leader.replication.throttled.replicas", "", Kind::List(&[]), "Kept and shown; nothing is replicated here."),
    alone("local.retention.bytes", "-2", Long(-2, MAX), "Kept and shown; there is no tiered storage here."),
    alone("local.retention.ms", "-2", Long(-2, MAX), "Kept and shown; there is no tiered storage here."),
    setting("max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", Long(1, MAX), "How long a record stays uncompacted at most, in milliseconds."),
    setting("max.message.bytes", "message.max.bytes", Int(0, MAX_INT), "The largest record batch taken, in bytes."),
    setting("message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms", Long(0, MAX), "How far a record's timestamp may lie in the future, in milliseconds."),
    setting("message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms", Long(0, MAX), "How far a record's timestamp may lie in the past, in milliseconds."),
    setting("message.timestamp.type", "log.message.timestamp.type", OneOf(&["CreateTime", "LogAppendTime"]), "Whose clock stamps records."),
    setting("min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio", Double(0.0, 1.0), "Which part of a compacted log must be new before it is compacted again."),
    setting("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms", Long(0, MAX), "How long a record stays uncompacted at least, in milliseconds."),
    setting("min.insync.replicas", "min.insync.replicas", Int(1, MAX_INT), "How many replicas a write with acks=all waits for; this broker has one."),
    setting("preallocate", "log.preallocate", Bool, "Kept and shown; files grow as they are written."),
    alone("remote.log.copy.disable", "false", Bool, "Kept and shown; there is no tiered storage here."),
    alone("remote.log.delete.on.disable", "false", Bool, "Kept and shown; there is no tiered storage here."),
    alone("remote.storage.enable", "false", OneOf(&["false"]), "There is no tiered storage here."),
    setting("retention.bytes", "log.retention.bytes", Long(-1, MAX), "How many bytes of records a partition keeps; -1 sets no bound."),
    setting("retention.ms", "log.retention.ms", Long(-1, MAX), "How long records are kept, in milliseconds; -1 is for ever."),
    setting("segment.bytes", "log.segment.bytes", Int(1024 * 1024, MAX_INT), "The largest a segment's file grows, in bytes."),
    setting("segment.index.bytes", "log.index.size.max.bytes", Int(4, MAX_INT), "The largest a segment's offset index grows, in bytes."),
    alone("segment.jitter.ms", "0", Long(0, MAX), "Kept and shown; segments are closed on time."),
    setting("segment.ms", "log.roll.ms", Long(1, MAX), "How long a segment is written to, in milliseconds."),
    setting("unclean.leader.election.enable", "unclean.leader.election.enable", Bool, "Kept and shown; there is one replica."),
];

/// The topic setting of this name.
pub(crate) fn find(name: &str) -> Option<&'static TopicSetting> {
    TABLE.iter().find(|setting| setting.name == name)
}

/// Whether a topic may have this setting with this value; else a sentence that says why not.
pub(crate) fn check(name: &str, value: Option<&str>) -> Result<(), String> {
    let setting = find(name).ok_or_else(|| format!("Unknown topic config name: {name}"))?;
    let value =
        value.ok_or_else(|| format!("Null value not supported for topic config: {name}"))?;
    setting
        .kind
        .check(value)
        .map_err(|why| format!("Invalid value {value} for configuration {name}: {why}"))
}

/// What a setting falls back on, as text: the server's setting or the table's default.
pub(crate) fn fallback(setting: &TopicSetting, settings: &Settings) -> Option<String> {
    match setting.name {
        "retention.ms" => Some(settings.retention_ms().unwrap_or(-1).to_string()),
        "segment.ms" => Some(settings.roll_ms().to_string()),
        "flush.ms" => Some(
            settings
                .text(setting.server)
                .unwrap_or_else(|| i64::MAX.to_string()),
        ),
        _ if setting.server.is_empty() => setting.default.map(str::to_owned),
        _ => settings.text(setting.server),
    }
}

/// The log's configuration of a topic with these settings of its own.
pub(crate) fn log_config(overrides: &Overrides, settings: &Settings) -> LogConfig {
    let text = |name: &str| -> Option<String> {
        overrides
            .get(name)
            .cloned()
            .or_else(|| find(name).and_then(|setting| fallback(setting, settings)))
    };
    let number = |name: &str| i64::read(text(name).as_deref());
    let bytes = |name: &str| u64::try_from(number(name)).unwrap_or_default();
    let bounded = |name: &str| Some(number(name)).filter(|bound| *bound >= 0);
    let policy = text("cleanup.policy").unwrap_or_default();
    let has = |word: &str| policy.split(',').any(|given| given.trim() == word);
    LogConfig {
        segment_bytes: bytes("segment.bytes"),
        segment_ms: number("segment.ms"),
        segment_index_bytes: bytes("segment.index.bytes"),
        index_interval_bytes: bytes("index.interval.bytes"),
        retention_ms: bounded("retention.ms"),
        retention_bytes: bounded("retention.bytes"),
        cleanup_policy: CleanupPolicy {
            delete: has("delete"),
            compact: has("compact"),
        },
        max_message_bytes: bytes("max.message.bytes"),
        timestamp_type: match text("message.timestamp.type").as_deref() {
            Some("LogAppendTime") => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        message_timestamp_before_max_ms: number("message.timestamp.before.max.ms"),
        message_timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
        min_cleanable_dirty_ratio: f64::read(text("min.cleanable.dirty.ratio").as_deref()),
        delete_retention_ms: number("delete.retention.ms"),
        min_compaction_lag_ms: number("min.compaction.lag.ms"),
        max_compaction_lag_ms: number("max.compaction.lag.ms"),
        file_delete_delay_ms: number("file.delete.delay.ms"),
        producer_id_expiration_ms: settings.get(super::PRODUCER_ID_EXPIRATION_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_without_settings_has_kafkas_defaults() {
        let config = log_config(&Overrides::new(), &Settings::default());
        assert_eq!(config, LogConfig::default());
    }

    #[test]
    fn a_topics_own_setting_comes_before_the_servers() {
        let server =
            Settings::parse([("log.retention.ms", "1000"), ("message.max.bytes", "5000")]).unwrap();
        let own = Overrides::from([("retention.ms".to_owned(), "-1".to_owned())]);
        let config = log_config(&own, &server);
        assert_eq!(config.retention_ms, None);
        assert_eq!(config.max_message_bytes, 5000);
    }

    #[test]
    fn every_fallback_names_a_server_setting_of_the_same_kind() {
        for setting in TABLE.iter().filter(|setting| !setting.server.is_empty()) {
            let server = super::super::find(setting.server)
                .unwrap_or_else(|| panic!("{} falls back on nothing", setting.name));
            assert_eq!(server.kind, setting.kind, "{}", setting.name);
        }
    }

    #[test]
    fn refusals_name_the_setting_and_the_value() {
        assert_eq!(
            check("no.such", Some("1")).unwrap_err(),
            "Unknown topic config name: no.such"
        );
        assert_eq!(
            check("retention.ms", Some("-2")).unwrap_err(),
            "Invalid value -2 for configuration retention.ms: -2 is below -1"
        );
        assert_eq!(
            check("cleanup.policy", Some("shred")).unwrap_err(),
            "Invalid value shred for configuration cleanup.policy: \"shred\" is none of delete, compact"
        );
        assert_eq!(check("cleanup.policy", Some("compact,delete")), Ok(()));
    }
}
