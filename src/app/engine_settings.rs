//! What the engine needs of the configuration.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, Dht};
use seedwatch_core::engine::{DhtSettings, Settings};
use seedwatch_core::schedule::PolitenessPolicy;

/// Returns what the engine needs of a configuration.
pub fn engine_settings(config: &Config) -> Settings {
    Settings {
        torrents: Arc::clone(&config.torrents),
        politeness: PolitenessPolicy {
            interval: config.probe.interval,
            timeout: config.probe.timeout,
            max_rate: config.tracker.max_rate,
            scrape_only: config.tracker.announce.is_none(),
            strategy: config.tracker.announce.unwrap_or_default(),
        },
        stale_after: config.probe.stale_after,
        dead_after: config.probe.dead_after,
        recovered_after: config.probe.recovered_after,
        accept: config.accept,
        geo: Arc::clone(&config.geo),
        dht: dht_settings(&config.dht),
        canaries: config.network.canaries.clone(),
        country_limit: config.metrics.country_limit,
        per_tracker: config.metrics.per_tracker,
        countries: config.metrics.countries,
    }
}

fn dht_settings(dht: &Dht) -> DhtSettings {
    let packets_per_hash = Dht::PACKETS_PER_LOOKUP * dht.listen.len() as f64;
    DhtSettings {
        enabled: dht.enabled,
        bootstrap: dht.bootstrap.clone(),
        interval: dht.interval,
        time_per_hash: Duration::from_secs_f64(packets_per_hash / dht.max_rate),
    }
}
