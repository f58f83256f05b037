//! What is kept of a topic besides its records: a small file a topic, `topics/NAME.json`.
//!
//! A topic exists when its file does. One that is being deleted has a file that says so, until its partitions are gone: a crash
//! in between is made good at the next start, and no record of it comes back under the same name.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use weir_base::fs::Fs;

use crate::files;

/// What a topic's file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The topic's id (KIP-516).
    #[serde(with = "id_as_text")]
    pub id: Uuid,
    /// How many partitions it has.
    pub partitions: i32,
    /// Its own settings.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Its partitions are being removed.
    #[serde(default)]
    pub deleting: bool,
}

/// The folder of topics' files.
pub(crate) struct Store {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
}

impl Store {
    /// The folder below the broker's data folder; it is made if there is none.
    pub fn open(fs: Arc<dyn Fs>, data_dir: &Path) -> io::Result<Self> {
        let dir = data_dir.join("topics");
        fs.create_dir_all(&dir)?;
        fs.sync_dir(data_dir)?;
        Ok(Self { fs, dir })
    }

    /// Every topic there is, by name.
    pub fn load(&self) -> io::Result<BTreeMap<String, Entry>> {
        let mut entries = BTreeMap::new();
        for (path, is_dir) in self.fs.read_dir(&self.dir)? {
            let path = self.dir.join(path);
            let Some(name) = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_suffix(".json"))
            else {
                continue;
            };
            if is_dir {
                continue;
            }
            let bytes = files::read(&*self.fs, &path)?.unwrap_or_default();
            let entry = serde_json::from_slice(&bytes).map_err(|error| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} is damaged: {error}", path.display()),
                )
            })?;
            entries.insert(name.to_owned(), entry);
        }
        Ok(entries)
    }

    /// Keeps a topic's entry, durably.
    pub fn save(&self, name: &str, entry: &Entry) -> io::Result<()> {
        let bytes = serde_json::to_vec_pretty(entry).map_err(io::Error::other)?;
        files::replace(&*self.fs, &self.path(name), &bytes)
    }

    /// Forgets a topic, durably.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        files::remove(&*self.fs, &self.path(name))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }
}

/// An id in a topic's file: the usual text of a UUID.
mod id_as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use uuid::Uuid;

    pub fn serialize<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
        let text = String::deserialize(deserializer)?;
        Uuid::parse_str(&text).map_err(D::Error::custom)
    }
}
