//! The index of an MP4 (`moov`): its tracks, and of one track everything but the samples.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    boxes::{Fields, Kind, boxes, find, find_path},
    table::Table,
};
use crate::{Codec, MediaError, container::format::Format};

pub(super) const CONTAINER: &str = "MP4";

/// What the index says of a track.
#[derive(Debug)]
pub(super) struct Movie {
    pub(super) track_id: u32,
    pub(super) timescale: u32,
    /// As the track's header says, in ticks of `timescale`.
    pub(super) duration: Option<u64>,
    /// One a sample description; `None` for one whose codec is not carried. Of pictures alone.
    pub(super) formats: Vec<Option<Format>>,
    /// Width and height as the sample entry says.
    pub(super) size: (u32, u32),
    pub(super) edit: Edit,
    /// How long after the film's beginning the track's begins.
    pub(super) delay_us: i64,
    pub(super) table: Table,
    /// Whether samples may also be in fragments.
    pub(super) fragmented: bool,
    pub(super) defaults: Defaults,
}

/// What holds for samples of fragments that say nothing else (§8.8.3).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Defaults {
    pub(super) description: u32,
    pub(super) duration: u32,
    pub(super) len_bytes: u32,
    pub(super) flags: u32,
}

/// The part of the edit list that is honoured: where the shown part begins and ends, in ticks of the track.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) start: i64,
    pub(super) end: Option<i64>,
    /// How many parts the list has.
    pub(super) parts: usize,
}

impl Movie {
    /// From the content of the `moov` box.
    pub(super) fn parse(index: &Bytes, file_len: u64) -> Result<Movie, MediaError> {
        let movie_timescale = movie_timescale(index);
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        let mut refused: Option<MediaError> = None;
        for (kind, trak) in boxes(index) {
            if kind != *b"trak" {
                continue;
            }
            match handler(trak) {
                Some(kind) if kind == *b"vide" => {
                    match Self::track(index, trak, movie_timescale, file_len) {
                        Ok(mut movie) => {
                            movie.read_fragment_defaults(index, movie_timescale);
                            return Ok(movie);
                        }
                        Err(error) => {
                            refused.get_or_insert(error);
                        }
                    }
                }
                other => {
                    let name = match &other.unwrap_or_default() {
                        b"soun" => "audio",
                        b"subt" | b"text" | b"sbtl" | b"clcp" => "subtitle",
                        _ => "other",
                    };
                    *others.entry(name).or_default() += 1;
                }
            }
        }
        if find(index, *b"cmov").is_some() {
            return Err(damaged(
                "its index is compressed, which nothing has written for twenty years",
            ));
        }
        Err(refused.unwrap_or_else(|| MediaError::NoVideoTrack {
            container: CONTAINER,
            found: super::super::tracks(&others),
        }))
    }

    fn track(
        index: &Bytes,
        trak: &[u8],
        movie_timescale: u32,
        file_len: u64,
    ) -> Result<Movie, MediaError> {
        let stsd = description(trak)
            .ok_or_else(|| damaged("its video track has no sample description (`stsd`)"))?;
        let (formats, size) = read_descriptions(stsd)?;
        let mut movie = Self::of_trak(index, trak, movie_timescale, file_len)?;
        (movie.formats, movie.size) = (formats, size);
        Ok(movie)
    }

    /// A track's times and places, whatever it holds.
    pub(super) fn of_trak(
        index: &Bytes,
        trak: &[u8],
        movie_timescale: u32,
        file_len: u64,
    ) -> Result<Movie, MediaError> {
        let mdia = find(trak, *b"mdia").ok_or_else(|| damaged("its track has no `mdia` box"))?;
        let (timescale, duration) = find(mdia, *b"mdhd")
            .and_then(read_timescale)
            .ok_or_else(|| damaged("its track has no time scale (`mdhd`)"))?;
        let stbl = find_path(mdia, &[*b"minf", *b"stbl"])
            .ok_or_else(|| damaged("its track has no sample table (`stbl`)"))?;
        let table = Table::new(index, stbl, file_len).unwrap_or_default();
        let elst = find_path(trak, &[*b"edts", *b"elst"]);
        Ok(Movie {
            track_id: track_id(trak).unwrap_or(1),
            timescale,
            duration,
            formats: Vec::new(),
            size: (0, 0),
            edit: elst
                .and_then(|elst| Edit::parse(elst, movie_timescale, timescale))
                .unwrap_or_default(),
            delay_us: elst.map_or(0, |elst| delay_us(elst, movie_timescale)),
            table,
            fragmented: false,
            defaults: Defaults::default(),
        })
    }

