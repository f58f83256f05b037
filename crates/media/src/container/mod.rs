//! Video files: MP4, MOV, Matroska and `WebM` in, access units in decode order out, and the sound beside them.
//!
//! **Times.** Whatever the container, an access unit's times are microseconds since the first picture that is shown:
//! its pts is 0. Pictures keep the distances they have in the file (B-frames, variable frame rate). dts never goes
//! backwards and is never after pts; it is negative at the start where pictures are shown in another order than they are
//! decoded. An edit list's start is honoured: pictures before it, which are only there to decode later ones, have a
//! negative pts. An empty edit (a start delay) is dropped, as is a stream's start time.
//!
//! **Sound.** The default sound track, or the first, where it is AAC or Opus. Its times are on the pictures' line: edit lists, start
//! delays and the decoder's own delay (Opus' pre-skip) are taken into account, so that it is in sync. What lies further in front of the
//! first picture than a decoder needs to settle is passed over.
//!
//! **Start.** What comes before the first key frame cannot be decoded; it is passed over and listed as [`Damage`].
//!
//! **Damage.** A picture that is not wholly there, or whose structure does not add up, is passed over and listed; the
//! others are delivered. An error is returned only where nothing can be delivered at all, or reading itself fails.
//!
//! **Memory.** A reader holds the file's index (at most [`MAX_INDEX_BYTES`]) and one picture (at most
//! [`MAX_PICTURE_BYTES`]); every length in the file is checked against the file before anything is allocated for it.

mod format;
mod matroska;
mod mp4;
mod sound;

use std::io::{Read, Seek, SeekFrom};

pub use mp4::Growing;

use crate::sound::{SoundTrack, SoundUnit};
use crate::{AccessUnit, MediaError, VideoTrack, jpeg, png, record};

/// The largest index (MP4's `moov`) that is read.
pub const MAX_INDEX_BYTES: u64 = 256 * 1024 * 1024;
/// The largest encoded picture that is delivered.
pub const MAX_PICTURE_BYTES: u64 = 64 * 1024 * 1024;
/// The most entries a list of [`Damage`] has; what follows is counted in the last one.
pub const MAX_DAMAGE: usize = 1000;

/// A part of the file that could not be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// When the missing part would have been shown, where known.
    pub pts_us: Option<i64>,
    /// Where in the file, where known.
    pub position_bytes: Option<u64>,
    /// How many pictures are missing, where known; at least this many.
    pub pictures: u64,
    /// What is wrong there.
    pub what: String,
}

/// Reads a file's video track, one access unit at a time.
pub trait Demuxer: Send {
    /// What is known of the track.
    fn track(&self) -> &VideoTrack;
    /// The next access unit in decode order; `None` at the end. Damaged ones are passed over and listed.
    fn next(&mut self) -> Result<Option<AccessUnit>, MediaError>;
    /// Goes on from the last key frame at or before `pts_us`, or the first one if there is none before.
    fn seek(&mut self, pts_us: i64) -> Result<(), MediaError>;
    /// What was passed over so far.
    fn damage(&self) -> &[Damage];
    /// What is known of the file's sound, where it has some that is carried.
    fn sound(&self) -> Option<&SoundTrack>;
    /// What its sound is, in words, where it has some and none that is carried.
    fn sound_left_out(&self) -> Option<&str>;
    /// The next sound that begins before `until_us`. It goes with the pictures: it begins with the first one that was given since the
    /// start or the last seek, and of a file whose sound lies behind its pictures it comes late.
    fn next_sound(&mut self, until_us: i64) -> Result<Option<SoundUnit>, MediaError>;
}

/// Opens a video file, whichever of the containers it is.
pub fn open<R: Read + Seek + Send + 'static>(
    mut reader: R,
) -> Result<Box<dyn Demuxer>, MediaError> {
    reader.seek(SeekFrom::Start(0))?;
    let mut head = Vec::with_capacity(512);
    reader.by_ref().take(512).read_to_end(&mut head)?;
    let demuxer: Box<dyn Demuxer> = match Container::of(&head) {
        Ok(Container::Mp4) => Box::new(mp4::Mp4::open(reader)?),
        Ok(Container::Matroska) => Box::new(matroska::Matroska::open(reader)?),
        Err(found) => return Err(MediaError::NotAVideo { found }),
    };
    Ok(demuxer)
}

enum Container {
    Mp4,
    Matroska,
}

