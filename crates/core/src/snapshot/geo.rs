//! Where peers are: by country, by prefix and by autonomous system (AS).

use std::sync::Arc;

#[cfg(doc)]
use seedwatch_distinct::Moment;
use seedwatch_geo::{Asn, Country};

/// Where the current peers of one torrent are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GeoBreakdown {
    /// Sorted by country. A country of the last [`RECENT_HOURS`](Moment::RECENT_HOURS) hours stays
    /// at 0. Empty if `metrics.countries` is off.
    pub countries: Box<[CountryPeers]>,
    /// Distinct prefixes, IPv4 /24 and IPv6 /48.
    pub prefixes: u32,
    /// `None` without a database of autonomous systems.
    pub systems: Option<AsnSummary>,
}

impl GeoBreakdown {
    /// Returns how many known countries have peers.
    pub fn known_countries(&self) -> u32 {
        let known = |row: &&CountryPeers| row.peers > 0 && row.country != Country::UNKNOWN;
        self.countries.iter().filter(known).count() as u32
    }
}

/// The current peers in one country.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountryPeers {
    /// The country.
    pub country: Country,
    /// The low bits of the hour of running time in which a peer was last there.
    pub(crate) last_seen_hour: u16,
    /// Distinct peers.
    pub peers: u32,
}

impl CountryPeers {
    /// Returns a row whose peers were last seen at the start of running time.
    pub const fn new(country: Country, peers: u32) -> Self {
        Self {
            country,
            last_seen_hour: 0,
            peers,
        }
    }
}

/// How the peers of a torrent spread over autonomous systems.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AsnSummary {
    /// Distinct known autonomous systems.
    pub distinct: u32,
    /// Peers in the largest of them.
    pub largest: u32,
    /// All peers, including those in no known autonomous system.
    pub peers: u32,
}

impl AsnSummary {
    /// Returns the share of the peers in the largest system, 0 to 1; `None` without peers.
    pub fn largest_share(&self) -> Option<f64> {
        (self.peers > 0).then(|| f64::from(self.largest) / f64::from(self.peers))
    }
}

/// A value of the `asn` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AsnLabel {
    /// One of the largest autonomous systems.
    Known(Asn),
    /// All known autonomous systems that are not among the largest.
    Other,
    /// Addresses that the database assigns to no autonomous system.
    Unknown,
}

/// Falls that hold now, each with the ratio of the current peers to the expected ones. Sampled
/// every five minutes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CliffRows {
    /// Countries of torrents, by the index of the torrent.
    pub torrents: Vec<(u32, Country, f32)>,
    /// Countries that most torrents have lost, sorted. The ratio is the median over the torrents.
    pub countries: Vec<(Country, f32)>,
    /// Countries of collections, by the name of the collection.
    pub collections: Vec<(Arc<str>, Country, f32)>,
    /// Autonomous systems over all torrents.
    pub systems: Vec<(Asn, f32)>,
}
