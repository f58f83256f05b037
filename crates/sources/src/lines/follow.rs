//! A file read on and on, as `tail -F` does: appended to, cut back, moved away and made anew, and taken up again where a
//! follower before this one left off.
//!
//! [`Follower::gather`] has a look and takes what lines there are, a bounded number of bytes; it never waits. What it gives
//! comes with the [`Place`] behind those lines, which belongs into the log together with them. What was written to a file
//! before it was rotated comes before what was written to the next one, however many rotations were missed, as long as the
//! files are there; what a program writes to its old file after the new one was made comes as it is found.

mod family;
#[cfg(test)]
mod tests;
mod tracked;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::family::{Relative, folder, relatives};
use self::tracked::{Look, Tracked, last_line_start};
use super::place::{FilePlace, Identity, MARK_BYTES, Place, born_ns, identity, touched_ns};
use super::split::Line;
use crate::SourceError;

/// Bytes and lines taken at a time, roughly.
const GATHER_BYTES: usize = 1 << 20;
const GATHER_LINES: usize = 20_000;
/// Files read to their end that are still looked at: programs write to the old file for a while.
const MAX_EARLIER: usize = 8;
/// A line without an end at the end of a file that was rotated away is complete when nothing came for so long.
const LAST_LINE_WAIT: Duration = Duration::from_secs(5);

/// Lines, and where a follower stands that has published them.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) lines: Vec<Line>,
    pub(super) place: Place,
    /// What a person should know.
    pub(super) notes: Vec<String>,
}

/// A file being followed through its rotations.
pub(super) struct Follower {
    path: PathBuf,
    max_line_bytes: usize,
    /// Read to their ends, oldest first.
    earlier: Vec<Tracked>,
    /// Being read.
    current: Option<Tracked>,
    /// [`FilePlace::since_ns`] of the one being read, or of the one that was last.
    since_ns: Option<i64>,
    notes: Vec<String>,
    /// Why the file cannot be opened, as last told.
    told: Option<String>,
}

impl Follower {
    /// For the first time: from the file's end, or from its start. A file that is not there yet is read from its start when
    /// it comes.
    pub(super) fn begin(
        path: &Path,
        from_start: bool,
        max_line_bytes: usize,
    ) -> Result<Self, SourceError> {
        let mut follower = Self::new(path, max_line_bytes)?;
        match open(path) {
            Ok(file) => {
                let taken = (|| {
                    // What is beside it now was there before us.
                    let beside = relatives(path).into_iter();
                    let beside = beside.map(|file| file.born_ns.max(file.touched_ns) + 1);
                    let touched_ns = touched_ns(&file.metadata()?);
                    let since_ns = beside.fold(touched_ns, i64::max);
                    let position = if from_start {
                        0
                    } else {
                        last_line_start(&file, max_line_bytes)?
                    };
                    Tracked::new(file, &resolved(path), position, since_ns)
                })();
                follower.take_up(taken.map_err(|error| cannot_open(path, &error))?);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                follower.note(format!(
                    "{} is not there yet; waiting for it",
                    path.display()
                ));
            }
            Err(error) => return Err(cannot_open(path, &error)),
        }
        Ok(follower)
    }

    /// Where another left off.
    pub(super) fn resume(
        path: &Path,
        place: &Place,
        max_line_bytes: usize,
    ) -> Result<Self, SourceError> {
        let mut follower = Self::new(path, max_line_bytes)?;
        if let Err(error) = open(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(cannot_open(path, &error));
        }
        let mut beside = relatives(path);
        for known in &place.files {
            let moved = open(&known.path).and_then(|file| Ok(identity(&file.metadata()?)));
            if let Ok(identity) = moved
                && !beside.iter().any(|file| file.identity == identity)
            {
                beside.push(Relative {
                    path: known.path.clone(),
                    identity,
                    born_ns: 0,
                    touched_ns: 0,
                    rotated: false,
                });
            }
        }
        for (index, known) in place.files.iter().enumerate() {
            let found = find(known, &beside);
            if let Some(found) = &found {
                beside.retain(|file| file.identity != found.identity);
            }
            if index + 1 < place.files.len() {
                follower.earlier.extend(found);
            } else {
                follower.since_ns = Some(known.since_ns);
                match found {
                    Some(found) => follower.current = Some(found),
                    None => follower.note(format!(
                        "what was being read of {} before is not there any more: lines behind its byte {}, if any, are not published",
                        path.display(),
                        known.position
                    )),
                }
            }
        }
        Ok(follower)
    }

