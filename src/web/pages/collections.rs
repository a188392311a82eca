//! `/collections`: all collections.

use std::fmt;

use askama::Template;

use super::layout::{Address, Layout, Section, Site};
use super::paging::Paging;
use super::value::{ByteSize, Name, Number, OrUnknown, Peers, TopCountries};
use seedwatch_core::snapshot::{CollectionRow, Snapshot};
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
    /// The known sizes of torrents that are dead or at risk; `None` if no size is known.
    bytes_at_risk: OrUnknown<ByteSize>,
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
    let bytes = snapshot.collection_bytes_by_state();
    let shown = paging.cut(&snapshot.collections).iter().map(|row| {
        let states = by_state.get(&*row.name).copied().unwrap_or_default();
        let count = |state: State| Number::from(states[state.index()]);
        ShownCollection {
            name: Name(&row.name),
            torrents: row.torrents.into(),
            dead: count(State::Dead),
            at_risk: count(State::AtRisk),
            unobserved: count(State::Unobserved),
            bytes_at_risk: OrUnknown(bytes.get(&*row.name).map(bytes_at_risk)),
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

/// Returns the bytes of torrents that are dead or at risk.
pub(super) fn bytes_at_risk(bytes: &[u64; State::ALL.len()]) -> ByteSize {
    let [dead, at_risk] = [State::Dead, State::AtRisk].map(|state| bytes[state.index()]);
    ByteSize(dead.saturating_add(at_risk))
}

/// Returns the countries with the most peers; none if countries are not shown.
fn countries(row: &CollectionRow, snapshot: &Snapshot) -> TopCountries {
    let rows = row.countries.iter().filter(|_| snapshot.config.countries);
    TopCountries::of(rows.filter_map(|row| Some((row.country, row.peers.get()?))))
}
