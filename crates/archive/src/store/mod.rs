//! A store as the archive needs it: few operations, each of which either happens wholly or not at all.
//!
//! Paths are relative to the archive's own folder, with `/` between their parts. What the exactly-once argument (`claim`) rests on
//! is said at each operation; [`Folder`], [`Objects`] (S3) and [`Hdfs`] keep it on a disk, in a bucket and in HDFS, and the
//! tests' store in memory breaks everything that is not said here.

mod folder;
mod hdfs;
#[cfg(test)]
pub(crate) mod memory;
mod namenode;
mod s3;

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;

pub use folder::Folder;
pub use hdfs::Hdfs;
pub use s3::S3;

/// What must be done before something else may happen.
pub(crate) type Ready<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// What a folder of the store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The last part of its path.
    pub name: String,
    /// Whether it is a folder.
    pub folder: bool,
}

/// A place for files.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What is right in a folder, in no order; nothing where there is no such folder. What was there before the call and is still
    /// there is in it.
    async fn list(&self, folder: &str) -> Result<Vec<Entry>, StoreError>;

    /// A small file's bytes; `None` where there is none.
    async fn read(&self, path: &str) -> Result<Option<Bytes>, StoreError>;

    /// Makes a small file that is not there yet, whole and durable: of several who try, one succeeds. `false`: there was one. After
    /// an error it may be there or not.
    async fn create(&self, path: &str, content: Bytes) -> Result<bool, StoreError>;

    /// As [`Store::create`], once `ready` is done, and not at all if that fails. What can be prepared is prepared meanwhile.
    async fn create_after(
        &self,
        ready: Ready<'_>,
        path: &str,
        content: Bytes,
    ) -> Result<bool, StoreError> {
        ready.await?;
        self.create(path, content).await
    }

    /// A file to be written from its beginning to its end, under a name that nobody else writes.
    async fn write(&self, path: &str) -> Result<Box<dyn Writer>, StoreError>;

    /// Gives a finished file its final name, under which it appears whole, in place of whatever had that name. `false`: there is no
    /// file `from`. After an error it may have happened or not, or both names may be there.
    async fn rename(&self, from: &str, to: &str) -> Result<bool, StoreError>;

    /// A file's length; `None` where there is none.
    async fn len(&self, path: &str) -> Result<Option<u64>, StoreError>;

    /// Puts what the finished file `from` holds into the file `to` behind its first `at` bytes, where it is durable, and removes
    /// `from`. What of it is there already stays as it is, so it may be done again after an error, by anybody, and by several at
    /// once; one who wakes up late in the middle of it changes nothing. `to` is made where `at` is 0, and refused where it is
    /// shorter than `at`. `false`: there is no file `from`. After an error any part of it may be there.
    async fn append(&self, from: &str, to: &str, at: u64) -> Result<bool, StoreError>;

    /// Removes a file if it is there.
    async fn delete(&self, path: &str) -> Result<(), StoreError>;

    /// Whether a folder that is read file by file may hold what was not finished: then this says how large the smallest piece is
    /// that can be sent on before the file's end, for those that hold pieces in memory until then.
    fn piece_bytes(&self) -> usize;

    /// The path as its users write it: `hdfs://host:port/dir/path`.
    fn url(&self, path: &str) -> String;
}

/// A file being written. Dropped before [`Writer::finish`] it is none; remains may lie about under its name.
#[async_trait]
pub trait Writer: Send {
    /// The next bytes.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;
    /// Returns when all bytes are durable and the file can be read.
    async fn finish(self: Box<Self>) -> Result<(), StoreError>;
}

/// What a store would not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// What to do about it is known.
    #[error("{0}")]
    Remedy(String),
    /// Anything else, in the store's own words.
    #[error("cannot {what} {url}: {why}")]
    Failed {
        /// What was tried.
        what: &'static str,
        /// On which file or folder.
        url: String,
        /// What the store said.
        why: String,
    },
}
