//! The sound of a Matroska file: which track, and what has come of it while pictures were looked for.
//!
//! Times in Matroska are rounded, to milliseconds as a rule, and sound is made of pieces that follow one another: where a time is that
//! of its predecessor's end but for the rounding, it is taken to be that.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    block::BlockHeader,
    ebml::{elements, find, id, unsigned},
    header::{of_the_codec, stripped},
    ns_to_us,
};
use crate::container::sound::{MAX_SOUND_BYTES, SETTLING_US, SoundFormat};
use crate::sound::{SoundTrack, SoundUnit, aac, opus};

/// What waits for its pictures to come: minutes of sound, where a file's sound lies in front of them.
const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
/// An access unit costs so much beside its bytes.
const OWN_BYTES: usize = 100;

/// The sound that is given, or what it is that is not.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) sound: Option<Sound>,
    pub(super) left_out: Option<String>,
}

/// A track of sound.
#[derive(Debug)]
pub(super) struct Sound {
    pub(super) number: u64,
    pub(super) track: SoundTrack,
    format: SoundFormat,
    /// What is to be taken off every time.
    delay_ns: i128,
    stripped: Vec<u8>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Where the newest ends.
    end_ns: Option<i128>,
    /// Whether what comes is kept.
    pub(super) listening: bool,
}

#[derive(Debug)]
struct Waiting {
    ns: i128,
    duration_ns: i64,
    data: Bytes,
}

/// Chooses a track: the first that is to be played by default in a codec that is carried, or else any.
pub(super) fn choose(tracks: &[u8]) -> Found {
    let mut found = Found::default();
    let mut default = false;
    for (kind, entry) in elements(tracks) {
        if kind != id::TRACK_ENTRY || find(entry, id::TRACK_TYPE).and_then(unsigned) != Some(2) {
            continue;
        }
        let flag = |id| find(entry, id).and_then(unsigned).unwrap_or(1) != 0;
        let is_default = flag(id::FLAG_DEFAULT) && flag(id::FLAG_ENABLED);
        match Sound::parse(entry) {
            Ok(sound) if found.sound.is_none() || (is_default && !default) => {
                default = is_default;
                found.sound = Some(sound);
            }
            Ok(_) => {}
            Err(what) => {
                found.left_out.get_or_insert(what);
            }
        }
    }
    if found.sound.is_some() {
        found.left_out = None;
    }
    found
}

impl Sound {
    fn parse(entry: &[u8]) -> Result<Sound, String> {
        let codec_id = find(entry, id::CODEC_ID).unwrap_or_default();
        let private = find(entry, id::CODEC_PRIVATE).unwrap_or_default();
        let format = match codec_id {
            b"A_AAC" => SoundFormat::Aac(aac::Config::parse(private)?),
            b"A_OPUS" => SoundFormat::Opus(opus::Head::parse(private)?),
            b"A_MPEG/L3" => return Err("MP3".to_owned()),
            b"A_AC3" => return Err("AC-3".to_owned()),
            b"A_EAC3" => return Err("E-AC-3".to_owned()),
            b"A_VORBIS" => return Err("Vorbis".to_owned()),
            b"A_FLAC" => return Err("FLAC".to_owned()),
            b"A_DTS" => return Err("DTS".to_owned()),
            b"A_PCM/INT/LIT" | b"A_PCM/INT/BIG" | b"A_PCM/FLOAT/IEEE" => {
                return Err("PCM".to_owned());
            }
            other => return Err(of_the_codec(other)),
        };
        let number = find(entry, id::TRACK_NUMBER).and_then(unsigned);
        let delay_ns = find(entry, id::CODEC_DELAY).and_then(unsigned);
        Ok(Sound {
            number: number.ok_or("a track without a number")?,
            track: format.track(),
            format,
            delay_ns: delay_ns.unwrap_or(0).min(1_000_000_000).into(),
            stripped: stripped(entry)
                .map_err(|_| "sound that is encrypted or compressed once more".to_owned())?,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            end_ns: None,
            listening: true,
        })
    }

    /// Forgets what has come: reading goes on elsewhere.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.end_ns = None;
    }

    /// Takes a block of the file's at a time; says what is wrong with it, if anything.
    pub(super) fn take(
        &mut self,
        header: BlockHeader,
        block: &[u8],
        ns: i128,
        tick_ns: u64,
    ) -> Result<(), &'static str> {
        let pieces = header
            .pictures(block)
            .ok_or("sound is missing: a block of it does not add up")?;
        let mut at_ns = ns - self.delay_ns;
        for piece in pieces {
            let data = [self.stripped.as_slice(), piece].concat();
            if data.len() as u64 > MAX_SOUND_BYTES {
                return Err("sound is missing: it is longer than any is");
            }
            let (data, duration_ns) = self.format.unit(data)?;
            if let Some(end_ns) = self.end_ns
                && (at_ns - end_ns).unsigned_abs() <= tick_ns.into()
            {
                at_ns = end_ns;
            }
            let begins_ns = at_ns;
            at_ns += i128::from(duration_ns);
            self.end_ns = Some(at_ns);
            if self.waiting_bytes > MAX_WAITING_BYTES {
                return Err("sound is missing: its pictures lie too far behind it");
            }
            self.waiting_bytes += data.len() + OWN_BYTES;
            self.waiting.push_back(Waiting {
                ns: begins_ns,
                duration_ns,
                data,
            });
        }
        Ok(())
    }

    /// The next that begins before a time of the pictures' line, whose zero is at `zero_ns`; what is too early for pictures that begin
    /// at `begins_us` is passed over.
    pub(super) fn next(
        &mut self,
        zero_ns: i128,
        begins_us: i64,
        until_us: i64,
    ) -> Option<SoundUnit> {
        loop {
            let pts_us = ns_to_us(self.waiting.front()?.ns - zero_ns);
            if pts_us >= until_us {
                return None;
            }
            let next = self.waiting.pop_front()?;
            self.waiting_bytes = self
                .waiting_bytes
                .saturating_sub(next.data.len() + OWN_BYTES);
            if pts_us >= begins_us.saturating_sub(SETTLING_US) {
                return Some(SoundUnit {
                    pts_us,
                    duration_us: (next.duration_ns + 500) / 1_000,
                    data: next.data,
                });
            }
        }
    }
}
