//! The configuration: YAML as written → [`Config`], which has valid states only.
//!

mod catalogue;
mod effective;
mod entry;
mod files;
mod geoip;
mod kinds;
mod lists;
mod load;
mod merge;
mod names;
mod raw;
mod section;
mod sections;
mod target;
mod trackers;
mod units;

use std::sync::Arc;

pub use lists::{List, ListSource, Lists, MAX_LISTS};
pub use merge::Merged;
pub use sections::{Dht, Metrics, Network, Probe, State, Tracker};
pub use seedwatch_torrent::address::Accept;
pub use seedwatch_tracker::AnnounceStrategy;

use seedwatch_geo::Geo;
use seedwatch_torrent::Torrent;

/// Most entries in all `torrents:` lists together.
pub const MAX_TORRENTS: usize = 1_000_000;

/// Most trackers of one torrent, and of the list for all torrents.
pub const MAX_TRACKERS: usize = 64;

/// Most user labels of one torrent.
pub const MAX_LABELS: usize = 32;

/// Longest name and longest value of a user label, in bytes.
pub const MAX_LABEL_VALUE: usize = 255;

/// Most included files.
pub const MAX_INCLUDES: usize = 10_000;

/// A configuration in which everything is valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The watched torrents, sorted by name; names and info-hashes are unique. Shared with the
    /// state and with every snapshot. Without [`Config::merge`], those of lists are missing.
    pub torrents: Arc<[Torrent]>,
    /// The lists whose entries are watched too.
    pub lists: Lists,
    /// The interval and the time limits of probes.
    pub probe: Probe,
    /// How trackers are asked.
    pub tracker: Tracker,
    /// How the DHT is asked.
    pub dht: Dht,
    /// Which peer addresses count.
    pub accept: Accept,
    /// The databases of `geoip:`, as read with this configuration.
    pub geo: Arc<Geo>,
    /// How our own network is judged.
    pub network: Network,
    /// What survives a restart.
    pub state: State,
    /// Which large metric families are exposed.
    pub metrics: Metrics,
    /// What is odd but harmless, for the log: merged duplicates, trackers left out.
    pub warnings: Vec<String>,
}
