//! Any bytes can be loaded as saved state, and what was loaded can be saved. Run it as `krpc` is
//! run.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_core::roster::Roster;
use seedwatch_core::schedule::{PolitenessPolicy, Schedule};
use seedwatch_core::swarm::{Shard, ShardFormat, SwarmConfig, Swarms};
use seedwatch_distinct::Key;
use seedwatch_geo::Geo;
use seedwatch_torrent::address::Accept;
use seedwatch_tracker::AnnounceStrategy;

const HOUR: Duration = Duration::from_secs(3600);
const WHOLE: Shard = Shard { index: 0, of: 1 };

static GEO: LazyLock<Arc<Geo>> = LazyLock::new(|| {
    let geo = Geo::load(&seedwatch_geo::Settings::default());
    Arc::new(geo.expect("the embedded table"))
});

fuzz_target!(|input: &[u8]| {
    trackers(input);
    // Without the key's fingerprint, nothing else is read.
    let key = Key::new([7; 16]);
    let shard = [&key.fingerprint()[..], input].concat();
    for format in [1, 2, 3, 4, 5].map(ShardFormat::of) {
        let config = SwarmConfig::new(Accept::Global, HOUR, Arc::clone(&GEO), true);
        let mut swarms = Swarms::new(config, [6881; 2], key.clone());
        let is_shared = swarms.decode_shared(&shard, format).is_ok();
        let is_torrents = swarms.decode_torrents(&shard, format).is_ok();
        assert!(is_torrents || swarms.saved_torrents() == 0);
        assert!(is_shared || swarms.saved_collections() == 0);
        swarms.encode_torrents(&Roster::default(), WHOLE, &mut Vec::new());
        swarms.encode_shared(WHOLE, &mut Vec::new());
    }
});

fn trackers(input: &[u8]) {
    let mut schedule = Schedule::new(PolitenessPolicy {
        interval: HOUR,
        timeout: Duration::from_secs(15),
        max_rate: 50.0,
        scrape_only: false,
        strategy: AnnounceStrategy::StoppedOnly,
    });
    let now = Now {
        mono: Mono(1000),
        unix: Unix(1_800_000_000),
    };
    if schedule.restore(input, now).is_ok() {
        let mut again = Vec::new();
        schedule.encode(&Roster::default(), now, &mut again);
        assert!(schedule.restore(&again, now).is_ok());
    }
}
