//! A folder on a disk: `file:///DIR`.
//!
//! A file is made whole by writing it beside under a name of its own, syncing it, and linking it to the name wanted: unlike a
//! rename, a link fails where the name is taken. Names are synced with their folder, so what was said to be done survives a
//! power cut. Appending is writing at a position, so several who do it at once write the same bytes to the same place.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;
use weir_base::fs::{File, Fs, Open};

use super::{Entry, Store, StoreError, Writer};
use crate::single::changed;

/// A folder.
#[derive(Clone)]
pub struct Folder {
    fs: Arc<dyn Fs>,
    root: PathBuf,
}

impl Folder {
    /// The folder at `root`, made when first written to.
    pub fn new(fs: Arc<dyn Fs>, root: impl Into<PathBuf>) -> Self {
        Self {
            fs,
            root: root.into(),
        }
    }

    /// Whether the folder can be written to, or what is in the way.
    pub async fn check(&self) -> Result<(), StoreError> {
        let (fs, root) = (self.fs.clone(), self.root.clone());
        let checked = tokio::task::spawn_blocking(move || check(&*fs, &root)).await;
        checked.unwrap_or_else(|ended| Err(StoreError::Remedy(ended.to_string())))
    }

    /// Does `work` where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        what: &'static str,
        path: &str,
        work: impl FnOnce(&dyn Fs, &Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (fs, full) = (self.fs.clone(), self.root.join(path));
        let done = tokio::task::spawn_blocking(move || work(&*fs, &full)).await;
        match done {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(self.failed(what, path, &error)),
            Err(ended) => Err(self.failed(what, path, &io::Error::other(ended))),
        }
    }

    fn failed(&self, what: &'static str, path: &str, error: &io::Error) -> StoreError {
        StoreError::Failed {
            what,
            url: self.url(path),
            why: error.to_string(),
        }
    }
}

fn check(fs: &dyn Fs, root: &Path) -> Result<(), StoreError> {
    let probe = root.join(format!(".weir-{}", Uuid::new_v4().simple()));
    let linked = root.join(format!(".weir-{}", Uuid::new_v4().simple()));
    let tried = make_room(fs, &probe).and_then(|()| {
        drop(fs.open(&probe, Open::ReadWrite)?);
        let tried = fs.link(&probe, &linked);
        fs.remove_file(&probe)?;
        // Linux says "not permitted" where the file system has no links (link(2), EPERM).
        tried.map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => io::ErrorKind::Unsupported.into(),
            _ => error,
        })?;
        fs.remove_file(&linked)
    });
    let Err(error) = tried else { return Ok(()) };
    let shown = root.display();
    Err(StoreError::Remedy(match error.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            let file = root
                .ancestors()
                .find(|part| fs.len(part).is_ok() && fs.read_dir(part).is_err())
                .unwrap_or(root)
                .display();
            format!("{file} is a file, and an archive is a folder; name another with --to")
        }
        io::ErrorKind::PermissionDenied => format!(
            "not allowed to write to {shown}; make the folder and give it to this user (mkdir, chown), or name another with --to"
        ),
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("{shown} is on a disk that is read-only; name a folder on another with --to")
        }
        io::ErrorKind::StorageFull => {
            format!(
                "the disk of {shown} is full; make room on it, or name a folder on another with --to"
            )
        }
        io::ErrorKind::Unsupported => format!(
            "the disk of {shown} knows no hard links, which an archive needs to write each file once; name a folder on another (ext4, XFS, NTFS, APFS) with --to"
        ),
        _ => format!("cannot write to {shown}: {error}"),
    }))
}

/// Makes the folders above `path`, with their names on the disk.
fn make_room(fs: &dyn Fs, path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    let mut missing = Vec::new();
    let mut at = Some(parent);
    while let Some(folder) = at.filter(|folder| fs.len(folder).is_err()) {
        missing.push(folder);
        at = folder.parent();
    }
    if missing.is_empty() {
        return Ok(());
    }
    fs.create_dir_all(parent)?;
    for folder in missing.iter().rev() {
        if let Some(above) = folder
            .parent()
            .filter(|above| !above.as_os_str().is_empty())
        {
            fs.sync_dir(above)?;
        }
    }
    Ok(())
}

fn sync_parent(fs: &dyn Fs, path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| fs.sync_dir(parent))
}

/// `None` where there is no such file.
fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[async_trait]
impl Store for Folder {
    async fn list(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        self.blocking("list", folder, |fs, path| {
            let names = if_there(fs.read_dir(path))?.unwrap_or_default();
            Ok(names
                .into_iter()
                .map(|(name, folder)| Entry {
                    name: name.to_string_lossy().into_owned(),
                    folder,
                })
                .collect())
        })
        .await
    }

    async fn read(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        self.blocking("read", path, |fs, path| {
            let Some(file) = if_there(fs.open(path, Open::Read))? else {
                return Ok(None);
            };
            let mut content = vec![0; usize::try_from(file.len()?).unwrap_or(usize::MAX)];
            let read = file.read_at(&mut content, 0)?;
            content.truncate(read);
            Ok(Some(Bytes::from(content)))
        })
        .await
    }

