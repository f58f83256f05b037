//! MP4 and MOV (ISO/IEC 14496-12, QuickTime): the video track's access units, from a sample table, from fragments, or
//! from both, and those of a sound track.
//!
//! The index is read once, wherever in the file it is; pictures are read one at a time where the index says they are.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

mod boxes;
mod fragment;
mod growing;
mod movie;
mod sound;
mod table;
mod walk;

use std::{
    collections::VecDeque,
    io::{BufReader, ErrorKind, Read, Seek, SeekFrom},
};

use bytes::Bytes;

pub use self::growing::Growing;
use self::{
    boxes::{FileBox, read_header},
    movie::{Movie, damaged},
    sound::Sound,
    table::Sample,
    walk::Walk,
};
use super::sound::MAX_SOUND_BYTES;
use super::{Damage, DamageList, Demuxer, MAX_INDEX_BYTES, MAX_PICTURE_BYTES, ticks_to_us};
use crate::sound::{SoundTrack, SoundUnit};
use crate::{AccessUnit, MediaError, VideoTrack};

/// How much is read at once: pictures lie behind one another, so one read brings several.
const BUFFER_BYTES: usize = 128 * 1024;
/// How far back a key frame is looked for by reading pictures, where the file does not list key frames.
const MAX_SEEK_BACK: usize = 1000;
/// The most fragments that are looked at before the first picture is given.
const MAX_SURVEYED_FRAGMENTS: usize = 20_000;
/// The most boxes in front of the index.
const MAX_TOP_BOXES: usize = 100_000;

/// Reads an MP4's video track.
#[derive(Debug)]
pub(super) struct Mp4<R: Read + Seek> {
    reader: BufReader<R>,
    /// Where the reader is; `None` after a failed read.
    reader_at: Option<u64>,
    file_len: u64,
    walk: Walk,
    track: VideoTrack,
    /// The pts, in ticks, that is 0 outside.
    zero: i64,
    /// How much dts is moved back so that it is never after pts.
    dts_shift: i64,
    sound: Option<Sound>,
    sound_left_out: Option<String>,
    /// Whether a key frame was delivered since the start or the last seek.
    started: bool,
    pending: Option<AccessUnit>,
    last_dts_us: i64,
    damage: DamageList,
}

