//! The magnet links of a torrent: as published, and repaired.

use seedwatch_core::magnet;
use seedwatch_core::snapshot::{Snapshot, TorrentView};

/// Both magnet links, and how they differ.
pub(super) struct Magnets {
    pub(super) published: String,
    /// The same as the published one if there is nothing to repair.
    pub(super) repaired: String,
    /// The differences as sentences.
    pub(super) difference: Vec<String>,
}

impl Magnets {
    /// Returns the links; `None` for a private torrent.
    pub(super) fn of(snapshot: &Snapshot, view: TorrentView<'_>) -> Option<Self> {
        let published = magnet::published(view.torrent)?;
        let repaired = magnet::repaired(snapshot, view)?;
        Some(Self {
            published,
            repaired: repaired.magnet,
            difference: repaired
                .difference
                .iter()
                .map(ToString::to_string)
                .collect(),
        })
    }
}
