//! Where everything lies in an archive: the one place that makes and reads its names.
//!
//! ```text
//! topics/<topic>/date=2026-01-31/hour=09/<topic>+<partition>+<first offset>+<last offset>.<ending>
//! topics/<topic>/_weir/<ending>/<partition>/<offset>.json      what has been claimed (`claim`)
//! topics/<topic>/_weir/<ending>/<partition>/tmp/…              files that are being written
//!
//! topics/<topic>.<ending>                                      a single file that grows (`single`)
//! topics/<topic>/_weir/<ending>/single/<position>.json         which records follow that position in it
//! topics/<topic>/_weir/<ending>/single/tmp/<partition>-…       what is about to be appended
//! ```
//!
//! Offsets have 20 digits, so that names sort as numbers do. The hour is that of the records' time in UTC; records without a
//! time, or with one outside the years 1970 to 9999, lie where Hive, Spark and DuckDB have NULL. Readers of such folders
//! (Spark, Hive, pyarrow) pass over names that begin with `_` or `.`.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp as Instant;
use weir_base::time::Timestamp;

use crate::Format;

/// The name of the mark that old claims have been removed.
pub(crate) const PRUNED: &str = "pruned";
const HOUR_MS: i64 = 3_600_000;
/// The last hour of the year 9999 that is in it everywhere on Earth.
const LAST_HOUR: i64 = 70_389_502;
/// What Hive calls a partition of no value.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// An hour of record time: hours since the Unix epoch, UTC; `None` of records that have no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(Option<i64>);

impl Hour {
    /// The hour a record of this time belongs to.
    pub fn of(timestamp: Option<Timestamp>) -> Self {
        Self(
            timestamp
                .map(|time| time.0.div_euclid(HOUR_MS))
                .filter(|hour| (0..=LAST_HOUR).contains(hour)),
        )
    }

    /// `date=2026-01-31/hour=09`.
    fn folders(self) -> String {
        self.0
            .and_then(|hour| Instant::from_millisecond(hour * HOUR_MS).ok())
            .map_or_else(
                || format!("date={NULL}/hour={NULL}"),
                |time| time.strftime("date=%Y-%m-%d/hour=%H").to_string(),
            )
    }
}

/// The names of one partition's files of one format.
#[derive(Debug, Clone)]
pub struct Layout {
    topic: Arc<str>,
    partition: i32,
    format: Format,
    single: bool,
}

impl Layout {
    /// The names of `partition` of `topic`.
    pub fn new(topic: Arc<str>, partition: i32, format: Format) -> Self {
        Self {
            topic,
            partition,
            format,
            single: false,
        }
    }

    /// The names where all partitions of the topic are in one file that grows.
    #[must_use]
    pub fn single(self) -> Self {
        Self {
            single: true,
            ..self
        }
    }

    /// Whether all partitions of the topic are in one file that grows.
    pub fn is_single(&self) -> bool {
        self.single
    }

    /// Which of a range's files a record belongs to.
    pub fn hour(&self, timestamp: Option<Timestamp>) -> Hour {
        if self.single {
            Hour(None)
        } else {
            Hour::of(timestamp)
        }
    }

    /// The topic.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Where a topic's files lie.
    pub fn topic_folder(&self) -> String {
        format!("topics/{}", self.topic)
    }

    /// The single file that grows.
    pub fn single_file(&self) -> String {
        format!("{}.{}", self.topic_folder(), self.format.ending())
    }

    /// The final name of a file.
    pub fn file(&self, hour: Hour, first: i64, last: i64) -> String {
        if self.single {
            return self.single_file();
        }
        format!(
            "{}/{}/{}+{}+{first:020}+{last:020}.{}",
            self.topic_folder(),
            hour.folders(),
            self.topic,
            self.partition,
            self.format.ending(),
        )
    }

    /// The last offset in a file of this partition and format, by its name.
    pub fn last_of(&self, name: &str) -> Option<i64> {
        let rest = name.strip_prefix(&*self.topic)?.strip_prefix('+')?;
        let rest = rest.strip_suffix(self.format.ending())?.strip_suffix('.')?;
        let mut parts = rest.split('+');
        let partition: i32 = parts.next()?.parse().ok()?;
        let (first, last) = (parts.next()?, parts.next()?);
        let whole = parts.next().is_none() && first.len() == 20 && last.len() == 20;
        (whole && partition == self.partition)
            .then(|| last.parse().ok())
            .flatten()
    }

    /// The folder of what all partitions of the topic share in this format.
    pub fn shared_folder(&self) -> String {
        format!("{}/_weir/{}", self.topic_folder(), self.format.ending())
    }

    /// The folder of the claims.
    pub fn claims(&self) -> String {
        if self.single {
            return format!("{}/single", self.shared_folder());
        }
        format!("{}/{}", self.shared_folder(), self.partition)
    }

    /// The claim of what follows `from`.
    pub fn claim(&self, from: i64) -> String {
        format!("{}/{from:020}.json", self.claims())
    }

    /// The mark that old claims have been removed.
    pub fn pruned(&self) -> String {
        format!("{}/{PRUNED}", self.claims())
    }

