//! Any bytes as JPEG and as PNG file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_media::{jpeg, png};

fuzz_target!(|bytes: &[u8]| {
    for (size, picture) in [
        (jpeg::size(bytes), jpeg::decode(bytes)),
        (png::size(bytes), png::decode(bytes)),
    ] {
        if let Ok(picture) = picture {
            assert_eq!(size, Some((picture.width, picture.height)));
            assert!(picture.planes_fit());
        }
    }
});
