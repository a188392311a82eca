//! Families of cliffs: falls of a country or autonomous system that hold now.

use std::fmt;

use super::families::Families;
use crate::metrics::catalogue;
use seedwatch_core::snapshot::Snapshot;

/// Writes the falls of autonomous systems. There are at most 32.
pub(super) fn write_systems(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let systems = snapshot.cliffs.systems.iter();
    let mut labelled: Vec<(String, f64)> = systems
        .map(|(asn, ratio)| (asn.to_string(), f64::from(*ratio)))
        .collect();
    labelled.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let samples = labelled.iter().map(|(asn, ratio)| ([&**asn], *ratio));
    to.gauge(&catalogue::AS_CLIFF, samples)
}

/// Writes the falls of countries of collections.
pub(super) fn write_collections(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let rows = snapshot.cliffs.collections.iter();
    let samples =
        rows.map(|(name, country, ratio)| ([&**name, country.as_str()], f64::from(*ratio)));
    to.gauge(&catalogue::COLLECTION_COUNTRY_CLIFF, samples)
}

/// Writes the countries that most torrents have lost.
pub(super) fn write_countries(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let rows = snapshot.cliffs.countries.iter();
    let samples = rows.map(|(country, ratio)| ([country.as_str()], f64::from(*ratio)));
    to.gauge(&catalogue::COUNTRY_CLIFF, samples)
}

/// Writes the falls of countries of torrents.
pub(super) fn write_torrents(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let rows = snapshot.cliffs.torrents.iter();
    let samples = rows.filter_map(|(index, country, ratio)| {
        let torrent = snapshot.torrents.get(*index as usize)?;
        Some(([&*torrent.name, country.as_str()], f64::from(*ratio)))
    });
    to.gauge(&catalogue::TORRENT_COUNTRY_CLIFF, samples)
}
