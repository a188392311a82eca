//! What is shown of the peers of a swarm beyond how many are there now: over which time, from where.

use std::sync::Arc;

use super::row::{Count, Stamp, TorrentRow};
use crate::geo::{Asn, Country};
use crate::observation::Source;
use crate::time::Unix;
use crate::window::{Counts, Window};

/// Distinct peers by [`Window::index`]. Unknown where no valid answer came in the window: a 0 says
/// that we looked and that nobody was there.
pub type Unique = [Count; Window::ALL.len()];

/// Of a torrent that had peers within the last month; all others have none.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// As counted, whether or not valid answers came.
    pub counts: Counts,
    /// Where the peers of now are; `None` if it is not known who is there.
    pub places: Option<Arc<Places>>,
}

/// Where the peers of one torrent are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Places {
    /// Sorted by country; those seen in the last [`COUNTRY_HOURS`](super::COUNTRY_HOURS) stay at 0.
    /// Empty where countries are not to be shown.
    pub countries: Box<[CountryPeers]>,
    /// Distinct IPv4 /24 and IPv6 /48 networks.
    pub prefixes: u32,
    /// `None` without a database of autonomous systems.
    pub systems: Option<Systems>,
}

/// Peers in one country now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountryPeers {
    /// The country.
    pub country: Country,
    /// Low bits of the hour it was last seen in, of running time.
    pub(super) seen: u16,
    /// Distinct peers.
    pub peers: u32,
}

impl CountryPeers {
    /// So many peers there, seen at the start.
    pub const fn new(country: Country, peers: u32) -> Self {
        Self {
            country,
            seen: 0,
            peers,
        }
    }
}

/// How many operators of networks hold a torrent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Systems {
    /// Distinct autonomous systems that are known.
    pub distinct: u32,
    /// Share of the peers that is in the largest of them, 0 to 1; `None` if nobody is there.
    pub largest: Option<f64>,
}

impl Places {
    /// Distinct countries that are known and have peers now.
    pub fn known_countries(&self) -> u32 {
        let known = |row: &&CountryPeers| row.peers > 0 && row.country != Country::UNKNOWN;
        self.countries.iter().filter(known).count() as u32
    }
}

/// What is shown of a collection.
#[derive(Debug, Clone, Default)]
pub struct CollectionRow {
    /// The `collection` label.
    pub name: Arc<str>,
    /// Torrents in it.
    pub torrents: u32,
    /// Distinct peers of all its torrents now, by [`Family::index`](crate::observation::Family::index).
    pub peers: [Count; 2],
    /// Distinct peers of all its torrents.
    pub unique: Unique,
    /// Sorted by country. Empty where countries are not to be shown.
    pub countries: Vec<CountryRow>,
}

/// One country of a collection.
#[derive(Debug, Clone, Copy)]
pub struct CountryRow {
    /// The country.
    pub country: Country,
    /// Distinct peers now; 0 for [`COUNTRY_HOURS`](super::COUNTRY_HOURS) after the last was seen.
    pub peers: Count,
    /// Distinct peers.
    pub unique: Unique,
}

/// What is shown of all torrents together.
#[derive(Debug, Clone, Default)]
pub struct FleetRow {
    /// Distinct peers of all torrents.
    pub unique: Unique,
    /// Peers now by autonomous system, counted anew in each torrent: the largest, then the rest.
    /// Empty without a database.
    pub systems: Vec<(System, u64)>,
}

/// A value of the `asn` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    /// One of the largest.
    Known(Asn),
    /// All that are known and not among the largest.
    Other,
    /// Addresses that nobody announces, as far as the database knows.
    Unknown,
}

impl TorrentRow {
    /// Distinct peers from any source. `reach` is that of the torrent, if it has any, and `now` the
    /// time of the picture.
    pub fn unique(&self, reach: Option<&Reach>, now: Unix) -> Unique {
        let last = self
            .last_success
            .iter()
            .filter_map(|stamp| stamp.get())
            .max();
        known(
            last,
            reach.map(|reach| reach.counts.all).unwrap_or_default(),
            now,
        )
    }

    /// Distinct peers from one source.
    pub fn source_unique(&self, source: Source, reach: Option<&Reach>, now: Unix) -> Unique {
        let counts = reach.map(|reach| reach.counts.by_source[source.index()]);
        let last = self.last_success[source.index()].get();
        known(last, counts.unwrap_or_default(), now)
    }
}

/// Counts of those windows in which a valid answer came, the last of them at `last`.
pub(super) fn known(last: Option<Unix>, counts: [u32; Window::ALL.len()], now: Unix) -> Unique {
    let mut unique = Unique::default();
    let Some(last) = last else {
        return unique;
    };
    let age = now.0.saturating_sub(last.0);
    for window in Window::ALL {
        if age < u64::from(window.hours()) * 3600 {
            unique[window.index()] = Some(counts[window.index()]).into();
        }
    }
    unique
}

/// The later of two points that may not have come.
pub(super) fn later(a: Stamp, b: Stamp) -> Stamp {
    if a.get() > b.get() { a } else { b }
}
