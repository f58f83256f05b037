//! Any bytes as H.264 access units behind a sound key frame's parameter sets.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use weir_media::{AccessUnit, Codec, decode, synthetic::Clip};

static CLIP: LazyLock<Vec<AccessUnit>> = LazyLock::new(|| {
    Clip {
        width: 32,
        height: 32,
        pictures: 4,
        gop: 4,
        fps: 25,
    }
    .h264()
});

// The decoder's own panics are caught behind `decode`, and must not end the run as they are raised: those that reach the
// fuzzer's own catch still do.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |bytes: &[u8]| {
    let mut decoder = decode::decoder_for(Codec::H264).expect("H.264 is decoded");
    let mut units = CLIP.clone();
    // Each byte pair changes a place of the pictures.
    for change in bytes.chunks_exact(2) {
        let unit = &mut units[usize::from(change[0]) % 4];
        let mut data = unit.data.to_vec();
        let at = usize::from(change[0]) * 7 % data.len();
        data[at] = change[1];
        unit.data = data.into();
    }
    for unit in &units {
        for (_, picture) in decoder.decode(unit).unwrap_or_default() {
            assert!(picture.planes_fit());
        }
    }
    let _ = decoder.flush();
});
