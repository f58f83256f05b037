//! The sound of an MP4: which track, and its access units with their times on the pictures' line.
//!
//! MP4 has it as an AAC elementary stream (`esds`, ISO/IEC 14496-14 §5.6; `QuickTime` keeps that in a `wave` box) or as Opus (`dOps`).
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use bytes::Bytes;

use super::{
    boxes::{Fields, Kind, boxes, find, find_path},
    movie::{Movie, description, handler, movie_timescale},
    table::Sample,
    walk::Walk,
};
use crate::container::{sound::SETTLING_US, sound::SoundFormat, ticks_to_us};
use crate::sound::{SoundTrack, aac, opus};

/// The sound that is given, or what it is that is not.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) sound: Option<Sound>,
    pub(super) left_out: Option<String>,
}

/// A track of sound.
#[derive(Debug)]
pub(super) struct Sound {
    pub(super) walk: Walk,
    pub(super) format: SoundFormat,
    pub(super) track: SoundTrack,
    /// The first picture's time; nothing is given before one was.
    begins_us: Option<i64>,
    /// When, in the film, the pictures' line has its zero.
    zero_us: i64,
    /// Looked at, and not due yet.
    pub(super) next: Option<Sample>,
}

/// Chooses a track of the index: the first enabled one in a codec that is carried, or else any. `pictures` and `zero` are the pictures'
/// track and the pts there that is 0 outside.
pub(super) fn choose(
    index: &Bytes,
    file_len: u64,
    first_fragment: u64,
    pictures: &Movie,
    zero: i64,
) -> Found {
    let mut found = Found::default();
    let timescale = movie_timescale(index);
    let begins = zero.saturating_sub(pictures.edit.start);
    let zero_us = pictures
        .delay_us
        .saturating_add(ticks_to_us(begins, pictures.timescale));
    let mut enabled = false;
    for (kind, trak) in boxes(index) {
        if kind != *b"trak" || handler(trak) != Some(*b"soun") {
            continue;
        }
        let format = match description(trak).map_or(Err("unknown".to_owned()), format) {
            Ok(format) => format,
            Err(what) => {
                found.left_out.get_or_insert(what);
                continue;
            }
        };
        let is_enabled = find(trak, *b"tkhd")
            .and_then(Fields::full)
            .is_some_and(|(_, flags, _)| flags & 1 == 1);
        if found.sound.is_some() && (enabled || !is_enabled) {
            continue;
        }
        let Ok(mut movie) = Movie::of_trak(index, trak, timescale, file_len) else {
            continue;
        };
        movie.read_fragment_defaults(index, timescale);
        enabled = is_enabled;
        found.sound = Some(Sound {
            walk: Walk::new(movie, first_fragment),
            format,
            track: format.track(),
            begins_us: None,
            zero_us,
            next: None,
        });
    }
    if found.sound.is_some() {
        found.left_out = None;
    }
    found
}

impl Sound {
    /// From the start again.
    pub(super) fn restart(&mut self) {
        self.walk.restart();
        self.begins_us = None;
        self.next = None;
    }

    /// The first picture is shown then.
    pub(super) fn begin(&mut self, pts_us: i64) {
        self.begins_us.get_or_insert(pts_us);
    }

    /// Whether anything is to be given yet.
    pub(super) fn has_begun(&self) -> bool {
        self.begins_us.is_some()
    }

    /// When a sample is heard, on the pictures' line.
    pub(super) fn pts_us(&self, sample: &Sample) -> i64 {
        let movie = &self.walk.movie;
        let media = sample.pts().saturating_sub(movie.edit.start);
        ticks_to_us(media, movie.timescale)
            .saturating_add(movie.delay_us)
            .saturating_sub(self.zero_us)
    }

    /// Whether sound of this time is too early for the first picture.
    pub(super) fn is_early(&self, pts_us: i64) -> bool {
        let begins_us = self.begins_us.unwrap_or(0);
        pts_us < begins_us.saturating_sub(SETTLING_US)
    }
}

/// What a sample description says; else what kind of sound it is.
fn format(stsd: &[u8]) -> Result<SoundFormat, String> {
    let (kind, entry) = Fields::full(stsd)
        .and_then(|(_, _, fields)| boxes(fields.0.get(4..)?).next())
        .ok_or("unknown")?;
    // Behind an audio sample entry (ISO/IEC 14496-12 §12.2.3), which QuickTime makes longer in two steps.
    let inside = |path: &[Kind]| {
        [28, 44, 64]
            .into_iter()
            .find_map(|at| find_path(entry.get(at..)?, path))
    };
    match &kind {
        b"mp4a" => {
            let esds = inside(&[*b"esds"]).or_else(|| inside(&[*b"wave", *b"esds"]));
            aac(esds.ok_or("AAC without its configuration")?)
        }
        b"Opus" => {
            let head = inside(&[*b"dOps"]).ok_or("Opus without a header")?;
            Ok(SoundFormat::Opus(opus::Head::parse_box(head)?))
        }
        _ => Err(name(kind)),
    }
}

