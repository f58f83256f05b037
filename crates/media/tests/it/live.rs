//! The path of a live picture: drawn, encoded, packed, decoded.

use std::sync::LazyLock;

use proptest::prelude::*;
use weir_media::{
    AccessUnit, Codec, MediaError, Yuv420,
    decode::{decoder_for, second_h264_decoder},
    encode::H264Encoder,
    fmp4::Muxer,
    h264,
    synthetic::{Clip, FIRST_WALL_MS, with_b_frame_times},
    testcard::{TestCard, read_time},
};

#[test]
fn the_wall_clock_is_read_back_from_the_pixels_after_encoding_and_decoding() {
    for (width, height) in [(1280, 720), (640, 360), (192, 108)] {
        let clip = Clip {
            width,
            height,
            fps: 25,
            pictures: 12,
            gop: 6,
        };
        let mut decoder = decoder_for(Codec::H264).unwrap();
        let mut times = Vec::new();
        for unit in clip.h264() {
            times.extend(decoder.decode(&unit).unwrap());
        }
        times.extend(decoder.flush().unwrap());
        assert_eq!(times.len(), 12);
        for (index, (pts_us, picture)) in times.iter().enumerate() {
            assert_eq!(*pts_us, index as i64 * 40_000);
            assert_eq!(
                read_time(picture),
                Some(FIRST_WALL_MS + index as i64 * 40),
                "{width}x{height} picture {index}"
            );
        }
    }
}

#[test]
fn both_decoders_give_the_same_pictures() {
    let units = Clip::default().h264();
    let pictures = [
        decoder_for(Codec::H264).unwrap(),
        second_h264_decoder().unwrap(),
    ]
    .map(|mut decoder| {
        let mut out = Vec::new();
        for unit in &units {
            out.extend(decoder.decode(unit).unwrap());
        }
        out.extend(decoder.flush().unwrap());
        out
    });
    assert_eq!(pictures[0].len(), units.len());
    assert!(pictures[0] == pictures[1]);
}

#[test]
fn a_key_frame_brings_its_parameter_sets_and_comes_when_asked_for() {
    let mut encoder = H264Encoder::new(320, 240, 25.0, 500_000).unwrap();
    let mut card = TestCard::new(320, 240).unwrap();
    let keys: Vec<u64> = (0..120)
        .filter(|index| {
            let unit = encoder
                .encode(card.draw(*index, 0), *index as i64 * 40_000, *index == 7)
                .unwrap();
            assert_eq!(unit.key, h264::is_key(&unit.data));
            assert_eq!(unit.key, h264::find_sps(&unit.data).is_some());
            assert_eq!((unit.dts_us, unit.duration_us), (unit.pts_us, 40_000));
            unit.key
        })
        .collect();
    assert_eq!(keys[..2], [0, 7]);
    assert!(
        keys.windows(2).all(|pair| pair[1] - pair[0] <= 50),
        "{keys:?}"
    );
}

#[test]
fn an_encoder_refuses_what_it_cannot_encode() {
    for (width, height, fps) in [
        (8, 8, 25.0),
        (4000, 16, 25.0),
        (16, 16, 0.0),
        (16, 16, f64::NAN),
        (0, 0, 25.0),
    ] {
        assert!(matches!(
            H264Encoder::new(width, height, fps, 1000),
            Err(MediaError::Encode { .. })
        ));
    }
    let mut encoder = H264Encoder::new(64, 64, 25.0, 100_000).unwrap();
    assert!(
        encoder
            .encode(&Yuv420::new(32, 32).unwrap(), 0, false)
            .is_err()
    );
    let mut cut = Yuv420::new(64, 64).unwrap();
    cut.y.truncate(100);
    assert!(encoder.encode(&cut, 0, false).is_err());
}

#[test]
fn a_picture_of_an_odd_size_is_encoded_without_its_last_row_and_column() {
    let mut encoder = H264Encoder::new(65, 33, 25.0, 100_000).unwrap();
    let unit = encoder
        .encode(&Yuv420::new(65, 33).unwrap(), 0, false)
        .unwrap();
    let sps = h264::find_sps(&unit.data).unwrap();
    assert_eq!((sps.width, sps.height), (64, 32));
}

#[test]
fn a_decoder_waits_for_a_key_frame_and_gets_over_damage() {
    let units = Clip::default().h264();
    for mut decoder in [
        decoder_for(Codec::H264).unwrap(),
        second_h264_decoder().unwrap(),
    ] {
        assert!(decoder.decode(&units[1]).unwrap().is_empty());
        for (at, unit) in units.iter().enumerate() {
            let mut unit = unit.clone();
            if (3..8).contains(&at) {
                let noise = unit
                    .data
                    .iter()
                    .enumerate()
                    .map(|(at, byte)| if at > 8 { byte ^ 0x5a } else { *byte });
                unit.data = noise.collect();
            }
            let result = decoder.decode(&unit);
            if at >= 10 {
                // From the next key frame on all is well.
                assert!(result.is_ok(), "picture {at}");
            }
        }
        let _ = decoder.flush();
    }
}