impl<R: Read + Seek> Mp4<R> {
    pub(super) fn open(mut reader: R) -> Result<Mp4<R>, MediaError> {
        let file_len = reader.seek(SeekFrom::End(0))?;
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, reader);
        let (moov, first_fragment) = find_index(&mut reader, file_len)?;
        let index = read_index(&mut reader, moov, file_len)?;
        let movie = Movie::parse(&index, file_len)?;
        let format = movie.formats.iter().flatten().next();
        let (codec, codec_string, size) = match format {
            Some(format) => (
                format.codec,
                format.codec_string.clone(),
                format.size.unwrap_or(movie.size),
            ),
            None => return Err(damaged("its sample description names no codec")),
        };
        let mut demuxer = Mp4 {
            reader,
            reader_at: None,
            file_len,
            track: VideoTrack {
                codec,
                codec_string: codec_string.unwrap_or_default(),
                width: size.0,
                height: size.1,
                duration_us: None,
                pictures: None,
                len_bytes: None,
            },
            zero: 0,
            dts_shift: 0,
            walk: Walk::new(movie, first_fragment),
            sound: None,
            sound_left_out: None,
            started: false,
            pending: None,
            last_dts_us: i64::MIN,
            damage: DamageList::default(),
        };
        demuxer.survey();
        let pictures = &demuxer.walk.movie;
        let found = sound::choose(&index, file_len, first_fragment, pictures, demuxer.zero);
        (demuxer.sound, demuxer.sound_left_out) = (found.sound, found.left_out);
        if moov.end > file_len {
            demuxer.damage.note(
                None,
                Some(moov.start),
                "the index is cut off at the end of the file".to_owned(),
            );
        }
        if demuxer.walk.movie.edit.parts > 1 {
            let what = format!(
                "the edit list has {} parts; the pictures are given as one, without its cuts",
                demuxer.walk.movie.edit.parts
            );
            demuxer.damage.note(None, None, what);
        }
        demuxer.pending = demuxer.read_next()?;
        if demuxer.pending.is_none() {
            return Err(demuxer.damage.nothing_left(movie::CONTAINER));
        }
        if let Some(first) = &demuxer.pending
            && let Some(format) = demuxer.walk.movie.formats.iter_mut().flatten().next()
        {
            format.learn(&first.data);
            demuxer.track.codec_string = format.codec_string.clone().unwrap_or_default();
            (demuxer.track.width, demuxer.track.height) = format.size.unwrap_or(size);
        }
        Ok(demuxer)
    }

    /// Walks the index once: where time begins, how far dts must go back, how much there is.
    fn survey(&mut self) {
        let mut seen = Survey {
            start: self.walk.movie.edit.start,
            ..Survey::default()
        };
        let mut cursor = self.walk.movie.table.cursor();
        while let Some(sample) = cursor.next() {
            if self.walk.is_after_edit(&sample) {
                break;
            }
            seen.add(&sample);
        }
        // A recording of a day in fragments of one picture each has too many to look at them all beforehand.
        let mut fragments = 0;
        while fragments < MAX_SURVEYED_FRAGMENTS
            && self
                .walk
                .next_fragment(&mut self.reader, self.file_len, &mut self.damage)
        {
            fragments += 1;
            while let Some(sample) = self.walk.queue.pop_front() {
                if !self.walk.is_after_edit(&sample) {
                    seen.add(&sample);
                }
            }
        }
        self.restart();
        self.zero = seen.first_pts.unwrap_or(self.walk.movie.edit.start);
        self.dts_shift = seen.lowest_composition.saturating_neg();
        let timescale = self.walk.movie.timescale;
        if fragments < MAX_SURVEYED_FRAGMENTS {
            let length = seen.last_pts.unwrap_or(self.zero).saturating_sub(self.zero);
            self.track.duration_us = Some(ticks_to_us(length, timescale));
            self.track.pictures = Some(seen.pictures);
            self.track.len_bytes = Some(seen.len_bytes);
        } else {
            let duration = self
                .walk
                .movie
                .duration
                .and_then(|ticks| i64::try_from(ticks).ok());
            self.track.duration_us = duration.map(|ticks| ticks_to_us(ticks, timescale));
        }
    }

    fn restart(&mut self) {
        self.walk.restart();
        if let Some(sound) = &mut self.sound {
            sound.restart();
        }
        self.started = false;
        self.pending = None;
        self.last_dts_us = i64::MIN;
    }

    fn next_sample(&mut self) -> Option<Sample> {
        if self.walk.movie.fragmented {
            self.reader_at = None;
        }
        self.walk
            .next(&mut self.reader, self.file_len, &mut self.damage)
    }

    fn pts_us(&self, sample: &Sample) -> i64 {
        ticks_to_us(
            sample.pts().saturating_sub(self.zero),
            self.walk.movie.timescale,
        )
    }

    /// The next access unit that is wholly there.
    fn read_next(&mut self) -> Result<Option<AccessUnit>, MediaError> {
        while let Some(sample) = self.next_sample() {
            let pts_us = self.pts_us(&sample);
            match self.read_sample(&sample)? {
                Ok((data, found_key)) => {
                    // Without a list of sync samples every sample claims to be one; then the picture's own headers decide.
                    let key = match sample.sync {
                        Some(sync) => sync || found_key,
                        None => found_key,
                    };
                    if !key && !self.started {
                        self.damage.picture(
                            Some(pts_us),
                            Some(sample.position),
                            "it comes before the first key frame and cannot be decoded",
                        );
                        continue;
                    }
                    if let Some(sound) = self.sound.as_mut().filter(|_| !self.started) {
                        sound.begin(pts_us);
                    }
                    self.started = true;
                    self.damage.sound();
                    let dts = sample
                        .dts
                        .saturating_sub(self.dts_shift)
                        .saturating_sub(self.zero);
                    // Rounding each time on its own must not let dts pass pts, nor go back.
                    let dts_us = ticks_to_us(dts, self.walk.movie.timescale)
                        .min(pts_us)
                        .max(self.last_dts_us);
                    self.last_dts_us = dts_us;
                    let duration_us =
                        ticks_to_us(sample.duration.into(), self.walk.movie.timescale);
                    return Ok(Some(AccessUnit {
                        pts_us,
                        dts_us,
                        duration_us,
                        key,
                        data,
                    }));
                }
                Err("") => {}
                Err(what) => self
                    .damage
                    .picture(Some(pts_us), Some(sample.position), what),
            }
        }
        Ok(None)
    }

    /// The sample's bytes as an access unit. The inner error says what is wrong with it, the outer that reading failed.
    #[allow(
        clippy::type_complexity,
        reason = "the two kinds of error have different ways to go"
    )]
    fn read_sample(
        &mut self,
        sample: &Sample,
    ) -> Result<Result<(Bytes, bool), &'static str>, MediaError> {
        let len_bytes = u64::from(sample.len_bytes);
        // An empty sample repeats the picture before it: nothing is missing.
        if len_bytes == 0 {
            return Ok(Err(""));
        }
        if sample
            .position
            .checked_add(len_bytes)
            .is_none_or(|end| end > self.file_len)
        {
            return Ok(Err("it lies beyond the end of the file, which is cut off"));
        }
        if len_bytes > MAX_PICTURE_BYTES {
            return Ok(Err("it is larger than any picture is"));
        }
        let Some(Some(format)) = self.walk.movie.formats.get(sample.description as usize) else {
            return Ok(Err("its sample description is missing or of another codec"));
        };
        let room = format.room();
        let mut buffer = vec![0; room + len_bytes as usize];
        let free = buffer.get_mut(room..).unwrap_or_default();
        if !fill(&mut self.reader, &mut self.reader_at, sample.position, free)? {
            return Ok(Err("it lies beyond the end of the file, which is cut off"));
        }
        Ok(format.unit(buffer, sample.sync == Some(true)))
    }

    /// The next sound that is wholly there.
    fn read_sound(
        &mut self,
        sound: &mut Sound,
        until_us: i64,
    ) -> Result<Option<SoundUnit>, MediaError> {
        while sound.has_begun() {
            if sound.next.is_none() {
                if sound.walk.movie.fragmented {
                    self.reader_at = None;
                }
                let (reader, damage) = (&mut self.reader, &mut self.damage);
                sound.next = sound.walk.next(reader, self.file_len, damage);
            }
            let Some(sample) = sound.next else {
                break;
            };
            let pts_us = sound.pts_us(&sample);
            if pts_us >= until_us {
                break;
            }
            sound.next = None;
            let len_bytes = u64::from(sample.len_bytes);
            if len_bytes == 0 || sound.is_early(pts_us) {
                continue;
            }
            let end = sample.position.checked_add(len_bytes);
            let there = end.is_some_and(|end| end <= self.file_len);
            let mut data = vec![0; len_bytes.min(MAX_SOUND_BYTES) as usize];
            let unit = if len_bytes > MAX_SOUND_BYTES {
                Err("sound is missing: it is longer than any is")
            } else if there
                && fill(
                    &mut self.reader,
                    &mut self.reader_at,
                    sample.position,
                    &mut data,
                )?
            {
                sound.format.unit(data)
            } else {
                Err("sound is missing: it lies beyond the end of the file, which is cut off")
            };
            match unit {
                Ok((data, duration_ns)) => {
                    return Ok(Some(SoundUnit {
                        pts_us,
                        duration_us: (duration_ns + 500) / 1_000,
                        data,
                    }));
                }
                Err(what) => {
                    let position = Some(sample.position);
                    self.damage.note(Some(pts_us), position, what.to_owned());
                }
            }
        }
        Ok(None)
    }
}

