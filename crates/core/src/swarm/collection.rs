//! The peers of collections over the last month, and the rows of collections.

use std::sync::Arc;
use std::time::Duration;

use super::config::SwarmConfig;
use super::geo_breakdown;
use super::lost;
use super::peer_union::PeerUnion;
use crate::snapshot::{CollectionRow, Count, CountryRow, UniquePeers, UnknownWindows, where_known};
use seedwatch_clock::Mono;
use seedwatch_distinct::{Insert, Moment, PeerHash, Set, Window};
use seedwatch_geo::Country;

/// Addresses that a collection may unite per second. Large collections are rebuilt less often.
const ADDRESSES_PER_SECOND: usize = 10_000;
/// The cost of visiting one torrent, in addresses.
const COST_PER_TORRENT: usize = 4;

/// The peers of the torrents of one collection.
#[derive(Debug, Default)]
pub(super) struct CollectionState {
    pub(super) peers: Set,
    /// Sorted by country.
    pub(super) countries: Vec<CountryHistory>,
    row: Arc<CollectionRow>,
    /// The collection is in the configuration.
    is_configured: bool,
    is_dirty: bool,
    /// The row is not rebuilt before this time.
    not_before: Mono,
}

/// The peers of a collection in one country.
#[derive(Debug, Default)]
pub(super) struct CountryHistory {
    pub(super) country: Country,
    pub(super) peers: Set,
    /// The hour of running time in which a peer was last there.
    pub(super) last_seen_hour: u32,
}

/// The current torrents of a collection, taken together.
#[derive(Debug, Default)]
pub(super) struct CollectionTorrents<'a> {
    pub(super) count: u32,
    /// The current peers of all of them, with repetitions; `None` if no list is known.
    pub(super) union: Option<PeerUnion<'a>>,
    /// The families that are known, by [`Family::index`](seedwatch_torrent::Family::index).
    pub(super) asked: [bool; 2],
    /// The hour of running time of the latest list of any torrent.
    pub(super) last_list_hour: u32,
    /// The windows of any torrent that begin before a loss.
    pub(super) unknown: UnknownWindows,
}

impl CollectionTorrents<'_> {
    /// Adds one torrent. `union` holds its current peers, if they are known.
    pub(super) fn add(
        &mut self,
        union: Option<&PeerUnion<'_>>,
        asked: [bool; 2],
        last_list_hour: u32,
        unknown: UnknownWindows,
    ) {
        self.count += 1;
        self.last_list_hour = self.last_list_hour.max(last_list_hour);
        self.unknown = lost::either(self.unknown, unknown);
        self.asked = [0, 1].map(|family| self.asked[family] | asked[family]);
        if let Some(union) = union {
            self.union.get_or_insert_default().append(union);
        }
    }

    /// Returns the distinct peers of the windows in which a list came.
    fn unique(&self, counts: [u32; Window::ALL.len()], now: Moment) -> UniquePeers {
        unique_since(self.last_list_hour, counts, self.unknown, now)
    }

    /// Returns the cost of building the row, in addresses.
    fn cost(&self) -> usize {
        let addresses = self.union.as_ref().map_or(0, PeerUnion::len);
        addresses + self.count as usize * COST_PER_TORRENT
    }
}

impl CollectionState {
    /// Removes the collection from the configuration.
    pub(super) fn deconfigure(&mut self) {
        self.is_configured = false;
    }

    /// Adds the collection to the configuration.
    pub(super) fn configure(&mut self) {
        self.is_configured = true;
        self.is_dirty = true;
        self.not_before = Mono(0);
    }

    /// Returns whether the collection is configured, or had peers within the last month.
    pub(super) fn is_of_use(&mut self, now: Moment) -> bool {
        // Peers outside all windows may be inside again once the clock is corrected.
        let has_peers = |peers: &mut Set| {
            peers.counts(now);
            !peers.is_empty()
        };
        self.countries
            .retain_mut(|here| has_peers(&mut here.peers) || now.is_recent(here.last_seen_hour));
        self.is_configured || has_peers(&mut self.peers)
    }

    /// Merges a saved collection.
    pub(super) fn merge(&mut self, peers: &Set, countries: Vec<CountryHistory>, now: Moment) {
        self.peers.unite(peers, now);
        for saved in countries {
            let known = &mut self.countries;
            match known.binary_search_by_key(&saved.country, |here| here.country) {
                Ok(at) => {
                    known[at].peers.unite(&saved.peers, now);
                    known[at].last_seen_hour = known[at].last_seen_hour.max(saved.last_seen_hour);
                }
                Err(at) => known.insert(at, saved),
            }
        }
    }

