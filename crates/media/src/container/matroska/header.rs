//! What stands before the pictures of a Matroska file: information, tracks, cues.
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

use super::ebml::{elements, find, id, positive_float, unsigned};
use crate::{Codec, MediaError, container::format::Format};

pub(super) const CONTAINER: &str = "Matroska";

/// What holds for the whole file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Info {
    /// Nanoseconds in a tick.
    pub(super) tick_ns: u64,
    pub(super) duration_us: Option<i64>,
}

impl Default for Info {
    fn default() -> Info {
        Info {
            tick_ns: 1_000_000,
            duration_us: None,
        }
    }
}

impl Info {
    pub(super) fn parse(body: &[u8]) -> Info {
        let tick_ns = find(body, id::TIMESTAMP_SCALE)
            .and_then(unsigned)
            .filter(|ns| (1..=1_000_000_000_000).contains(ns));
        let tick_ns = tick_ns.unwrap_or(1_000_000);
        let ticks = find(body, id::DURATION).and_then(positive_float);
        // A cast from a float stops at the largest value.
        let duration_us = ticks.map(|ticks| (ticks * tick_ns as f64 / 1e3).round() as i64);
        Info {
            tick_ns,
            duration_us: duration_us.filter(|us| *us > 0),
        }
    }
}

/// The video track.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) number: u64,
    pub(super) format: Format,
    pub(super) size: (u32, u32),
    /// How long a picture is shown where it does not say itself.
    pub(super) default_duration_ns: Option<u64>,
    /// What every picture begins with and the file leaves out.
    pub(super) stripped: Vec<u8>,
}

impl Track {
    /// The first video track of a `Tracks` element in a codec that is carried.
    pub(super) fn choose(tracks: &[u8]) -> Result<Track, MediaError> {
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        let mut refused = None;
        for (kind, entry) in elements(tracks) {
            if kind != id::TRACK_ENTRY {
                continue;
            }
            let name = match find(entry, id::TRACK_TYPE).and_then(unsigned) {
                Some(1) => match Track::parse(entry) {
                    Ok(track) => return Ok(track),
                    Err(error) => {
                        refused.get_or_insert(error);
                        continue;
                    }
                },
                Some(2) => "audio",
                Some(17) => "subtitle",
                _ => "other",
            };
            *others.entry(name).or_default() += 1;
        }
        Err(refused.unwrap_or_else(|| MediaError::NoVideoTrack {
            container: CONTAINER,
            found: super::super::tracks(&others),
        }))
    }

    fn parse(entry: &[u8]) -> Result<Track, MediaError> {
        let codec_id = find(entry, id::CODEC_ID).unwrap_or_default();
        let private = find(entry, id::CODEC_PRIVATE).filter(|private| !private.is_empty());
        let (codec, config) = match codec_id {
            b"V_MPEG4/ISO/AVC" => (Codec::H264, private),
            b"V_MPEGH/ISO/HEVC" => (Codec::H265, private),
            b"V_AV1" => (Codec::Av1, private),
            // What WebM keeps here is another record than MP4's; the first key frame says as much.
            b"V_VP9" => (Codec::Vp9, None),
            other => {
                return Err(MediaError::UnsupportedCodec {
                    found: of_the_codec(other),
                });
            }
        };
        let format = Format::new(codec, config)
            .ok_or_else(|| damaged("its codec's configuration cannot be read"))?;
        let number = find(entry, id::TRACK_NUMBER)
            .and_then(unsigned)
            .ok_or_else(|| damaged("its video track has no number"))?;
        let video = find(entry, id::VIDEO).unwrap_or_default();
        let pixels = |id| {
            find(video, id)
                .and_then(unsigned)
                .and_then(|value| u32::try_from(value).ok())
                .unwrap_or(0)
        };
        Ok(Track {
            number,
            format,
            size: (pixels(id::PIXEL_WIDTH), pixels(id::PIXEL_HEIGHT)),
            default_duration_ns: find(entry, id::DEFAULT_DURATION)
                .and_then(unsigned)
                .filter(|ns| (1..=3_600_000_000_000).contains(ns)),
            stripped: stripped(entry)?,
        })
    }
}

/// A codec's identifier for people.
pub(super) fn of_the_codec(codec_id: &[u8]) -> String {
    let name: String = codec_id
        .iter()
        .take(40)
        .map(|byte| {
            if byte.is_ascii_graphic() {
                char::from(*byte)
            } else {
                '?'
            }
        })
        .collect();
    format!("of the codec `{name}`")
}

/// The bytes that header stripping (§5.1.4.1.31.7) takes off every picture; other compression is refused.
pub(super) fn stripped(entry: &[u8]) -> Result<Vec<u8>, MediaError> {
    let refuse = |what: &str| MediaError::UnsupportedCodec {
        found: what.to_owned(),
    };
    let mut out = Vec::new();
    let encodings = find(entry, id::CONTENT_ENCODINGS).unwrap_or_default();
    for (kind, encoding) in elements(encodings) {
        if kind != id::CONTENT_ENCODING {
            continue;
        }
        let Some(compression) = find(encoding, id::CONTENT_COMPRESSION) else {
            return Err(refuse("encrypted"));
        };
        if find(compression, id::CONTENT_COMP_ALGO).and_then(unsigned) != Some(3) {
            return Err(refuse("compressed once more by the container"));
        }
        out.extend_from_slice(find(compression, id::CONTENT_COMP_SETTINGS).unwrap_or_default());
    }
    if out.len() > 1024 {
        return Err(refuse(
            "said to begin with over 1 kB of the same bytes in every picture, which is none of ours",
        ));
    }
    Ok(out)
}

/// When in ticks, and where in the segment, a cluster with a key frame of a track begins.
pub(super) fn cues(body: &[u8], track: u64) -> Vec<(u64, u64)> {
    let mut out = Vec::new();
    for (kind, point) in elements(body) {
        let time = if kind == id::CUE_POINT {
            find(point, id::CUE_TIME).and_then(unsigned)
        } else {
            None
        };
        let Some(time) = time else { continue };
        for (kind, positions) in elements(point) {
            if kind == id::CUE_TRACK_POSITIONS
                && find(positions, id::CUE_TRACK).and_then(unsigned) == Some(track)
                && let Some(position) = find(positions, id::CUE_CLUSTER_POSITION).and_then(unsigned)
            {
                out.push((time, position));
            }
        }
    }
    out.sort_unstable();
    out
}

/// Where in the segment an element is, as a `SeekHead` says.
pub(super) fn seek_entry(seek_head: &[u8], wanted: u32) -> Option<u64> {
    elements(seek_head)
        .filter(|(kind, _)| *kind == id::SEEK)
        .find_map(|(_, entry)| {
            let found = find(entry, id::SEEK_ID).and_then(unsigned)?;
            (found == u64::from(wanted))
                .then(|| find(entry, id::SEEK_POSITION).and_then(unsigned))?
        })
}

pub(super) fn damaged(why: &str) -> MediaError {
    MediaError::Damaged {
        container: CONTAINER,
        why: why.to_owned(),
    }
}
