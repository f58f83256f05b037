//! A file read on and on, as `tail -F` does: appended to, cut back, moved away and made anew.

use std::fmt;
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::Read;
use crate::SourceError;

/// How often the end of the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What tells a file from another of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    number: u64,
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    Identity {
        device: metadata.dev(),
        number: metadata.ino(),
    }
}

#[cfg(not(unix))]
fn identity(metadata: &std::fs::Metadata) -> Identity {
    // When it was made is the best there is.
    let made = metadata
        .created()
        .ok()
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    Identity {
        device: 0,
        number: made.map_or(0, |made| made.as_nanos() as u64),
    }
}

/// What happened to the file besides growing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Moved {
    /// It is shorter than what was read of it.
    CutBack(PathBuf),
    /// Another file has its name.
    Replaced(PathBuf),
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutBack(path) => write!(
                f,
                "{} was cut back; reading it from its start",
                path.display()
            ),
            Self::Replaced(path) => write!(
                f,
                "{} was replaced; reading the new one from its start",
                path.display()
            ),
        }
    }
}

/// What to do at the end of the file.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Wait,
    FromStart,
    Reopen,
}

/// `named` is the file that has the name now, and its length.
fn verdict(open: Identity, position: u64, named: Option<(Identity, u64)>) -> Verdict {
    match named {
        Some((named, _)) if named != open => Verdict::Reopen,
        Some((_, len)) if len < position => Verdict::FromStart,
        // No file of the name: moved away, the new one not made yet; the old may still be written to.
        Some(_) | None => Verdict::Wait,
    }
}

/// A file being followed.
pub(super) struct Followed {
    path: PathBuf,
    file: File,
    identity: Identity,
    position: u64,
    /// The next file, opened when the name moved to it; the old one is read to its end first.
    replaced: bool,
}

impl Followed {
    pub(super) async fn open(path: &Path, from_start: bool) -> Result<Self, SourceError> {
        let mut file = File::open(path)
            .await
            .map_err(|error| cannot_open(path, &error))?;
        let metadata = file
            .metadata()
            .await
            .map_err(|error| cannot_open(path, &error))?;
        if !metadata.is_file() {
            return Err(SourceError::File {
                path: path.display().to_string(),
                why: "only a regular file can be followed".to_owned(),
            });
        }
        let position = if from_start { 0 } else { metadata.len() };
        file.seek(SeekFrom::Start(position))
            .await
            .map_err(|error| cannot_open(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            identity: identity(&metadata),
            file,
            position,
            replaced: false,
        })
    }

    /// The next bytes; waits for them as long as it takes. Cancel-safe between reads.
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> Result<Read, SourceError> {
        loop {
            let len = self
                .file
                .read(buffer)
                .await
                .map_err(|error| cannot_open(&self.path, &error))?;
            if len > 0 {
                self.position += len as u64;
                return Ok(Read::Bytes(len));
            }
            if self.replaced {
                // The old file's last bytes have been read; they may have come after the name had moved.
                if let Ok(next) = Self::open(&self.path, true).await {
                    *self = next;
                    return Ok(Read::Moved(Moved::Replaced(self.path.clone())));
                }
                self.replaced = false;
            }
            let named = tokio::fs::metadata(&self.path)
                .await
                .ok()
                .map(|metadata| (identity(&metadata), metadata.len()));
            match verdict(self.identity, self.position, named) {
                Verdict::Wait => tokio::time::sleep(LOOK_EVERY).await,
                Verdict::Reopen => self.replaced = true,
                Verdict::FromStart => {
                    self.file
                        .seek(SeekFrom::Start(0))
                        .await
                        .map_err(|error| cannot_open(&self.path, &error))?;
                    self.position = 0;
                    return Ok(Read::Moved(Moved::CutBack(self.path.clone())));
                }
            }
        }
    }
}

pub(crate) fn cannot_open(path: &Path, error: &std::io::Error) -> SourceError {
    SourceError::File {
        path: path.display().to_string(),
        why: match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            std::io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
            _ => error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const A: Identity = Identity {
        device: 1,
        number: 1,
    };
    const B: Identity = Identity {
        device: 1,
        number: 2,
    };

    #[test]
    fn what_to_do_at_the_end_depends_on_who_has_the_name_and_how_long_it_is() {
        for (position, named, want) in [
            (10, Some((A, 10)), Verdict::Wait),
            (10, Some((A, 11)), Verdict::Wait),
            (10, Some((A, 9)), Verdict::FromStart),
            (10, Some((A, 0)), Verdict::FromStart),
            (10, Some((B, 99)), Verdict::Reopen),
            (10, None, Verdict::Wait),
            (0, Some((A, 0)), Verdict::Wait),
        ] {
            assert_eq!(verdict(A, position, named), want, "{position} {named:?}");
        }
    }

    async fn text(followed: &mut Followed, len: usize) -> String {
        let mut text = Vec::new();
        let mut buffer = [0; 64];
        while text.len() < len {
            if let Read::Bytes(read) = followed.read(&mut buffer).await.unwrap() {
                text.extend_from_slice(&buffer[..read]);
            }
        }
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn a_file_is_followed_through_growth_cutting_back_and_replacement() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "one\n").unwrap();
        let mut followed = Followed::open(&path, true).await.unwrap();
        assert_eq!(text(&mut followed, 4).await, "one\n");

        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        file.write_all(b"two\n").unwrap();
        assert_eq!(text(&mut followed, 4).await, "two\n");

        std::fs::write(&path, "3\n").unwrap();
        assert_eq!(text(&mut followed, 2).await, "3\n");

        // Written to after it was moved, as a program does that has not noticed yet: nothing is lost.
        let mut old = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        std::fs::rename(&path, folder.path().join("log.1")).unwrap();
        std::fs::write(&path, "five\n").unwrap();
        old.write_all(b"four\n").unwrap();
        assert_eq!(text(&mut followed, 10).await, "four\nfive\n");
    }

    #[tokio::test]
    async fn only_what_is_new_is_read_where_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "old\n").unwrap();
        let mut followed = Followed::open(&path, false).await.unwrap();
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        file.write_all(b"new\n").unwrap();
        assert_eq!(text(&mut followed, 4).await, "new\n");
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_named() {
        let error = Followed::open(Path::new("no-such-file"), true)
            .await
            .err()
            .unwrap();
        assert_eq!(error.to_string(), "no-such-file: there is no such file");
    }
}
