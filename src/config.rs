//! The configuration: raw YAML shape → [`Config`] of valid states only.

use std::sync::Arc;
use std::time::Duration;

pub use crate::address::Accept;
use crate::torrent::{Host, Torrent};

/// A configuration in which everything is valid.
#[derive(Debug, Clone)]
pub struct Config {
    /// Watched torrents, sorted by name; names and hashes are unique.
    pub torrents: Vec<Arc<Torrent>>,
    /// How often and how long.
    pub probe: Probe,
    /// How trackers are asked.
    pub tracker: Tracker,
    /// Which peer addresses count.
    pub accept: Accept,
    /// How our own network is judged.
    pub network: Network,
    /// Which of the big metric families are exposed.
    pub metrics: Metrics,
    /// What is not wrong but worth a log line: merged duplicates, trackers dropped.
    pub warnings: Vec<String>,
}

/// `probe:`, how often and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Time between two probes of a torrent at a tracker, if the tracker does not ask for more.
    pub interval: Duration,
    /// Deadline of one probe, name resolution and retransmissions included.
    pub timeout: Duration,
    /// Age at which a value is no longer shown.
    pub stale_after: Duration,
}

/// `tracker:`, how trackers are asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracker {
    /// `ghost`, `brief` or `scrape`.
    pub announce: AnnounceMode,
    /// Most requests a second to one tracker host.
    pub max_rate: f64,
    /// Peers asked for.
    pub numwant: u16,
    /// `User-Agent` of HTTP announces.
    pub user_agent: Box<str>,
    /// First bytes of our peer id, at most 12.
    pub peer_id_prefix: Box<str>,
}

/// How a swarm is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnounceMode {
    /// `stopped` first; `started` and `stopped` where a tracker gives no list otherwise.
    Ghost,
    /// Always `started`, then `stopped`.
    Brief,
    /// Never announce: counts only.
    Scrape,
}

/// `network:`, how our own network is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Hosts that are asked for a sign of life when no tracker gives one.
    pub canaries: Vec<(Host, u16)>,
}

/// `metrics:`, the switches of the big families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metrics {
    /// `seedwatch_announce_*`, one series a torrent and tracker.
    pub per_tracker: bool,
}
