//! MP4 files around access units of H.264.

use crate::{
    AccessUnit, Codec,
    fmp4::{
        Muxer, VIDEO_TRACK, boxes::Boxes, entry, entry::Entry, write_hdlr, write_mdhd, write_mvhd,
        write_tkhd, write_vmhd_dinf,
    },
};

/// How an MP4 is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own for a test to set"
)]
pub struct Mp4Layout {
    /// `moov` in front of `mdat`.
    pub moov_front: bool,
    /// Movie fragments instead of a sample table.
    pub fragmented: bool,
    /// Units of time a second.
    pub timescale: u32,
    /// An empty edit of so long in front: the video starts late.
    pub delay_us: i64,
    /// The edit list begins so long after the first picture: what comes before is not shown.
    pub skip_us: i64,
    /// An audio track in front of the video track.
    pub with_audio: bool,
    /// Places in the file as 64-bit numbers.
    pub large_offsets: bool,
    /// How many pictures lie behind one another before the (imagined) audio's turn.
    pub chunk_pictures: u32,
    /// Leave out the list of key frames.
    pub without_sync_samples: bool,
}

impl Default for Mp4Layout {
    fn default() -> Mp4Layout {
        Mp4Layout {
            moov_front: false,
            fragmented: false,
            timescale: 90_000,
            delay_us: 0,
            skip_us: 0,
            with_audio: false,
            large_offsets: false,
            chunk_pictures: 5,
            without_sync_samples: false,
        }
    }
}

/// An MP4 file with access units of H.264; the first must be a key frame.
///
/// As muxers do, the first dts is 0 in the file, and an edit list says where the first shown picture is.
pub fn mp4(units: &[AccessUnit], layout: Mp4Layout) -> Vec<u8> {
    let first = units.first().expect("a file has pictures");
    let mut muxer = Muxer::new(Codec::H264, first).expect("the first picture has headers");
    if layout.fragmented {
        let mut out = muxer.init().to_vec();
        for unit in units {
            out.extend(muxer.fragment(unit, unit.duration_us));
        }
        return out;
    }
    let samples: Vec<Vec<u8>> = units
        .iter()
        .map(|unit| {
            let mut out = Vec::new();
            muxer.write_sample(&unit.data, &mut out);
            out
        })
        .collect();
    let ftyp = || {
        let mut boxes = Boxes::default();
        boxes.wrap(*b"ftyp", |boxes| {
            boxes.bytes(b"isom").u32(512).bytes(b"isomiso2avc1mp41");
        });
        boxes.out
    };
    let entry = Entry::of(Codec::H264, first).expect("the first picture has headers");
    // The index is as long wherever its samples lie: make it once to see how long.
    let moov = |data_at: u64| write_moov(units, &samples, &entry, layout, data_at);
    let mut out = ftyp();
    let mut mdat = Boxes::default();
    mdat.wrap(*b"mdat", |boxes| {
        for (at, sample) in samples.iter().enumerate() {
            if at > 0 && at % layout.chunk_pictures as usize == 0 {
                boxes.bytes(GAP);
            }
            boxes.bytes(sample);
        }
    });
    if layout.moov_front {
        let data_at = out.len() + moov(0).len() + 8;
        out.extend(moov(data_at as u64));
        out.extend(mdat.out);
    } else {
        let data_at = out.len() + 8;
        out.extend(mdat.out);
        out.extend(moov(data_at as u64));
    }
    out
}

/// What stands between two chunks, in place of audio.
const GAP: &[u8] = b"not a picture";

/// An MP4 file with one audio track and no video track.
pub fn mp4_without_video() -> Vec<u8> {
    let mut boxes = Boxes::default();
    boxes.wrap(*b"ftyp", |boxes| {
        boxes.bytes(b"M4A ").u32(0);
    });
    boxes.wrap(*b"moov", |boxes| {
        write_mvhd(boxes, 1000, 1000, 0);
        write_audio(boxes);
    });
    boxes.out
}

fn write_audio(boxes: &mut Boxes) {
    boxes.wrap(*b"trak", |boxes| {
        boxes.wrap(*b"mdia", |boxes| {
            write_mdhd(boxes, 48_000, 48_000);
            boxes.full(*b"hdlr", 0, 0, |boxes| {
                boxes.u32(0).bytes(b"soun").zeros(13);
            });
        });
    });
}

