//! What is shown of the peers of a swarm beyond how many are there now: over which time, from where.

use std::sync::Arc;

use super::lost::UnknownWindows;
use super::row::{Count, Stamp, TorrentRow};
use crate::Source;
use seedwatch_distinct::{Counts, Moment, Window};
use seedwatch_geo::{Asn, Country};

/// Distinct peers by [`Window::index`]. Unknown where no list came in the window: a 0 says
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
    /// Sorted by country; those seen in the last [`LATELY`](Moment::RECENT_HOURS) hours stay at 0.
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
    /// Peers in the largest of these.
    pub largest: u32,
    /// Peers, wherever they are.
    pub peers: u32,
}

impl Systems {
    /// Share of the peers that is in the largest system, 0 to 1; `None` if nobody is there.
    pub fn largest_share(&self) -> Option<f64> {
        (self.peers > 0).then(|| f64::from(self.largest) / f64::from(self.peers))
    }
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
    /// Distinct peers of all its torrents now, by [`Family::index`](seedwatch_torrent::Family::index).
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
    /// Distinct peers now; 0 for [`LATELY`](Moment::RECENT_HOURS) hours after the last was seen.
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

/// The windows in which each source gave a list, be it an empty one. A tracker that only counts, or
/// keeps its list to itself, says nothing of who is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Listed(u8);

impl Listed {
    /// Lists came of late.
    pub const LATELY: Self = Self(u8::MAX);

    /// The source gave a list in these windows.
    pub fn with(mut self, source: Source, windows: impl IntoIterator<Item = Window>) -> Self {
        for window in windows {
            self.0 |= 1 << Self::bit(source, window);
        }
        self
    }

    /// By the hours in which the last lists came, by [`Source::index`].
    pub(super) fn at(hours: [u32; Source::ALL.len()], now: Moment) -> Self {
        Source::ALL
            .into_iter()
            .fold(Self::default(), |listed, source| {
                let hour = hours[source.index()];
                let here = Window::ALL.into_iter();
                listed.with(source, here.filter(|window| now.is_within(*window, hour)))
            })
    }

    /// Leaves out the `unknown` windows in which a source named no peer: the peers that it named before
    /// the loss are not known.
    pub(super) fn without_zeros(mut self, reach: Option<&Reach>, unknown: UnknownWindows) -> Self {
        for window in Window::ALL.into_iter().filter(|w| unknown[w.index()]) {
            for source in Source::ALL {
                let named = |reach: &Reach| reach.counts.by_source[source.index()][window.index()];
                if reach.map_or(0, named) == 0 {
                    self.0 &= !(1 << Self::bit(source, window));
                }
            }
        }
        self
    }

    const fn bit(source: Source, window: Window) -> usize {
        source.index() * Window::ALL.len() + window.index()
    }

    fn has(self, source: Source, window: Window) -> bool {
        self.0 >> Self::bit(source, window) & 1 == 1
    }
}

impl TorrentRow {
    /// Distinct peers from any source. `reach` is that of the torrent, if it has any.
    pub fn unique(&self, reach: Option<&Reach>) -> Unique {
        let counts = reach.map(|reach| reach.counts.all).unwrap_or_default();
        let known = |window| {
            Source::ALL
                .iter()
                .any(|source| self.listed.has(*source, window))
        };
        where_known(counts, known)
    }

    /// Distinct peers from one source.
    pub fn source_unique(&self, source: Source, reach: Option<&Reach>) -> Unique {
        let counts = reach.map(|reach| reach.counts.by_source[source.index()]);
        where_known(counts.unwrap_or_default(), |window| {
            self.listed.has(source, window)
        })
    }
}

/// Counts of those windows in which a list came, the last of them in this hour. A 0 of a window
/// that is partly `unknown` is none.
pub(super) fn known(
    hour: u32,
    counts: [u32; Window::ALL.len()],
    unknown: UnknownWindows,
    now: Moment,
) -> Unique {
    let is_lost = |window: Window| unknown[window.index()] && counts[window.index()] == 0;
    where_known(counts, |window| {
        now.is_within(window, hour) && !is_lost(window)
    })
}

fn where_known(counts: [u32; Window::ALL.len()], known: impl Fn(Window) -> bool) -> Unique {
    Window::ALL.map(|window| known(window).then_some(counts[window.index()]).into())
}

/// The later of two points that may not have come.
pub(super) fn later(a: Stamp, b: Stamp) -> Stamp {
    if a.get() > b.get() { a } else { b }
}