/// Fills a buffer from a place in the file; `false` where the file ends before. `at` is where the reader is, if that is known.
fn fill<R: Read + Seek>(
    reader: &mut BufReader<R>,
    at: &mut Option<u64>,
    position: u64,
    buffer: &mut [u8],
) -> Result<bool, MediaError> {
    match at.take() {
        Some(at) => reader.seek_relative(position.wrapping_sub(at) as i64)?,
        None => {
            reader.seek(SeekFrom::Start(position))?;
        }
    }
    match reader.read_exact(buffer) {
        Ok(()) => {
            *at = Some(position + buffer.len() as u64);
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What a walk over the index finds. Times are in ticks.
#[derive(Debug, Default)]
struct Survey {
    /// Where the edit list begins.
    start: i64,
    pictures: u64,
    len_bytes: u64,
    /// The first and the last time of pictures that are shown.
    first_pts: Option<i64>,
    last_pts: Option<i64>,
    /// 0 or below.
    lowest_composition: i64,
}

impl Survey {
    fn add(&mut self, sample: &Sample) {
        self.pictures += 1;
        self.len_bytes += u64::from(sample.len_bytes);
        self.lowest_composition = self.lowest_composition.min(sample.composition);
        let pts = sample.pts();
        if pts >= self.start {
            let end = pts.saturating_add(sample.duration.into());
            self.first_pts = Some(self.first_pts.map_or(pts, |first| first.min(pts)));
            self.last_pts = Some(self.last_pts.map_or(end, |last| last.max(end)));
        }
    }
}

/// Finds the index, and where the first fragment may be.
fn find_index<R: Read + Seek>(reader: &mut R, file_len: u64) -> Result<(FileBox, u64), MediaError> {
    let mut at = 0;
    let mut first_fragment = None;
    for _ in 0..MAX_TOP_BOXES {
        let Some(found) = read_header(reader, at, file_len)? else {
            break;
        };
        match &found.kind {
            b"moov" => return Ok((found, first_fragment.unwrap_or(found.end))),
            b"moof" => {
                first_fragment.get_or_insert(found.start);
            }
            _ => {}
        }
        at = found.end;
    }
    Err(MediaError::NoIndex)
}

fn read_index<R: Read + Seek>(
    reader: &mut R,
    moov: FileBox,
    file_len: u64,
) -> Result<Bytes, MediaError> {
    let len_bytes = moov.end.min(file_len) - moov.body;
    if moov.end - moov.body > MAX_INDEX_BYTES {
        let max_bytes = MAX_INDEX_BYTES;
        return Err(MediaError::TooLarge {
            what: "index (`moov`)",
            len_bytes: moov.end - moov.body,
            max_bytes,
        });
    }
    reader.seek(SeekFrom::Start(moov.body))?;
    // The length is no more than what the file has: checked above.
    let mut index = Vec::with_capacity(len_bytes as usize);
    reader.take(len_bytes).read_to_end(&mut index)?;
    Ok(Bytes::from(index))
}

impl<R: Read + Seek + Send> Demuxer for Mp4<R> {
    fn track(&self) -> &VideoTrack {
        &self.track
    }

    fn next(&mut self) -> Result<Option<AccessUnit>, MediaError> {
        match self.pending.take() {
            Some(unit) => Ok(Some(unit)),
            None => self.read_next(),
        }
    }

    fn seek(&mut self, pts_us: i64) -> Result<(), MediaError> {
        self.restart();
        let mut target = None;
        // Without a list of sync samples the pictures' own headers have to say: the newest ones are looked at.
        let mut unsaid: VecDeque<(u64, Sample)> = VecDeque::new();
        let mut count = 0u64;
        while let Some(sample) = self.next_sample() {
            let before = self.pts_us(&sample) <= pts_us;
            match sample.sync {
                Some(true) if before || target.is_none() => target = Some(count),
                Some(true) => break,
                None if before || unsaid.is_empty() => {
                    unsaid.push_back((count, sample));
                    if unsaid.len() > MAX_SEEK_BACK {
                        unsaid.pop_front();
                    }
                }
                _ => {}
            }
            count += 1;
        }
        while let Some((at, sample)) = unsaid.pop_back() {
            if let Ok((_, true)) = self.read_sample(&sample)? {
                target = Some(at);
                break;
            }
        }
        self.restart();
        for _ in 0..target.unwrap_or(0) {
            self.next_sample();
        }
        Ok(())
    }

    fn damage(&self) -> &[Damage] {
        &self.damage.entries
    }

    fn sound(&self) -> Option<&SoundTrack> {
        self.sound.as_ref().map(|sound| &sound.track)
    }

    fn sound_left_out(&self) -> Option<&str> {
        self.sound_left_out.as_deref()
    }

    fn next_sound(&mut self, until_us: i64) -> Result<Option<SoundUnit>, MediaError> {
        let Some(mut sound) = self.sound.take() else {
            return Ok(None);
        };
        let unit = self.read_sound(&mut sound, until_us);
        self.sound = Some(sound);
        unit
    }
}
