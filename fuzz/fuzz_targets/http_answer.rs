//! Any body can be read as an answer over HTTP, whatever the question was. Run it as `krpc` is run.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedwatch::probe::fuzzing;

fuzz_target!(|input: &[u8]| fuzzing::http_answer(input));
