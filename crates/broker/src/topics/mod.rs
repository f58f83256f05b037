//! The topics: their names, ids, settings and partitions.
//!
//! Handlers look topics up here and have them made, changed and deleted; what is changed is durable before the call returns.
//! Records are the [partitions'](Partition) business. Changes are made one at a time; looking up waits for none of them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use uuid::Uuid;
use weir_base::fs::Fs;
use weir_log::{LogError, Volume};

use crate::settings::topic::{self, Overrides};
use crate::settings::{self, Settings};

mod partition;
mod store;

pub(crate) use partition::Partition;
use store::{Entry, Store};

/// Committed offsets, in Kafka's schema.
pub(crate) const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// Transactions, in Kafka's schema.
pub(crate) const TRANSACTION_STATE: &str = "__transaction_state";

/// The most partitions one request may bring into being, as in Kafka (KIP-599's bound).
pub(crate) const MAX_NEW_PARTITIONS: i32 = 10_000;

/// A topic.
pub(crate) struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id, which no other topic ever has (KIP-516).
    pub id: Uuid,
    state: RwLock<State>,
}

#[derive(Clone)]
struct State {
    partitions: Arc<[Arc<Partition>]>,
    overrides: Arc<Overrides>,
    min_insync_replicas: i64,
}

impl Topic {
    /// Whether only the broker writes it.
    pub fn is_internal(&self) -> bool {
        is_internal(&self.name)
    }

    /// Its partitions in order.
    pub fn partitions(&self) -> Arc<[Arc<Partition>]> {
        Arc::clone(&self.read().partitions)
    }

    /// The partition of this number.
    pub fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        let index = usize::try_from(index).ok()?;
        self.read().partitions.get(index).cloned()
    }

    /// Its own settings.
    pub fn overrides(&self) -> Arc<Overrides> {
        Arc::clone(&self.read().overrides)
    }

    /// `min.insync.replicas`: with more than one, nothing can be written with `acks=all`.
    pub fn min_insync_replicas(&self) -> i64 {
        self.read().min_insync_replicas
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn entry(&self) -> Entry {
        let state = self.read();
        Entry {
            id: self.id,
            partitions: state.partitions.len() as i32,
            config: (*state.overrides).clone(),
            deleting: false,
        }
    }
}