    /// Records a peer seen in an hour up to now. With `thorough`, the peer is recorded in its
    /// country even if the collection has already recorded it in that hour.
    pub(super) fn record(
        &mut self,
        peer: PeerHash,
        country: impl FnOnce() -> Option<Country>,
        hour: u32,
        now: Moment,
        thorough: bool,
    ) {
        if self.peers.add_late(peer, 0, hour, now) == Insert::Unchanged && !thorough {
            return;
        }
        let Some(country) = country() else {
            return;
        };
        let here = self.country_mut(country);
        here.last_seen_hour = here.last_seen_hour.max(hour);
        here.peers.add_late(peer, 0, hour, now);
    }

    fn country_mut(&mut self, country: Country) -> &mut CountryHistory {
        let index = self.countries.binary_search_by_key(&country, |c| c.country);
        let index = index.unwrap_or_else(|index| {
            let new = CountryHistory {
                country,
                ..CountryHistory::default()
            };
            self.countries.insert(index, new);
            index
        });
        &mut self.countries[index]
    }

    /// Requests that the row is built again.
    pub(super) fn mark_dirty(&mut self) {
        self.is_dirty = true;
    }

    /// Returns whether the row must be built again now.
    pub(super) fn is_due(&self, now: Mono) -> bool {
        self.is_dirty && now >= self.not_before
    }

    /// Returns the latest row.
    pub(super) fn row(&self) -> &Arc<CollectionRow> {
        &self.row
    }

    /// Builds the row again, and returns the cost in addresses.
    pub(super) fn build_row(
        &mut self,
        name: &Arc<str>,
        mut torrents: CollectionTorrents<'_>,
        config: &SwarmConfig,
        now: Mono,
        moment: Moment,
    ) -> usize {
        self.is_dirty = false;
        let cost = torrents.cost();
        self.not_before = now.after(Duration::from_secs((cost / ADDRESSES_PER_SECOND) as u64));
        let union = torrents.union.take().map(PeerUnion::into_distinct);
        let countries = match config.countries {
            true => self.country_rows(union.as_ref(), &torrents, config, moment),
            false => Vec::new(),
        };
        self.row = Arc::new(CollectionRow {
            name: Arc::clone(name),
            torrents: torrents.count,
            peers: peers_by_family(union.as_ref(), torrents.asked),
            countries,
            unique: torrents.unique(self.peers.counts(moment).all, moment),
        });
        cost
    }

    /// Returns the rows of the countries. `union` holds the current peers, if they are known.
    fn country_rows(
        &mut self,
        union: Option<&PeerUnion<'_>>,
        torrents: &CollectionTorrents<'_>,
        config: &SwarmConfig,
        now: Moment,
    ) -> Vec<CountryRow> {
        let current = union.map(|union| geo_breakdown::countries(union, &config.geo));
        for (country, _) in current.iter().flatten() {
            self.country_mut(*country).last_seen_hour = now.hour();
        }
        let rows = self.countries.iter_mut().filter_map(|here| {
            let peers = current.as_ref().map(|current| {
                let at = current.binary_search_by_key(&here.country, |(country, _)| *country);
                at.map_or(0, |at| current[at].1)
            });
            let peers = peers.filter(|_| now.is_recent(here.last_seen_hour));
            let counts = here.peers.counts(now).all;
            let has_history = counts[Window::Month.index()] > 0;
            // Countries may be counted since a moment ago only. Then the current peers are not in
            // the windows yet, and a 0 there would be wrong.
            let is_new = !has_history && peers.is_some_and(|peers| peers > 0);
            let unique = match is_new {
                true => UniquePeers::default(),
                false => torrents.unique(counts, now),
            };
            (has_history || peers.is_some()).then_some(CountryRow {
                country: here.country,
                peers: peers.into(),
                unique,
            })
        });
        rows.collect()
    }
}

/// Returns the current peers by family. A family that was not asked over and of which no list names
/// a peer is unknown.
fn peers_by_family(union: Option<&PeerUnion<'_>>, asked: [bool; 2]) -> [Count; 2] {
    let counts = union.map(PeerUnion::by_family);
    [0, 1].map(|family| {
        let count = counts.map(|counts| counts[family]);
        count.filter(|count| asked[family] || *count > 0).into()
    })
}

/// Returns the counts of the windows that hold the hour of the latest list. A 0 of a window that is
/// partly `unknown` is unknown.
pub(super) fn unique_since(
    last_list_hour: u32,
    counts: [u32; Window::ALL.len()],
    unknown: UnknownWindows,
    now: Moment,
) -> UniquePeers {
    where_known(counts, |window| {
        let is_lost = unknown[window.index()] && counts[window.index()] == 0;
        now.is_within(window, last_list_hour) && !is_lost
    })
}
