//! Settings that are changed while the broker runs, of topics, of the broker and of groups.
//!
//! A change comes from `AlterConfigs` or `IncrementalAlterConfigs`, is checked whole, kept durably and takes effect at once. A
//! topic's settings are kept with the topic, the others in `changed-settings.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use kafka_protocol::error::ResponseError;
use serde::{Deserialize, Serialize};
use weir_base::fs::Fs;

use crate::broker::Broker;
use crate::settings::topic::Overrides;
use crate::settings::{self, Changed, Kind, Settings, group, topic};
use crate::{errors, files};

/// A refusal: the code and a sentence.
pub(crate) type Refused = (ResponseError, String);

/// Whose settings.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Resource<'a> {
    /// A topic's.
    Topic(&'a str),
    /// The broker's.
    Broker,
    /// A group's.
    Group(&'a str),
}

/// What becomes of one setting (KIP-339).
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// It gets this value.
    Set(String),
    /// It goes back to what it falls back on.
    Delete,
    /// These words are put to its list.
    Append(String),
    /// These words are taken out of its list.
    Subtract(String),
}

/// The settings changed while the broker ran, and their file.
pub(crate) struct Changes {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    kept: Mutex<Kept>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    broker: Changed,
    #[serde(default)]
    groups: BTreeMap<String, Overrides>,
}

impl Changes {
    /// Reads what was changed, and has `settings` know it.
    pub fn open(fs: Arc<dyn Fs>, path: PathBuf, settings: &Settings) -> io::Result<Self> {
        let kept: Kept = match files::read(&*fs, &path)? {
            None => Kept::default(),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} is damaged: {error}", path.display()),
                )
            })?,
        };
        settings.set_changed(kept.broker.clone());
        Ok(Self {
            fs,
            path,
            kept: Mutex::new(kept),
        })
    }

    /// A group's own settings.
    pub fn of_group(&self, name: &str) -> Overrides {
        self.lock().groups.get(name).cloned().unwrap_or_default()
    }

    /// The groups that have settings of their own.
    pub fn groups(&self) -> Vec<String> {
        self.lock().groups.keys().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self, kept: &mut Kept, changed: Kept) -> Result<(), Refused> {
        let bytes = serde_json::to_vec_pretty(&changed).map_err(io::Error::other);
        bytes
            .and_then(|bytes| files::replace(&*self.fs, &self.path, &bytes))
            .map_err(|error| (ResponseError::KafkaStorageError, error.to_string()))?;
        *kept = changed;
        Ok(())
    }
}