impl Container {
    /// By the file's first bytes; else what they look like.
    fn of(head: &[u8]) -> Result<Container, &'static str> {
        const KNOWN: [(&[u8], &str); 12] = [
            (b"%PDF", "it is a PDF"),
            (b"PK\x03\x04", "it is a ZIP archive"),
            (b"\x1f\x8b", "it is a gzip archive"),
            (b"OggS", "it is an Ogg file"),
            (b"FLV", "it is a Flash video"),
            (b"ID3", "it is an MP3"),
            (b"GIF8", "it is a GIF"),
            (b"\x7fELF", "it is a program"),
            (b"\0\0\x01\xba", "it is an MPEG program stream"),
            (
                b"\0\0\x01\xb3",
                "it is an MPEG-1 or MPEG-2 elementary stream",
            ),
            (b"fLaC", "it is a FLAC file"),
            (b"\x30\x26\xb2\x75", "it is a Windows Media file"),
        ];
        const FIRST_BOXES: [&[u8]; 12] = [
            b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp",
            b"sidx", b"uuid", b"emsg",
        ];
        if head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
            return Ok(Container::Matroska);
        }
        if head
            .get(4..8)
            .is_some_and(|kind| FIRST_BOXES.contains(&kind))
        {
            return Ok(Container::Mp4);
        }
        if head.is_empty() {
            return Err("it is empty");
        }
        if let Some((_, found)) = KNOWN.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Err(found);
        }
        match head.get(8..12) {
            Some(b"AVI ") => return Err("it is an AVI file"),
            Some(b"WAVE") => return Err("it is a WAV file"),
            _ => {}
        }
        if jpeg::is_jpeg(head) || png::is_png(head) {
            return Err("it is a single picture");
        }
        if head.first() == Some(&0x47) && head.get(188) == Some(&0x47) {
            return Err("it is an MPEG transport stream");
        }
        if record::sniff(head).is_some() {
            return Err("it is a bare video stream without a container");
        }
        // The last character of the head may be cut.
        let text = match std::str::from_utf8(head) {
            Ok(text) => Some(text),
            Err(error) if error.error_len().is_none() => head
                .get(..error.valid_up_to())
                .and_then(|sound| std::str::from_utf8(sound).ok()),
            Err(_) => None,
        };
        let is_text =
            text.is_some_and(|text| !text.chars().any(|c| c.is_control() && !c.is_whitespace()));
        Err(if is_text {
            "it looks like text"
        } else {
            "its first bytes are of no known kind"
        })
    }
}

/// Collects [`Damage`], one entry for neighbours with the same cause, and a bounded number of them.
#[derive(Debug, Default)]
struct DamageList {
    entries: Vec<Damage>,
    /// Whether the last picture seen was the last entry's.
    open: bool,
}

impl DamageList {
    fn picture(&mut self, pts_us: Option<i64>, position_bytes: Option<u64>, what: &str) {
        let full = self.entries.len() >= MAX_DAMAGE;
        if let Some(last) = self.entries.last_mut()
            && (self.open && last.what == what || full)
        {
            last.pictures += 1;
            return;
        }
        self.open = true;
        self.entries.push(Damage {
            pts_us,
            position_bytes,
            pictures: 1,
            what: what.to_owned(),
        });
    }

    /// A sound picture ends a run of damaged ones.
    fn sound(&mut self) {
        self.open = false;
    }

    /// The error of a file none of whose pictures can be delivered.
    fn nothing_left(&self, container: &'static str) -> MediaError {
        let why = match self.entries.first() {
            Some(damage) => format!(
                "none of its pictures can be read; of the first, {}",
                damage.what
            ),
            None => "its video track has no pictures".to_owned(),
        };
        MediaError::Damaged { container, why }
    }

    /// Something about the file as a whole.
    fn note(&mut self, pts_us: Option<i64>, position_bytes: Option<u64>, what: String) {
        let known = self.entries.iter().any(|entry| entry.what == what);
        if !known && self.entries.len() < MAX_DAMAGE {
            self.open = false;
            self.entries.push(Damage {
                pts_us,
                position_bytes,
                pictures: 0,
                what,
            });
        }
    }
}

/// `ticks` of `timescale` a second in microseconds, rounded to the nearest.
fn ticks_to_us(ticks: i64, timescale: u32) -> i64 {
    let timescale = i128::from(timescale.max(1));
    let us = (i128::from(ticks) * 1_000_000 + timescale / 2).div_euclid(timescale);
    us.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// What tracks were found in place of a video track, in words.
fn tracks(counts: &std::collections::BTreeMap<&str, usize>) -> String {
    if counts.is_empty() {
        return "no tracks at all".to_owned();
    }
    let word = |(kind, count): (&&str, &usize)| {
        format!("{count} {kind} track{}", if *count == 1 { "" } else { "s" })
    };
    counts.iter().map(word).collect::<Vec<_>>().join(" and ")
}
