//! MP4 and MOV (ISO/IEC 14496-12, QuickTime): the video track's access units, from a sample table, from fragments, or
//! from both.
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
mod table;

use std::{
    collections::VecDeque,
    io::{BufReader, ErrorKind, Read, Seek, SeekFrom},
};

use bytes::Bytes;

pub use self::growing::Growing;
use self::{
    boxes::{FileBox, read_header},
    movie::{Movie, damaged},
    table::{Cursor, Sample},
};
use super::{Damage, DamageList, Demuxer, MAX_INDEX_BYTES, MAX_PICTURE_BYTES, ticks_to_us};
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
    movie: Movie,
    track: VideoTrack,
    /// The pts, in ticks, that is 0 outside.
    zero: i64,
    /// How much dts is moved back so that it is never after pts.
    dts_shift: i64,
    cursor: Cursor,
    /// Samples of the fragment at hand.
    queue: VecDeque<Sample>,
    /// Where the next fragment is looked for, and the dts it goes on with if it does not say.
    next_box: u64,
    next_dts: i64,
    first_fragment: u64,
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
            cursor: movie.table.cursor(),
            queue: VecDeque::new(),
            next_box: first_fragment,
            next_dts: 0,
            first_fragment,
            movie,
            started: false,
            pending: None,
            last_dts_us: i64::MIN,
            damage: DamageList::default(),
        };
        demuxer.survey();
        if moov.end > file_len {
            demuxer.damage.note(
                None,
                Some(moov.start),
                "the index is cut off at the end of the file".to_owned(),
            );
        }
        if demuxer.movie.edit.parts > 1 {
            let what = format!(
                "the edit list has {} parts; the pictures are given as one, without its cuts",
                demuxer.movie.edit.parts
            );
            demuxer.damage.note(None, None, what);
        }
        demuxer.pending = demuxer.read_next()?;
        if demuxer.pending.is_none() {
            return Err(demuxer.damage.nothing_left(movie::CONTAINER));
        }
        if let Some(first) = &demuxer.pending
            && let Some(format) = demuxer.movie.formats.iter_mut().flatten().next()
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
            start: self.movie.edit.start,
            ..Survey::default()
        };
        let mut cursor = self.movie.table.cursor();
        while let Some(sample) = cursor.next() {
            if self.is_after_edit(&sample) {
                break;
            }
            seen.add(&sample);
        }
        // A recording of a day in fragments of one picture each has too many to look at them all beforehand.
        let mut fragments = 0;
        while fragments < MAX_SURVEYED_FRAGMENTS && self.next_fragment() {
            fragments += 1;
            while let Some(sample) = self.queue.pop_front() {
                if !self.is_after_edit(&sample) {
                    seen.add(&sample);
                }
            }
        }
        self.restart();
        self.zero = seen.first_pts.unwrap_or(self.movie.edit.start);
        self.dts_shift = seen.lowest_composition.saturating_neg();
        let timescale = self.movie.timescale;
        if fragments < MAX_SURVEYED_FRAGMENTS {
            let length = seen.last_pts.unwrap_or(self.zero).saturating_sub(self.zero);
            self.track.duration_us = Some(ticks_to_us(length, timescale));
            self.track.pictures = Some(seen.pictures);
            self.track.len_bytes = Some(seen.len_bytes);
        } else {
            let duration = self
                .movie
                .duration
                .and_then(|ticks| i64::try_from(ticks).ok());
            self.track.duration_us = duration.map(|ticks| ticks_to_us(ticks, timescale));
        }
    }

    fn is_after_edit(&self, sample: &Sample) -> bool {
        self.movie.edit.end.is_some_and(|end| sample.dts >= end)
    }

    fn restart(&mut self) {
        self.cursor = self.movie.table.cursor();
        self.queue.clear();
        self.next_box = self.first_fragment;
        self.next_dts = 0;
        self.started = false;
        self.pending = None;
        self.last_dts_us = i64::MIN;
    }

    fn next_sample(&mut self) -> Option<Sample> {
        loop {
            let sample = match self.cursor.next() {
                Some(sample) => sample,
                None => match self.queue.pop_front() {
                    Some(sample) => sample,
                    None if self.next_fragment() => continue,
                    None => return None,
                },
            };
            if !self.is_after_edit(&sample) {
                return Some(sample);
            }
            if !self.movie.fragmented {
                return None;
            }
        }
    }

    /// Reads on to the next fragment with samples of the track. `false` if there is none, or none can be read.
    fn next_fragment(&mut self) -> bool {
        if !self.movie.fragmented {
            return false;
        }
        self.reader_at = None;
        while let Ok(Some(found)) = read_header(&mut self.reader, self.next_box, self.file_len) {
            self.next_box = found.end;
            if found.kind != *b"moof" {
                continue;
            }
            if found.end > self.file_len || found.end - found.start > fragment::MAX_MOOF_BYTES {
                self.damage.note(
                    None,
                    Some(found.start),
                    "a fragment's index is cut off or too large; it is passed over".to_owned(),
                );
                continue;
            }
            let mut moof = vec![0; (found.end - found.body) as usize];
            if self.reader.read_exact(&mut moof).is_err() {
                return false;
            }
            let (id, defaults) = (self.movie.track_id, self.movie.defaults);
            if fragment::read(
                &moof,
                found.start,
                id,
                defaults,
                &mut self.next_dts,
                &mut self.queue,
            )
            .is_none()
            {
                self.damage.note(
                    None,
                    Some(found.start),
                    "a fragment's index is not sound".to_owned(),
                );
            }
            if !self.queue.is_empty() {
                return true;
            }
        }
        false
    }

    fn pts_us(&self, sample: &Sample) -> i64 {
        ticks_to_us(sample.pts().saturating_sub(self.zero), self.movie.timescale)
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
                    self.started = true;
                    self.damage.sound();
                    let dts = sample
                        .dts
                        .saturating_sub(self.dts_shift)
                        .saturating_sub(self.zero);
                    // Rounding each time on its own must not let dts pass pts, nor go back.
                    let dts_us = ticks_to_us(dts, self.movie.timescale)
                        .min(pts_us)
                        .max(self.last_dts_us);
                    self.last_dts_us = dts_us;
                    let duration_us = ticks_to_us(sample.duration.into(), self.movie.timescale);
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
        let Some(Some(format)) = self.movie.formats.get(sample.description as usize) else {
            return Ok(Err("its sample description is missing or of another codec"));
        };
        let room = format.room();
        let mut buffer = vec![0; room + len_bytes as usize];
        match self.reader_at {
            Some(at) => self
                .reader
                .seek_relative(sample.position.wrapping_sub(at) as i64)?,
            None => {
                self.reader.seek(SeekFrom::Start(sample.position))?;
            }
        }
        self.reader_at = None;
        match self
            .reader
            .read_exact(buffer.get_mut(room..).unwrap_or_default())
        {
            Ok(()) => self.reader_at = Some(sample.position + len_bytes),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Ok(Err("it lies beyond the end of the file, which is cut off"));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(format.unit(buffer, sample.sync == Some(true)))
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
}
