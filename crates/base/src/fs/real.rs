//! The machine's file system.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{File, Fs, Lock, Open};

/// The machine's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFs;

struct RealFile(fs::File);

/// The lock goes with the descriptor.
struct RealLock(#[expect(dead_code, reason = "held, not read")] fs::File);

impl Lock for RealLock {}

impl File for RealFile {
    fn read_at(&self, mut buffer: &mut [u8], mut position: u64) -> io::Result<usize> {
        let mut total = 0;
        while !buffer.is_empty() {
            match self.0.read_at(buffer, position) {
                Ok(0) => break,
                Ok(n) => {
                    total += n;
                    position += n as u64;
                    buffer = buffer.get_mut(n..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, position)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    #[cfg(target_os = "linux")]
    fn sync_file_system(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.0)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn sync_file_system(&self) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

impl Fs for RealFs {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true);
        if how == Open::ReadWrite {
            options.write(true).create(true).truncate(false);
        }
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
        fs::read_dir(path)?
            .map(|entry| {
                let entry = entry?;
                Ok((entry.file_name().into(), entry.file_type()?.is_dir()))
            })
            .collect()
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(RealLock(file))),
            Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_where_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/file");
        let fs = RealFs;
        assert!(fs.open(&path, Open::Read).is_err());
        fs.create_dir_all(&dir.path().join("a/b")).unwrap();
        let file = fs.open(&path, Open::ReadWrite).unwrap();
        file.write_all_at(b"abc", 5).unwrap();
        file.sync_data().unwrap();
        fs.sync_dir(&dir.path().join("a/b")).unwrap();
        assert_eq!(fs.len(&path).unwrap(), 8);
        let mut buffer = [1; 10];
        let read = fs
            .open(&path, Open::Read)
            .unwrap()
            .read_at(&mut buffer, 4)
            .unwrap();
        assert_eq!(&buffer[..read], b"\0abc");
        fs.rename(&path, &dir.path().join("a/c")).unwrap();
        let mut names = fs.read_dir(&dir.path().join("a")).unwrap();
        names.sort();
        assert_eq!(names, [("b".into(), true), ("c".into(), false)]);
    }

    #[test]
    fn a_second_name_is_refused_where_it_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|name| dir.path().join(name));
        for path in [&a, &c] {
            let file = RealFs.open(path, Open::ReadWrite).unwrap();
            file.write_all_at(path.as_os_str().as_encoded_bytes(), 0)
                .unwrap();
        }
        RealFs.link(&a, &b).unwrap();
        RealFs.remove_file(&a).unwrap();
        assert!(RealFs.len(&b).unwrap() > 0);
        let refused = RealFs.link(&b, &c).err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_lock_is_held_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        let held = RealFs.lock(&path).unwrap();
        let refused = RealFs.lock(&path).err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        drop(held);
        assert!(RealFs.lock(&path).is_ok());
    }
}
