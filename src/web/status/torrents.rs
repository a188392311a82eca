//! The tables of torrents and of collections.

use super::finding::{Finding, Findings};
use super::value::{Ago, Name, OrUnknown, Peers, TopCountries};
use super::{MAX_ROWS, Rows};
use seedwatch_core::snapshot::{CollectionRow, GeoBreakdown, Snapshot, TorrentView};

/// What `torrents.html` shows.
pub(super) struct Torrents<'a> {
    pub(super) count: usize,
    pub(super) rows: Rows,
    snapshot: &'a Snapshot,
    findings: &'a Findings,
    /// The breakdown of a swarm without peers.
    empty: GeoBreakdown,
}

impl<'a> Torrents<'a> {
    /// Returns the torrents of a snapshot.
    pub(super) fn of(snapshot: &'a Snapshot, findings: &'a Findings) -> Self {
        let count = snapshot.torrents.len();
        Self {
            count,
            rows: Rows::of(count, "./api/v1/torrents"),
            snapshot,
            findings,
            empty: snapshot.empty_breakdown(),
        }
    }

    /// Returns the torrents that are shown, the most urgent first.
    pub(super) fn shown(&self) -> impl Iterator<Item = ShownTorrent<'_>> {
        self.findings
            .first(MAX_ROWS)
            .filter_map(|(finding, index)| Some(self.torrent(self.snapshot.row(index)?, finding)))
    }

    fn torrent<'b>(&'b self, view: TorrentView<'b>, finding: Finding) -> ShownTorrent<'b> {
        let snapshot = self.snapshot;
        let breakdown =
            Snapshot::breakdown(view, &self.empty).filter(|_| snapshot.config.countries);
        let countries = breakdown.map(|breakdown| &*breakdown.countries);
        let countries = countries.unwrap_or_default().iter();
        ShownTorrent {
            name: Name(&view.torrent.name),
            finding,
            peers: Peers::of(view.peers, view.unique(view.windows)),
            trackers_online: OrUnknown(view.trackers_online.get()),
            trackers: view.torrent.trackers.len(),
            last_peer_seen: Ago(snapshot.taken, view.last_peer_seen.get()),
            countries: TopCountries::of(countries.map(|row| (row.country, row.peers))),
        }
    }
}

/// The row of a torrent.
pub(super) struct ShownTorrent<'a> {
    pub(super) name: Name<'a>,
    pub(super) finding: Finding,
    pub(super) peers: Peers,
    pub(super) trackers_online: OrUnknown<u32>,
    pub(super) trackers: usize,
    pub(super) last_peer_seen: Ago,
    pub(super) countries: TopCountries,
}

/// What `collections.html` shows.
pub(super) struct Collections<'a> {
    pub(super) rows: Rows,
    snapshot: &'a Snapshot,
}

impl<'a> Collections<'a> {
    /// Returns the collections of a snapshot.
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            rows: Rows::of(snapshot.collections.len(), "./api/v1/collections"),
            snapshot,
        }
    }

    /// Returns the collections that are shown.
    pub(super) fn shown(&self) -> impl Iterator<Item = ShownCollection<'a>> {
        let with_countries = self.snapshot.config.countries;
        let first = self.snapshot.collections.iter().take(MAX_ROWS);
        first.map(move |row| ShownCollection::of(row, with_countries))
    }
}

/// The row of a collection.
pub(super) struct ShownCollection<'a> {
    pub(super) name: Name<'a>,
    pub(super) torrents: u32,
    pub(super) peers: Peers,
    pub(super) countries: TopCountries,
}

impl<'a> ShownCollection<'a> {
    fn of(row: &'a CollectionRow, with_countries: bool) -> Self {
        let countries = row.countries.iter().filter(|_| with_countries);
        let known = countries.filter_map(|row| Some((row.country, row.peers.get()?)));
        Self {
            name: Name(&row.name),
            torrents: row.torrents,
            peers: Peers::of(row.peers, row.unique),
            countries: TopCountries::of(known),
        }
    }
}
