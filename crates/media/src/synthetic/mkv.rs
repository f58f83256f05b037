//! Matroska files around access units of H.264.

use crate::{AccessUnit, Codec, fmp4::Muxer, fmp4::entry::Entry, sound::SoundUnit};

/// How a Matroska file is laid out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MkvLayout {
    /// Segment and clusters of unknown size, as a live recording has them.
    pub unknown_sizes: bool,
    /// Pictures in block groups instead of simple blocks.
    pub block_groups: bool,
    /// An index (`Cues`) behind the pictures, with a `SeekHead` that says where.
    pub cues: bool,
}

/// A Matroska file with access units of H.264; the first must be a key frame. Times are whole milliseconds.
pub fn mkv(units: &[AccessUnit]) -> Vec<u8> {
    mkv_with(units, MkvLayout::default())
}

/// As [`mkv`], laid out in a way of its own.
pub fn mkv_with(units: &[AccessUnit], layout: MkvLayout) -> Vec<u8> {
    mkv_with_sound(units, &[], layout)
}

/// What an Opus decoder gives before the sound begins, in milliseconds.
const CODEC_DELAY_MS: i64 = 6;

/// The same with Opus in order of time, whose track comes first.
pub fn mkv_with_sound(units: &[AccessUnit], sound: &[SoundUnit], layout: MkvLayout) -> Vec<u8> {
    let first = units.first().expect("a file has pictures");
    let entry = Entry::of(Codec::H264, first).expect("the first picture has headers");
    let muxer = Muxer::new(Codec::H264, first).expect("the first picture has headers");
    // No time in Matroska is negative but those after a cluster's: start where the first is 0.
    let pictures_us = units.iter().map(|unit| unit.pts_us);
    let sounds_us = sound.iter().map(|unit| unit.pts_us);
    let first_us = pictures_us.chain(sounds_us).min().unwrap_or(0);

    let info = [
        element(0x2a_d7b1, &1_000_000u32.to_be_bytes()),
        element(0x4489, &duration_ms(units).to_be_bytes()),
    ];
    let tracks = tracks(first, &entry, !sound.is_empty());
    let head = [
        element(0x1549_a966, &info.concat()),
        element(0x1654_ae6b, &tracks),
    ]
    .concat();
    let mut sound = sound.iter().peekable();
    let last_us = units.last().map_or(0, |unit| unit.dts_us);

    let mut clusters = Vec::new();
    let mut cues = Vec::new();
    for group in groups(units) {
        let start_ms = (group[0].pts_us - first_us) / 1000;
        cues.push((start_ms, clusters.len()));
        let mut body = element(0xe7, &start_ms.to_be_bytes());
        for unit in group {
            // What sounds behind the last picture lies behind it in the file too, but for some.
            let until_us = if unit.dts_us == last_us {
                i64::MAX
            } else {
                unit.dts_us
            };
            while let Some(heard) = sound.next_if(|heard| heard.pts_us < until_us) {
                body.extend(sound_block(heard, first_us / 1000 + start_ms));
            }
            let relative = ((unit.pts_us - first_us) / 1000 - start_ms) as i16;
            let mut block = vec![0x81];
            block.extend(relative.to_be_bytes());
            block.push(if unit.key && !layout.block_groups {
                0x80
            } else {
                0
            });
            muxer.write_sample(&unit.data, &mut block);
            if layout.block_groups {
                let mut group = element(0xa1, &block);
                if !unit.key {
                    group.extend(element(0xfb, &[0xff]));
                }
                body.extend(element(0xa0, &group));
            } else {
                body.extend(element(0xa3, &block));
            }
        }
        clusters.extend(if layout.unknown_sizes {
            open_element(0x1f43_b675, &body)
        } else {
            element(0x1f43_b675, &body)
        });
    }

    let mut segment = Vec::new();
    if layout.cues {
        // The seek head is as long whatever it says: its numbers have eight bytes.
        let seek_head = |position: usize| {
            let seek = [
                element(0x53ab, &0x1c53_bb6bu32.to_be_bytes()),
                element(0x53ac, &(position as u64).to_be_bytes()),
            ];
            element(0x114d_9b74, &element(0x4dbb, &seek.concat()))
        };
        let first_cluster = seek_head(0).len() + head.len();
        segment.extend(seek_head(first_cluster + clusters.len()));
        segment.extend(&head);
        segment.extend(&clusters);
        let points = cues.iter().map(|(ms, at)| {
            let place = [
                element(0xf7, &[1]),
                element(0xf1, &((first_cluster + at) as u64).to_be_bytes()),
            ];
            element(
                0xbb,
                &[
                    element(0xb3, &ms.to_be_bytes()),
                    element(0xb7, &place.concat()),
                ]
                .concat(),
            )
        });
        segment.extend(element(0x1c53_bb6b, &points.collect::<Vec<_>>().concat()));
    } else {
        segment.extend(&head);
        segment.extend(&clusters);
    }
    let segment = if layout.unknown_sizes {
        open_element(0x1853_8067, &segment)
    } else {
        element(0x1853_8067, &segment)
    };
    [element(0x1a45_dfa3, &element(0x4282, b"matroska")), segment].concat()
}

/// A block of sound in a cluster of a time.
fn sound_block(heard: &SoundUnit, cluster_ms: i64) -> Vec<u8> {
    let at_ms = heard.pts_us / 1000 + CODEC_DELAY_MS - cluster_ms;
    let relative = (at_ms as i16).to_be_bytes();
    element(
        0xa3,
        &[&[0x82], relative.as_slice(), &[0x80], &heard.data].concat(),
    )
}

/// The pictures' track, and in front of it that of the sound.
fn tracks(first: &AccessUnit, entry: &Entry, sound: bool) -> Vec<u8> {
    let video = [
        element(0xb0, &entry.width.to_be_bytes()),
        element(0xba, &entry.height.to_be_bytes()),
    ];
    let track = [
        element(0xd7, &[1]),
        element(0x83, &[1]),
        element(0x86, b"V_MPEG4/ISO/AVC"),
        element(0x63a2, &entry.config),
        element(0x23_e383, &(first.duration_us as u64 * 1000).to_be_bytes()),
        element(0xe0, &video.concat()),
    ];
    let opus = [
        element(0xd7, &[2]),
        element(0x83, &[2]),
        element(0x86, b"A_OPUS"),
        element(0x63a2, b"OpusHead\x01\x02\x20\x01\x80\xbb\0\0\0\0\0"),
        element(0x56aa, &(CODEC_DELAY_MS as u64 * 1_000_000).to_be_bytes()),
    ];
    let pictures = element(0xae, &track.concat());
    if sound {
        [element(0xae, &opus.concat()), pictures].concat()
    } else {
        pictures
    }
}

fn duration_ms(units: &[AccessUnit]) -> f64 {
    units.iter().map(|unit| unit.duration_us as f64 / 1e3).sum()
}

/// From each key frame to the next.
fn groups(units: &[AccessUnit]) -> Vec<&[AccessUnit]> {
    units.chunk_by(|_, next| !next.key).collect()
}

fn id_bytes(id: u32) -> Vec<u8> {
    id.to_be_bytes()
        .into_iter()
        .skip_while(|byte| *byte == 0)
        .collect()
}

fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let mut out = id_bytes(id);
    // A size of eight bytes, always.
    out.extend((1 << 56 | body.len() as u64).to_be_bytes());
    out.extend(body);
    out
}

fn open_element(id: u32, body: &[u8]) -> Vec<u8> {
    let mut out = id_bytes(id);
    out.extend([0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    out.extend(body);
    out
}
