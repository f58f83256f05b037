//! An MP4 that grows: fragments read from front to back as they come, such as through a pipe.
//!
//! The index comes first, then fragments whose pictures lie behind their own index (`default-base-is-moof`), which is how whoever
//! writes MP4 live writes it. Times are the file's own, in microseconds.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read},
};

use bytes::Bytes;

use super::super::{MAX_INDEX_BYTES, MAX_PICTURE_BYTES, ticks_to_us};
use super::{
    boxes::Kind,
    fragment::{self, MAX_MOOF_BYTES},
    movie::{Movie, damaged},
    table::Sample,
};
use crate::{AccessUnit, Codec, MediaError};

/// Reads an MP4 while it is written.
pub struct Growing<R> {
    reader: R,
    /// Bytes read so far.
    at: u64,
    movie: Movie,
    codec: Codec,
    samples: VecDeque<Sample>,
    next_dts: i64,
    /// The pictures of the fragment at hand, and where they begin.
    pictures: Bytes,
    pictures_at: u64,
    passed_over: u64,
}

impl<R> std::fmt::Debug for Growing<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Growing {:?} at {}", self.codec, self.at)
    }
}

impl<R: Read> Growing<R> {
    /// Waits for the index.
    pub fn open(mut reader: R) -> Result<Self, MediaError> {
        let mut at = 0;
        let movie = loop {
            let Some((kind, body)) = next_box(&mut reader, &mut at, MAX_INDEX_BYTES)? else {
                return Err(MediaError::NoIndex);
            };
            if kind == *b"moov" {
                break Movie::parse(&body, u64::MAX)?;
            }
        };
        let format = movie.formats.iter().flatten().next();
        let codec = format
            .ok_or_else(|| damaged("its sample description names no codec"))?
            .codec;
        Ok(Self {
            reader,
            at,
            movie,
            codec,
            samples: VecDeque::new(),
            next_dts: 0,
            pictures: Bytes::new(),
            pictures_at: 0,
            passed_over: 0,
        })
    }

    /// How its pictures are encoded.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Pictures that were not sound, so far.
    pub fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Waits for the next picture; `None` at the end.
    pub fn read(&mut self) -> Result<Option<AccessUnit>, MediaError> {
        loop {
            if let Some(sample) = self.samples.front().filter(|_| !self.pictures.is_empty()) {
                let unit = self.unit(sample);
                self.samples.pop_front();
                match unit {
                    Some(unit) => return Ok(Some(unit)),
                    None => self.passed_over += 1,
                }
                continue;
            }
            let start = self.at;
            let Some((kind, body)) = next_box(&mut self.reader, &mut self.at, MAX_PICTURE_BYTES)?
            else {
                return Ok(None);
            };
            match &kind {
                b"moof" if body.len() as u64 <= MAX_MOOF_BYTES => {
                    self.samples.clear();
                    self.pictures = Bytes::new();
                    let (id, defaults) = (self.movie.track_id, self.movie.defaults);
                    fragment::read(
                        &body,
                        start,
                        id,
                        defaults,
                        &mut self.next_dts,
                        &mut self.samples,
                    )
                    .ok_or_else(|| damaged("a fragment's index is not sound"))?;
                }
                b"mdat" => {
                    self.pictures_at = self.at - body.len() as u64;
                    self.pictures = body;
                }
                _ => {}
            }
        }
    }

    fn unit(&self, sample: &Sample) -> Option<AccessUnit> {
        let start = usize::try_from(sample.position.checked_sub(self.pictures_at)?).ok()?;
        let end = start.checked_add(sample.len_bytes as usize)?;
        let data = self
            .pictures
            .get(start..end)
            .filter(|data| !data.is_empty())?;
        let format = self
            .movie
            .formats
            .get(sample.description as usize)?
            .as_ref()?;
        let mut buffer = vec![0; format.room()];
        buffer.extend_from_slice(data);
        let flagged = sample.sync == Some(true);
        let (data, found) = format.unit(buffer, flagged).ok()?;
        let us = |ticks| ticks_to_us(ticks, self.movie.timescale);
        Some(AccessUnit {
            pts_us: us(sample.pts()),
            dts_us: us(sample.dts),
            duration_us: us(sample.duration.into()),
            key: flagged || found,
            data,
        })
    }
}

