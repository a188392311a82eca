//! `/collections`: all collections.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

use askama::Template;

use super::layout::{Address, Layout, Section, Site};
use super::paging::Paging;
use super::value::{ByteSize, Name, Number, OrUnknown, Peers, TopCountries};
use seedwatch_core::snapshot::{CollectionRow, Snapshot, TorrentView};
use seedwatch_core::verdict::State;

/// Collections per page.
pub(super) const PER_PAGE: usize = 200;

/// What `collections.html` shows.
#[derive(Template)]
#[template(path = "collections.html")]
struct Collections<'a> {
    layout: Layout<'a>,
    paging: Paging,
    shown: Vec<ShownCollection<'a>>,
}

/// The row of a collection.
struct ShownCollection<'a> {
    name: Name<'a>,
    torrents: Number,
    dead: Number,
    at_risk: Number,
    unobserved: Number,
    bytes_at_risk: BytesAtRisk,
    peers: Peers,
    countries: TopCountries,
}

/// Writes the page.
pub(super) fn write(
    snapshot: &Snapshot,
    site: &Site,
    page: usize,
    to: &mut impl fmt::Write,
) -> fmt::Result {
    let paging = Paging::of(page, snapshot.collections.len(), PER_PAGE, String::new());
    let by_state = snapshot.collections_by_state();
    let bytes = BytesAtRisk::of_all(snapshot);
    let shown = paging.cut(&snapshot.collections).iter().map(|row| {
        let states = by_state.get(&*row.name).copied().unwrap_or_default();
        let count = |state: State| Number::from(states[state.index()]);
        ShownCollection {
            name: Name(&row.name),
            torrents: row.torrents.into(),
            dead: count(State::Dead),
            at_risk: count(State::AtRisk),
            unobserved: count(State::Unobserved),
            bytes_at_risk: bytes.get(&*row.name).copied().unwrap_or_default(),
            peers: Peers::of(row.peers, row.unique),
            countries: countries(row, snapshot),
        }
    });
    let address = Address::of(Section::Collections);
    let page = Collections {
        shown: shown.collect(),
        layout: Layout::of(snapshot, site, address, "collections"),
        paging,
    };
    page.render_into(to).map_err(|_| fmt::Error)
}

/// The size of the torrents of a collection that are dead or at risk.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BytesAtRisk {
    known: u64,
    /// Torrents whose size is unknown.
    unknown: u32,
}

impl BytesAtRisk {
    /// Returns the sizes of all collections that have torrents which are dead or at risk.
    fn of_all(snapshot: &Snapshot) -> HashMap<&str, Self> {
        let mut all: HashMap<&str, Self> = HashMap::new();
        for view in snapshot.rows() {
            if let Some(name) = view.torrent.collection() {
                all.entry(name).or_default().add(view);
            }
        }
        all
    }

    /// Adds a torrent, if it is dead or at risk.
    pub(super) fn add(&mut self, view: TorrentView<'_>) {
        if !matches!(view.verdict.state, State::Dead | State::AtRisk) {
            return;
        }
        match view.torrent.size {
            Some(size) => self.known = self.known.saturating_add(size.get()),
            None => self.unknown += 1,
        }
    }
}

impl Display for BytesAtRisk {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let known = ByteSize(self.known);
        match (self.known, self.unknown) {
            (_, 0) => known.fmt(to),
            (0, _) => OrUnknown(None::<ByteSize>).fmt(to),
            _ => write!(to, "at least {known}"),
        }
    }
}

/// Returns the countries with the most peers; none if countries are not shown.
fn countries(row: &CollectionRow, snapshot: &Snapshot) -> TopCountries {
    let rows = row.countries.iter().filter(|_| snapshot.config.countries);
    TopCountries::of(rows.filter_map(|row| Some((row.country, row.peers.get()?))))
}
