//! Reports of the DHT engine: results of lookups and the status of a family (BEP 5, 32, 33).

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use seedwatch_torrent::{Family, InfoHash, Peers};

/// The report of one lookup of one info-hash over one family. Every lookup gives exactly one.
#[derive(Debug, Clone)]
pub struct LookupReport {
    /// The info-hash that was looked up.
    pub info_hash: InfoHash,
    /// The family of the DHT (BEP 32).
    pub family: Family,
    /// What the lookup found, or why that is unknown.
    pub result: Result<FoundPeers, LookupError>,
    /// Statistics of the lookup.
    pub diagnosis: LookupStats,
}

/// Why a lookup does not say which peers a swarm has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupError {
    /// Too few of the nodes closest to the info-hash answered.
    Timeout,
    /// Nodes cluster around the info-hash more densely than the size of the DHT allows and may hide
    /// the swarm; or the peers that they name cannot be read.
    Doubtful,
}

impl LookupError {
    /// Returns the word that traces and pages use.
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

/// What a lookup found that reached the nodes closest to the info-hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundPeers {
    /// Peers that trusted nodes named, unverified, each endpoint once.
    pub peers: Peers,
    /// BEP 33 counts, if a trusted node answered with filters.
    pub estimate: Option<SwarmEstimate>,
}

/// Swarm size from the united BEP 33 filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwarmEstimate {
    /// Addresses that announced themselves as seeders.
    pub seeders: u32,
    /// All other addresses.
    pub leechers: u32,
    /// Whether a filter is full, so that the counts are lower bounds.
    pub saturated: bool,
}

/// Statistics of a lookup, for traces and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LookupStats {
    /// Queries sent, including repeated ones and those for filters.
    pub queries: u32,
    /// Distinct nodes queried.
    pub asked: u32,
    /// Nodes that answered, including late answers.
    pub answered: u32,
    /// Queries that were not answered in time.
    pub timed_out: u32,
    /// KRPC errors (BEP 5: 201 to 204).
    pub errors: u32,
    /// Responses that could not be used, or whose sender has another id than expected.
    pub rejected: u32,
    /// Nodes that answered and were excluded, because they are closer to the info-hash than the
    /// size of the DHT allows. If nothing was found beyond them, the swarm is unknown.
    pub doubted: u32,
    /// Longest chain of answers from a start node to one of the closest nodes.
    pub hops: u32,
    /// Leading bits that the closest node that answered shares with the info-hash.
    pub closest_bits: Option<u32>,
    /// Trusted nodes that named peers.
    pub holders: u32,
    /// Time from the first query to the end of the lookup.
    pub duration: Duration,
}

/// The status of the DHT of one family.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DhtStatus {
    /// Whether nodes answer. Unknown until the first query was answered or lost.
    pub up: Option<bool>,
    /// Known nodes that answered recently.
    pub nodes: u32,
    /// Size of the DHT, estimated from the distances in complete lookups.
    pub estimated_nodes: Option<u64>,
    /// Queries sent.
    pub queries: u64,
    /// Queries that timed out.
    pub timeouts: u64,
    /// KRPC errors and unreadable responses.
    pub errors: u64,
    /// Our external address, as most nodes report it (BEP 42).
    pub external_ip: Option<IpAddr>,
    /// Active lookups.
    pub in_flight: u32,
    /// Scheduled lookups that are overdue.
    pub overdue: u32,
    /// Delay of the latest of them.
    pub lag: Duration,
}

/// A report of the DHT prober.
#[derive(Debug, Clone)]
pub enum DhtReport {
    /// Lookups that have ended.
    Lookups(Vec<LookupReport>),
    /// Status of each family, by [`Family::index`]; `None` without a socket.
    Status([Option<DhtStatus>; 2]),
}