fn write_moov(
    units: &[AccessUnit],
    samples: &[Vec<u8>],
    entry: &Entry,
    layout: Mp4Layout,
    data_at: u64,
) -> Vec<u8> {
    let ticks = |us: i64| (i128::from(us) * i128::from(layout.timescale) / 1_000_000) as i64;
    let first_dts_us = units[0].dts_us;
    let dts: Vec<i64> = units
        .iter()
        .map(|unit| ticks(unit.dts_us - first_dts_us))
        .collect();
    let pts: Vec<i64> = units
        .iter()
        .map(|unit| ticks(unit.pts_us - first_dts_us))
        .collect();
    let last_duration = ticks(units[units.len() - 1].duration_us);
    let durations: Vec<i64> = dts
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .chain(std::iter::once(last_duration))
        .collect();
    let media_duration: i64 = durations.iter().sum();
    let first_shown = pts.iter().copied().min().unwrap_or(0) + ticks(layout.skip_us);
    let mut boxes = Boxes::default();
    boxes.wrap(*b"moov", |boxes| {
        write_mvhd(
            boxes,
            1000,
            (media_duration * 1000 / i64::from(layout.timescale)) as u64,
            0,
        );
        if layout.with_audio {
            write_audio(boxes);
        }
        boxes.wrap(*b"trak", |boxes| {
            write_tkhd(boxes, VIDEO_TRACK, 0, entry.width, entry.height);
            boxes.wrap(*b"edts", |boxes| {
                boxes.full(*b"elst", 0, 0, |boxes| {
                    boxes.u32(if layout.delay_us > 0 { 2 } else { 1 });
                    if layout.delay_us > 0 {
                        boxes
                            .u32((layout.delay_us / 1000) as u32)
                            .i32(-1)
                            .u32(0x1_0000);
                    }
                    boxes.u32(0).i32(first_shown as i32).u32(0x1_0000);
                });
            });
            boxes.wrap(*b"mdia", |boxes| {
                write_mdhd(boxes, layout.timescale, media_duration as u64);
                write_hdlr(boxes);
                boxes.wrap(*b"minf", |boxes| {
                    write_vmhd_dinf(boxes);
                    boxes.wrap(*b"stbl", |boxes| {
                        entry::write_stsd(std::slice::from_ref(entry), boxes);
                        write_tables(boxes, units, samples, layout, data_at);
                        // No run is longer than one here: `stts` and `ctts` have an entry a picture.
                        write_list(
                            boxes,
                            *b"stts",
                            durations.iter().map(|duration| [1, *duration as u32]),
                        );
                        let offsets = pts
                            .iter()
                            .zip(&dts)
                            .map(|(pts, dts)| [1, (pts - dts) as u32]);
                        write_list(boxes, *b"ctts", offsets);
                    });
                });
            });
        });
    });
    boxes.out
}

fn write_tables(
    boxes: &mut Boxes,
    units: &[AccessUnit],
    samples: &[Vec<u8>],
    layout: Mp4Layout,
    data_at: u64,
) {
    boxes.full(*b"stsz", 0, 0, |boxes| {
        boxes.u32(0).u32(samples.len() as u32);
        for sample in samples {
            boxes.u32(sample.len() as u32);
        }
    });
    if !layout.without_sync_samples {
        let keys = units.iter().enumerate().filter(|(_, unit)| unit.key);
        write_list(
            boxes,
            *b"stss",
            keys.map(|(at, _)| [at as u32 + 1])
                .collect::<Vec<_>>()
                .into_iter(),
        );
    }
    let chunk = layout.chunk_pictures.max(1);
    let whole = samples.len() as u32 / chunk;
    let rest = samples.len() as u32 % chunk;
    let runs = [[1, chunk, 1], [whole + 1, rest, 1]];
    let used = match (whole, rest) {
        (_, 0) => &runs[..1],
        (0, _) => &runs[1..],
        _ => &runs[..],
    };
    write_list(boxes, *b"stsc", used.iter().copied());
    let mut position = data_at;
    let mut offsets = Vec::new();
    for (at, chunk) in samples.chunks(chunk as usize).enumerate() {
        position += if at > 0 { GAP.len() as u64 } else { 0 };
        offsets.push(position);
        position += chunk.iter().map(|sample| sample.len() as u64).sum::<u64>();
    }
    if layout.large_offsets {
        write_list(
            boxes,
            *b"co64",
            offsets
                .iter()
                .map(|offset| [(offset >> 32) as u32, *offset as u32]),
        );
    } else {
        write_list(
            boxes,
            *b"stco",
            offsets.iter().map(|offset| [*offset as u32]),
        );
    }
}

/// A box of version 0 with a count and entries of so many words.
fn write_list<const N: usize>(
    boxes: &mut Boxes,
    kind: [u8; 4],
    entries: impl ExactSizeIterator<Item = [u32; N]>,
) {
    boxes.full(kind, 0, 0, |boxes| {
        boxes.u32(entries.len() as u32);
        for word in entries.flatten() {
            boxes.u32(word);
        }
    });
}
