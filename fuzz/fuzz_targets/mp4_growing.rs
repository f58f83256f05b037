//! Any bytes as an MP4 that is written while it is read, as through a pipe: from its first byte on, or behind a sound index.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use weir_media::Codec;
use weir_media::container::Growing;
use weir_media::fmp4::Muxer;
use weir_media::synthetic::Clip;

/// A film's index, and its first fragment.
static BEGINNING: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let units = Clip::default().h264();
    let mut muxer = Muxer::new(Codec::H264, &units[0]).expect("the clip begins with a key frame");
    (
        muxer.init().to_vec(),
        muxer.fragment(&units[0], 40_000).to_vec(),
    )
});

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let (index, fragment) = &*BEGINNING;
    let file = match choice % 3 {
        0 => bytes.to_vec(),
        1 => [index, bytes].concat(),
        _ => {
            // The fragment with some of its bytes changed, then anything.
            let (changes, rest) = bytes.split_at(bytes.len().min(24));
            let mut fragment = fragment.clone();
            for change in changes.chunks_exact(3) {
                let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % fragment.len();
                fragment[at] = change[2];
            }
            [index, &fragment[..], rest].concat()
        }
    };
    let Ok(mut film) = Growing::open(&file[..]) else {
        return;
    };
    for _ in 0..10_000 {
        match film.read() {
            Ok(Some(_)) => {}
            _ => break,
        }
    }
});
