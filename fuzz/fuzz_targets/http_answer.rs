//! Any body can be read as an answer over HTTP, whatever the question was. Run it as `krpc` is run.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| seedwatch_tracker::http::fuzz(input));
