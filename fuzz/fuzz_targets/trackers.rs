//! Any text can be read as a magnet link or as announce URLs, and no URL hides another one. Run it
//! as `krpc` is run.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedwatch_torrent::{Magnet, Metainfo, TrackerUrl, split_urls};

fuzz_target!(|input: &[u8]| {
    let _ = Metainfo::parse(input);
    let text = String::from_utf8_lossy(input);
    check(&text);
    if let Ok(magnet) = Magnet::parse(&text) {
        magnet.trackers.iter().for_each(|text| check(text));
    }
    // A second tracker after arbitrary text must not leak its passkey.
    let glued = format!("http://t1.example/KEY1/announce{text}http://t2.example/KEY2/announce");
    if text.contains("KEY2") {
        return;
    }
    for url in split_urls(&glued).filter_map(|part| TrackerUrl::parse(part).ok()) {
        let path = url.secret_path_and_query();
        assert!(!path.contains("KEY2") || url.host().to_string() == "t2.example");
    }
});

fn check(text: &str) {
    for url in split_urls(text).filter_map(|part| TrackerUrl::parse(part).ok()) {
        let path = url.secret_path_and_query();
        assert!(!path.contains(char::is_whitespace) && !path.contains("://"));
        assert!(!url.host().is_never_contacted());
    }
}