    fn new(path: &Path, max_line_bytes: usize) -> Result<Self, SourceError> {
        let inside = folder(path);
        if !inside.is_dir() {
            return Err(SourceError::File {
                path: path.display().to_string(),
                why: format!("there is no folder {}", inside.display()),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            max_line_bytes,
            earlier: Vec::new(),
            current: None,
            since_ns: None,
            notes: Vec::new(),
            told: None,
        })
    }

    /// What there is now. `now` is monotonic.
    pub(super) fn gather(&mut self, now: Duration) -> Result<Gathered, SourceError> {
        let mut lines = Vec::new();
        self.late_lines(now, &mut lines)
            .and_then(|()| self.new_lines(now, &mut lines))
            .map_err(|error| cannot_open(&self.path, &error))?;
        self.forget(now);
        Ok(Gathered {
            lines,
            place: self.place(),
            notes: std::mem::take(&mut self.notes),
        })
    }

    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        // A place without a file to read says at least what has been read.
        let files = self.earlier.iter().chain(&self.current);
        Place {
            files: files.map(Tracked::place).collect(),
        }
    }

    /// Lines that came into files read to their end before.
    fn late_lines(&mut self, now: Duration, lines: &mut Vec<Line>) -> io::Result<()> {
        let max = self.max_line_bytes;
        let mut kept = Vec::new();
        for mut file in std::mem::take(&mut self.earlier) {
            let look = loop {
                match file.read(max, now, lines)? {
                    Look::Lines if enough(lines) => break Look::Lines,
                    Look::Lines => {}
                    look => break look,
                }
            };
            let waited = file.unfinished_for(now);
            if waited.is_some_and(|waited| waited >= LAST_LINE_WAIT) {
                file.finish(max, lines)?;
            }
            let over = file.unfinished_for(now).is_none() && file.is_deleted();
            if look == Look::Lines || look == Look::End && !over {
                kept.push(file);
            }
        }
        self.earlier = kept;
        Ok(())
    }

    /// Lets go of the oldest files that were read to their end, where there are many.
    fn forget(&mut self, now: Duration) {
        let mut over = self.earlier.len().saturating_sub(MAX_EARLIER);
        self.earlier.retain(|file| {
            let forget = over > 0 && file.unfinished_for(now).is_none();
            over -= usize::from(forget);
            !forget
        });
    }

    fn new_lines(&mut self, now: Duration, lines: &mut Vec<Line>) -> io::Result<()> {
        let max = self.max_line_bytes;
        while !enough(lines) {
            let Some(current) = &mut self.current else {
                if self.next_file()? {
                    continue;
                }
                break;
            };
            if current.position == 0
                && current.has_bytes()?
                && named(&self.path)? == Some(current.identity)
            {
                // A whole file may have come and gone before the first line of this one.
                let (identity, since_ns) = (current.identity, current.since_ns);
                if self.read_missed(identity, since_ns)? {
                    continue;
                }
            }
            let Some(current) = &mut self.current else {
                continue;
            };
            match current.read(max, now, lines)? {
                Look::Lines => {}
                Look::Rewritten => self.rewritten()?,
                Look::End => {
                    let named = named(&self.path)?;
                    if named.is_none_or(|named| named == current.identity) {
                        break;
                    }
                    // The last lines may have come between the look at the file and that at its name.
                    if current.read(max, now, lines)? == Look::End {
                        self.earlier.extend(self.current.take());
                    }
                }
            }
        }
        Ok(())
    }

    /// The file being read holds something else than it did.
    fn rewritten(&mut self) -> io::Result<()> {
        let Some(lost) = self.current.take() else {
            return Ok(());
        };
        let copy = find(&lost.place(), &self.untracked(lost.identity));
        let shown = lost.path.display();
        if let Some(mut copy) = copy {
            self.notes.push(format!(
                "{shown} was cut back; what was left of it is read from {} first",
                copy.path.display()
            ));
            copy.since_ns = copy.born_ns()?;
            self.take_up(copy);
            return Ok(());
        }
        self.notes
            .push(format!("{shown} was cut back; reading it from its start"));
        if named(&self.path)? == Some(lost.identity)
            && let Some(file) = self.open_named()
        {
            let since_ns = touched_ns(&file.metadata()?);
            self.take_up(Tracked::new(file, &resolved(&self.path), 0, since_ns)?);
        }
        Ok(())
    }

