//! Any datagram can be read as an answer of a UDP tracker. Run it as `krpc` is run.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedwatch::probe::fuzzing;

fuzz_target!(|input: &[u8]| fuzzing::udp_answer(input));
