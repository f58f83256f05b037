//! Any bytes as numbers: whatever is found is finite.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_media::numbers;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(found) = numbers::parse(bytes) {
        assert!(!found.values.is_empty() && found.values.len() <= numbers::MAX_SERIES);
        assert!(found.values.iter().all(|(_, value)| value.is_finite()));
        assert!(found.time_ms.is_none_or(f64::is_finite));
    }
});
