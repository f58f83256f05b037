//! Any bytes as a request's frame: header, shape, codec.
#![no_main]

libfuzzer_sys::fuzz_target!(|frame: &[u8]| {
    let _ = weir_broker::request::read_frame(frame);
});
