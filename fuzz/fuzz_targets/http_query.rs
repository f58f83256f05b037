//! What a request asks for: the query, the topic's name and the Host it is asked under.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| weir_web::query::read_any(text));
