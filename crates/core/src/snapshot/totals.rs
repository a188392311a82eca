//! Rows of collections, and of all torrents together.

use std::sync::Arc;

use super::count::Count;
use super::geo::AsnLabel;
use super::windows::UniquePeers;
#[cfg(doc)]
use seedwatch_distinct::Moment;
use seedwatch_geo::Country;
#[cfg(doc)]
use seedwatch_torrent::Family;

/// The values of a collection.
#[derive(Debug, Clone, Default)]
pub struct CollectionRow {
    /// The `collection` label.
    pub name: Arc<str>,
    /// Torrents in the collection.
    pub torrents: u32,
    /// Distinct current peers of all its torrents, by [`Family::index`].
    pub peers: [Count; 2],
    /// Distinct peers of all its torrents, by window.
    pub unique: UniquePeers,
    /// Sorted by country. Empty if `metrics.countries` is off.
    pub countries: Vec<CountryRow>,
}

/// One country of a collection.
#[derive(Debug, Clone, Copy)]
pub struct CountryRow {
    /// The country.
    pub country: Country,
    /// Distinct current peers. Stays at 0 for [`RECENT_HOURS`](Moment::RECENT_HOURS) hours after
    /// the last peer.
    pub peers: Count,
    /// Distinct peers by window.
    pub unique: UniquePeers,
}

/// The values of all torrents together.
#[derive(Debug, Clone, Default)]
pub struct TotalsRow {
    /// Distinct peers of all torrents, by window.
    pub unique: UniquePeers,
    /// Current peers by autonomous system: the largest systems, then the rest. A peer counts once
    /// per torrent. Empty without a database of autonomous systems.
    pub systems: Vec<(AsnLabel, u64)>,
}
