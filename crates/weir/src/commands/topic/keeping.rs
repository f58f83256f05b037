//! What a topic keeps and for how long, in words: from Kafka's settings to a sentence without its subject.

use std::fmt::Write as _;
use std::time::Duration;

use weir_base::units::{show_bytes, show_duration};
use weir_client::Setting;

/// `keeps records for 7 d, …`, from all of a topic's settings, those it has of the broker too.
pub fn in_words(settings: &[Setting]) -> String {
    let text = |name: &str| {
        settings
            .iter()
            .find(|setting| setting.name == name)
            .and_then(|setting| setting.value.as_deref())
    };
    // Kafka writes "no bound" as -1; what cannot be read is none either.
    let bound = |name: &str| {
        text(name)
            .and_then(|value| value.parse::<u64>().ok())
            .filter(|bound| *bound < i64::MAX as u64)
    };
    let time = |name: &str| bound(name).map(|ms| show_duration(Duration::from_millis(ms)));
    let size = |name: &str| bound(name).map(show_bytes);
    let policy = text("cleanup.policy").unwrap_or("delete");
    let has = |word: &str| policy.split(',').any(|given| given.trim() == word);
    let (deletes, compacts) = (has("delete"), has("compact"));

    let deleted = match (time("retention.ms"), size("retention.bytes")) {
        _ if !deletes => None,
        (None, None) => None,
        (Some(time), None) => Some(format!("for {time}")),
        (None, Some(size)) => Some(format!("up to {size} a partition, the oldest going first")),
        (Some(time), Some(size)) => Some(format!("for {time}, and up to {size} a partition")),
    };
    let what = if compacts {
        "the newest record of each key"
    } else {
        "every record"
    };
    let mut sentence = format!("keeps {what} {}", deleted.as_deref().unwrap_or("for ever"));
    if compacts {
        if let Some(lag) = time("min.compaction.lag.ms").filter(|lag| lag != "0 s") {
            let _ = write!(sentence, "; older ones of a key for {lag} at least");
        }
        if let Some(tombstones) = time("delete.retention.ms") {
            let _ = write!(
                sentence,
                "; a key whose newest record has no value goes after {tombstones}"
            );
        }
    }
    if compacts || deleted.is_some() {
        let verb = match (compacts, deleted.is_some()) {
            (true, true) => "compacted and deleted",
            (true, false) => "compacted",
            (false, _) => "deleted",
        };
        let steps: Vec<String> = [size("segment.bytes"), time("segment.ms")]
            .into_iter()
            .flatten()
            .collect();
        if !steps.is_empty() {
            let _ = write!(
                sentence,
                "; {verb} a segment at a time, which is {}",
                steps.join(" or ")
            );
        }
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(settings: &[(&str, &str)]) -> String {
        let settings: Vec<Setting> = settings
            .iter()
            .map(|(name, value)| Setting {
                name: (*name).to_owned(),
                value: Some((*value).to_owned()),
                default: false,
            })
            .collect();
        in_words(&settings)
    }

    #[test]
    fn what_is_kept_follows_from_kafkas_settings() {
        for (settings, want) in [
            (&[][..], "keeps every record for ever"),
            (&[("retention.ms", "-1")], "keeps every record for ever"),
            (
                &[("cleanup.policy", "delete"), ("retention.ms", "604800000")],
                "keeps every record for 7 d",
            ),
            (
                &[("retention.ms", "-1"), ("retention.bytes", "1000000000")],
                "keeps every record up to 1 GB a partition, the oldest going first",
            ),
            (
                &[("retention.ms", "3600000"), ("retention.bytes", "1000000")],
                "keeps every record for 1 h, and up to 1 MB a partition",
            ),
            (
                &[
                    ("cleanup.policy", "compact"),
                    ("retention.ms", "3600000"),
                    ("delete.retention.ms", "86400000"),
                    ("min.compaction.lag.ms", "0"),
                ],
                "keeps the newest record of each key for ever; a key whose newest record has no value goes after 1 d",
            ),
            (
                &[
                    ("cleanup.policy", "compact, delete"),
                    ("retention.ms", "3600000"),
                    ("min.compaction.lag.ms", "60000"),
                ],
                "keeps the newest record of each key for 1 h; older ones of a key for 1 min at least",
            ),
            (
                &[
                    ("retention.ms", "60000"),
                    ("segment.bytes", "1073741824"),
                    ("segment.ms", "604800000"),
                ],
                "keeps every record for 1 min; deleted a segment at a time, which is 1.1 GB or 7 d",
            ),
            (
                &[
                    ("cleanup.policy", "compact"),
                    ("segment.ms", "9223372036854775807"),
                    ("segment.bytes", "1048576"),
                ],
                "keeps the newest record of each key for ever; compacted a segment at a time, which is 1 MB",
            ),
        ] {
            assert_eq!(words(settings), want);
        }
    }
}
