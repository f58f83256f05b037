//! Small files that are replaced as a whole: after a crash there is the old content or the new, never half of either.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use weir_base::fs::{Fs, Open};

/// The most that a small file may hold; more is damage.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What a file holds; `None` where there is none.
pub(crate) fn read(fs: &dyn Fs, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match fs.open(path, Open::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let len = file.len()?;
    if len > MAX_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "{} is {len} bytes long, which it never is when sound",
                path.display()
            ),
        ));
    }
    let mut bytes = vec![0; len as usize];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// Replaces what a file holds, durably: written beside it, synced, renamed, the folder synced.
pub(crate) fn replace(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    let file = fs.open(&beside, Open::ReadWrite)?;
    file.set_len(0)?;
    file.write_all_at(bytes, 0)?;
    file.sync_data()?;
    drop(file);
    fs.rename(&beside, path)?;
    sync_parent(fs, path)
}

/// Removes a file, durably.
pub(crate) fn remove(fs: &dyn Fs, path: &Path) -> io::Result<()> {
    match fs.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_parent(fs, path),
    }
}

fn sync_parent(fs: &dyn Fs, path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) => fs.sync_dir(dir),
        None => Ok(()),
    }
}

/// A value that is kept as JSON in a small file.
pub(crate) struct JsonFile<T> {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    value: Mutex<T>,
}

impl<T: Default + Clone + Serialize + DeserializeOwned> JsonFile<T> {
    /// Reads the file; without one the value is the default.
    pub fn open(fs: Arc<dyn Fs>, path: PathBuf) -> io::Result<Self> {
        let value = match read(&*fs, &path)? {
            None => T::default(),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} is damaged: {error}", path.display()),
                )
            })?,
        };
        Ok(Self {
            fs,
            path,
            value: Mutex::new(value),
        })
    }

    /// Looks at the value.
    pub fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.value.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the value, durably; it stays as it was if that fails.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> io::Result<R> {
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = value.clone();
        let result = change(&mut changed);
        let bytes = serde_json::to_vec_pretty(&changed).map_err(io::Error::other)?;
        may_block(|| replace(&*self.fs, &self.path, &bytes))?;
        *value = changed;
        Ok(result)
    }
}

/// Runs what may wait for the disk, without keeping the runtime's other tasks waiting where that can be helped.
pub(crate) fn may_block<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
