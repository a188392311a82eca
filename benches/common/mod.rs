//! The configuration that benchmarks of the engine share.

use std::sync::Arc;
use std::time::Duration;

use seedwatch::config::{
    Accept, AnnounceStrategy, Config, Dht, Metrics, Network, Probe, State, Tracker,
};
use seedwatch_geo::Geo;
use seedwatch_torrent::Torrent;

/// Returns a configuration with the default intervals, without DHT and canaries. `max_rate` is the
/// largest number of requests per second to one tracker host.
pub(crate) fn config(torrents: Arc<[Torrent]>, max_rate: f64, accept: Accept) -> Config {
    Config {
        torrents,
        lists: Default::default(),
        probe: Probe {
            interval: Duration::from_secs(1800),
            timeout: Duration::from_secs(15),
            stale_after: Duration::from_secs(4500),
            ..Probe::default()
        },
        tracker: Tracker {
            announce: Some(AnnounceStrategy::StoppedFirst),
            max_rate,
            numwant: 200,
            user_agent: "seedwatch".into(),
            peer_id_prefix: "-SW0100-".into(),
        },
        dht: Dht {
            enabled: false,
            ..Dht::default()
        },
        accept,
        geo: Arc::new(Geo::load(&Default::default()).expect("the embedded table")),
        network: Network {
            canaries: Vec::new(),
        },
        state: State::default(),
        metrics: Metrics::default(),
        warnings: Vec::new(),
    }
}
