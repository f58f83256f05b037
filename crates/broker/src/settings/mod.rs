//! Kafka's server settings by their own names: what an administrator writes, checked and typed.
//!
//! One [table](table) says for each its name, type, default and meaning; parsing, `DescribeConfigs` and the refusal of an
//! unknown name all read it. Topic settings are a [second table](topic) that falls back on this one. Nothing here has an effect
//! of its own.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock};

pub(crate) mod group;
mod kind;
mod table;
pub(crate) mod topic;

pub use kind::Kind;
pub use table::*;

/// One setting in the table.
#[derive(Debug)]
pub struct Setting {
    /// Kafka's name for it.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// Its value where none is given; `None` where Kafka has none either.
    pub default: Option<&'static str>,
    /// What it does.
    pub meaning: &'static str,
    /// Whether `AlterConfigs` may change it while the broker runs.
    pub dynamic: bool,
}

/// A setting's name together with its type.
#[derive(Debug)]
pub struct Key<T> {
    /// Kafka's name.
    pub name: &'static str,
    kind: PhantomData<T>,
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> Key<T> {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            kind: PhantomData,
        }
    }
}

/// A type that settings have.
pub trait Value: Sized {
    /// Reads a value that its [`Kind`] has accepted; an unset one is `None`.
    fn read(text: Option<&str>) -> Self;
}

impl Value for i64 {
    fn read(text: Option<&str>) -> Self {
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(-1)
    }
}

impl Value for Option<i64> {
    fn read(text: Option<&str>) -> Self {
        text.and_then(|text| text.trim().parse().ok())
    }
}

impl Value for f64 {
    fn read(text: Option<&str>) -> Self {
        text.and_then(|text| text.trim().parse().ok())
            .unwrap_or_default()
    }
}

impl Value for bool {
    fn read(text: Option<&str>) -> Self {
        text.is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
    }
}

impl Value for String {
    fn read(text: Option<&str>) -> Self {
        text.unwrap_or_default().to_owned()
    }
}

/// A setting that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}; {remedy}")]
pub struct SettingError {
    /// The name as it was given.
    pub key: String,
    /// What is wrong.
    pub why: String,
    /// What to do instead.
    pub remedy: String,
}

/// The settings a broker runs with: what was given at its start, and what was changed since. Clones see the changes too.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    given: BTreeMap<&'static str, String>,
    changed: Arc<RwLock<Changed>>,
}

/// Settings that were changed while the broker ran.
pub(crate) type Changed = BTreeMap<String, String>;

impl Settings {
    /// Checks settings given by name. The last of a name counts.
    pub fn parse<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, SettingError> {
        let mut given = BTreeMap::new();
        for (key, value) in pairs {
            let (key, value) = (key.as_ref().trim(), value.as_ref().trim());
            let setting = find(key).ok_or_else(|| unknown(key))?;
            check(setting, value)?;
            given.insert(setting.name, value.to_owned());
        }
        Ok(Self {
            given,
            changed: Arc::default(),
        })
    }

    /// The value of a setting.
    pub fn get<T: Value>(&self, key: Key<T>) -> T {
        T::read(self.text(key.name).as_deref())
    }

    /// The value of a setting as text: what it was changed to, what was given, or its default.
    pub fn text(&self, name: &str) -> Option<String> {
        self.changed(name)
            .or_else(|| self.given(name).map(str::to_owned))
            .or_else(|| find(name)?.default.map(str::to_owned))
    }

    /// The value that was given for a setting at the start, if one was.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    /// The value a setting was changed to since, if it was.
    pub fn changed(&self, name: &str) -> Option<String> {
        self.all_changed().get(name).cloned()
    }