    pub(super) fn read_fragment_defaults(&mut self, index: &[u8], movie_timescale: u32) {
        let Some(mvex) = find(index, *b"mvex") else {
            return;
        };
        self.fragmented = true;
        for (kind, body) in boxes(mvex) {
            let Some((version, _, mut fields)) = Fields::full(body) else {
                continue;
            };
            if kind == *b"trex" && fields.u32() == Some(self.track_id) {
                let mut next = || fields.u32().unwrap_or(0);
                self.defaults = Defaults {
                    description: next().saturating_sub(1),
                    duration: next(),
                    len_bytes: next(),
                    flags: next(),
                };
            } else if kind == *b"mehd"
                && let Some(duration) = fields.u32_or_u64(version)
            {
                self.duration =
                    Some(scale(duration, movie_timescale, self.timescale).max(0) as u64);
            }
        }
    }
}

pub(super) fn damaged(why: &str) -> MediaError {
    MediaError::Damaged {
        container: CONTAINER,
        why: why.to_owned(),
    }
}

/// Units of the film's own time a second.
pub(super) fn movie_timescale(index: &[u8]) -> u32 {
    find(index, *b"mvhd")
        .and_then(read_timescale)
        .map_or(1000, |(timescale, _)| timescale)
}

/// The content of a track's `stsd` box.
pub(super) fn description(trak: &[u8]) -> Option<&[u8]> {
    find_path(trak, &[*b"mdia", *b"minf", *b"stbl", *b"stsd"])
}

/// What kind of track it is (§8.4.3).
pub(super) fn handler(trak: &[u8]) -> Option<Kind> {
    let (_, _, mut fields) = Fields::full(find_path(trak, &[*b"mdia", *b"hdlr"])?)?;
    fields.u32()?;
    fields.kind()
}

fn track_id(trak: &[u8]) -> Option<u32> {
    let (version, _, mut fields) = Fields::full(find(trak, *b"tkhd")?)?;
    fields.u32_or_u64(version)?;
    fields.u32_or_u64(version)?;
    fields.u32()
}

/// Time scale and duration of an `mvhd` or `mdhd`.
fn read_timescale(body: &[u8]) -> Option<(u32, Option<u64>)> {
    let (version, _, mut fields) = Fields::full(body)?;
    fields.u32_or_u64(version)?;
    fields.u32_or_u64(version)?;
    let timescale = fields.u32().filter(|timescale| *timescale > 0)?;
    let unknown = if version == 1 {
        u64::MAX
    } else {
        u64::from(u32::MAX)
    };
    let duration = fields
        .u32_or_u64(version)
        .filter(|duration| *duration != 0 && *duration != unknown);
    Some((timescale, duration))
}

type Descriptions = (Vec<Option<Format>>, (u32, u32));

/// The most sample descriptions that are looked at; a real file has one, rarely two.
const MAX_DESCRIPTIONS: usize = 64;

fn read_descriptions(stsd: &[u8]) -> Result<Descriptions, MediaError> {
    let (_, _, fields) =
        Fields::full(stsd).ok_or_else(|| damaged("its sample description (`stsd`) is cut"))?;
    let mut formats = Vec::new();
    let mut size = None;
    let mut found = Vec::new();
    for (kind, entry) in boxes(fields.0.get(4..).unwrap_or_default()).take(MAX_DESCRIPTIONS) {
        let codec = match &kind {
            b"avc1" | b"avc2" | b"avc3" | b"avc4" => Some((Codec::H264, *b"avcC")),
            b"hvc1" | b"hev1" => Some((Codec::H265, *b"hvcC")),
            b"av01" => Some((Codec::Av1, *b"av1C")),
            b"vp09" => Some((Codec::Vp9, *b"vpcC")),
            _ => None,
        };
        let format = match codec {
            Some((codec, config)) => {
                // A visual sample entry (§12.1.3) has 78 bytes before its boxes.
                let config = entry.get(78..).and_then(|children| find(children, config));
                let format = Format::new(codec, config);
                let format =
                    format.ok_or_else(|| damaged("its codec's configuration cannot be read"))?;
                if matches!(codec, Codec::H264 | Codec::H265) && config.is_none() {
                    return Err(damaged("its codec's configuration is missing"));
                }
                size = size.or_else(|| entry_size(entry));
                Some(format)
            }
            None => None,
        };
        found.push(kind);
        formats.push(format);
    }
    if formats.iter().all(Option::is_none) {
        let kind = found.first().copied().unwrap_or(*b"none");
        return Err(MediaError::UnsupportedCodec {
            found: codec_name(kind),
        });
    }
    Ok((formats, size.unwrap_or_default()))
}

fn entry_size(entry: &[u8]) -> Option<(u32, u32)> {
    let mut fields = Fields(entry.get(24..)?);
    Some((u32::from(fields.u16()?), u32::from(fields.u16()?)))
}

