//! Any bytes as access unit of each codec: parameter sets, key frames, init segment, fragment.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use weir_media::{AccessUnit, Codec, fmp4::Muxer, h264, h265, record};

fuzz_target!(|bytes: &[u8]| {
    let _ = h264::ParameterSets::from_avcc(bytes);
    let _ = h265::ParameterSets::from_hvcc(bytes);
    let unit = AccessUnit {
        pts_us: -1,
        dts_us: -2,
        duration_us: 40_000,
        key: true,
        data: Bytes::copy_from_slice(bytes),
    };
    for codec in Codec::ALL {
        let _ = record::is_key(codec, bytes);
        let _ = record::describe(codec, bytes);
        if let Ok(mut muxer) = Muxer::new(codec, &unit) {
            assert!(!muxer.init().is_empty());
            assert!(!muxer.fragment(&unit, i64::MAX).is_empty());
            assert!(!muxer.changed_by(&unit));
        }
    }
});