/// An elementary stream's description (ISO/IEC 14496-1 §7.2.6).
fn aac(esds: &[u8]) -> Result<SoundFormat, String> {
    const CUT: &str = "AAC whose configuration is cut";
    let (_, _, fields) = Fields::full(esds).ok_or(CUT)?;
    let stream = descriptor(fields.0, 3).ok_or(CUT)?;
    let flags = *stream.get(2).ok_or(CUT)?;
    let mut skipped = 3;
    if flags & 0x80 != 0 {
        skipped += 2;
    }
    if flags & 0x40 != 0 {
        skipped += 1 + usize::from(*stream.get(skipped).ok_or(CUT)?);
    }
    if flags & 0x20 != 0 {
        skipped += 2;
    }
    let decoder = stream.get(skipped..).and_then(|rest| descriptor(rest, 4));
    let decoder = decoder.ok_or(CUT)?;
    match decoder.first() {
        Some(0x40 | 0x66 | 0x67 | 0x68) => {}
        Some(0x69 | 0x6b) => return Err("MP3".to_owned()),
        Some(0xa5) => return Err("AC-3".to_owned()),
        Some(0xdd) => return Err("Vorbis".to_owned()),
        _ => return Err("MPEG-4 audio of an unknown kind".to_owned()),
    }
    let config = decoder.get(13..).and_then(|rest| descriptor(rest, 5));
    let config = aac::Config::parse(config.ok_or(CUT)?)?;
    Ok(SoundFormat::Aac(config))
}

/// The content of the first descriptor with a tag, behind others or not. Its length has up to four bytes of seven bits.
fn descriptor(mut bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        let (&tag, mut rest) = bytes.split_first()?;
        let mut len_bytes = 0_usize;
        for at in 0..4 {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            len_bytes = len_bytes << 7 | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
            if at == 3 {
                return None;
            }
        }
        let (content, after) = rest.split_at_checked(len_bytes.min(rest.len()))?;
        if tag == wanted {
            return Some(content);
        }
        bytes = after;
    }
}

fn name(kind: Kind) -> String {
    let name = match &kind {
        b".mp3" | b"mp3 " => "MP3",
        b"ac-3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b"ac-4" => "AC-4",
        b"alac" => "ALAC",
        b"fLaC" => "FLAC",
        b"enca" => "encrypted",
        b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" => "DTS",
        b"samr" | b"sawb" => "AMR",
        b"lpcm" | b"sowt" | b"twos" | b"raw " | b"in24" | b"in32" | b"fl32" | b"fl64" | b"ipcm"
        | b"fpcm" => "PCM",
        b"ulaw" | b"alaw" => "G.711",
        _ => return format!("of an unknown codec (`{}`)", kind.escape_ascii()),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxed(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32 + 8).to_be_bytes();
        [&length[..], &kind, body].concat()
    }

    fn stsd(kind: [u8; 4], entry_bytes: usize, children: &[u8]) -> Vec<u8> {
        let entry = boxed(kind, &[vec![0; entry_bytes], children.to_vec()].concat());
        [&[0, 0, 0, 0, 0, 0, 0, 1], entry.as_slice()].concat()
    }

    /// As ffmpeg writes it: lengths in four bytes.
    fn esds(kind: u8) -> Vec<u8> {
        let mut config = vec![5, 0x80, 0x80, 0x80, 5, 0x11, 0x90, 0x56, 0xe5, 0];
        let mut decoder = vec![4, 0x80, 0x80, 0x80, 23, kind, 0x15];
        decoder.extend([0; 11]);
        decoder.append(&mut config);
        let mut stream = vec![3, 0x80, 0x80, 0x80, 37, 0, 2, 0];
        stream.append(&mut decoder);
        stream.extend([6, 0x80, 0x80, 0x80, 1, 2]);
        boxed(*b"esds", &[&[0; 4], stream.as_slice()].concat())
    }

    #[test]
    fn aac_is_found_in_the_entries_of_mp4_and_quicktime() {
        let wanted = Ok(SoundFormat::Aac(aac::Config::new(2, 48_000, 2).unwrap()));
        assert_eq!(format(&stsd(*b"mp4a", 28, &esds(0x40))), wanted);
        let wave = boxed(*b"wave", &esds(0x40));
        assert_eq!(format(&stsd(*b"mp4a", 44, &wave)), wanted);
        let six = boxed(*b"dOps", b"\x00\x02\x01\x38\0\0\xbb\x80\0\0\0");
        let head = opus::Head {
            channels: 2,
            pre_skip: 312,
        };
        let wanted = Ok(SoundFormat::Opus(head));
        assert_eq!(format(&stsd(*b"Opus", 28, &six)), wanted);
    }

    #[test]
    fn what_is_not_carried_is_named() {
        for (stsd, what) in [
            (stsd(*b"mp4a", 28, &esds(0x6b)), "MP3"),
            (stsd(*b"ac-3", 28, &[]), "AC-3"),
            (stsd(*b"sowt", 28, &[]), "PCM"),
            (stsd(*b"mp4a", 28, &[]), "without its configuration"),
            (stsd(*b"\xffabc", 28, &[]), "unknown codec (`\\xffabc`)"),
            (vec![0; 4], "unknown"),
        ] {
            let found = format(&stsd).unwrap_err();
            assert!(found.contains(what), "{found}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = aac(&bytes);
            let _ = format(&stsd(*b"mp4a", 28, &bytes));
            let _ = format(&bytes);
        }
    }
}
