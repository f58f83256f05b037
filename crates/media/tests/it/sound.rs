//! The sound of files: what comes back is what was put in, on the pictures' time line.

use std::io::Cursor;

use proptest::prelude::*;
use weir_media::{
    AccessUnit,
    container::{self, Demuxer},
    sound::{SoundCodec, SoundUnit},
    synthetic::{
        Clip, MkvLayout, mkv_with_sound, mp4_with_sound, mp4_without_video, sound,
        with_b_frame_times,
    },
};

fn clip(b_frames: bool) -> Vec<AccessUnit> {
    let clip = Clip {
        width: 16,
        height: 16,
        pictures: 25,
        gop: 5,
        fps: 25,
    };
    let mut units = clip.h264();
    if b_frames {
        with_b_frame_times(&mut units);
    }
    units
}

fn open(file: Vec<u8>) -> Box<dyn Demuxer> {
    container::open(Cursor::new(file)).unwrap_or_else(|error| panic!("{error}"))
}

/// Every picture and the sound that begins before it is decoded, then the rest.
fn all(demuxer: &mut dyn Demuxer) -> (Vec<AccessUnit>, Vec<SoundUnit>) {
    let (mut pictures, mut sounds) = (Vec::new(), Vec::new());
    loop {
        let unit = demuxer.next().unwrap();
        let until_us = unit.as_ref().map_or(i64::MAX, |unit| unit.dts_us);
        while let Some(sound) = demuxer.next_sound(until_us).unwrap() {
            assert!(sound.pts_us < until_us);
            sounds.push(sound);
        }
        match unit {
            Some(unit) => pictures.push(unit),
            None => return (pictures, sounds),
        }
    }
}

#[test]
fn sound_comes_back_as_it_was_put_in_on_the_pictures_line() {
    for b_frames in [false, true] {
        let units = clip(b_frames);
        for (codec, from_us) in [
            (SoundCodec::Aac, 0),
            (SoundCodec::Opus, 0),
            (SoundCodec::Opus, 400_000),
        ] {
            let put = sound(codec, from_us, 40);
            let mut files = vec![mp4_with_sound(&units, codec, &put)];
            if codec == SoundCodec::Opus {
                let open = MkvLayout {
                    unknown_sizes: true,
                    ..MkvLayout::default()
                };
                files.push(mkv_with_sound(&units, &put, MkvLayout::default()));
                files.push(mkv_with_sound(&units, &put, open));
            }
            for file in files {
                let mut demuxer = open(file);
                let track = demuxer.sound().unwrap().clone();
                assert_eq!((track.codec, track.channels), (codec, 2));
                assert_eq!(demuxer.sound_left_out(), None);
                let (pictures, sounds) = all(&mut *demuxer);
                assert_eq!(pictures.len(), units.len());
                assert_eq!(sounds, put, "{codec:?} {from_us} {b_frames}");
                assert_eq!(demuxer.damage(), []);
            }
        }
    }
}

#[test]
fn behind_a_seek_sound_begins_with_the_picture_and_what_a_decoder_needs_to_settle() {
    let units = clip(false);
    let put = sound(SoundCodec::Opus, 0, 50);
    for file in [
        mp4_with_sound(&units, SoundCodec::Opus, &put),
        mkv_with_sound(&units, &put, MkvLayout::default()),
    ] {
        let mut demuxer = open(file);
        all(&mut *demuxer);
        demuxer.seek(650_000).unwrap();
        assert_eq!(demuxer.next_sound(i64::MAX).unwrap(), None);
        let (pictures, sounds) = all(&mut *demuxer);
        assert_eq!(pictures[0].pts_us, 600_000);
        let first = sounds[0].pts_us;
        assert!((500_000..=600_000).contains(&first), "{first}");
        assert_eq!(sounds.last(), put.last());
    }
}

#[test]
fn of_a_file_that_was_cut_off_the_sound_is_given_that_is_there() {
    let units = clip(true);
    let put = sound(SoundCodec::Opus, 0, 50);
    for file in [
        mp4_with_sound(&units, SoundCodec::Opus, &put),
        mkv_with_sound(&units, &put, MkvLayout::default()),
    ] {
        for part in 4..10 {
            let cut = file[..file.len() * part / 10].to_vec();
            let (_, sounds) = all(&mut *open(cut));
            assert_eq!(sounds[..], put[..sounds.len()], "{part}");
            assert!(!sounds.is_empty() && sounds.len() < put.len(), "{part}");
        }
    }
}

#[test]
fn a_file_without_sound_says_so_and_one_without_pictures_is_still_no_video() {
    let units = clip(false);
    let mut demuxer = open(weir_media::synthetic::mkv(&units));
    assert_eq!((demuxer.sound(), demuxer.sound_left_out()), (None, None));
    assert_eq!(demuxer.next_sound(i64::MAX).unwrap(), None);
    let refused = container::open(Cursor::new(mp4_without_video())).err();
    assert!(refused.unwrap().to_string().contains("no video track"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_file_does_no_harm(
        mkv in any::<bool>(), at in any::<prop::sample::Index>(), byte in any::<u8>(), from in any::<prop::sample::Index>(), len in 0usize..200,
    ) {
        let units = clip(false);
        let put = sound(SoundCodec::Opus, 0, 50);
        let mut file = if mkv {
            mkv_with_sound(&units, &put, MkvLayout::default())
        } else {
            mp4_with_sound(&units, SoundCodec::Opus, &put)
        };
        let at = at.index(file.len());
        file[at] = byte;
        let from = from.index(file.len());
        let end = (from + len).min(file.len());
        file.drain(from..end);
        if let Ok(mut demuxer) = container::open(Cursor::new(file)) {
            let (pictures, sounds) = all(&mut *demuxer);
            prop_assert!(pictures.len() <= units.len() + 1 && sounds.len() <= 3 * put.len());
            demuxer.seek(300_000).unwrap();
            all(&mut *demuxer);
        }
    }
}
