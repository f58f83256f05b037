//! Any bytes as Matroska file: opened, read to the end, searched.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use weir_media::container;

fuzz_target!(|bytes: &[u8]| {
    // The container's first bytes are given, so that no time goes into finding them.
    let mut file = b"\x1a\x45\xdf\xa3\x80".to_vec();
    file.extend_from_slice(bytes);
    let Ok(mut demuxer) = container::open(Cursor::new(file)) else {
        return;
    };
    for _ in 0..10_000 {
        match demuxer.next() {
            Ok(Some(unit)) => while let Ok(Some(_)) = demuxer.next_sound(unit.dts_us) {},
            _ => break,
        }
    }
    for _ in 0..10_000 {
        if !matches!(demuxer.next_sound(i64::MAX), Ok(Some(_))) {
            break;
        }
    }
    assert!(demuxer.damage().len() <= container::MAX_DAMAGE);
    let _ = demuxer.seek(1_000_000);
    let _ = demuxer.next();
    let _ = demuxer.next_sound(i64::MAX);
});
