//! What a lookup in the mainline DHT reports (BEP 5, 32, 33).

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use seedwatch_torrent::{Family, InfoHash, Peers};

/// What one lookup of one info-hash over one family found. Every lookup ends in exactly one.
#[derive(Debug, Clone)]
pub struct LookupReport {
    /// Who was looked for.
    pub info_hash: InfoHash,
    /// In the DHT of which family (BEP 32).
    pub family: Family,
    /// What came of it.
    pub result: Result<FoundPeers, LookupError>,
    /// How it went.
    pub diagnosis: LookupStats,
}

/// Why a lookup does not say which peers a swarm has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupError {
    /// Too few of the nodes closest to the info-hash answered.
    Timeout,
    /// Nodes crowd around the info-hash more closely than the size of the DHT allows, and may hide
    /// the swarm; or the peers that they name cannot be read.
    Doubtful,
}

impl LookupError {
    /// The word for it in traces and pages.
    pub const fn as_label(self) -> &'static str {
        match self {
            LookupError::Timeout => "timeout",
            LookupError::Doubtful => "doubtful",
        }
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_label())
    }
}

impl std::error::Error for LookupError {}

/// What a lookup that got through to the nodes closest to the info-hash heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundPeers {
    /// Values of trusted nodes, as claimed, each endpoint once.
    pub peers: Peers,
    /// BEP 33 counts, once any trusted node answered with filters.
    pub estimate: Option<SwarmEstimate>,
}

/// Sizes of the united BEP 33 filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwarmEstimate {
    /// Addresses that announced themselves as seeds.
    pub seeders: u32,
    /// All others.
    pub leechers: u32,
    /// A filter is full: there are at least so many.
    pub saturated: bool,
}

/// How a lookup went, for the trace and the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LookupStats {
    /// Queries sent, those asked again and for filters included.
    pub queries: u32,
    /// Different nodes asked.
    pub asked: u32,
    /// Nodes that answered, also late.
    pub answered: u32,
    /// Queries that nobody answered in time.
    pub timed_out: u32,
    /// KRPC errors (BEP 5: 201 to 204).
    pub errors: u32,
    /// Answers that could not be read, or whose sender is not who it was said to be.
    pub rejected: u32,
    /// Nodes that answered and were set aside: closer to the info-hash than the size of the DHT
    /// allows, as those of an attack are. Where nothing was found beyond them, the swarm is unknown.
    pub doubted: u32,
    /// Answers on the longest way from the start to one of the closest nodes.
    pub hops: u32,
    /// Leading bits that the closest node that answered shares with the info-hash.
    pub closest_bits: Option<u32>,
    /// Trusted nodes that named peers.
    pub holders: u32,
    /// From the first query to the known end.
    pub duration: Duration,
}

/// How the DHT of one family fares.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DhtStatus {
    /// Nodes answer. Unknown until the first were asked.
    pub up: Option<bool>,
    /// Nodes known that answered lately.
    pub nodes: u32,
    /// Size of the DHT, from the distances of lookups that came through.
    pub estimated_nodes: Option<u64>,
    /// Queries sent.
    pub queries: u64,
    /// Queries that nobody answered.
    pub timeouts: u64,
    /// KRPC errors and unreadable answers.
    pub errors: u64,
    /// Our own address, as most nodes see it (BEP 42).
    pub external_ip: Option<IpAddr>,
    /// Lookups under way.
    pub in_flight: u32,
    /// Lookups of the schedule that should have begun, and how late the latest is.
    pub overdue: u32,
    /// See `overdue`.
    pub lag: Duration,
}

/// What comes out of the DHT prober.
#[derive(Debug, Clone)]
pub enum DhtReport {
    /// Lookups that have ended.
    Lookups(Vec<LookupReport>),
    /// How each family fares, by [`Family::index`]; `None` where there is no socket.
    Status([Option<DhtStatus>; 2]),
}
