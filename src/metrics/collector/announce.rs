//! Families of torrents at trackers.

use std::fmt;

use super::families::Families;
use crate::metrics::catalogue;
use seedwatch_core::snapshot::{AnnounceRow, Snapshot};

/// Writes the families with the labels `torrent` and `tracker`.
pub(super) fn write(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let pairs = Pairs::new(snapshot);
    to.gauge(
        &catalogue::ANNOUNCE_COMPLETED,
        pairs.samples(|row| row.completed.get()),
    )?;
    to.gauge(
        &catalogue::ANNOUNCE_LEECHERS,
        pairs.samples(|row| row.leechers.get()),
    )?;
    to.gauge(
        &catalogue::ANNOUNCE_PEERS,
        pairs.samples(|row| row.peers.get()),
    )?;
    to.gauge(
        &catalogue::ANNOUNCE_SEEDERS,
        pairs.samples(|row| row.seeders.get()),
    )?;
    to.gauge(
        &catalogue::ANNOUNCE_SUCCESS,
        pairs.samples(|row| row.success.map(u32::from)),
    )
}

/// The pairs of torrent and tracker in label order, found once for five families. Holds positions
/// only, eight bytes per pair.
struct Pairs<'a> {
    snapshot: &'a Snapshot,
    order: Vec<(u32, u32)>,
}

impl<'a> Pairs<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let rank = label_ranks(snapshot);
        let total = snapshot.rows().map(|row| row.announces.len()).sum();
        let mut order = Vec::with_capacity(total);
        for (torrent, row) in (0..).zip(snapshot.rows()) {
            let start = order.len();
            order.extend((0..).zip(row.announces).filter_map(|(announce, pair)| {
                snapshot.tracker(pair.tracker).map(|_| (torrent, announce))
            }));
            order[start..].sort_unstable_by_key(|(_, announce)| {
                rank[row.announces[*announce as usize].tracker.0 as usize]
            });
        }
        Self { snapshot, order }
    }

    fn samples<V>(
        &self,
        value: impl Fn(&AnnounceRow) -> Option<V>,
    ) -> impl Iterator<Item = ([&str; 2], V)> {
        self.order.iter().filter_map(move |(torrent, announce)| {
            let view = self.snapshot.row(*torrent as usize)?;
            let announce = &view.announces[*announce as usize];
            let value = value(announce)?;
            let tracker = self.snapshot.tracker(announce.tracker)?;
            Some(([&*view.torrent.name, &*tracker.label], value))
        })
    }
}

/// Returns the position of each tracker in label order, by tracker id. Sorting by ranks instead of
/// labels is cheap for the few trackers of each torrent.
fn label_ranks(snapshot: &Snapshot) -> Vec<u32> {
    let mut by_label: Vec<(&str, usize)> = snapshot
        .trackers
        .iter()
        .enumerate()
        .filter_map(|(id, row)| Some((&*row.as_ref()?.label, id)))
        .collect();
    by_label.sort_unstable();
    let mut rank = vec![u32::MAX; snapshot.trackers.len()];
    for (position, (_, id)) in (0..).zip(by_label) {
        rank[id] = position;
    }
    rank
}
