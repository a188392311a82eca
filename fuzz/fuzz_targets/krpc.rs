//! Any datagram can be read as one of the DHT, and what is read keeps its promises.
//!
//! ```text
//! cargo install cargo-fuzz
//! mkdir -p fuzz/corpus/krpc
//! cargo fuzz run --sanitizer none krpc fuzz/corpus/krpc fuzz/seeds/krpc -- \
//!     -dict=fuzz/krpc.dict -max_len=2048 -max_total_time=60
//! ```
//!
//! Other targets have no dictionary, or one of their own in `fuzz/`; `config` begins well with the
//! files of `tests/config/good`.
//!
//! There is no unsafe code to sanitize; without a sanitizer stable Rust will do.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedwatch_dht::krpc::{self, MAX_DATAGRAM, MAX_VALUES, Message};

fuzz_target!(|datagram: &[u8]| {
    let Ok(message) = krpc::parse(datagram) else {
        return;
    };
    assert!(datagram.len() <= MAX_DATAGRAM);
    let Message::Response(response) = message else {
        return;
    };
    assert_eq!(
        krpc::contacts4(response.nodes).count() * krpc::NODE_4,
        response.nodes.len()
    );
    assert_eq!(
        krpc::contacts6(response.nodes6).count() * krpc::NODE_6,
        response.nodes6.len()
    );
    // Values of another length are counted as malformed; no bytes are given twice.
    let (mut values, mut bytes) = (0, 0);
    for value in response.values {
        values += 1;
        bytes += value.len();
    }
    assert!(values <= MAX_VALUES && bytes < datagram.len());
});
