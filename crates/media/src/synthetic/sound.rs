//! Made-up sound, and MP4 files with it: no codec's, but as far as containers and headers go.

use crate::{
    AccessUnit, Codec,
    fmp4::{Muxer, SoundMuxer},
    sound::{SoundCodec, SoundUnit, aac},
};

/// So many access units of sound from a time on, each known by its number: AAC at 48 kHz, or Opus packets of 20 ms.
pub fn sound(codec: SoundCodec, first_us: i64, count: i64) -> Vec<SoundUnit> {
    let config = aac::Config::new(2, 48_000, 2).expect("a common configuration");
    (0..count)
        .map(|n| {
            let number = (n as u16).to_be_bytes();
            let (at_us, duration_us, data) = match codec {
                SoundCodec::Aac => (
                    n * 1024 * 1_000_000 / 48_000,
                    21_333,
                    config.adts(&number).expect("it is short"),
                ),
                SoundCodec::Opus => (n * 20_000, 20_000, [&[0xfc][..], &number].concat().into()),
            };
            SoundUnit {
                pts_us: first_us + at_us,
                duration_us,
                data,
            }
        })
        .collect()
}

/// A fragmented MP4 with access units of H.264 and of sound, in order of time.
pub fn mp4_with_sound(units: &[AccessUnit], codec: SoundCodec, sound: &[SoundUnit]) -> Vec<u8> {
    let first = units.first().expect("a file has pictures");
    let mut pictures = Muxer::new(Codec::H264, first).expect("the first picture has headers");
    let data = &sound.first().expect("there is sound").data;
    let mut sounds = SoundMuxer::new(codec, data, Some(2), None).expect("it is sound");
    let mut out = pictures.init_with(Some(&sounds)).to_vec();
    let shift_us = pictures.shift_us();
    let mut sound = sound.iter().peekable();
    for unit in units {
        while let Some(next) = sound.next_if(|next| next.pts_us < unit.dts_us) {
            let moved = SoundUnit {
                pts_us: next.pts_us + shift_us,
                ..next.clone()
            };
            out.extend(sounds.fragment(&moved).expect("it is behind zero"));
        }
        out.extend(pictures.fragment(unit, unit.duration_us));
    }
    for next in sound {
        let moved = SoundUnit {
            pts_us: next.pts_us + shift_us,
            ..next.clone()
        };
        out.extend(sounds.fragment(&moved).expect("it is behind zero"));
    }
    out
}
