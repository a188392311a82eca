//! The tables of torrents and of collections.

use super::urgency::ByUrgency;
use super::value::{Ago, ByteSize, Name, OrUnknown, Peers, TopCountries};
use super::{MAX_ROWS, Rows};
use seedwatch_core::snapshot::{CollectionRow, GeoBreakdown, Snapshot, TorrentView};
use seedwatch_core::verdict::{Advice, Conditions, State};

/// What `torrents.html` shows.
pub(super) struct Torrents<'a> {
    pub(super) count: usize,
    pub(super) rows: Rows,
    snapshot: &'a Snapshot,
    by_urgency: &'a ByUrgency,
    /// The breakdown of a swarm without peers.
    empty: GeoBreakdown,
}

impl<'a> Torrents<'a> {
    /// Returns the torrents of a snapshot.
    pub(super) fn of(snapshot: &'a Snapshot, by_urgency: &'a ByUrgency) -> Self {
        let count = snapshot.torrents.len();
        Self {
            count,
            rows: Rows::of(count, "./api/v1/torrents"),
            snapshot,
            by_urgency,
            empty: snapshot.empty_breakdown(),
        }
    }

    /// Returns the torrents that are shown, the most urgent first.
    pub(super) fn shown(&self) -> impl Iterator<Item = ShownTorrent<'_>> {
        let first = self.by_urgency.first(MAX_ROWS);
        first.filter_map(|index| Some(self.torrent(self.snapshot.row(index)?)))
    }

    fn torrent<'b>(&'b self, view: TorrentView<'b>) -> ShownTorrent<'b> {
        let snapshot = self.snapshot;
        let breakdown =
            Snapshot::breakdown(view, &self.empty).filter(|_| snapshot.config.countries);
        let countries = breakdown.map(|breakdown| &*breakdown.countries);
        let countries = countries.unwrap_or_default().iter();
        ShownTorrent {
            name: Name(&view.torrent.name),
            state: ShownState::of(view),
            since: Ago(snapshot.taken, view.verdict.since.get()),
            peers: Peers::of(view.peers, view.unique(view.windows)),
            trackers_online: OrUnknown(view.trackers_online.get()),
            trackers: view.torrent.trackers.len(),
            size: OrUnknown(view.torrent.size.map(|size| ByteSize(size.get()))),
            last_peer_seen: Ago(snapshot.taken, view.last_peer_seen.get()),
            countries: TopCountries::of(countries.map(|row| (row.country, row.peers))),
        }
    }
}

/// The row of a torrent.
pub(super) struct ShownTorrent<'a> {
    pub(super) name: Name<'a>,
    pub(super) state: ShownState,
    pub(super) since: Ago,
    pub(super) peers: Peers,
    pub(super) trackers_online: OrUnknown<u32>,
    pub(super) trackers: usize,
    pub(super) size: OrUnknown<ByteSize>,
    pub(super) last_peer_seen: Ago,
    pub(super) countries: TopCountries,
}

/// The state of a torrent in words.
pub(super) struct ShownState {
    pub(super) name: &'static str,
    /// The class in the style sheet.
    pub(super) class: &'static str,
    pub(super) reason: String,
    /// Empty if nothing needs to be done.
    pub(super) advice: &'static str,
}

impl ShownState {
    fn of(view: TorrentView<'_>) -> Self {
        let verdict = view.verdict;
        let has_condition = verdict.conditions != Conditions::default();
        let (name, class) = match verdict.state {
            State::Dead => ("dead", "bad"),
            State::AtRisk => ("at risk", "poor"),
            State::Unobserved => ("unobserved", "poor"),
            State::Pending => ("pending", "other"),
            State::Alive if has_condition => ("alive", "poor"),
            State::Alive => ("alive", "good"),
            State::Private => ("private", "other"),
        };
        Self {
            name,
            class,
            reason: verdict.sentence(view),
            advice: Advice::of(verdict).sentence(),
        }
    }
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
