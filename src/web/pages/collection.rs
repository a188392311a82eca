//! `/collections/NAME`: one collection.

use std::fmt;

use askama::Template;

use super::collections::BytesAtRisk;
use super::countries::{CountryBars, bars};
use super::layout::{Address, Layout, Section, Site};
use super::row::Rows;
use super::tiles::{Tile, by_state};
use super::todo::WORST;
use super::urgency::ByUrgency;
use super::value::{Name, Number, Peers};
use crate::web::query::TorrentQuery;
use seedwatch_core::snapshot::Snapshot;

/// What `collection.html` shows.
#[derive(Template)]
#[template(path = "collection.html")]
struct Collection<'a> {
    layout: Layout<'a>,
    name: Name<'a>,
    tiles: Vec<Tile>,
    total: Number,
    needy: Number,
    peers: Peers,
    bytes_at_risk: BytesAtRisk,
    countries: CountryBars,
    rows: Rows<'a>,
    /// The query of all torrents of the collection.
    query: String,
}

/// Returns the index of a collection. Snapshots are sorted by name.
pub(super) fn find(snapshot: &Snapshot, name: &str) -> Option<usize> {
    let rows = &snapshot.collections;
    rows.binary_search_by(|row| (*row.name).cmp(name)).ok()
}

/// Writes the page of the collection at an index.
pub(super) fn write(
    snapshot: &Snapshot,
    site: &Site,
    index: usize,
    to: &mut impl fmt::Write,
) -> fmt::Result {
    let row = snapshot.collections.get(index).ok_or(fmt::Error)?;
    let name = &*row.name;
    let mut bytes_at_risk = BytesAtRisk::default();
    let own = snapshot.rows().enumerate().filter(|(_, view)| {
        let collection = view.torrent.collection();
        collection.is_some_and(|collection| **collection == *name)
    });
    let own = own.inspect(|(_, view)| bytes_at_risk.add(*view));
    let counts = ByUrgency::of(snapshot, own, WORST);
    let query = TorrentQuery::default().filtered(|filter| {
        filter.collection = Some(name.to_owned());
    });
    let address = Address::below(Section::Collections, name);
    let layout = Layout::of(snapshot, site, address, format!("collection {name}"));
    let known = row.countries.iter().filter(|_| snapshot.config.countries);
    let page = Collection {
        name: Name(name),
        tiles: by_state(&counts, layout.root, &query),
        total: counts.total().into(),
        needy: counts.needy().into(),
        peers: Peers::of(row.peers, row.unique),
        bytes_at_risk,
        countries: bars(known.filter_map(|row| Some((row.country, row.peers.get()?)))),
        rows: Rows::of(snapshot, counts.first(), layout.root),
        query: query.to_query(),
        layout,
    };
    page.render_into(to).map_err(|_| fmt::Error)
}