#[test]
fn a_stream_with_a_picture_too_large_is_refused_before_it_is_decoded() {
    let mut decoder = decoder_for(Codec::H264).unwrap();
    // A baseline parameter set that asks for 65535 by 65535 macroblocks.
    let sps = [
        0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0xf4, 0x00, 0x00, 0x40, 0x00, 0x00, 0x10, 0x00, 0x00,
        0x7f,
    ];
    let unit = AccessUnit {
        pts_us: 0,
        dts_us: 0,
        duration_us: 0,
        key: true,
        data: sps.to_vec().into(),
    };
    assert!(matches!(
        decoder.decode(&unit),
        Err(MediaError::Decode { .. })
    ));
}

#[test]
fn codecs_without_a_decoder_say_what_to_do() {
    let error = decoder_for(Codec::H265).err().unwrap().to_string();
    assert!(
        error.contains("H.265") && error.contains("--codec copy"),
        "{error}"
    );
}

/// The children of a box, by kind and place in the file.
fn boxes(bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while rest.len() >= 8 {
        let len = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        out.push((&rest[4..8], &rest[8..len]));
        rest = &rest[len..];
    }
    assert!(rest.is_empty());
    out
}

fn find<'a>(bytes: &'a [u8], path: &[&[u8]]) -> &'a [u8] {
    path.iter().fold(bytes, |bytes, kind| {
        boxes(bytes)
            .into_iter()
            .find(|(found, _)| found == kind)
            .unwrap_or_else(|| panic!("no {kind:?}"))
            .1
    })
}

#[test]
fn a_fragment_holds_one_picture_with_its_times() {
    let mut units = Clip::default().h264();
    with_b_frame_times(&mut units);
    let mut muxer = Muxer::new(Codec::H264, &units[0]).unwrap();
    assert_eq!(muxer.size(), (192, 108));
    assert!(
        muxer.codec_string().starts_with("avc1.42c0"),
        "{}",
        muxer.codec_string()
    );
    assert_eq!(
        muxer.mime(),
        format!("video/mp4; codecs=\"{}\"", muxer.codec_string())
    );
    assert_eq!(muxer.shift_us(), 40_000);
    let init = muxer.init();
    assert_eq!(
        boxes(&init)
            .iter()
            .map(|(kind, _)| *kind)
            .collect::<Vec<_>>(),
        [b"ftyp", b"moov"]
    );
    for (number, unit) in units.iter().enumerate() {
        let fragment = muxer.fragment(unit, 40_000);
        let traf = find(&fragment, &[b"moof", b"traf"]);
        let tfdt = find(traf, &[b"tfdt"]);
        assert_eq!(
            u64::from_be_bytes(tfdt[4..12].try_into().unwrap()),
            (unit.dts_us + 40_000) as u64
        );
        let words: Vec<u32> = find(traf, &[b"trun"])
            .chunks(4)
            .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
            .collect();
        let [_, 1, offset, 40_000, size, flags, composition] = words[..] else {
            panic!("{words:?}");
        };
        assert_eq!(i64::from(composition as i32), unit.pts_us - unit.dts_us);
        assert_eq!(flags & 0x1_0000 == 0, unit.key);
        let mdat = find(&fragment, &[b"mdat"]);
        assert_eq!(mdat, &fragment[offset as usize..]);
        assert_eq!(mdat.len(), size as usize);
        let sequence = find(&fragment, &[b"moof", b"mfhd"]);
        assert_eq!(
            u32::from_be_bytes(sequence[4..8].try_into().unwrap()),
            number as u32 + 1
        );
        // Parameter sets are in the init segment, not in the sample.
        assert!(!matches!(mdat[4] & 0x1f, 7 | 8));
    }
}

#[test]
fn other_parameter_sets_need_another_muxer() {
    let small = Clip {
        pictures: 2,
        ..Clip::default()
    }
    .h264();
    let large = Clip {
        width: 320,
        height: 240,
        pictures: 2,
        ..Clip::default()
    }
    .h264();
    let muxer = Muxer::new(Codec::H264, &small[0]).unwrap();
    assert!(!muxer.changed_by(&small[0]));
    assert!(!muxer.changed_by(&small[1]));
    assert!(muxer.changed_by(&large[0]));
    assert!(!muxer.changed_by(&large[1]));
}

#[test]
fn a_muxer_needs_parameter_sets() {
    let units = Clip {
        pictures: 2,
        ..Clip::default()
    }
    .h264();
    for codec in Codec::ALL {
        assert!(Muxer::new(codec, &units[1]).is_err(), "{codec:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_changed_stream_is_decoded_or_refused_without_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..10),
    ) {
        static CLIP: LazyLock<Vec<AccessUnit>> =
            LazyLock::new(|| Clip { width: 48, height: 32, pictures: 6, gop: 3, fps: 25 }.h264());
        let mut units = CLIP.clone();
        for (unit, at, byte) in changes {
            let unit = &mut units[unit.index(6)];
            let mut data = unit.data.to_vec();
            let at = at.index(data.len());
            data[at] = byte;
            unit.data = data.into();
        }
        let mut decoder = decoder_for(Codec::H264).unwrap();
        for unit in &units {
            for (_, picture) in decoder.decode(unit).unwrap_or_default() {
                prop_assert!(picture.planes_fit());
            }
        }
        prop_assert!(decoder.flush().is_ok());
    }
}
