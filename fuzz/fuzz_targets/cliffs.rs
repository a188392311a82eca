//! Any bytes can be loaded as what is known of the falls of countries, and what was loaded can be
//! saved and loaded again. Run it as `krpc` is run.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_core::Engine;
use seedwatch_core::engine::{DhtSettings, Settings};
use seedwatch_core::schedule::PolitenessPolicy;
use seedwatch_core::swarm::Shard;
use seedwatch_distinct::Key;
use seedwatch_geo::Geo;
use seedwatch_torrent::address::Accept;
use seedwatch_tracker::AnnounceStrategy;

const HOUR: Duration = Duration::from_secs(3600);
const NOW: Now = Now {
    mono: Mono(1000),
    unix: Unix(1_800_000_000),
};

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| Settings {
    torrents: Arc::from([]),
    politeness: PolitenessPolicy {
        interval: HOUR,
        timeout: Duration::from_secs(15),
        max_rate: 50.0,
        scrape_only: false,
        strategy: AnnounceStrategy::StoppedOnly,
    },
    stale_after: HOUR,
    dead_after: HOUR,
    accept: Accept::Global,
    geo: Arc::new(Geo::load(&seedwatch_geo::Settings::default()).expect("the embedded table")),
    dht: DhtSettings {
        enabled: false,
        bootstrap: Vec::new(),
        interval: HOUR,
        time_per_hash: Duration::ZERO,
    },
    canaries: Vec::new(),
    per_tracker: false,
    countries: true,
    country_limit: None,
});

fuzz_target!(|input: &[u8]| {
    // Without the key's fingerprint, nothing else is read.
    let fingerprint = Key::new([7; 16]).fingerprint();
    let saved = [&fingerprint[..], input].concat();
    let (engine, is_loaded) = load(&saved);
    assert!(is_loaded || engine.saved_cliffs() == 0);
    let mut again = Vec::new();
    engine.encode_cliffs(Shard { index: 0, of: 1 }, &mut again);
    let (reloaded, is_loaded) = load(&again);
    assert!(is_loaded);
    assert_eq!(reloaded.saved_cliffs(), engine.saved_cliffs());
});

fn load(saved: &[u8]) -> (Engine, bool) {
    let mut engine = Engine::empty(&SETTINGS, [6881; 2], Key::new([7; 16]), NOW);
    let is_loaded = engine.decode_cliffs(saved).is_ok();
    (engine, is_loaded)
}