    async fn create(&self, path: &str, content: Bytes) -> Result<bool, StoreError> {
        self.blocking("create", path, move |fs, path| {
            make_room(fs, path)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let beside = path.with_file_name(format!(".{name}.{}", Uuid::new_v4().simple()));
            let file = fs.open(&beside, Open::ReadWrite)?;
            let linked = file
                .write_all_at(&content, 0)
                .and_then(|()| file.sync_data())
                .and_then(|()| fs.link(&beside, path));
            drop(file);
            let removed = fs.remove_file(&beside);
            match linked {
                Ok(()) => {
                    removed?;
                    sync_parent(fs, path)?;
                    Ok(true)
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn write(&self, path: &str) -> Result<Box<dyn Writer>, StoreError> {
        let file = self
            .blocking("write", path, |fs, path| {
                make_room(fs, path)?;
                let file = fs.open(path, Open::ReadWrite)?;
                file.set_len(0)?;
                Ok(file)
            })
            .await?;
        Ok(Box::new(FolderWriter {
            folder: self.clone(),
            path: path.to_owned(),
            file,
            len: 0,
        }))
    }

    async fn rename(&self, from: &str, to: &str) -> Result<bool, StoreError> {
        let to = self.root.join(to);
        self.blocking("rename", from, move |fs, from| {
            if if_there(fs.len(from))?.is_none() {
                return Ok(false);
            }
            make_room(fs, &to)?;
            if if_there(fs.rename(from, &to))?.is_none() {
                return Ok(false);
            }
            sync_parent(fs, &to)?;
            Ok(true)
        })
        .await
    }

    async fn len(&self, path: &str) -> Result<Option<u64>, StoreError> {
        self.blocking("look at", path, |fs, path| if_there(fs.len(path)))
            .await
    }

    async fn append(&self, from: &str, to: &str, at: u64) -> Result<bool, StoreError> {
        let Some(content) = self.read(from).await? else {
            return Ok(false);
        };
        let len = self
            .blocking("append to", to, move |fs, to| {
                make_room(fs, to)?;
                let file = fs.open(to, Open::ReadWrite)?;
                let len = file.len()?;
                if len >= at {
                    file.write_all_at(&content, at)?;
                    file.sync_data()?;
                    sync_parent(fs, to)?;
                }
                Ok(len)
            })
            .await?;
        if len < at {
            return Err(changed(&self.url(to), len, at));
        }
        self.delete(from).await?;
        Ok(true)
    }

    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        self.blocking("delete", path, |fs, path| {
            if_there(fs.remove_file(path)).map(|_| ())
        })
        .await
    }

    fn piece_bytes(&self) -> usize {
        1 << 20
    }

    fn url(&self, path: &str) -> String {
        format!("file://{}", self.root.join(path).display())
    }
}

struct FolderWriter {
    folder: Folder,
    path: String,
    file: Arc<dyn File>,
    len: u64,
}

#[async_trait]
impl Writer for FolderWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let (file, position) = (self.file.clone(), self.len);
        self.len += bytes.len() as u64;
        self.folder
            .blocking("write", &self.path, move |_, _| {
                file.write_all_at(&bytes, position)
            })
            .await
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        let file = self.file.clone();
        self.folder
            .blocking("write", &self.path, move |fs, path| {
                file.sync_data()?;
                sync_parent(fs, path)
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use weir_base::fs::MemFs;

    use super::*;

    const FILE: &str = "topics/t.txt";

    async fn write(folder: &Folder, path: &str, content: &'static [u8]) {
        let mut writer = folder.write(path).await.unwrap();
        writer.write(Bytes::from_static(content)).await.unwrap();
        writer.finish().await.unwrap();
    }

    #[test]
    fn what_is_appended_is_there_once_and_whole_whenever_the_power_went() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            for operations in 0..8 {
                for seed in 0..8 {
                    let fs = MemFs::new();
                    let folder = Folder::new(Arc::new(fs.clone()), "/archive");
                    write(&folder, "tmp/0", b"to be\n").await;
                    assert!(folder.append("tmp/0", FILE, 0).await.unwrap());
                    write(&folder, "tmp/1", b"or not to be\n").await;
                    fs.power_off_after(Some(fs.operations() + operations));
                    let before = folder.append("tmp/1", FILE, 6).await;
                    let after = Folder::new(Arc::new(fs.crash(seed)), "/archive");
                    let again = after.append("tmp/1", FILE, 6).await.unwrap();
                    assert!(again || before.is_ok());
                    assert!(!after.append("tmp/1", FILE, 6).await.unwrap());
                    let found = after.read(FILE).await.unwrap().unwrap();
                    assert_eq!(found, b"to be\nor not to be\n"[..], "{operations} {seed}");
                }
            }
        });
    }
}
