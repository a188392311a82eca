//! Any text can be read as a magnet link, as announce URLs or as a web seed, and no URL hides
//! another one. A link that is written is read again. Run it as `krpc` is run.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedwatch_torrent::{
    Magnet, MagnetLink, Metainfo, TrackerUrl, WebSeed, WebSeedKind, split_urls,
};

fuzz_target!(|input: &[u8]| {
    if let Ok(metainfo) = Metainfo::parse(input) {
        assert_eq!(metainfo.trackers.len(), metainfo.tiers.len());
    }
    let text = String::from_utf8_lossy(input);
    check(&text);
    check_web_seed(&text);
    if let Ok(magnet) = Magnet::parse(&text) {
        magnet.trackers.iter().for_each(|text| check(text));
        magnet.web_seeds.iter().for_each(|text| check_web_seed(text));
        write_again(&magnet);
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

fn check_web_seed(text: &str) {
    if let Ok(seed) = WebSeed::parse(text, WebSeedKind::Files) {
        assert!(seed.secret_url().starts_with(&seed.to_string()));
        assert!(seed.public_url().is_none_or(|url| !url.contains(['?', '#'])));
        let again = WebSeed::parse(seed.secret_url(), WebSeedKind::Files);
        assert_eq!(again, Ok(seed));
    }
}

fn write_again(magnet: &Magnet<'_>) {
    let name = magnet.name.as_deref().unwrap_or_default();
    let mut link = MagnetLink::new(&magnet.hashes, name, magnet.size.ok().flatten());
    let trackers = magnet.trackers.iter();
    let added: Vec<_> = trackers
        .filter_map(|text| TrackerUrl::parse(text).ok()?.public_url())
        .filter(|url| link.add_tracker(url))
        .collect();
    let link = link.finish();
    let again = Magnet::parse(&link).expect("a link that was written");
    assert_eq!((&again.hashes, &again.trackers[..].len()), (&magnet.hashes, &added.len()));
    assert!(again.trackers.iter().zip(&added).all(|(read, url)| read == url));
}
