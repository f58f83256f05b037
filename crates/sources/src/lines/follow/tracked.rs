//! One file being followed: read on from a position, as long as it is the file that was read so far.
//!
//! With every look the bytes just before the position are read again. If they are others than they were, the file was cut
//! back and written anew, however long it is by now: its length alone would not tell.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::place::{FilePlace, Identity, MARK_BYTES, born_ns, identity};
use super::super::split::{Line, Splitter};

/// Bytes read at a time, where lines are not longer.
const READ_BYTES: usize = 128 << 10;
/// Bytes read at a time while what stands at a file's beginning is passed over.
const HOLE_BYTES: usize = 1 << 20;

/// A file and how far it was read.
pub(super) struct Tracked {
    file: File,
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) since_ns: i64,
    pub(super) position: u64,
    /// The first bytes before the position.
    head: Vec<u8>,
    /// The last bytes before the position.
    tail: Vec<u8>,
    /// Bytes behind the position that are no whole line, and since when they are so many.
    unfinished: Option<(u64, Duration)>,
    /// So many NUL bytes stand at the beginning, as far as that was looked at.
    hole_bytes: u64,
}

/// What a look at a file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Lines; there may be more.
    Lines,
    /// No whole line.
    End,
    /// Another content than was read before.
    Rewritten,
}