    /// What was changed since the start.
    pub(crate) fn all_changed(&self) -> Changed {
        self.changed
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces what was changed since the start. The values were checked.
    pub(crate) fn set_changed(&self, changed: Changed) {
        *self.changed.write().unwrap_or_else(PoisonError::into_inner) = changed;
    }

    /// `log.retention.ms`, or what the coarser settings say; `None` is for ever.
    pub fn retention_ms(&self) -> Option<i64> {
        self.get(LOG_RETENTION_MS)
            .or_else(|| {
                self.get(LOG_RETENTION_MINUTES)
                    .map(|minutes| minutes.saturating_mul(60_000))
            })
            .or_else(|| Some(self.get(LOG_RETENTION_HOURS).saturating_mul(3_600_000)))
            .filter(|ms| *ms >= 0)
    }

    /// `log.roll.ms`, or what `log.roll.hours` says.
    pub fn roll_ms(&self) -> i64 {
        self.get(LOG_ROLL_MS)
            .unwrap_or_else(|| self.get(LOG_ROLL_HOURS).saturating_mul(3_600_000))
    }
}

/// The setting of this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.name == name)
}

fn check(setting: &Setting, value: &str) -> Result<(), SettingError> {
    setting.kind.check(value).map_err(|why| SettingError {
        key: setting.name.to_owned(),
        why,
        remedy: match setting.default {
            Some(default) => format!("the default is {default}"),
            None => "leave it out for the default".to_owned(),
        },
    })
}

fn unknown(key: &str) -> SettingError {
    if let Some((_, why)) = MEANINGLESS
        .iter()
        .find(|(prefix, _)| key.strip_prefix(prefix).is_some())
    {
        return SettingError {
            key: key.to_owned(),
            why: (*why).to_owned(),
            remedy: "leave it out".to_owned(),
        };
    }
    let nearest = TABLE
        .iter()
        .map(|setting| (distance(key, setting.name), setting.name))
        .min();
    SettingError {
        key: key.to_owned(),
        why: "there is no such setting here".to_owned(),
        remedy: match nearest {
            Some((distance, name)) if distance <= key.len().div_ceil(2) => {
                format!("did you mean {name}?")
            }
            _ => "leave it out".to_owned(),
        },
    }
}

/// How many letters must be put in, left out or changed to make one name of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let changed = diagonal + usize::from(x != *y);
            diagonal = *cell;
            left = changed.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_its_setting_takes() {
        for setting in TABLE {
            if let Some(default) = setting.default {
                setting
                    .kind
                    .check(default)
                    .unwrap_or_else(|why| panic!("{}: {why}", setting.name));
            }
            assert!(!setting.meaning.trim().is_empty(), "{}", setting.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = TABLE.iter().map(|s| s.name).collect();
        assert_eq!(names.len(), TABLE.len());
    }

    #[test]
    fn a_mistyped_name_is_refused_with_the_nearest_known_one() {
        let error = Settings::parse([("num.partition", "3")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "num.partition: there is no such setting here; did you mean num.partitions?"
        );
    }

    #[test]
    fn a_setting_without_meaning_here_is_refused_by_name() {
        let error = Settings::parse([("zookeeper.connect", "localhost:2181")]).unwrap_err();
        assert!(
            error.to_string().starts_with("zookeeper.connect: "),
            "{error}"
        );
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_the_range() {
        let error = Settings::parse([("num.partitions", "0")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "num.partitions: 0 is not between 1 and 2147483647; the default is 1"
        );
    }

    #[test]
    fn the_finest_retention_given_counts() {
        let retention = |pairs: &[(&str, &str)]| {
            Settings::parse(pairs.iter().copied())
                .unwrap()
                .retention_ms()
        };
        assert_eq!(retention(&[]), Some(7 * 24 * 3_600_000));
        assert_eq!(retention(&[("log.retention.hours", "1")]), Some(3_600_000));
        assert_eq!(
            retention(&[("log.retention.hours", "1"), ("log.retention.minutes", "2")]),
            Some(120_000)
        );
        assert_eq!(
            retention(&[("log.retention.ms", "-1"), ("log.retention.minutes", "2")]),
            None
        );
    }

    #[test]
    fn distance_counts_changed_letters() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
