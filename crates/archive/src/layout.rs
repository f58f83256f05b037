//! Where everything lies in an archive: the one place that makes and reads its names.
//!
//! ```text
//! topics/<topic>/date=2026-01-31/hour=09/<topic>+<partition>+<first offset>+<last offset>.<ending>
//! topics/<topic>/_weir/<ending>/<partition>/<offset>.json      what has been claimed (`claim`)
//! topics/<topic>/_weir/<ending>/<partition>/tmp/…              files that are being written
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
}

impl Layout {
    /// The names of `partition` of `topic`.
    pub fn new(topic: Arc<str>, partition: i32, format: Format) -> Self {
        Self {
            topic,
            partition,
            format,
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

    /// The final name of a file.
    pub fn file(&self, hour: Hour, first: i64, last: i64) -> String {
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
        format!("{}/{}", self.shared_folder(), self.partition)
    }

    /// The claim of what follows `from`.
    pub fn claim(&self, from: i64) -> String {
        format!("{}/{from:020}.json", self.claims())
    }

    /// The mark that old claims have been removed.
    pub fn pruned(&self) -> String {
        format!("{}/pruned", self.claims())
    }

    /// The offset a claim's name holds.
    pub fn claimed_from(name: &str) -> Option<i64> {
        twenty_digits(name.strip_suffix(".json")?)
    }

    /// The folder of the files being written.
    pub fn unfinished(&self) -> String {
        format!("{}/tmp", self.claims())
    }

    /// The name of a file being written, of the attempt `id` at what follows `from`.
    pub fn unfinished_file(&self, from: i64, id: &str, number: usize) -> String {
        let mut name = self.unfinished();
        // Writing to a `String` does not fail.
        let _ = write!(name, "/{from:020}-{id}-{number}");
        name
    }

    /// The offset that the name of a file being written begins with; that of a claim being made too.
    pub fn unfinished_from(name: &str) -> Option<i64> {
        twenty_digits(name.strip_prefix('.').unwrap_or(name).get(..20)?)
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
    fn claims_and_files_being_written_sort_by_the_offset_they_begin_with() {
        let name = |path: String| path.rsplit('/').next().unwrap().to_owned();
        assert_eq!(Layout::claimed_from(&name(layout().claim(42))), Some(42));
        assert_eq!(
            Layout::unfinished_from(&name(layout().unfinished_file(42, "ab", 0))),
            Some(42)
        );
        assert_eq!(
            Layout::unfinished_from(".00000000000000000042.json.abcd"),
            Some(42)
        );
        for bad in [
            "42.json",
            "00000000000000000042",
            "é0000000000000000000",
            "tmp",
        ] {
            assert_eq!(Layout::claimed_from(bad), None, "{bad}");
        }
        assert_eq!(Layout::unfinished_from("é0000000000000000000000"), None);
    }
}