impl Tracked {
    /// From `position` on; `since_ns` as in [`FilePlace`].
    pub(super) fn new(file: File, path: &Path, position: u64, since_ns: i64) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let mark = position.min(MARK_BYTES as u64) as usize;
        let mut head = vec![0; mark];
        let mut tail = vec![0; mark];
        read_exactly_at(&file, &mut head, 0)?;
        read_exactly_at(&file, &mut tail, position - mark as u64)?;
        Ok(Self {
            path: path.to_owned(),
            identity: identity(&metadata),
            since_ns,
            position,
            head,
            tail,
            unfinished: None,
            hole_bytes: 0,
            file,
        })
    }

    /// The file again, if it holds what was read of it.
    pub(super) fn known(file: File, path: &Path, place: &FilePlace) -> io::Result<Option<Self>> {
        if file.metadata()?.len() < place.position {
            return Ok(None);
        }
        let found = match Self::new(file, path, place.position, place.since_ns) {
            // Cut back just now.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            found => found?,
        };
        let same = found.place();
        Ok((same.head == place.head && same.tail == place.tail).then_some(found))
    }

    pub(super) fn place(&self) -> FilePlace {
        FilePlace {
            path: self.path.clone(),
            identity: self.identity,
            since_ns: self.since_ns,
            position: self.position,
            head: crc32c::crc32c(&self.head),
            tail: crc32c::crc32c(&self.tail),
        }
    }

    /// Takes some of the lines that follow.
    pub(super) fn read(
        &mut self,
        max_line_bytes: usize,
        now: Duration,
        lines: &mut Vec<Line>,
    ) -> io::Result<Look> {
        if self.position == 0 && !self.pass_over_hole()? {
            return Ok(Look::End);
        }
        let ahead = self.file.metadata()?.len().checked_sub(self.position);
        let Some(ahead) = ahead else {
            return Ok(Look::Rewritten);
        };
        for window in [READ_BYTES, max_line_bytes + 2] {
            let Some(taken) = self.read_within(window, ahead, max_line_bytes, lines)? else {
                return Ok(Look::Rewritten);
            };
            if taken > 0 {
                self.unfinished = None;
                return Ok(Look::Lines);
            }
            if ahead <= window as u64 {
                break;
            }
        }
        match self.unfinished {
            _ if ahead == 0 => self.unfinished = None,
            Some((known, _)) if known == ahead => {}
            _ => self.unfinished = Some((ahead, now)),
        }
        Ok(Look::End)
    }

    /// How many of the next `window` bytes were lines; `None` if the file is another than it was.
    fn read_within(
        &mut self,
        window: usize,
        ahead: u64,
        max_line_bytes: usize,
        lines: &mut Vec<Line>,
    ) -> io::Result<Option<usize>> {
        let mut bytes = vec![0; self.tail.len() + ahead.min(window as u64) as usize];
        let from = self.position - self.tail.len() as u64;
        let read = read_at(&self.file, &mut bytes, from)?;
        bytes.truncate(read);
        let Some(mut new) = bytes.strip_prefix(self.tail.as_slice()) else {
            return Ok(None);
        };
        if ahead <= window as u64 {
            // Room that was made for later lines is no line.
            new = without_nuls_at_end(new);
        }
        let mut splitter = self.splitter(max_line_bytes);
        splitter.push(new, |line| lines.push(line));
        let taken = new.len() - splitter.open_len();
        let (taken, _) = new.split_at(taken);
        self.advance(taken);
        Ok(Some(taken.len()))
    }

    /// Whether there is anything in it.
    pub(super) fn has_bytes(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() > 0)
    }

    /// How long the bytes behind the last whole line have been as they are; nothing where there are none.
    pub(super) fn unfinished_for(&self, now: Duration) -> Option<Duration> {
        self.unfinished.map(|(_, since)| now.saturating_sub(since))
    }

    /// Takes what stands behind the last whole line as a line of its own.
    pub(super) fn finish(
        &mut self,
        max_line_bytes: usize,
        lines: &mut Vec<Line>,
    ) -> io::Result<()> {
        // Less than a line's limit: `read` has cut what is longer.
        let mut rest = vec![0; max_line_bytes + 2];
        let read = read_at(&self.file, &mut rest, self.position)?;
        rest.truncate(without_nuls_at_end(rest.get(..read).unwrap_or_default()).len());
        let mut splitter = self.splitter(max_line_bytes);
        splitter.push(&rest, |line| lines.push(line));
        splitter.finish(|line| lines.push(line));
        self.advance(&rest);
        self.unfinished = None;
        Ok(())
    }

    /// When it was made.
    pub(super) fn born_ns(&self) -> io::Result<i64> {
        Ok(born_ns(&self.file.metadata()?))
    }

    /// Whether no name leads to it any more.
    #[cfg(unix)]
    pub(super) fn is_deleted(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        self.file
            .metadata()
            .is_ok_and(|metadata| metadata.nlink() == 0)
    }

    #[cfg(not(unix))]
    pub(super) fn is_deleted(&self) -> bool {
        false
    }

    fn splitter(&self, max_line_bytes: usize) -> Splitter {
        match self.tail.last() {
            // Behind a line's end, or behind a hole.
            None | Some(b'\n' | 0) => Splitter::new(max_line_bytes),
            Some(_) => Splitter::within_line(max_line_bytes),
        }
    }

    /// NUL bytes at the beginning are no text: a program that does not append writes on at its old position after the file
    /// was cut back, and what stands before that was never written. `false` if nothing follows them yet.
    fn pass_over_hole(&mut self) -> io::Result<bool> {
        let mut bytes = vec![0; 1];
        if read_at(&self.file, &mut bytes, 0)? == 0 || bytes.first() != Some(&0) {
            return Ok(true);
        }
        loop {
            bytes.resize(HOLE_BYTES, 0);
            let read = read_at(&self.file, &mut bytes, self.hole_bytes)?;
            bytes.truncate(read);
            if let Some(at) = bytes.iter().position(|byte| *byte != 0) {
                self.hole_bytes += at as u64;
                break;
            }
            if read == 0 {
                return Ok(false);
            }
            self.hole_bytes += read as u64;
        }
        let mark = self.hole_bytes.min(MARK_BYTES as u64) as usize;
        self.head = vec![0; mark];
        self.tail = vec![0; mark];
        self.position = self.hole_bytes;
        Ok(true)
    }

    fn advance(&mut self, taken: &[u8]) {
        self.position += taken.len() as u64;
        let room = MARK_BYTES - self.head.len();
        self.head.extend(taken.iter().take(room));
        if taken.len() >= MARK_BYTES {
            self.tail.clear();
        }
        self.tail
            .extend(taken.iter().skip(taken.len().saturating_sub(MARK_BYTES)));
        let over = self.tail.len().saturating_sub(MARK_BYTES);
        self.tail.drain(..over);
    }
}

/// Where the last line of a file begins that has no end yet, or the end of the file: what a follower that starts now is to
/// publish from, so that no half a line is published.
pub(super) fn last_line_start(file: &File, max_line_bytes: usize) -> io::Result<u64> {
    let len = file.metadata()?.len();
    let look = len.min(max_line_bytes as u64 + 2) as usize;
    let mut bytes = vec![0; look];
    let from = len - look as u64;
    let read = read_at(file, &mut bytes, from)?;
    bytes.truncate(read);
    Ok(match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => from + at as u64 + 1,
        None if from == 0 => 0,
        None => len,
    })
}

fn without_nuls_at_end(bytes: &[u8]) -> &[u8] {
    let len = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    bytes.get(..len).unwrap_or_default()
}

fn read_exactly_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    if read_at(file, buffer, position)? == buffer.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Fills the buffer as far as the file goes.
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match read_some_at(file, room, position + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(unix)]
fn read_some_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, position)
}

#[cfg(windows)]
fn read_some_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, position)
}
