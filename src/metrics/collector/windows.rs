//! Families of distinct peers over time.

use std::fmt;

use super::families::Families;
use super::labels::by_window;
use crate::metrics::catalogue;
use seedwatch_core::snapshot::{Snapshot, Source};

/// Writes the distinct peers of all torrents.
pub(super) fn write_totals(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let unique = by_window(snapshot.totals.unique);
    to.gauge(&catalogue::UNIQUE, unique.map(|(window, n)| ([window], n)))
}

/// Writes the distinct peers of each torrent.
pub(super) fn write_torrents(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let samples = snapshot.rows().flat_map(|view| {
        let name = &*view.torrent.name;
        by_window(view.unique(view.windows)).map(move |(window, n)| ([name, window], n))
    });
    to.gauge(&catalogue::TORRENT_UNIQUE, samples)
}

/// Writes the distinct peers of each torrent and source.
pub(super) fn write_torrent_sources(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let samples = snapshot.rows().flat_map(|view| {
        Source::ALL.into_iter().flat_map(move |source| {
            let name = &*view.torrent.name;
            by_window(view.source_unique(source, view.windows))
                .map(move |(window, n)| ([name, source.as_label(), window], n))
        })
    });
    to.gauge(&catalogue::TORRENT_SOURCE_UNIQUE, samples)
}
