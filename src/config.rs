//! The configuration: raw YAML shape → [`Config`] of valid states only.
//!
//! Everything is checked before anything is used, and without the network: [`Config::load`] gives
//! a configuration in which every torrent can be probed as it stands, or every fault with file,
//! line and key. `docs/configuration.md` documents the keys.

mod catalogue;
mod effective;
mod entry;
mod files;
mod geoip;
mod load;
mod names;
mod raw;
mod settings;
mod target;
mod trackers;
mod units;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use seedwatch_torrent::address::Accept;
pub use seedwatch_tracker::AnnounceMode;

use seedwatch_geo::Geo;
use seedwatch_torrent::{Host, Torrent};

/// Most entries in all lists together.
pub const MAX_TORRENTS: usize = 1_000_000;

/// Most trackers of one torrent, and of the list for all.
pub const MAX_TRACKERS: usize = 64;

/// Most user labels of one torrent.
pub const MAX_LABELS: usize = 32;

/// Longest name and longest value of a user label, in bytes.
pub const MAX_LABEL_VALUE: usize = 255;

/// Most included files.
pub const MAX_INCLUDES: usize = 10_000;

/// Well-known ways into the DHT, best first: the first [`BOOTSTRAP_KNOWN`] were known to answer in
/// May 2026.
const BOOTSTRAP: [(&str, u16); 5] = [
    ("dht.libtorrent.org", 25401),
    ("dht.transmissionbt.com", 6881),
    ("router.bt.ouinet.work", 6881),
    ("router.bittorrent.com", 6881),
    ("router.utorrent.com", 6881),
];

/// See [`BOOTSTRAP`].
const BOOTSTRAP_KNOWN: usize = 3;

fn bootstrap() -> impl Iterator<Item = (Host, u16)> {
    let host = |(name, port): (&str, u16)| (Host::Name(name.into()), port);
    BOOTSTRAP.into_iter().map(host)
}

/// A configuration in which everything is valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Watched torrents, sorted by name; names and hashes are unique. Shared with the state and
    /// every snapshot.
    pub torrents: Arc<[Torrent]>,
    /// How often and how long.
    pub probe: Probe,
    /// How trackers are asked.
    pub tracker: Tracker,
    /// How the DHT is asked.
    pub dht: Dht,
    /// Which peer addresses count.
    pub accept: Accept,
    /// Where peers are: `geoip:` with its files read, those of this moment.
    pub geo: Arc<Geo>,
    /// How our own network is judged.
    pub network: Network,
    /// What outlives the process.
    pub state: State,
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

impl Probe {
    /// Bounds of `interval`.
    pub const INTERVAL: RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    /// Bounds of `timeout`, which is not longer than `interval` either.
    pub const TIMEOUT: RangeInclusive<Duration> =
        Duration::from_millis(100)..=Duration::from_secs(60);
    /// Bounds of `stale_after`, which is longer than `interval` too.
    pub const STALE_AFTER: RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 3600);
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30 * 60),
            timeout: Duration::from_secs(15),
            stale_after: Duration::from_secs(75 * 60),
        }
    }
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

impl Tracker {
    /// Bounds of `max_rate`, in requests a second: one an hour to a million a second.
    pub const MAX_RATE: RangeInclusive<f64> = (1.0 / 3600.0)..=1e6;
    /// Bounds of `numwant`.
    pub const NUMWANT: RangeInclusive<u16> = 1..=10_000;
    /// Lengths of `user_agent`.
    pub const USER_AGENT: RangeInclusive<usize> = 1..=200;
    /// Lengths of `peer_id_prefix`: eight of the twenty bytes are always random.
    pub const PEER_ID_PREFIX: RangeInclusive<usize> = 0..=12;
}

