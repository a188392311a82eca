//! Any bytes can be read as the daily history of a torrent; what was read is written as it was
//! read. Run it as `krpc` is run.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedwatch_core::history::StoredHistory;

fuzz_target!(|input: &[u8]| {
    let rest = &mut &*input;
    let Ok(history) = StoredHistory::decode(rest) else {
        return;
    };
    let mut again = Vec::new();
    history.encode(&mut again);
    // Numbers may be written longer than they need be.
    assert!(again.len() <= input.len() - rest.len());
    let read = StoredHistory::decode(&mut &again[..]).expect("what was written can be read");
    assert_eq!(read, history);
});
