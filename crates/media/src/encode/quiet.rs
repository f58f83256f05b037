//! Keeps `OpenH264` from writing to standard error: a program's standard error is its own.
//!
//! The wrapper sets the level only once the encoder is set up, by when it has complained that no picture may be skipped.
#![allow(
    unsafe_code,
    reason = "the wrapper offers the C++ interface's options as raw pointers only"
)]

use openh264::encoder::Encoder;

/// `ENCODER_OPTION_TRACE_LEVEL` of `codec_app_def.h`.
const TRACE_LEVEL: std::ffi::c_int = 25;
/// `WELS_LOG_QUIET` of the same.
const QUIET: u32 = 0;

/// Silences an encoder that has not encoded yet.
pub(super) fn silence(encoder: &mut Encoder) {
    let mut level = QUIET;
    // SAFETY: the encoder exists for as long as it is borrowed; `SetOption` takes this option before initialisation, reads
    // one `uint32_t` from the pointer during the call and keeps nothing of it. No parameter the wrapper relies on changes.
    unsafe {
        encoder
            .raw_api()
            .set_option(TRACE_LEVEL, (&raw mut level).cast());
    }
}