impl Default for Tracker {
    fn default() -> Self {
        Self {
            announce: AnnounceMode::Ghost,
            max_rate: 20.0,
            numwant: 200,
            user_agent: concat!("seedwatch/", env!("CARGO_PKG_VERSION")).into(),
            peer_id_prefix: concat!(
                "-SW",
                env!("CARGO_PKG_VERSION_MAJOR"),
                env!("CARGO_PKG_VERSION_MINOR"),
                env!("CARGO_PKG_VERSION_PATCH"),
                "0-"
            )
            .into(),
        }
    }
}

/// `dht:`, how the mainline DHT is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Dht {
    /// Whether it is asked at all.
    pub enabled: bool,
    /// Sockets: at most one a family, at least one if enabled. Port 0 is any free one.
    pub listen: Vec<SocketAddr>,
    /// Hosts that are asked for a way in while no node is known.
    pub bootstrap: Vec<(Host, u16)>,
    /// Most packets a second, both families together.
    pub max_rate: f64,
    /// Time in which every torrent is looked up once.
    pub interval: Duration,
    /// Fewer nodes are asked as soon as this share of the peers is expected to be known. `None`:
    /// all of the closest nodes are asked.
    pub recall_target: Option<f64>,
}

impl Dht {
    /// Bounds of `max_rate`, in packets a second.
    pub const MAX_RATE: RangeInclusive<f64> = 1.0..=1e5;
    /// Bounds of `interval`.
    pub const INTERVAL: RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    /// Bounds of `recall_target`.
    pub const RECALL_TARGET: RangeInclusive<f64> = 0.5..=0.9999;
    /// Most bootstrap hosts.
    pub const MAX_BOOTSTRAP: usize = 16;
    /// Packets that the lookup of one info-hash in the DHT of one family takes, about.
    pub const PACKETS_PER_LOOKUP: f64 = 10.0;

    /// Packets a second that it takes to look so many info-hashes up within the interval, about.
    pub fn needed_rate(&self, hashes: usize) -> f64 {
        let packets = (hashes * self.listen.len()) as f64 * Self::PACKETS_PER_LOOKUP;
        packets / self.interval.as_secs_f64()
    }

    /// Time in which so many info-hashes are looked up once, about: the interval, or longer where
    /// the rate is too low for it.
    pub fn round(&self, hashes: usize) -> Duration {
        self.interval
            .mul_f64((self.needed_rate(hashes) / self.max_rate).max(1.0))
    }
}

impl Default for Dht {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: vec![
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            ],
            bootstrap: bootstrap().collect(),
            max_rate: 50.0,
            interval: Duration::from_secs(3600),
            recall_target: None,
        }
    }
}

/// `state:`, what outlives the process: nothing by default, as there is no directory to keep it in
/// without a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The directory it is kept in; `None` keeps nothing.
    pub path: Option<PathBuf>,
    /// How often all of it is saved.
    pub interval: Duration,
}

impl State {
    /// Name of the directory beside the configuration, if no other is chosen.
    pub const DEFAULT_PATH: &str = "state";
    /// Bounds of `interval`.
    pub const INTERVAL: RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(3600);
}

impl Default for State {
    fn default() -> Self {
        Self {
            path: None,
            interval: Duration::from_secs(300),
        }
    }
}

/// `network:`, how our own network is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Hosts that are asked for a sign of life when no tracker gives one.
    pub canaries: Vec<(Host, u16)>,
}

impl Network {
    /// Most canaries.
    pub const MAX_CANARIES: usize = 16;
}

/// The DHT bootstrap nodes that were known to answer.
impl Default for Network {
    fn default() -> Self {
        Self {
            canaries: bootstrap().take(BOOTSTRAP_KNOWN).collect(),
        }
    }
}

/// `metrics:`, the switches of the big families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metrics {
    /// The families by country, up to some 250 series a torrent and more a collection.
    pub countries: bool,
    /// `seedwatch_announce_*`, one series a torrent and tracker.
    pub per_tracker: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            countries: true,
            per_tracker: true,
        }
    }
}
