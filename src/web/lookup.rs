//! Torrents by what stands in an address: an info-hash or a name.

use super::links;
use seedwatch_core::snapshot::{Snapshot, Torrent};
use seedwatch_torrent::{Hashes, InfoHash};

/// Returns the index of a torrent that readers may know. A hash names the torrent that has it,
/// whatever others are called: names may come from strangers. Snapshots are sorted by name.
pub(super) fn find(snapshot: &Snapshot, text: &str) -> Option<usize> {
    let by_hash = wire_hash(text).and_then(|hash| {
        let mut torrents = snapshot.torrents.iter();
        torrents.position(|torrent| torrent.hashes.wire().any(|own| own == hash))
    });
    let found = by_hash.or_else(|| {
        let torrents = &snapshot.torrents;
        let found = torrents.binary_search_by(|torrent| (*torrent.name).cmp(text));
        found.ok()
    });
    found.filter(|index| (snapshot.torrents.get(*index)).is_some_and(|it| snapshot.shows(it)))
}

/// Returns the info-hash on the wire that a text is, if it is one.
pub(super) fn wire_hash(text: &str) -> Option<InfoHash> {
    Hashes::parse(text).ok()?.wire().next()
}

/// Returns the last segment of the address of a torrent: its name, or its info-hash if a browser
/// would take the name for a folder, or anyone the name for the hash of another.
pub(super) fn segment(torrent: &Torrent) -> String {
    let name = &*torrent.name;
    let is_unclear = matches!(name, "." | "..") || wire_hash(name).is_some();
    match torrent.hashes.wire().next().filter(|_| is_unclear) {
        Some(hash) => hash.to_string(),
        None => links::segment(name).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::sample;

    /// A list can name a torrent like the hash of another.
    #[test]
    fn a_hash_is_that_of_its_torrent_whatever_others_are_called() {
        let [one, two] = [InfoHash([0x11; 20]), InfoHash([0x22; 20])];
        let torrents = [
            (two.to_string(), one),
            ("A".repeat(32), two),
            ("three".to_owned(), InfoHash([0x33; 20])),
        ];
        let rows =
            torrents.map(|(name, hash)| sample::sample(&name, Hashes::V1(hash), &[]).parts());
        let snapshot = Snapshot::default().with_torrents(rows);
        for (text, expected) in [
            (one.to_string(), Some(0)),
            (two.to_string(), Some(1)),
            ("A".repeat(32), Some(1)),
            ("three".to_owned(), Some(2)),
            ("4".repeat(40), None),
        ] {
            assert_eq!(find(&snapshot, &text), expected, "{text}");
        }
        for (index, torrent) in snapshot.torrents.iter().enumerate() {
            assert_eq!(find(&snapshot, &segment(torrent)), Some(index));
        }
    }
}
