//! What an entry of a feed shows in every format.

use std::num::NonZeroU64;

use super::file;
use crate::web::bytes::ByteSize;
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
        let size = self.size().map(|size| format!(" ({})", ByteSize(size)));
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