/// Why a topic was not made, changed or deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TopicError {
    /// The name is not one.
    #[error("{0}")]
    InvalidName(String),
    /// There is one of this name.
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    /// There is none of this name or id.
    #[error("This server does not host this topic-partition.")]
    Unknown,
    /// Not a number of partitions.
    #[error("{0}")]
    InvalidPartitions(String),
    /// The disk refused.
    #[error("the topic's file could not be written: {0}")]
    Io(#[from] io::Error),
    /// The log refused.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// All topics.
pub(crate) struct Topics {
    store: Store,
    volume: Arc<Volume>,
    settings: Settings,
    index: RwLock<Index>,
    /// Held while a topic is made, changed or deleted.
    changing: Mutex<()>,
}

#[derive(Default)]
struct Index {
    by_name: BTreeMap<Arc<str>, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

impl Topics {
    /// Opens every topic found, finishes deletions that were interrupted, and takes up partition folders that somebody put here.
    pub fn open(
        fs: Arc<dyn Fs>,
        volume: &Arc<Volume>,
        data_dir: &Path,
        settings: &Settings,
    ) -> Result<Self, TopicError> {
        let topics = Self {
            store: Store::open(fs, data_dir)?,
            volume: Arc::clone(volume),
            settings: settings.clone(),
            index: RwLock::default(),
            changing: Mutex::default(),
        };
        let entries = topics.store.load()?;
        let mut found: BTreeMap<String, i32> = BTreeMap::new();
        for (name, partition) in volume.partitions() {
            let count = found.entry(name).or_default();
            *count = (*count).max(partition.saturating_add(1));
        }
        for (name, entry) in &entries {
            let on_disk = found.remove(name).unwrap_or(0);
            if entry.deleting {
                topics.finish_deletion(name, on_disk)?;
                continue;
            }
            topics.open_topic(name, entry)?;
        }
        for (name, partitions) in found {
            tracing::warn!(
                topic = name,
                partitions,
                "partitions without a topic were found, and are taken up as one"
            );
            let name: Arc<str> = name.into();
            let first = Partition::open(volume, &name, 0, weir_log::LogConfig::default())?;
            let entry = Entry {
                id: first.log.topic_id().map_or_else(new_id, Uuid::from_bytes),
                partitions,
                config: Overrides::new(),
                deleting: false,
            };
            drop(first);
            topics.store.save(&name, &entry)?;
            topics.open_topic(&name, &entry)?;
        }
        Ok(topics)
    }

    /// The topic of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.read().by_name.get(name).cloned()
    }

    /// The topic of this id.
    pub fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.read().by_id.get(&id).cloned()
    }

    /// The partition of this topic and number.
    pub fn partition(&self, topic: &str, index: i32) -> Option<Arc<Partition>> {
        self.get(topic)?.partition(index)
    }

    /// All topics, by name.
    pub fn list(&self) -> Vec<Arc<Topic>> {
        self.read().by_name.values().cloned().collect()
    }

    /// Makes a topic. `settings` were checked.
    pub fn create(
        &self,
        name: &str,
        partitions: i32,
        overrides: Overrides,
    ) -> Result<Arc<Topic>, TopicError> {
        let _changing = self.changing();
        self.check_new(name, partitions)?;
        let entry = Entry {
            id: new_id(),
            partitions,
            config: overrides,
            deleting: false,
        };
        self.store.save(name, &entry)?;
        self.open_topic(name, &entry)
    }

    /// Whether a topic could be made.
    pub fn check_new(&self, name: &str, partitions: i32) -> Result<(), TopicError> {
        check_name(name)?;
        let index = self.read();
        if index.by_name.contains_key(name) {
            return Err(TopicError::Exists(name.to_owned()));
        }
        // `a.b` and `a_b` would be one in metrics, which is why Kafka refuses the second.
        let plain = name.replace('.', "_");
        if let Some(other) = (name.contains(['.', '_']))
            .then(|| {
                index
                    .by_name
                    .keys()
                    .find(|other| other.replace('.', "_") == plain)
            })
            .flatten()
        {
            return Err(TopicError::InvalidName(format!(
                "Topic '{name}' collides with existing topic: {other}"
            )));
        }
        if !(1..=MAX_NEW_PARTITIONS).contains(&partitions) {
            return Err(TopicError::InvalidPartitions(format!(
                "{partitions} is not a number of partitions between 1 and {MAX_NEW_PARTITIONS}."
            )));
        }
        Ok(())
    }

    /// The topic of this name, made with these settings if there is none.
    pub fn get_or_create(
        &self,
        name: &str,
        partitions: i32,
        overrides: Overrides,
    ) -> Result<Arc<Topic>, TopicError> {
        if let Some(topic) = self.get(name) {
            return Ok(topic);
        }
        match self.create(name, partitions, overrides) {
            Err(TopicError::Exists(_)) => self.get(name).ok_or(TopicError::Unknown),
            result => result,
        }
    }

    /// Gives a topic more partitions, `total` in all.
    pub fn add_partitions(&self, topic: &Topic, total: i32) -> Result<(), TopicError> {
        let _changing = self.changing();
        self.still(topic)?;
        let mut entry = topic.entry();
        let added = entry.partitions..total;
        entry.partitions = total;
        self.store.save(&topic.name, &entry)?;
        let config = topic::log_config(&entry.config, &self.settings);
        let mut partitions = topic.partitions().to_vec();
        for index in added {
            partitions.push(self.open_partition(&topic.name, topic.id, index, config.clone())?);
        }
        self.volume.sync()?;
        topic.change(|state| state.partitions = partitions.into());
        Ok(())
    }

    /// Gives a topic other settings of its own. They were checked.
    pub fn set_overrides(&self, topic: &Topic, overrides: Overrides) -> Result<(), TopicError> {
        let _changing = self.changing();
        self.still(topic)?;
        let mut entry = topic.entry();
        entry.config.clone_from(&overrides);
        self.store.save(&topic.name, &entry)?;
        let config = topic::log_config(&overrides, &self.settings);
        for partition in topic.partitions().iter() {
            partition.log.set_config(config.clone());
        }
        let min_insync_replicas = self.min_insync_replicas(&overrides);
        topic.change(|state| {
            state.overrides = Arc::new(overrides);
            state.min_insync_replicas = min_insync_replicas;
        });
        Ok(())
    }

    /// Has every log take up the server's settings as they are now.
    pub fn settings_changed(&self) {
        let _changing = self.changing();
        for topic in self.list() {
            let overrides = topic.overrides();
            let config = topic::log_config(&overrides, &self.settings);
            for partition in topic.partitions().iter() {
                partition.log.set_config(config.clone());
            }
            let min_insync_replicas = self.min_insync_replicas(&overrides);
            topic.change(|state| state.min_insync_replicas = min_insync_replicas);
        }
    }

    /// Deletes a topic and its records.
    pub fn delete(&self, topic: &Topic) -> Result<(), TopicError> {
        let _changing = self.changing();
        self.still(topic)?;
        let mut entry = topic.entry();
        entry.deleting = true;
        self.store.save(&topic.name, &entry)?;
        {
            let mut index = self.write();
            index.by_name.remove(&topic.name);
            index.by_id.remove(&topic.id);
        }
        for partition in topic.partitions().iter() {
            partition.close();
            partition.log.delete()?;
        }
        self.store.remove(&topic.name)?;
        Ok(())
    }

    /// Wakes everybody who waits for a record.
    pub fn close(&self) {
        for topic in self.list() {
            for partition in topic.partitions().iter() {
                partition.close();
            }
        }
    }

    fn finish_deletion(&self, name: &str, partitions: i32) -> Result<(), TopicError> {
        let topic: Arc<str> = name.into();
        for index in 0..partitions {
            let config = weir_log::LogConfig::default();
            Partition::open(&self.volume, &topic, index, config)?
                .log
                .delete()?;
        }
        self.store.remove(name)?;
        Ok(())
    }

    fn open_topic(&self, name: &str, entry: &Entry) -> Result<Arc<Topic>, TopicError> {
        let name: Arc<str> = name.into();
        let config = topic::log_config(&entry.config, &self.settings);
        let partitions = (0..entry.partitions)
            .map(|index| self.open_partition(&name, entry.id, index, config.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let topic = Arc::new(Topic {
            name: Arc::clone(&name),
            id: entry.id,
            state: RwLock::new(State {
                partitions: partitions.into(),
                overrides: Arc::new(entry.config.clone()),
                min_insync_replicas: self.min_insync_replicas(&entry.config),
            }),
        });
        let mut index = self.write();
        index.by_name.insert(name, Arc::clone(&topic));
        index.by_id.insert(topic.id, Arc::clone(&topic));
        Ok(topic)
    }

    fn open_partition(
        &self,
        name: &Arc<str>,
        id: Uuid,
        index: i32,
        config: weir_log::LogConfig,
    ) -> Result<Arc<Partition>, TopicError> {
        let partition = Partition::open(&self.volume, name, index, config)?;
        if partition.log.topic_id() != Some(*id.as_bytes()) {
            partition.log.set_topic_id(*id.as_bytes())?;
        }
        Ok(partition)
    }

    fn min_insync_replicas(&self, overrides: &Overrides) -> i64 {
        overrides
            .get("min.insync.replicas")
            .and_then(|count| count.parse().ok())
            .unwrap_or_else(|| self.settings.get(settings::MIN_INSYNC_REPLICAS))
    }

    fn still(&self, topic: &Topic) -> Result<(), TopicError> {
        match self.by_id(topic.id) {
            Some(_) => Ok(()),
            None => Err(TopicError::Unknown),
        }
    }

    fn changing(&self) -> std::sync::MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether only the broker writes a topic of this name.
pub(crate) fn is_internal(name: &str) -> bool {
    matches!(name, CONSUMER_OFFSETS | TRANSACTION_STATE)
}

/// Whether a topic may have this name: Kafka's rules, with its words.
pub(crate) fn check_name(name: &str) -> Result<(), TopicError> {
    let why = if name.is_empty() {
        "Topic name is invalid: the empty string is not allowed".to_owned()
    } else if name == "." || name == ".." {
        format!("Topic name is invalid: '{name}' is not allowed")
    } else if name.len() > 249 {
        "Topic name is invalid: the length of it is longer than the max allowed length 249"
            .to_owned()
    } else if name
        .chars()
        .any(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
    {
        format!(
            "Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        )
    } else {
        return Ok(());
    };
    Err(TopicError::InvalidName(why))
}

/// An id for a topic: random, and never one whose text begins with a dash, which a command line would take for an option.
fn new_id() -> Uuid {
    loop {
        let id = Uuid::new_v4();
        if id.as_bytes().first().is_some_and(|first| first >> 2 != 62) {
            return id;
        }
    }
}