fn codec_name(kind: Kind) -> String {
    let name = match &kind {
        b"encv" => "encrypted",
        b"mp4v" => "MPEG-4 Part 2",
        b"jpeg" | b"mjpa" | b"mjpb" => "Motion JPEG",
        b"apcn" | b"apch" | b"apcs" | b"apco" | b"ap4h" => "ProRes",
        b"vp08" => "VP8",
        b"dvh1" | b"dvhe" | b"dva1" | b"dvav" => "Dolby Vision",
        b"vvc1" | b"vvi1" => "H.266",
        _ => "of an unknown codec",
    };
    let letters: String = kind
        .iter()
        .map(|byte| {
            if byte.is_ascii_graphic() {
                char::from(*byte)
            } else {
                '?'
            }
        })
        .collect();
    format!("{name} (`{letters}`)")
}

impl Edit {
    /// Reads an `elst` box (§8.6.6). `None` if there is nothing to honour.
    fn parse(elst: &[u8], movie_timescale: u32, timescale: u32) -> Option<Edit> {
        let (version, _, mut fields) = Fields::full(elst)?;
        let claimed = fields.u32()?;
        let mut edit: Option<Edit> = None;
        for _ in 0..claimed {
            let entry = (
                fields.u32_or_u64(version),
                if version == 1 {
                    fields.u64()
                } else {
                    fields.i32().map(|time| i64::from(time) as u64)
                },
            );
            let (Some(duration), Some(media_time)) = entry else {
                break;
            };
            fields.skip(4)?;
            let media_time = media_time as i64;
            // −1 is an empty edit: a delay.
            if media_time < 0 {
                continue;
            }
            let length = scale(duration, movie_timescale, timescale);
            // The duration is rounded to the movie's ticks, which are often milliseconds: allow for one.
            let slack = scale(1, movie_timescale, timescale);
            let end =
                (duration > 0).then(|| media_time.saturating_add(length).saturating_add(slack));
            match &mut edit {
                None => {
                    edit = Some(Edit {
                        start: media_time,
                        end,
                        parts: 1,
                    });
                }
                Some(edit) => {
                    edit.parts += 1;
                    edit.end = None;
                }
            }
        }
        edit
    }
}

/// The empty edits in front of an `elst` box's first part: how much later than the film the track begins.
fn delay_us(elst: &[u8], movie_timescale: u32) -> i64 {
    let mut delay_us = 0_i64;
    let Some((version, _, mut fields)) = Fields::full(elst) else {
        return delay_us;
    };
    for _ in 0..fields.u32().unwrap_or(0) {
        let Some(duration) = fields.u32_or_u64(version) else {
            break;
        };
        let time = if version == 1 {
            fields.u64().map(|time| time as i64)
        } else {
            fields.i32().map(i64::from)
        };
        if time.is_none_or(|time| time >= 0) || fields.skip(4).is_none() {
            break;
        }
        delay_us = delay_us.saturating_add(scale(duration, movie_timescale, 1_000_000));
    }
    delay_us
}

fn scale(value: u64, from: u32, to: u32) -> i64 {
    let scaled = u128::from(value) * u128::from(to) / u128::from(from.max(1));
    i64::try_from(scaled).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elst(entries: &[(u32, i32)]) -> Vec<u8> {
        let mut out = vec![0; 4];
        out.extend((entries.len() as u32).to_be_bytes());
        for (duration, media_time) in entries {
            out.extend(duration.to_be_bytes());
            out.extend(media_time.to_be_bytes());
            out.extend([0, 1, 0, 0]);
        }
        out
    }

    #[test]
    fn an_edit_list_says_where_the_shown_part_begins_and_ends() {
        for (entries, expected) in [
            (
                &[(1000, 1024)][..],
                Some(Edit {
                    start: 1024,
                    end: Some(1024 + 12800 + 12),
                    parts: 1,
                }),
            ),
            (
                &[(500, -1), (1000, 0)],
                Some(Edit {
                    start: 0,
                    end: Some(12812),
                    parts: 1,
                }),
            ),
            (
                &[(0, 512)],
                Some(Edit {
                    start: 512,
                    end: None,
                    parts: 1,
                }),
            ),
            (
                &[(100, 0), (100, 5000)],
                Some(Edit {
                    start: 0,
                    end: None,
                    parts: 2,
                }),
            ),
            (&[(500, -1)], None),
            (&[], None),
        ] {
            assert_eq!(
                Edit::parse(&elst(entries), 1000, 12800),
                expected,
                "{entries:?}"
            );
        }
        for (entries, wanted) in [
            (&[(500, -1), (250, -1), (1000, 0)][..], 750_000),
            (&[(1000, 1024), (500, -1)], 0),
            (&[(500, -1)], 500_000),
        ] {
            assert_eq!(delay_us(&elst(entries), 1000), wanted, "{entries:?}");
        }
        let mut cut = elst(&[(1000, 7)]);
        cut[4..8].copy_from_slice(&[0xff; 4]);
        assert_eq!(
            Edit::parse(&cut, 1000, 1000).map(|edit| edit.start),
            Some(7)
        );
    }
}
