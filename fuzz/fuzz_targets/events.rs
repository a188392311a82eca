//! Any bytes can be read as the file of events; what was read is written as it was read.
//! Run it as `krpc` is run.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedwatch::store::EventFile;

/// The head of a file of version 1.
const HEAD: &[u8] = b"seedwatch events\x00\x01";

fuzz_target!(|input: &[u8]| {
    let _ = EventFile::decode(input);
    let file = [HEAD, input].concat();
    let decoded = EventFile::decode(&file).expect("the head is right");
    let records = input.len().div_ceil(31);
    assert_eq!(decoded.events.len() + decoded.damaged, records);
    let again = EventFile::encode(decoded.events.iter());
    let read = EventFile::decode(&again).expect("what was written can be read");
    assert_eq!((read.events, read.damaged), (decoded.events, 0));
});
