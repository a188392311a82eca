//! Any datagram can be read as an answer of a UDP tracker. Run it as `krpc` is run.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| seedwatch_tracker::udp::fuzz(input));