    /// Whether this is the name of such a mark that is being made.
    pub fn is_half_pruned(name: &str) -> bool {
        let rest = name.strip_prefix('.');
        rest.and_then(|rest| rest.strip_prefix(PRUNED))
            .is_some_and(|rest| rest.starts_with('.'))
    }

    /// The offset a claim's name holds.
    pub fn claimed_from(name: &str) -> Option<i64> {
        twenty_digits(name.strip_suffix(".json")?)
    }

    /// The folder of the files being written.
    pub fn unfinished(&self) -> String {
        format!("{}/tmp", self.claims())
    }

    /// The name of a file being written, of the attempt `id` at what follows the offset `from`.
    pub fn unfinished_file(&self, from: i64, id: &str, number: usize) -> String {
        let mut name = self.unfinished() + "/";
        if self.single {
            // Writing to a `String` does not fail.
            let _ = write!(name, "{}-", self.partition);
        }
        let _ = write!(name, "{from:020}-{id}-{number}");
        name
    }

    /// The partition and the offset that the name of a file being written begins with.
    pub fn unfinished_from(&self, name: &str) -> Option<(i32, i64)> {
        let (partition, rest) = if self.single {
            let (partition, rest) = name.split_once('-')?;
            (partition.parse().ok()?, rest)
        } else {
            (self.partition, name)
        };
        Some((partition, twenty_digits(rest.get(..20)?)?))
    }

    /// What the name of a claim that is being made begins with.
    pub fn half_claimed_from(name: &str) -> Option<i64> {
        twenty_digits(name.strip_prefix('.')?.get(..20)?)
    }
}

fn twenty_digits(text: &str) -> Option<i64> {
    let digits = text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout::new("log".into(), 3, Format::Jsonl)
    }

    #[test]
    fn a_file_lies_in_the_hour_of_its_records_and_says_which_they_are() {
        let hour = Hour::of(Some(Timestamp(1_769_850_000_123)));
        assert_eq!(
            layout().file(hour, 7, 1234),
            "topics/log/date=2026-01-31/hour=09/log+3+00000000000000000007+00000000000000001234.jsonl"
        );
    }

    #[test]
    fn a_time_that_no_reader_knows_lies_where_readers_have_null() {
        for time in [
            None,
            Some(-1),
            Some(i64::MIN),
            Some(i64::MAX),
            Some(253_402_210_800_000),
        ] {
            let file = layout().file(Hour::of(time.map(Timestamp)), 0, 0);
            assert!(
                file.contains("/date=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__/"),
                "{file}"
            );
        }
        let last = Hour::of(Some(Timestamp(253_402_210_799_999)));
        assert!(
            layout()
                .file(last, 0, 0)
                .contains("date=9999-12-30/hour=22")
        );
        assert!(
            layout()
                .file(Hour::of(Some(Timestamp(0))), 0, 0)
                .contains("date=1970-01-01/hour=00")
        );
    }

    #[test]
    fn a_files_last_offset_is_read_off_its_name_and_other_files_are_none_of_ours() {
        let name = "log+3+00000000000000000007+00000000000000001234.jsonl";
        assert_eq!(layout().last_of(name), Some(1234));
        for other in [
            "log+2+00000000000000000007+00000000000000001234.jsonl",
            "log+3+00000000000000000007+00000000000000001234.parquet",
            "log+3+00000000000000000007.jsonl",
            "log+3+7+1234.jsonl",
            "logs+3+00000000000000000007+00000000000000001234.jsonl",
            "log+3+00000000000000000007+00000000000000001234+1.jsonl",
            "log+3+00000000000000000007+99999999999999999999.jsonl",
            "",
            "+",
        ] {
            assert_eq!(layout().last_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_single_file_lies_beside_its_topics_folder_and_has_all_partitions_and_hours() {
        let single = layout().single();
        assert_eq!(single.single_file(), "topics/log.jsonl");
        let hours = [None, Some(Timestamp(0))].map(|time| single.hour(time));
        assert_eq!(hours[0], hours[1]);
        assert_eq!(
            single.claim(7),
            "topics/log/_weir/jsonl/single/00000000000000000007.json"
        );
    }

    #[test]
    fn claims_and_files_being_written_sort_by_the_offset_they_begin_with() {
        let name = |path: String| path.rsplit('/').next().unwrap().to_owned();
        assert_eq!(Layout::claimed_from(&name(layout().claim(42))), Some(42));
        assert_eq!(
            layout().unfinished_from(&name(layout().unfinished_file(42, "ab", 0))),
            Some((3, 42))
        );
        let single = layout().single();
        assert_eq!(
            single.unfinished_from(&name(single.unfinished_file(42, "ab", 0))),
            Some((3, 42))
        );
        assert_eq!(
            Layout::half_claimed_from(".00000000000000000042.json.abcd"),
            Some(42)
        );
        assert!(Layout::is_half_pruned(".pruned.abcd"));
        assert!(!Layout::is_half_pruned("pruned") && !Layout::is_half_pruned(".prunedx"));
        for bad in [
            "42.json",
            "00000000000000000042",
            "é0000000000000000000",
            "tmp",
        ] {
            assert_eq!(Layout::claimed_from(bad), None, "{bad}");
        }
        assert_eq!(layout().unfinished_from("é0000000000000000000000"), None);
        assert_eq!(single.unfinished_from("x-00000000000000000042-a"), None);
    }
}
