//! Families of peers by country, network and autonomous system.

use std::fmt;

use super::country;
use super::families::Families;
use crate::metrics::catalogue;
use seedwatch_core::snapshot::{AsnLabel, Database, GeoBreakdown, Snapshot};

/// Writes the current peers of all torrents by autonomous system. There are at most 32 samples, so
/// their labels may be allocated.
pub(super) fn write_totals(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let systems = snapshot.totals.systems.iter();
    let mut labelled: Vec<(String, u64)> = systems
        .map(|(label, peers)| (label_value(*label), *peers))
        .collect();
    labelled.sort_unstable();
    to.gauge(
        &catalogue::AS_PEERS,
        labelled.iter().map(|(label, peers)| ([&**label], *peers)),
    )
}

/// Writes the current peers of all torrents by country.
pub(super) fn write_countries(
    snapshot: &Snapshot,
    empty: &GeoBreakdown,
    to: &mut Families<'_>,
) -> fmt::Result {
    if !snapshot.config.countries {
        return Ok(());
    }
    let torrents = breakdowns(snapshot, empty).map(|(_, breakdown)| &*breakdown.countries);
    let totals = country::totals(torrents);
    let samples = totals.iter();
    let samples = samples.map(|(country, peers)| ([country.as_str()], *peers));
    super::cliff::write_countries(snapshot, to)?;
    to.gauge(&catalogue::COUNTRY_PEERS, samples)
}

/// Writes when the databases were built.
pub(super) fn write_build_times(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    // The reverse of `Database::ALL` is label order.
    let databases = Database::ALL.into_iter().zip(snapshot.geo.built).rev();
    to.gauge(
        &catalogue::GEOIP_BUILD_TIME,
        databases.filter_map(|(database, built)| Some(([database.as_str()], built?.0))),
    )
}

/// Writes the number of countries of each torrent, and its peers by country.
pub(super) fn write_torrent_countries(
    snapshot: &Snapshot,
    empty: &GeoBreakdown,
    to: &mut Families<'_>,
) -> fmt::Result {
    if !snapshot.config.countries {
        return Ok(());
    }
    to.gauge(
        &catalogue::TORRENT_COUNTRIES,
        breakdowns(snapshot, empty).map(|(name, breakdown)| ([name], breakdown.known_countries())),
    )?;
    super::cliff::write_torrents(snapshot, to)?;
    to.gauge(
        &catalogue::TORRENT_COUNTRY_PEERS,
        breakdowns(snapshot, empty).flat_map(|(name, breakdown)| {
            let shown = country::shown(&breakdown.countries, snapshot.config.country_limit);
            shown.map(move |(country, peers)| ([name, country], peers))
        }),
    )
}

/// Writes the number of autonomous systems of each torrent.
pub(super) fn write_torrent_systems(
    snapshot: &Snapshot,
    empty: &GeoBreakdown,
    to: &mut Families<'_>,
) -> fmt::Result {
    let samples = breakdowns(snapshot, empty)
        .filter_map(|(name, breakdown)| Some(([name], breakdown.systems?.distinct)));
    to.gauge(&catalogue::TORRENT_SYSTEMS, samples)
}

/// Writes the share of the largest autonomous system of each torrent with peers.
pub(super) fn write_largest_systems(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let samples = snapshot.rows().filter_map(|view| {
        let systems = view.windows?.geo.as_ref()?.systems?;
        Some(([&*view.torrent.name], systems.largest_share()?))
    });
    to.gauge(&catalogue::TORRENT_LARGEST_SYSTEM, samples)
}

/// Writes the number of networks of each torrent.
pub(super) fn write_torrent_prefixes(
    snapshot: &Snapshot,
    empty: &GeoBreakdown,
    to: &mut Families<'_>,
) -> fmt::Result {
    let samples = breakdowns(snapshot, empty).map(|(name, breakdown)| ([name], breakdown.prefixes));
    to.gauge(&catalogue::TORRENT_PREFIXES, samples)
}

/// Returns the torrents whose current peers are known. `empty` stands for those without peers.
fn breakdowns<'a>(
    snapshot: &'a Snapshot,
    empty: &'a GeoBreakdown,
) -> impl Iterator<Item = (&'a str, &'a GeoBreakdown)> {
    snapshot.rows().filter_map(move |view| {
        let breakdown = Snapshot::breakdown(view, empty)?;
        Some((&*view.torrent.name, breakdown))
    })
}

/// Returns the value of the `asn` label.
fn label_value(label: AsnLabel) -> String {
    match label {
        AsnLabel::Known(asn) => asn.to_string(),
        AsnLabel::Other => "other".into(),
        AsnLabel::Unknown => "unknown".into(),
    }
}
