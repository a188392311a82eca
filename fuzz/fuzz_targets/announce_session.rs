//! Any answers end an announce, and prove no more than they say. Run it as `krpc` is run.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| seedwatch_tracker::announce_session::fuzz(input));
