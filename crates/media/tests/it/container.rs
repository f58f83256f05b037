//! Files in, access units out: what comes back is what was put in.

use std::{io::Cursor, sync::LazyLock};

use proptest::prelude::*;
use weir_media::{
    AccessUnit, Codec, MediaError,
    container::{self, Demuxer, MAX_DAMAGE},
    synthetic::{
        Clip, MkvLayout, Mp4Layout, mkv, mkv_with, mp4, mp4_without_video, with_b_frame_times,
    },
};

fn open(file: Vec<u8>) -> Box<dyn Demuxer> {
    container::open(Cursor::new(file)).unwrap_or_else(|error| panic!("{error}"))
}

fn all(demuxer: &mut dyn Demuxer) -> Vec<AccessUnit> {
    std::iter::from_fn(|| demuxer.next().unwrap()).collect()
}

/// Few and small pictures, for tests that make a file many times over.
fn small_clip() -> Vec<AccessUnit> {
    static UNITS: LazyLock<Vec<AccessUnit>> = LazyLock::new(|| {
        Clip {
            width: 16,
            height: 16,
            pictures: 12,
            gop: 4,
            fps: 25,
        }
        .h264()
    });
    UNITS.clone()
}

fn clip() -> Vec<AccessUnit> {
    Clip {
        pictures: 33,
        ..Clip::default()
    }
    .h264()
}

fn b_frames() -> Vec<AccessUnit> {
    let mut units = clip();
    with_b_frame_times(&mut units);
    units
}

fn mp4_layouts() -> Vec<Mp4Layout> {
    let plain = Mp4Layout::default();
    vec![
        plain,
        Mp4Layout {
            moov_front: true,
            ..plain
        },
        Mp4Layout {
            fragmented: true,
            ..plain
        },
        Mp4Layout {
            with_audio: true,
            large_offsets: true,
            ..plain
        },
        Mp4Layout {
            delay_us: 500_000,
            timescale: 1_000_000,
            ..plain
        },
        Mp4Layout {
            chunk_pictures: 1,
            timescale: 12_800,
            ..plain
        },
        Mp4Layout {
            chunk_pictures: 100,
            without_sync_samples: true,
            ..plain
        },
    ]
}

fn mkv_layouts() -> Vec<MkvLayout> {
    (0..8)
        .map(|bits| MkvLayout {
            unknown_sizes: bits & 1 != 0,
            block_groups: bits & 2 != 0,
            cues: bits & 4 != 0,
        })
        .collect()
}

#[test]
fn an_mp4_gives_the_access_units_that_were_put_in_with_their_times() {
    for layout in mp4_layouts() {
        for units in [clip(), b_frames()] {
            let mut demuxer = open(mp4(&units, layout));
            assert_eq!(demuxer.track().codec, Codec::H264);
            assert_eq!((demuxer.track().width, demuxer.track().height), (192, 108));
            assert!(demuxer.track().codec_string.starts_with("avc1.42c0"));
            assert_eq!(demuxer.track().pictures, Some(33));
            assert_eq!(demuxer.track().duration_us, Some(33 * 40_000));
            assert_eq!(all(&mut *demuxer), units, "{layout:?}");
            assert!(
                demuxer.damage().is_empty(),
                "{layout:?}: {:?}",
                demuxer.damage()
            );
        }
    }
}

#[test]
fn a_matroska_file_gives_the_access_units_that_were_put_in_with_their_times() {
    for layout in mkv_layouts() {
        let units = clip();
        let mut demuxer = open(mkv_with(&units, layout));
        assert!(demuxer.track().codec_string.starts_with("avc1.42c0"));
        assert_eq!(demuxer.track().duration_us, Some(33 * 40_000));
        assert_eq!(all(&mut *demuxer), units, "{layout:?}");
        assert!(
            demuxer.damage().is_empty(),
            "{layout:?}: {:?}",
            demuxer.damage()
        );
    }
    // Matroska has no dts; without a reorder depth in the parameter sets it can only be kept from going wrong.
    let units = b_frames();
    let found = all(&mut *open(mkv(&units)));
    assert!(
        found
            .iter()
            .map(|unit| unit.pts_us)
            .eq(units.iter().map(|unit| unit.pts_us))
    );
    assert!(found.iter().map(|unit| unit.dts_us).is_sorted());
}

