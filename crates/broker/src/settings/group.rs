//! Group settings (KIP-848, KIP-932, KIP-1071): kept and shown, for the tools that set them. Classic groups ask their clients instead.

use super::Kind::{self, Int, OneOf};

/// One group setting in the table.
#[derive(Debug)]
pub(crate) struct GroupSetting {
    /// Kafka's name for it.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// Its default.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

const fn setting(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    meaning: &'static str,
) -> GroupSetting {
    GroupSetting {
        name,
        kind,
        default,
        meaning,
    }
}

/// Every group setting.
#[rustfmt::skip] // A line a setting.
pub(crate) static TABLE: &[GroupSetting] = &[
    setting("consumer.heartbeat.interval.ms", "5000", Int(5000, 15_000), "How often members of the new group protocol report, in milliseconds."),
    setting("consumer.session.timeout.ms", "45000", Int(45_000, 60_000), "After which silence a member of the new group protocol is gone, in milliseconds."),
    setting("share.auto.offset.reset", "latest", OneOf(&["latest", "earliest"]), "Where a share group begins."),
    setting("share.heartbeat.interval.ms", "5000", Int(5000, 15_000), "How often members of a share group report, in milliseconds."),
    setting("share.isolation.level", "read_uncommitted", OneOf(&["read_uncommitted", "read_committed"]), "How far a share group sees."),
    setting("share.record.lock.duration.ms", "30000", Int(15_000, 60_000), "How long a share group's member holds a record, in milliseconds."),
    setting("share.session.timeout.ms", "45000", Int(45_000, 60_000), "After which silence a member of a share group is gone, in milliseconds."),
    setting("streams.heartbeat.interval.ms", "5000", Int(5000, 15_000), "How often members of a streams group report, in milliseconds."),
    setting("streams.num.standby.replicas", "0", Int(0, 2), "How many standbys a streams group keeps."),
    setting("streams.session.timeout.ms", "45000", Int(45_000, 60_000), "After which silence a member of a streams group is gone, in milliseconds."),
];

/// The group setting of this name.
pub(crate) fn find(name: &str) -> Option<&'static GroupSetting> {
    TABLE.iter().find(|setting| setting.name == name)
}