/// The next box, whole; `None` where the file ends, be it within one: whoever wrote it was ended.
fn next_box<R: Read>(
    reader: &mut R,
    at: &mut u64,
    max_bytes: u64,
) -> Result<Option<(Kind, Bytes)>, MediaError> {
    let mut head = [0; 8];
    if !filled(reader, &mut head)? {
        return Ok(None);
    }
    let [a, b, c, d, kind @ ..] = head;
    let mut header_bytes = 8;
    let len_bytes = match u32::from_be_bytes([a, b, c, d]) {
        1 => {
            let mut large = [0; 8];
            if !filled(reader, &mut large)? {
                return Ok(None);
            }
            header_bytes = 16;
            u64::from_be_bytes(large)
        }
        len_bytes => u64::from(len_bytes),
    };
    let body_bytes = len_bytes
        .checked_sub(header_bytes)
        .ok_or_else(|| damaged("a box is shorter than its own header"))?;
    if body_bytes > max_bytes {
        return Err(MediaError::TooLarge {
            what: "next part",
            len_bytes: body_bytes,
            max_bytes,
        });
    }
    // Grows with what comes, not with what was claimed.
    let mut body = Vec::new();
    reader.by_ref().take(body_bytes).read_to_end(&mut body)?;
    if (body.len() as u64) < body_bytes {
        return Ok(None);
    }
    *at = at.saturating_add(len_bytes);
    Ok(Some((kind, body.into())))
}

/// Whether the file had so much left.
fn filled<R: Read>(reader: &mut R, buffer: &mut [u8]) -> Result<bool, MediaError> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{fmp4::Muxer, synthetic::Clip};

    fn fragmented(units: &[AccessUnit]) -> Vec<u8> {
        let mut muxer = Muxer::new(Codec::H264, &units[0]).unwrap();
        let mut file = muxer.init().to_vec();
        for unit in units {
            file.extend_from_slice(&muxer.fragment(unit, 40_000));
        }
        file
    }

    #[test]
    fn what_is_written_picture_by_picture_is_read_picture_by_picture() {
        let units = Clip::default().h264();
        let file = fragmented(&units);
        let mut growing = Growing::open(file.as_slice()).unwrap();
        assert_eq!(growing.codec(), Codec::H264);
        for unit in &units {
            let read = growing.read().unwrap().unwrap();
            assert_eq!((&read.data, read.key), (&unit.data, unit.key));
            assert_eq!((read.pts_us, read.dts_us), (unit.pts_us, unit.dts_us));
        }
        assert_eq!(growing.read().unwrap(), None);
        assert_eq!(growing.passed_over(), 0);
    }

    #[test]
    fn one_that_is_cut_off_ends_with_its_last_whole_picture() {
        let units = Clip {
            pictures: 5,
            ..Clip::default()
        }
        .h264();
        let file = fragmented(&units);
        let mut growing = Growing::open(&file[..file.len() - 1]).unwrap();
        let read = std::iter::from_fn(|| growing.read().unwrap()).count();
        assert_eq!(read, 4);
        assert!(matches!(Growing::open(&b""[..]), Err(MediaError::NoIndex)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(at in 0usize..3000, byte in any::<u8>(), cut in 0usize..3000) {
            let units = Clip { pictures: 3, ..Clip::default() }.h264();
            let mut file = fragmented(&units);
            let len = file.len();
            file[at % len] = byte;
            file.truncate(len - cut % len);
            if let Ok(mut growing) = Growing::open(file.as_slice()) {
                for _ in 0..10 {
                    if !matches!(growing.read(), Ok(Some(_))) {
                        break;
                    }
                }
            }
        }
    }
}