#[test]
fn a_variable_frame_rate_keeps_its_times() {
    let mut units = clip();
    let mut at = 0;
    for (index, unit) in units.iter_mut().enumerate() {
        (unit.pts_us, unit.dts_us) = (at, at);
        unit.duration_us = if index % 3 == 0 { 120_000 } else { 33_000 };
        at += unit.duration_us;
    }
    assert_eq!(all(&mut *open(mp4(&units, Mp4Layout::default()))), units);
    let found = all(&mut *open(mkv(&units)));
    assert!(
        found
            .iter()
            .map(|unit| (unit.pts_us, unit.dts_us))
            .eq(units.iter().map(|unit| (unit.pts_us, unit.dts_us)))
    );
}

#[test]
fn pictures_before_the_edit_lists_start_have_a_negative_pts() {
    let units = clip();
    let layout = Mp4Layout {
        skip_us: 120_000,
        delay_us: 1_000_000,
        ..Mp4Layout::default()
    };
    let found = all(&mut *open(mp4(&units, layout)));
    let pts: Vec<_> = found.iter().take(5).map(|unit| unit.pts_us).collect();
    assert_eq!(pts, [-120_000, -80_000, -40_000, 0, 40_000]);
}

#[test]
fn what_comes_before_the_first_key_frame_is_passed_over_and_listed() {
    let units = clip();
    // The muxers here want a key frame first: put it there, then cut its bytes out of the file's table.
    let mut file = mp4(
        &units,
        Mp4Layout {
            chunk_pictures: 1,
            ..Mp4Layout::default()
        },
    );
    let at = file.windows(4).position(|kind| kind == b"stsz").unwrap();
    file[at + 16..at + 20].fill(0);
    let mut demuxer = open(file);
    let found = all(&mut *demuxer);
    assert_eq!(found.len(), 23);
    assert!(found[0].key);
    assert_eq!(demuxer.damage().len(), 1);
    assert_eq!(demuxer.damage()[0].pictures, 9);
}

#[test]
fn a_file_that_is_cut_off_gives_what_is_sound_and_says_what_is_not() {
    let units = clip();
    let file = mp4(
        &units,
        Mp4Layout {
            moov_front: true,
            ..Mp4Layout::default()
        },
    );
    let mut demuxer = open(file[..file.len() * 2 / 3].to_vec());
    let found = all(&mut *demuxer);
    assert!(found.len() > 10 && found.len() < 33, "{}", found.len());
    assert_eq!(found, units[..found.len()]);
    assert_eq!(demuxer.damage().len(), 1);
    assert_eq!(demuxer.damage()[0].pictures as usize, 33 - found.len());
    assert_eq!(demuxer.damage()[0].pts_us, Some(units[found.len()].pts_us));
    assert!(demuxer.damage()[0].what.contains("cut off"));

    for layout in mkv_layouts() {
        let file = mkv_with(&units, layout);
        let mut demuxer = open(file[..file.len() * 2 / 3].to_vec());
        let found = all(&mut *demuxer);
        assert!(
            found.len() > 10 && found.len() < 33,
            "{layout:?}: {}",
            found.len()
        );
        assert_eq!(found, units[..found.len()]);
        assert!(!demuxer.damage().is_empty(), "{layout:?}");
    }

    let file = mp4(&units, Mp4Layout::default());
    let error = container::open(Cursor::new(file[..file.len() * 2 / 3].to_vec()))
        .err()
        .unwrap();
    assert!(matches!(error, MediaError::NoIndex));
    assert!(
        error
            .about("clip.mp4")
            .starts_with("clip.mp4 is an MP4 file without its index (`moov`): "),
        "{error}"
    );

    let file = mp4(
        &units,
        Mp4Layout {
            fragmented: true,
            ..Mp4Layout::default()
        },
    );
    let found = all(&mut *open(file[..file.len() * 2 / 3].to_vec()));
    assert_eq!(found, units[..found.len()]);
    assert!(found.len() > 10);
}

#[test]
fn a_broken_place_in_a_matroska_file_costs_one_cluster() {
    let units = clip();
    let mut file = mkv(&units);
    let clusters: Vec<usize> = file
        .windows(4)
        .enumerate()
        .filter(|(_, id)| *id == [0x1f, 0x43, 0xb6, 0x75])
        .map(|(at, _)| at)
        .collect();
    file[clusters[1] + 12..clusters[1] + 60].fill(0);
    let mut demuxer = open(file);
    let found = all(&mut *demuxer);
    let expected: Vec<_> = units[..10].iter().chain(&units[20..]).cloned().collect();
    assert_eq!(found, expected);
    assert_eq!(demuxer.damage().len(), 1);
}

