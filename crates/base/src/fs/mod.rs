//! Files as the log needs them: positioned reads and writes, and a say in what is on stable storage.
//!
//! [`RealFs`] is the machine's file system. [`MemFs`] keeps files in memory and forgets, on a crash, what was not synced.

mod mem;
mod real;

pub use mem::MemFs;
pub use real::RealFs;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open file. Reading and writing at once from several threads is allowed.
#[allow(
    clippy::len_without_is_empty,
    reason = "a file's length is asked of the disk and can fail"
)]
pub trait File: Send + Sync {
    /// Reads at `position` into `buffer`; fewer bytes than asked for only at the file's end.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `position`. After an error some of them may have been written.
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts the file off at `len`, or lengthens it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Returns when the file's bytes and length are on stable storage (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
    /// Returns when everything written to the file's file system by anybody is on stable storage (`syncfs`).
    fn sync_file_system(&self) -> io::Result<()>;
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// To read; it must be there.
    Read,
    /// To read and write; it is made if it is not there.
    ReadWrite,
}

/// Held while this process has a folder to itself; dropping it gives it up.
pub trait Lock: Send + Sync {}

/// A file system.
#[allow(clippy::len_without_is_empty, reason = "it is some file's length")]
pub trait Fs: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;
    /// Makes a folder and those above it.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder, and whether each is a folder.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<(PathBuf, bool)>>;
    /// A file's length.
    fn len(&self, path: &Path) -> io::Result<u64>;
    /// Gives a file or folder another name; a file of that name is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name; `AlreadyExists` where that name is taken.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and what is in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Returns when the names in the folder are on stable storage.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes the lock file at `path`; `WouldBlock` if another process has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;
}
