//! What the engine needs of a configuration.

use std::sync::Arc;
use std::time::Duration;

use crate::schedule::PolitenessPolicy;
use seedwatch_geo::Geo;
use seedwatch_torrent::address::Accept;
use seedwatch_torrent::{Host, Torrent};

/// What the engine needs of a configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The watched torrents, sorted by name.
    pub torrents: Arc<[Torrent]>,
    /// How often and how fast trackers are asked.
    pub politeness: PolitenessPolicy,
    /// Age at which an answer of a tracker is no longer shown.
    pub stale_after: Duration,
    /// For how long all sources must have said that a swarm is empty before it is dead.
    pub dead_after: Duration,
    /// For how long a torrent must be well before it does not need seeding any more.
    pub recovered_after: Duration,
    /// Which addresses count as peers. [`Accept::Any`] is for networks without internet access.
    pub accept: Accept,
    /// The tables that map addresses to countries and autonomous systems.
    pub geo: Arc<Geo>,
    /// How the DHT is asked.
    pub dht: DhtSettings,
    /// Hosts that show whether our own network works.
    pub canaries: Vec<(Host, u16)>,
    /// Whether announces are shown per tracker.
    pub per_tracker: bool,
    /// Whether peers are counted by country.
    pub countries: bool,
    /// The most countries of a torrent that are shown; `None` shows all.
    pub country_limit: Option<u16>,
}

/// How the DHT is asked.
#[derive(Debug, Clone)]
pub struct DhtSettings {
    /// Whether it is asked at all.
    pub enabled: bool,
    /// Hosts that are asked for nodes while none is known.
    pub bootstrap: Vec<(Host, u16)>,
    /// Time in which every info-hash is to be looked up once.
    pub interval: Duration,
    /// Time that the packet rate allows for one info-hash.
    pub time_per_hash: Duration,
}

impl DhtSettings {
    /// Returns the time in which so many info-hashes are looked up once: the interval, or longer
    /// where the packet rate is too low for it.
    pub fn round(&self, hashes: usize) -> Duration {
        self.interval.max(self.time_per_hash.mul_f64(hashes as f64))
    }
}