/// Makes `changes` to a resource's settings; `anew` begins with none of its own. With `validate_only` they are only checked.
pub(crate) fn apply(
    broker: &Broker,
    resource: Resource<'_>,
    changes: &[(String, Change)],
    anew: bool,
    validate_only: bool,
) -> Result<(), Refused> {
    let mut names = BTreeSet::new();
    if changes.iter().any(|(name, _)| !names.insert(name)) {
        return Err((
            ResponseError::InvalidRequest,
            "Error due to duplicate config keys".to_owned(),
        ));
    }
    match resource {
        Resource::Topic(name) => {
            crate::topics::check_name(name)
                .map_err(|error| (errors::of_topic(&error), error.to_string()))?;
            let topic = broker.topics.get(name).ok_or_else(|| {
                (
                    ResponseError::UnknownTopicOrPartition,
                    format!("The topic '{name}' does not exist."),
                )
            })?;
            let own = if anew {
                Overrides::new()
            } else {
                (*topic.overrides()).clone()
            };
            let changed = changed(own, changes, |name| {
                let setting = topic::find(name)?;
                Some((setting.kind, topic::fallback(setting, &broker.settings)))
            })?;
            if validate_only {
                return Ok(());
            }
            broker
                .topics
                .set_overrides(&topic, changed)
                .map_err(|error| (errors::of_topic(&error), error.to_string()))
        }
        Resource::Broker => {
            let mut kept = broker.changes.lock();
            let own = if anew {
                Changed::new()
            } else {
                kept.broker.clone()
            };
            let fixed = changes
                .iter()
                .filter_map(|(name, _)| settings::find(name))
                .find(|setting| !setting.dynamic);
            if let Some(setting) = fixed {
                return Err((
                    ResponseError::InvalidRequest,
                    format!(
                        "Cannot update these configs dynamically: Set({})",
                        setting.name
                    ),
                ));
            }
            let changed = changed(own, changes, |name| {
                let setting = settings::find(name)?;
                Some((setting.kind, broker.settings.text(name)))
            })?;
            if validate_only {
                return Ok(());
            }
            let all = Kept {
                broker: changed.clone(),
                groups: kept.groups.clone(),
            };
            broker.changes.save(&mut kept, all)?;
            broker.settings.set_changed(changed);
            broker.topics.settings_changed();
            Ok(())
        }
        Resource::Group("") => Err((
            ResponseError::InvalidRequest,
            "The name of the group is missing.".to_owned(),
        )),
        Resource::Group(name) => {
            let mut kept = broker.changes.lock();
            let own = if anew {
                None
            } else {
                kept.groups.get(name).cloned()
            };
            let changed = changed(own.unwrap_or_default(), changes, |name| {
                let setting = group::find(name)?;
                Some((setting.kind, Some(setting.default.to_owned())))
            })?;
            if validate_only {
                return Ok(());
            }
            let mut all = kept.clone();
            if changed.is_empty() {
                all.groups.remove(name);
            } else {
                all.groups.insert(name.to_owned(), changed);
            }
            broker.changes.save(&mut kept, all)
        }
    }
}

/// `own` with the changes made, each checked against the kind that `known` says its setting has.
fn changed(
    mut own: Overrides,
    changes: &[(String, Change)],
    known: impl Fn(&str) -> Option<(Kind, Option<String>)>,
) -> Result<Overrides, Refused> {
    let refuse = |why| (ResponseError::InvalidConfig, why);
    for (name, change) in changes {
        let (kind, fallback) =
            known(name).ok_or_else(|| refuse(format!("Unknown config name: {name}")))?;
        let value = match change {
            Change::Delete => {
                own.remove(name);
                continue;
            }
            Change::Set(value) => value.trim().to_owned(),
            Change::Append(words) | Change::Subtract(words) => {
                if !kind.is_list() {
                    return Err(refuse(format!(
                        "Can't append to or subtract from key {name} because its type is not LIST."
                    )));
                }
                let now = own.get(name).cloned().or(fallback).unwrap_or_default();
                edit_list(&now, words, matches!(change, Change::Append(_)))
            }
        };
        kind.check(&value).map_err(|why| {
            refuse(format!(
                "Invalid value {value} for configuration {name}: {why}"
            ))
        })?;
        own.insert(name.clone(), value);
    }
    Ok(own)
}

fn edit_list(now: &str, words: &str, append: bool) -> String {
    let split = |text: &str| -> Vec<String> {
        text.split(',')
            .map(|word| word.trim().to_owned())
            .filter(|word| !word.is_empty())
            .collect()
    };
    let mut list = split(now);
    for word in split(words) {
        list.retain(|there| *there != word);
        if append {
            list.push(word);
        }
    }
    list.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_appended_to_without_repeating_and_subtracted_from() {
        assert_eq!(edit_list("delete", "compact", true), "delete,compact");
        assert_eq!(
            edit_list("delete,compact", "delete", true),
            "compact,delete"
        );
        assert_eq!(edit_list("delete,compact", "delete", false), "compact");
        assert_eq!(edit_list("", "compact", true), "compact");
    }

    #[test]
    fn only_lists_are_appended_to() {
        let changes = [("a".to_owned(), Change::Append("1".to_owned()))];
        let refused = changed(Overrides::new(), &changes, |_| Some((Kind::Bool, None)));
        assert_eq!(refused.unwrap_err().0, ResponseError::InvalidConfig);
    }
}
