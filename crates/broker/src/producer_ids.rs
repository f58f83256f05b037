//! Gives out producer ids (KIP-98), each once, over restarts too.
//!
//! A block of them is taken durably before the first of it is given out; what a crash leaves unused is lost, which harms nobody.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use weir_base::fs::Fs;

use crate::files;

/// Ids taken at once, as Kafka's controller does.
const BLOCK: i64 = 1000;

/// The giver of ids.
pub(crate) struct ProducerIds {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    range: Mutex<Range>,
}

struct Range {
    next: i64,
    end: i64,
}

impl ProducerIds {
    /// Goes on after the last block that the file at `path` says was taken.
    pub fn open(fs: Arc<dyn Fs>, path: PathBuf) -> io::Result<Self> {
        let taken = match files::read(&*fs, &path)? {
            None => 0,
            Some(bytes) => std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| text.trim().parse::<i64>().ok())
                .filter(|taken| *taken >= 0)
                .ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("{} does not hold a number", path.display()),
                    )
                })?,
        };
        Ok(Self {
            fs,
            path,
            range: Mutex::new(Range {
                next: taken,
                end: taken,
            }),
        })
    }

    /// An id that was never given out.
    pub fn next(&self) -> io::Result<i64> {
        let mut range = self.range.lock().unwrap_or_else(PoisonError::into_inner);
        if range.next == range.end {
            let end = range.end.checked_add(BLOCK).ok_or(io::ErrorKind::Other)?;
            files::may_block(|| {
                files::replace(&*self.fs, &self.path, format!("{end}\n").as_bytes())
            })?;
            range.end = end;
        }
        let id = range.next;
        range.next += 1;
        Ok(id)
    }
}
