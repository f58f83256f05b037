//! What a record says to a calculation: its numbers and when they were made; or why it says nothing.

use weir_client::Record;
use weir_media::numbers::{self, NO_NUMBER, Numbers};

use crate::tally::Tally;

/// The longest key that anything is held of.
pub(crate) const MAX_KEY_BYTES: usize = 1_024;

/// The key is longer than [`MAX_KEY_BYTES`].
pub(crate) const KEY_TOO_LONG: &str = "a key longer than 1 kB";
/// Neither the value nor the record has a time.
pub(crate) const NO_TIME_AT_ALL: &str = "no time";
/// None of the numbers has the name that was asked for.
pub(crate) const NO_SUCH_MEMBER: &str = "no number of that name";
/// What it belongs to had been given out.
pub(crate) const LATE: &str = "late";
/// Neither the record before it of its producer nor the one after has a time near it.
pub(crate) const TIME_JUMPS: &str = "a time far from its neighbours";

/// A record with numbers.
pub(crate) struct Sample<'a> {
    pub(crate) record: &'a Record,
    /// Event time, in ms since the Unix epoch.
    pub(crate) t_ms: f64,
    /// The record's own timestamp; event time where it has none.
    pub(crate) log_ms: i64,
    /// At least one.
    pub(crate) numbers: Vec<(String, f64)>,
}

impl<'a> Sample<'a> {
    /// Reads a record; the error is the reason to count it under.
    pub(crate) fn read(record: &'a Record) -> Result<Self, &'static str> {
        if record
            .key
            .as_ref()
            .is_some_and(|key| key.len() > MAX_KEY_BYTES)
        {
            return Err(KEY_TOO_LONG);
        }
        let value = record.value.as_deref().ok_or(NO_NUMBER)?;
        let found: Numbers = numbers::parse(value).map_err(|no| no.why)?;
        let t_ms = found
            .created_ms(record.timestamp.map(|time| time.0))
            .map_err(|no| no.why)?
            .ok_or(NO_TIME_AT_ALL)?;
        Ok(Self {
            record,
            t_ms,
            log_ms: record.timestamp.map_or(t_ms as i64, |time| time.0),
            numbers: found.values,
        })
    }

    /// The key's bytes; none and an empty one are the same.
    pub(crate) fn key(&self) -> &[u8] {
        self.record.key.as_deref().unwrap_or_default()
    }
}

/// Which of a record's numbers is meant.
pub(crate) struct Member {
    name: Option<String>,
    told: bool,
}

impl Member {
    /// The one of this name; without a name the first.
    pub(crate) fn new(name: Option<String>) -> Self {
        Self { name, told: false }
    }

    /// The number that is meant.
    pub(crate) fn of(&mut self, sample: &Sample<'_>, tally: &mut Tally) -> Option<f64> {
        if let Some(name) = &self.name {
            let found = sample.numbers.iter().find(|(known, _)| known == name);
            if found.is_none() {
                tally.pass_over(sample.record, NO_SUCH_MEMBER);
            }
            return found.map(|(_, value)| *value);
        }
        let (first, value) = sample.numbers.first()?;
        if sample.numbers.len() > 1 && !std::mem::replace(&mut self.told, true) {
            let others: Vec<&str> = sample
                .numbers
                .iter()
                .skip(1)
                .take(5)
                .map(|(name, _)| name.as_str())
                .collect();
            tally.note(&format!(
                "the records hold several numbers; the first, {first}, is taken ({} are not): --member NAME takes another",
                others.join(", ")
            ));
        }
        Some(*value)
    }
}
