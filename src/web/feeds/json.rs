//! Torrents that need seeding as JSON.
//!
//! No value says when the snapshot was taken, so the content stays the same until a torrent
//! changes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::items::Item;
use crate::web::escape;
use crate::web::timestamp::Timestamp;
use seedwatch_core::needs_seeding::Selection;
use seedwatch_core::snapshot::Snapshot;
use seedwatch_core::verdict::State;

/// What a helper should seed.
#[derive(Serialize)]
struct FeedView<'a> {
    /// The number of torrents that need seeding and that the query selects from.
    needy: usize,
    /// The bytes of the torrents below as they count in the budget.
    budget_bytes: u64,
    /// The known sizes of torrents in danger, by collection.
    bytes_at_risk: BTreeMap<&'a str, BytesAtRisk>,
    /// The most needed first.
    torrents: Vec<TorrentView<'a>>,
}

#[derive(Serialize)]
struct BytesAtRisk {
    dead: u64,
    at_risk: u64,
}

#[derive(Serialize)]
struct TorrentView<'a> {
    name: &'a str,
    collection: Option<&'a str>,
    infohash: Option<String>,
    infohash_v2: Option<String>,
    state: &'static str,
    /// The known seeders; `null` if no source counts them.
    copies: Option<u32>,
    /// Whether it is well again, but not yet for long enough.
    recovering: bool,
    /// When it became needy, in seconds since 1970.
    needy_since: Option<u64>,
    size_bytes: Option<u64>,
    /// What it counts for in the budget: the size, or the mean size of the others.
    budget_bytes: u64,
    /// The repaired magnet link.
    magnet: String,
    /// The address of the torrent file, if there is one.
    torrent_file: Option<String>,
    /// How it differs from the published one.
    difference: Vec<String>,
}

/// Returns a selection as JSON.
pub(super) fn own<'a>(
    snapshot: &'a Snapshot,
    selection: &Selection<'a>,
    items: impl Iterator<Item = Item<'a>>,
) -> String {
    let by_state = snapshot.collection_bytes_by_state().into_iter();
    let at_risk = by_state.map(|(name, bytes)| {
        let bytes = BytesAtRisk {
            dead: bytes[State::Dead.index()],
            at_risk: bytes[State::AtRisk.index()],
        };
        (name, bytes)
    });
    to_string(&FeedView {
        needy: selection.needy,
        budget_bytes: selection.bytes,
        bytes_at_risk: at_risk.collect(),
        torrents: items.map(view).collect(),
    })
}

fn view(item: Item<'_>) -> TorrentView<'_> {
    let hashes = &item.view.torrent.hashes;
    TorrentView {
        name: item.name(),
        collection: item.collection(),
        infohash: hashes.v1().map(|hash| hash.to_string()),
        infohash_v2: hashes.v2().map(|hash| hash.to_string()),
        state: item.view.verdict.state.as_label(),
        copies: item.entry.copies,
        recovering: item.entry.is_recovering,
        needy_since: item.since().map(|at| at.0),
        size_bytes: item.size(),
        budget_bytes: item.entry.bytes,
        magnet: item.magnet,
        torrent_file: item.file,
        difference: item.difference,
    }
}

/// An entry as helper programs read it at `/dyn/generate_torrents`. What seedwatch does not know is
/// `null`.
#[derive(Serialize)]
struct ContractView<'a> {
    /// The torrent file, or the magnet link if there is none.
    url: String,
    top_level_group_name: Option<&'a str>,
    group_name: Option<&'a str>,
    display_name: &'a str,
    added_to_torrents_list_at: Option<String>,
    is_metadata: bool,
    btih: String,
    magnet_link: String,
    /// The size of the torrent file.
    torrent_size: Option<u64>,
    num_files: Option<u64>,
    /// The size of the files.
    data_size: Option<u64>,
    obsolete: bool,
    embargo: bool,
    seeders: Option<u32>,
    leechers: Option<u32>,
    completed: Option<u32>,
}

/// Returns entries as helper programs read them.
pub(super) fn contract<'a>(items: impl Iterator<Item = Item<'a>>) -> String {
    let view = |item: Item<'a>| ContractView {
        url: item.url(),
        top_level_group_name: item.collection(),
        group_name: item.collection(),
        display_name: item.name(),
        added_to_torrents_list_at: item.since().map(|at| Timestamp(at).to_string()),
        is_metadata: false,
        btih: item.wire_hash(),
        torrent_size: None,
        num_files: None,
        data_size: item.size(),
        obsolete: false,
        embargo: false,
        seeders: item.entry.copies,
        leechers: item.view.leechers.get(),
        completed: None,
        magnet_link: item.magnet,
    };
    to_string(&items.map(view).collect::<Vec<_>>())
}

fn to_string(view: &impl Serialize) -> String {
    // Maps with texts as keys, numbers and texts are always representable.
    escape::json(view).unwrap_or_default()
}
