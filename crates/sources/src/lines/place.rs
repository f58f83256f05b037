//! The place of a follower: which files, and how far in each; what is kept of it in Kafka.
//!
//! A file is known again by its number on its device and by what it held: checksums of the bytes at its beginning and of
//! those just before the place. A number alone says little, since file systems give the number of a file deleted to the next
//! one made; and a copy (`copytruncate`) or a file moved to another disk has another number and is the same file all the
//! same.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How much of a file's beginning, and of what stands before the place, it is known by.
pub(super) const MARK_BYTES: usize = 1_024;
/// A place that is larger than this was not written by us.
const MAX_PLACE_BYTES: usize = 256 << 10;

/// What tells a file from another of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

#[cfg(unix)]
pub(super) fn identity(metadata: &std::fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}

#[cfg(not(unix))]
pub(super) fn identity(metadata: &std::fs::Metadata) -> Identity {
    // When it was made is the best there is.
    Identity {
        device: 0,
        inode: born_ns(metadata).unsigned_abs(),
    }
}

/// When the file was made, in nanoseconds since 1970; when it was last written to where the file system does not keep that.
pub(super) fn born_ns(metadata: &std::fs::Metadata) -> i64 {
    metadata
        .created()
        .map_or_else(|_| touched_ns(metadata), nanoseconds)
}

/// When the file was last written to, in nanoseconds since 1970.
pub(super) fn touched_ns(metadata: &std::fs::Metadata) -> i64 {
    metadata.modified().map_or(0, nanoseconds)
}

fn nanoseconds(at: std::time::SystemTime) -> i64 {
    at.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

/// A file, how far it was read, and how to know it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FilePlace {
    /// What it was called.
    pub(super) path: PathBuf,
    #[serde(flatten)]
    pub(super) identity: Identity,
    /// Files made before this moment (nanoseconds since 1970) come before this one, and were not to be read or have been.
    pub(super) since_ns: i64,
    /// So many bytes of it are in the topic.
    pub(super) position: u64,
    /// CRC-32C of its first [`MARK_BYTES`] before the position.
    pub(super) head: u32,
    /// CRC-32C of the last [`MARK_BYTES`] before the position.
    pub(super) tail: u32,
}

/// How far a follower is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Place {
    /// Oldest first; the last is the one being read, those before it have been read to their end so far.
    pub(super) files: Vec<FilePlace>,
}

impl Place {
    pub(super) fn to_json(&self) -> Vec<u8> {
        // Numbers, strings and a path: a path that is no UTF-8 cannot be written as JSON, and is then known by the rest.
        serde_json::to_vec(self).unwrap_or_else(|_| {
            let nameless = self.files.iter().map(|file| FilePlace {
                path: PathBuf::new(),
                ..file.clone()
            });
            serde_json::to_vec(&Self {
                files: nameless.collect(),
            })
            .unwrap_or_default()
        })
    }

    /// `None` for what is no place.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        if json.len() > MAX_PLACE_BYTES {
            return None;
        }
        serde_json::from_slice(json).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: PathBuf) -> Place {
        Place {
            files: vec![FilePlace {
                path,
                identity: Identity {
                    device: u64::MAX,
                    inode: 7,
                },
                since_ns: -1,
                position: 99,
                head: 1,
                tail: u32::MAX,
            }],
        }
    }

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place = place("/var/log/syslog".into());
        assert_eq!(Place::parse(&place.to_json()), Some(place));
        assert_eq!(Place::parse(b"{}"), None);
        assert_eq!(Place::parse(b"{\"files\":[{}]}"), None);
        assert_eq!(Place::parse(&vec![b' '; 1 << 20]), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_place_in_a_file_whose_name_is_no_text_is_kept_without_the_name() {
        use std::os::unix::ffi::OsStringExt;
        let odd = PathBuf::from(std::ffi::OsString::from_vec(vec![0xff]));
        let found = Place::parse(&place(odd).to_json()).unwrap();
        assert_eq!(found, place(PathBuf::new()));
    }
}
