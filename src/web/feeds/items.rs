//! What an entry of a feed shows in every format.

use std::num::NonZeroU64;

use super::file;
use crate::web::links::{torrent_page, urn};
use seedwatch_core::magnet;
use seedwatch_core::needs_seeding::Entry;
use seedwatch_core::snapshot::{Snapshot, TorrentView, Unix};

/// An entry of a feed.
pub(super) struct Item<'a> {
    pub(super) view: TorrentView<'a>,
    pub(super) entry: &'a Entry<'a>,
    /// The repaired magnet link.
    pub(super) magnet: String,
    /// The address of the torrent file, if there is one.
    pub(super) file: Option<String>,
    /// How the link differs from the published one, in sentences.
    pub(super) difference: Vec<String>,
    /// Names the torrent among all torrents of the world, and never changes.
    pub(super) urn: String,
}

impl<'a> Item<'a> {
    /// Returns the item of an entry; `None` if the torrent is private. `files` is what addresses of
    /// torrent files begin with.
    pub(super) fn of(
        snapshot: &'a Snapshot,
        entry: &'a Entry<'a>,
        files: Option<&str>,
    ) -> Option<Self> {
        let repaired = magnet::repaired(snapshot, entry.view)?;
        Some(Self {
            view: entry.view,
            entry,
            magnet: repaired.magnet,
            file: files
                .zip(file::path_of(entry.view.torrent))
                .map(|(root, path)| format!("{root}{path}")),
            difference: repaired
                .difference
                .iter()
                .map(ToString::to_string)
                .collect(),
            urn: urn(&entry.view.torrent.hashes),
        })
    }

    /// Returns the address of the torrent file, or the magnet link if there is none.
    pub(super) fn url(&self) -> String {
        self.file.as_ref().unwrap_or(&self.magnet).clone()
    }

    /// Returns the path of the page of the torrent without its first slash.
    pub(super) fn page(&self) -> String {
        torrent_page(self.view.torrent)
    }

    pub(super) fn name(&self) -> &'a str {
        &self.view.torrent.name
    }

    pub(super) fn collection(&self) -> Option<&'a str> {
        self.view.torrent.collection().map(|name| &**name)
    }

    /// Returns the size in bytes, if it is known.
    pub(super) fn size(&self) -> Option<u64> {
        self.view.torrent.size.map(NonZeroU64::get)
    }

    /// Returns when the torrent became needy.
    pub(super) fn since(&self) -> Option<Unix> {
        self.entry.since
    }

    /// Returns the info-hash that trackers and the DHT know: 40 hexadecimal digits.
    pub(super) fn wire_hash(&self) -> String {
        let hash = self.view.torrent.hashes.wire().next();
        hash.map(|hash| hash.to_string()).unwrap_or_default()
    }

    /// Returns a title that download rules can match: collection, name and size.
    pub(super) fn title(&self) -> String {
        let collection = self.collection().map(|name| format!("[{name}] "));
        let size = self.size().map(|size| format!(" ({})", in_words(size)));
        format!(
            "{}{}{}",
            collection.unwrap_or_default(),
            self.name(),
            size.unwrap_or_default()
        )
    }

    /// Returns why the torrent is in the feed, without a number that changes with every snapshot.
    pub(super) fn why(&self) -> String {
        let state = self.view.verdict.state.as_label().replace('_', " ");
        let copies = match self.entry.copies {
            Some(1) => "1 known seeder".to_owned(),
            Some(copies) => format!("{copies} known seeders"),
            None => "no source counts seeders now".to_owned(),
        };
        let doubt = match (self.entry.is_recovering, self.entry.is_remembered) {
            (true, _) => "; well again, but not yet for long enough",
            (false, true) => "; it needed seeding when this was last known",
            (false, false) => "",
        };
        format!("{state}, {copies}{doubt}")
    }
}

/// Returns a size with its unit, in powers of 1000.
fn in_words(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64 / 1000.0;
    let mut units = units.into_iter().peekable();
    let mut unit = units.next().unwrap_or_default();
    // One digit after the point, rounded up to the next unit if need be.
    while value >= 999.95
        && let Some(next) = units.next()
    {
        (value, unit) = (value / 1000.0, next);
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit() {
        for (bytes, expected) in [
            (1, "0.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (4_700_000_000, "4.7 GB"),
            (1_000_000_000_000, "1.0 TB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(in_words(bytes), expected);
        }
    }
}
