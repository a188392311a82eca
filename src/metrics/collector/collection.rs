//! Families of collections.

use std::fmt;

use super::families::Families;
use super::labels::{by_family, by_window, sorted};
use crate::metrics::catalogue;
use seedwatch_core::snapshot::{CollectionRow, Count, Snapshot};
use seedwatch_core::verdict::State;

/// Writes the families with the label `collection`, and the number of collections.
pub(super) fn write(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    write_bytes(snapshot, to)?;
    if snapshot.config.countries {
        write_countries(snapshot, to)?;
    }
    to.gauge(
        &catalogue::COLLECTION_PEERS,
        rows(snapshot).flat_map(|row| {
            by_family(row.peers.map(Count::get), u32::from)
                .map(|(family, n)| ([&*row.name, family], n))
        }),
    )?;
    to.gauge(
        &catalogue::COLLECTION_TORRENTS,
        rows(snapshot).map(|row| ([&*row.name], row.torrents)),
    )?;
    let states = sorted(State::ALL, State::as_label);
    let by_state = snapshot.collections_by_state();
    to.gauge(
        &catalogue::COLLECTION_TORRENTS_BY_STATE,
        rows(snapshot).flat_map(|row| {
            let numbers = by_state.get(&*row.name).copied().unwrap_or_default();
            let name = &*row.name;
            let states = states.iter();
            states.map(move |state| ([name, state.as_label()], numbers[state.index()]))
        }),
    )?;
    to.gauge(
        &catalogue::COLLECTION_UNIQUE,
        rows(snapshot)
            .flat_map(|row| by_window(row.unique).map(|(window, n)| ([&*row.name, window], n))),
    )?;
    let collections = snapshot.collections.len() as u64;
    to.one(&catalogue::COLLECTIONS, Some(collections))
}

fn write_bytes(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let states = sorted(State::ALL, State::as_label);
    let bytes = snapshot.collection_bytes_by_state();
    let known = rows(snapshot).filter_map(|row| Some((&*row.name, *bytes.get(&*row.name)?)));
    to.gauge(
        &catalogue::COLLECTION_BYTES_BY_STATE,
        known.flat_map(|(name, bytes)| {
            let states = states.iter();
            states.map(move |state| ([name, state.as_label()], bytes[state.index()]))
        }),
    )
}

fn write_countries(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let countries =
        || rows(snapshot).flat_map(|row| row.countries.iter().map(|country| (&*row.name, country)));
    super::cliff::write_collections(snapshot, to)?;
    to.gauge(
        &catalogue::COLLECTION_COUNTRY_PEERS,
        countries()
            .filter_map(|(name, row)| Some(([name, row.country.as_str()], row.peers.get()?))),
    )?;
    to.gauge(
        &catalogue::COLLECTION_COUNTRY_UNIQUE,
        countries().flat_map(|(name, row)| {
            by_window(row.unique).map(move |(window, n)| ([name, row.country.as_str(), window], n))
        }),
    )
}

fn rows(snapshot: &Snapshot) -> impl Iterator<Item = &CollectionRow> {
    snapshot.collections.iter().map(|row| &**row)
}
