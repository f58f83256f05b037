//! What can be set about groups, by Kafka's own names, with Kafka's defaults.

use crate::settings::{self, Settings};

/// The group coordinator's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSettings {
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members before its first generation.
    pub initial_rebalance_delay_ms: i32,
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.max.size`: how many members a group may have.
    pub max_size: usize,
    /// `offset.metadata.max.bytes`: how long a committed offset's text may be.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, in ms: how long committed offsets outlive their group's last member.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: u64,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            initial_rebalance_delay_ms: 3_000,
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            max_size: i32::MAX as usize,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 600_000,
        }
    }
}

impl From<&Settings> for GroupSettings {
    fn from(settings: &Settings) -> Self {
        let int = |key| settings.get(key) as i32;
        let size = |key| usize::try_from(settings.get(key)).unwrap_or(usize::MAX);
        Self {
            initial_rebalance_delay_ms: int(settings::GROUP_INITIAL_REBALANCE_DELAY_MS),
            min_session_timeout_ms: int(settings::GROUP_MIN_SESSION_TIMEOUT_MS),
            max_session_timeout_ms: int(settings::GROUP_MAX_SESSION_TIMEOUT_MS),
            max_size: size(settings::GROUP_MAX_SIZE),
            offset_metadata_max_bytes: size(settings::OFFSET_METADATA_MAX_BYTES),
            offsets_retention_ms: settings
                .get(settings::OFFSETS_RETENTION_MINUTES)
                .saturating_mul(60_000),
            offsets_retention_check_interval_ms: settings
                .get(settings::OFFSETS_RETENTION_CHECK_INTERVAL_MS)
                .unsigned_abs(),
        }
    }
}