#[test]
fn a_damaged_picture_is_passed_over_and_the_others_are_given() {
    let units = clip();
    let mut file = mp4(
        &units,
        Mp4Layout {
            chunk_pictures: 100,
            ..Mp4Layout::default()
        },
    );
    let mdat = file.windows(4).position(|kind| kind == b"mdat").unwrap() + 4;
    // The first picture's first NAL unit claims to be longer than the picture.
    let second_key = units[10].clone();
    let slice = &second_key.data[second_key.data.len() - 40..];
    let at = file.windows(40).position(|bytes| bytes == slice).unwrap();
    assert!(at > mdat);
    file[mdat..mdat + 4].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
    let mut demuxer = open(file);
    let found = all(&mut *demuxer);
    assert_eq!(found, units[10..]);
    let counts: Vec<_> = demuxer
        .damage()
        .iter()
        .map(|damage| damage.pictures)
        .collect();
    assert_eq!(counts, [1, 9]);
}

#[test]
fn seeking_goes_to_the_key_frame_at_or_before() {
    let mp4s = mp4_layouts().into_iter().map(|layout| mp4(&clip(), layout));
    let mkvs = mkv_layouts()
        .into_iter()
        .map(|layout| mkv_with(&clip(), layout));
    for (number, file) in mp4s.chain(mkvs).enumerate() {
        let mut demuxer = open(file);
        for (target_us, expected_us) in [
            (0, 0),
            (399_999, 0),
            (400_000, 400_000),
            (900_000, 800_000),
            (99_000_000, 1_200_000),
            (-5, 0),
        ] {
            demuxer.seek(target_us).unwrap();
            let unit = demuxer.next().unwrap().unwrap();
            assert!(unit.key);
            assert_eq!(unit.pts_us, expected_us, "file {number}, to {target_us}");
        }
        demuxer.seek(0).unwrap();
        assert_eq!(all(&mut *demuxer), clip(), "file {number}");
    }
}

#[test]
fn what_is_no_video_is_refused_with_what_was_found() {
    for (file, sentence) in [
        (
            &b"to be or not to be\n"[..],
            "notes.txt is not a video (it looks like text): weir reads MP4, MOV, Matroska and WebM",
        ),
        (
            b"",
            "notes.txt is not a video (it is empty): weir reads MP4, MOV, Matroska and WebM",
        ),
        (
            b"%PDF-1.7\n\xff",
            "notes.txt is not a video (it is a PDF): weir reads MP4, MOV, Matroska and WebM",
        ),
        (
            b"\xff\xd8\xff\xe0\0",
            "notes.txt is not a video (it is a single picture): weir reads MP4, MOV, Matroska and WebM",
        ),
        (
            b"RIFF\0\0\0\0AVI LIST",
            "notes.txt is not a video (it is an AVI file): weir reads MP4, MOV, Matroska and WebM",
        ),
        (
            b"\x01\x02\xff\xfe",
            "notes.txt is not a video (its first bytes are of no known kind): weir reads MP4, MOV, Matroska and WebM",
        ),
    ] {
        let error = container::open(Cursor::new(file.to_vec())).err().unwrap();
        assert!(matches!(error, MediaError::NotAVideo { .. }));
        assert_eq!(error.about("notes.txt"), sentence);
    }
    let error = container::open(Cursor::new(mp4_without_video()))
        .err()
        .unwrap();
    assert!(matches!(error, MediaError::NoVideoTrack { .. }));
    assert_eq!(
        error.about("song.m4a"),
        "song.m4a has no video track: it is MP4 with 1 audio track; choose a file with pictures in it"
    );
    let mut file = mp4(&clip(), Mp4Layout::default());
    let at = file.windows(4).rposition(|kind| kind == b"avc1").unwrap();
    file[at..at + 4].copy_from_slice(b"mp4v");
    let error = container::open(Cursor::new(file)).err().unwrap();
    assert!(matches!(error, MediaError::UnsupportedCodec { .. }));
    assert!(
        error.to_string().contains("MPEG-4 Part 2 (`mp4v`)"),
        "{error}"
    );
}

