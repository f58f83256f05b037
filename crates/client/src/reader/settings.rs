//! How the library is set for readers: quick at the live edge, small in memory.

use super::{Isolation, ReaderOptions};

/// The settings of a consumer that is to be quick at the live edge and small in memory.
pub(crate) fn consumer_settings(
    group: &str,
    options: &ReaderOptions,
) -> Vec<(&'static str, String)> {
    let queued_kbytes = (options.max_queued_bytes / 1_024).clamp(1, 2_097_151);
    let fetch_bytes = options.fetch_bytes.clamp(1, 1_000_000_000);
    let isolation = match options.isolation {
        Isolation::ReadCommitted => "read_committed",
        Isolation::ReadUncommitted => "read_uncommitted",
    };
    [
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("enable.partition.eof", "true"),
        // A position out of range is ours to resolve and to tell of.
        ("auto.offset.reset", "error"),
        ("isolation.level", isolation),
        // A fetch is answered as soon as there is one byte.
        ("fetch.min.bytes", "1"),
        ("fetch.wait.max.ms", "500"),
        // The library's defaults wait half a second after an error and a second with a full queue.
        ("fetch.error.backoff.ms", "20"),
        ("fetch.queue.backoff.ms", "5"),
    ]
    .into_iter()
    .map(|(key, value)| (key, value.to_owned()))
    .chain([
        ("queued.max.messages.kbytes", queued_kbytes.to_string()),
        (
            "queued.min.messages",
            options.queued_records.clamp(1, 10_000_000).to_string(),
        ),
        ("fetch.message.max.bytes", fetch_bytes.to_string()),
    ])
    .collect()
}