    /// Goes on with the file that comes next: one that was made and rotated away meanwhile, or the one that has the name now.
    fn next_file(&mut self) -> io::Result<bool> {
        let Some(file) = self.open_named() else {
            return Ok(false);
        };
        let metadata = file.metadata()?;
        let identity = identity(&metadata);
        if let Some(since_ns) = self.since_ns
            && self.read_missed(identity, since_ns)?
        {
            return Ok(true);
        }
        // The same with more in it, put in its place by a program that copies (rsync).
        if let Some(last) = self.earlier.last().filter(|last| last.is_deleted())
            && last.position >= MARK_BYTES as u64
            && let Some(known) = Tracked::known(file.try_clone()?, &self.path, &last.place())?
        {
            self.earlier.pop();
            self.take_up(known);
            return Ok(true);
        }
        // Moved away and back again.
        if let Some(index) = self
            .earlier
            .iter()
            .position(|known| known.identity == identity)
        {
            let known = self.earlier.remove(index);
            self.take_up(known);
            return Ok(true);
        }
        if self.since_ns.is_some() {
            self.note(format!(
                "{} was replaced; reading the new one from its start",
                self.path.display()
            ));
        }
        let next = Tracked::new(file, &resolved(&self.path), 0, born_ns(&metadata))?;
        self.take_up(next);
        Ok(true)
    }

    /// Takes up a file that was made and rotated away meanwhile.
    fn read_missed(&mut self, named: Identity, since_ns: i64) -> io::Result<bool> {
        let Some(missed) = self.missed(named, since_ns)? else {
            return Ok(false);
        };
        self.note(format!(
            "{} came and went meanwhile; reading it first",
            missed.path.display()
        ));
        self.take_up(missed);
        Ok(true)
    }

    /// The oldest of the files beside it that were written to since, and not read. (When they were made does not tell: a file
    /// cut back and renamed later is older than its copy, and what it holds is newer.)
    fn missed(&self, named: Identity, since_ns: i64) -> io::Result<Option<Tracked>> {
        let mut missed: Vec<Relative> = self
            .untracked(named)
            .into_iter()
            .filter(|file| file.rotated && file.touched_ns >= since_ns)
            .collect();
        missed.sort_by_key(|file| (file.born_ns, file.touched_ns));
        for file in missed {
            match open(&file.path) {
                Ok(opened) if identity(&opened.metadata()?) == file.identity => {
                    return Tracked::new(opened, &file.path, 0, file.born_ns).map(Some);
                }
                // Renamed or deleted just now: the next look finds it under its new name.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The files beside it that are neither read nor `but`.
    fn untracked(&self, but: Identity) -> Vec<Relative> {
        let mut beside = relatives(&self.path);
        beside.retain(|file| {
            file.identity != but
                && !self
                    .earlier
                    .iter()
                    .any(|known| known.identity == file.identity)
        });
        beside
    }

    fn take_up(&mut self, mut file: Tracked) {
        file.since_ns = file.since_ns.max(self.since_ns.unwrap_or(i64::MIN));
        self.since_ns = Some(file.since_ns);
        self.current = Some(file);
    }

    /// The file that has the name now; what keeps it from being opened is told once.
    fn open_named(&mut self) -> Option<File> {
        match open(&self.path) {
            Ok(file) => {
                self.told = None;
                Some(file)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let why = format!(
                    "{}; waiting until it can be read",
                    cannot_open(&self.path, &error)
                );
                if self.told.as_ref() != Some(&why) {
                    self.note(why.clone());
                    self.told = Some(why);
                }
                None
            }
        }
    }

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }
}

/// Whether these are lines enough for one time.
fn enough(lines: &[Line]) -> bool {
    lines.len() >= GATHER_LINES
        || lines.iter().map(|line| line.bytes.len()).sum::<usize>() >= GATHER_BYTES
}

/// The file of this place among those beside it: under its number, or a copy that holds what was read of it.
fn find(known: &FilePlace, beside: &[Relative]) -> Option<Tracked> {
    let mut candidates: Vec<&Relative> = beside
        .iter()
        .filter(|file| {
            // A few bytes alone may be the beginning of any file.
            file.identity == known.identity
                || known.position >= MARK_BYTES as u64
                || known.position > 0 && file.rotated
        })
        .collect();
    candidates.sort_by_key(|file| {
        (
            file.identity != known.identity,
            std::cmp::Reverse(file.born_ns),
        )
    });
    candidates.into_iter().find_map(|candidate| {
        let file = open(&candidate.path).ok()?;
        Tracked::known(file, &candidate.path, known).ok()?
    })
}

/// The file that a name or link leads to now: a link may lead elsewhere later.
fn resolved(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Which file has the name now.
fn named(path: &Path) -> io::Result<Option<Identity>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(identity(&metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a regular file: a pipe or a device would be waited for.
fn open(path: &Path) -> io::Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("only a regular file can be followed"));
    }
    File::open(path)
}

pub(crate) fn cannot_open(path: &Path, error: &io::Error) -> SourceError {
    SourceError::File {
        path: path.display().to_string(),
        why: match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
            _ => error.to_string(),
        },
    }
}
