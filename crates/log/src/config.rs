//! A partition's settings: Kafka's topic configurations, by their names with `_` for `.`, and with Kafka's defaults.

/// What becomes of old records (`cleanup.policy`); both may be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Whole segments go by age and size.
    pub delete: bool,
    /// Of each key only the newest record stays.
    pub compact: bool,
}

/// Whose clock stamps a record (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, when the record is appended.
    LogAppendTime,
}

/// The settings of one partition's log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment's file grows no larger.
    pub segment_bytes: u64,
    /// `segment.ms`: a segment is closed this long after its first record.
    pub segment_ms: i64,
    /// `segment.index.bytes`: a segment is closed when its offset index is this large.
    pub segment_index_bytes: u64,
    /// `index.interval.bytes`: how many bytes of the log an index entry stands for.
    pub index_interval_bytes: u64,
    /// `retention.ms`; `None` keeps records for ever.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`; `None` sets no bound.
    pub retention_bytes: Option<i64>,
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `max.message.bytes`: the largest record batch.
    pub max_message_bytes: u64,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub message_timestamp_after_max_ms: i64,
    /// `min.cleanable.dirty.ratio`: compaction runs when so much of the log is new since the last.
    pub min_cleanable_dirty_ratio: f64,
    /// `delete.retention.ms`: how long a tombstone outlives compaction.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`: how old a record must be to be compacted.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: how old a record may get uncompacted.
    pub max_compaction_lag_ms: i64,
    /// `file.delete.delay.ms`: how long a removed segment's files stay, for readers still in them.
    pub file_delete_delay_ms: i64,
    /// `producer.id.expiration.ms`: how long a silent producer is remembered.
    pub producer_id_expiration_ms: i64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            retention_ms: Some(7 * 24 * 3_600_000),
            retention_bytes: None,
            cleanup_policy: CleanupPolicy {
                delete: true,
                compact: false,
            },
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: 3_600_000,
            min_cleanable_dirty_ratio: 0.5,
            delete_retention_ms: 24 * 3_600_000,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            file_delete_delay_ms: 60_000,
            producer_id_expiration_ms: 24 * 3_600_000,
        }
    }
}