#[test]
fn a_file_without_a_single_sound_picture_is_refused() {
    let file = mp4(
        &clip(),
        Mp4Layout {
            moov_front: true,
            ..Mp4Layout::default()
        },
    );
    let mdat = file.windows(4).position(|kind| kind == b"mdat").unwrap();
    let error = container::open(Cursor::new(file[..mdat + 10].to_vec()))
        .err()
        .unwrap();
    assert_eq!(
        error.about("a.mp4"),
        "a.mp4 is a damaged MP4 file: none of its pictures can be read; of the first, it lies beyond the end of the file, \
         which is cut off; `ffmpeg -i IN -c copy OUT.mp4` may repair it"
    );
    let file = mkv(&clip());
    let cluster = file
        .windows(4)
        .position(|id| id == [0x1f, 0x43, 0xb6, 0x75])
        .unwrap();
    let error = container::open(Cursor::new(file[..cluster].to_vec()))
        .err()
        .unwrap();
    assert!(error.to_string().contains("has no pictures"), "{error}");
}

#[test]
fn an_index_of_an_absurd_length_is_refused() {
    let mut file = mp4(&clip(), Mp4Layout::default());
    let at = file.windows(4).rposition(|kind| kind == b"moov").unwrap();
    file[at - 4..at].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
    let error = container::open(Cursor::new(file)).err().unwrap();
    assert!(matches!(error, MediaError::TooLarge { .. }), "{error}");
}

/// Whatever a file holds, a demuxer ends, keeps its promises about time, and lists a bounded amount of damage.
fn read_hostile(file: Vec<u8>) -> Result<(), TestCaseError> {
    let len = file.len();
    let Ok(mut demuxer) = container::open(Cursor::new(file)) else {
        return Ok(());
    };
    let mut last = i64::MIN;
    let mut pictures = 0;
    while let Ok(Some(unit)) = demuxer.next() {
        prop_assert!(unit.dts_us >= last);
        prop_assert!(unit.data.len() <= 2 * len + 4096);
        last = unit.dts_us;
        pictures += 1;
        if pictures > 10_000 {
            break;
        }
    }
    prop_assert!(demuxer.damage().len() <= MAX_DAMAGE);
    let _ = demuxer.seek(500_000);
    let _ = demuxer.next();
    Ok(())
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec(
        (
            any::<prop::sample::Index>(),
            prop_oneof![any::<u8>(), Just(0), Just(0xff), Just(1)],
        ),
        1..12,
    )
}

fn change(file: &mut [u8], from: usize, changes: &[(prop::sample::Index, u8)]) {
    let part = &mut file[from..];
    for (at, byte) in changes {
        let at = at.index(part.len());
        part[at] = *byte;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_mp4_is_read_without_harm(kind in 0..7usize, changes in changes()) {
        let units = small_clip();
        let mut file = mp4(&units, mp4_layouts()[kind]);
        // Where the tables are, changes do the most: the index is at the end.
        let index = file.windows(4).rposition(|kind| kind == b"moov").unwrap_or(0);
        change(&mut file, if kind == 2 { 0 } else { index }, &changes);
        read_hostile(file)?;
    }

    #[test]
    fn a_changed_matroska_file_is_read_without_harm(kind in 0..8usize, changes in changes()) {
        let units = small_clip();
        let mut file = mkv_with(&units, mkv_layouts()[kind]);
        change(&mut file, 0, &changes);
        read_hostile(file)?;
    }

    #[test]
    fn any_bytes_behind_a_containers_first_are_read_without_harm(
        mp4 in any::<bool>(), bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut file = if mp4 { b"\0\0\0\x08ftyp".to_vec() } else { vec![0x1a, 0x45, 0xdf, 0xa3, 0x80] };
        file.extend(&bytes);
        read_hostile(file)?;
    }

    #[test]
    fn a_file_cut_anywhere_is_read_without_harm(kind in 0..8usize, cut in any::<prop::sample::Index>()) {
        let units = small_clip();
        let mut file = mkv_with(&units, mkv_layouts()[kind]);
        file.truncate(cut.index(file.len()));
        read_hostile(file)?;
        let mut file = mp4(&units, mp4_layouts()[kind % 7]);
        file.truncate(cut.index(file.len()));
        read_hostile(file)?;
    }
}
