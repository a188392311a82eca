//! The peer lists that torrents and collections are counted from, by source.
//!
//! A source is a tracker over one family, or the DHT over one family. Its number must be the same
//! after a restart, so it is a hash of its name. Two sources with the same number count as one.

use crate::cliff::{LIST, SourceLists};
use crate::roster::Roster;
use crate::snapshot::{AnnounceRow, TorrentRow};
use seedwatch_torrent::Family;

/// The loss of lists of one torrent that is tolerated: less than one list.
const TOLERATED_OF_TORRENT: u16 = LIST / 10;
/// Percent of the lists of several torrents whose loss is tolerated.
const TOLERATED_PERCENT: u32 = 3;
/// Percent of several torrents that a source must have a list of, to be counted on its own.
const OWN_PERCENT: u32 = 1;
/// Stands for all smaller sources.
const SMALL_SOURCES: u32 = 0;

/// The numbers of all sources.
#[derive(Debug)]
pub(super) struct SourceIds {
    /// By tracker id.
    trackers: Vec<[u32; 2]>,
    dht: [u32; 2],
}

impl SourceIds {
    /// Returns the numbers of the sources of all torrents.
    pub(super) fn of(roster: &Roster) -> Self {
        let trackers = roster.trackers().iter();
        Self {
            trackers: trackers
                .map(|url| url.as_ref().map_or([0; 2], |url| numbers(&url.label())))
                .collect(),
            dht: numbers("dht"),
        }
    }

    /// Returns the lists of one torrent. `lists` is a buffer.
    pub(super) fn of_torrent<'a>(
        &self,
        row: &TorrentRow,
        announces: &[AnnounceRow],
        lists: &'a mut Vec<(u32, u16)>,
    ) -> SourceLists<'a> {
        lists.clear();
        let known = |announce: &AnnounceRow| {
            let ids = self.trackers.get(announce.tracker.0 as usize)?;
            Some((*ids, announce.lists))
        };
        let sources = announces.iter().filter_map(known);
        for (ids, found) in sources.chain([(self.dht, row.dht_lists)]) {
            let families = ids.into_iter().zip(found);
            let there = families.filter(|(_, found)| *found > 0);
            lists.extend(there.map(|(id, found)| (id, u16::from(found) * LIST)));
        }
        SourceLists {
            lists,
            tolerance: TOLERATED_OF_TORRENT,
        }
    }
}

/// Returns the numbers of a source, by [`Family::index`]: FNV-1a of its name, and the family in the
/// last bit.
fn numbers(name: &str) -> [u32; 2] {
    let add = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = name.bytes().fold(0x811c_9dc5, add);
    Family::ALL.map(|family| hash & !1 | family.index() as u32)
}

/// Counts the lists of several torrents, one group of torrents after the other.
#[derive(Debug)]
pub(super) struct ListTotals {
    /// By tracker id.
    trackers: Vec<[u32; 2]>,
    /// The trackers with a list, with repetitions.
    named: Vec<u32>,
    dht: [u32; 2],
    torrents: u32,
}

/// The lists of several torrents.
#[derive(Debug, Default)]
pub(super) struct GroupLists {
    lists: Vec<(u32, u16)>,
    tolerance: u16,
}

impl ListTotals {
    pub(super) fn new(roster: &Roster) -> Self {
        Self {
            trackers: vec![[0; 2]; roster.trackers().len()],
            named: Vec::new(),
            dht: [0; 2],
            torrents: 0,
        }
    }

    /// Adds the lists of a torrent.
    pub(super) fn add(&mut self, row: &TorrentRow, announces: &[AnnounceRow]) {
        self.torrents += 1;
        add(&mut self.dht, row.dht_lists);
        for announce in announces.iter().filter(|announce| announce.lists != [0; 2]) {
            let tracker = announce.tracker.0;
            if let Some(lists) = self.trackers.get_mut(tracker as usize) {
                if *lists == [0; 2] {
                    self.named.push(tracker);
                }
                add(lists, announce.lists);
            }
        }
    }

    /// Returns the lists of all torrents since the last call.
    pub(super) fn take(&mut self, ids: &SourceIds) -> GroupLists {
        let torrents = std::mem::take(&mut self.torrents);
        // A unit in which the lists of every source fit 16 bits. It changes when the torrents
        // double, which looks like a loss.
        let unit = |lists: u32| {
            let lists =
                u64::from(lists) * u64::from(LIST) / u64::from(torrents.next_power_of_two());
            u16::try_from(lists).unwrap_or(u16::MAX)
        };
        let (mut all, mut small) = (0, 0);
        let mut lists = Vec::new();
        let mut push = |id: u32, found: u32| {
            all += found;
            match found * 100 < torrents * OWN_PERCENT {
                true => small += found,
                false => lists.extend((found > 0).then(|| (id, unit(found)))),
            }
        };
        for tracker in self.named.drain(..) {
            let found = std::mem::take(&mut self.trackers[tracker as usize]);
            let both = ids.trackers[tracker as usize].into_iter().zip(found);
            both.for_each(|(id, found)| push(id, found));
        }
        let dht = ids.dht.into_iter().zip(std::mem::take(&mut self.dht));
        dht.for_each(|(id, found)| push(id, found));
        lists.push((SMALL_SOURCES, unit(small)));
        GroupLists {
            lists,
            tolerance: unit(all * TOLERATED_PERCENT / 100),
        }
    }
}

impl GroupLists {
    pub(super) fn sources(&self) -> SourceLists<'_> {
        SourceLists {
            lists: &self.lists,
            tolerance: self.tolerance,
        }
    }
}

fn add(to: &mut [u32; 2], lists: [u8; 2]) {
    for (sum, lists) in to.iter_mut().zip(lists) {
        *sum += u32::from(lists);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedwatch_tracker::TrackerId;

    fn ids() -> SourceIds {
        SourceIds {
            trackers: (0..300).map(|n| numbers(&format!("udp://{n}:1"))).collect(),
            dht: numbers("dht"),
        }
    }

    fn announce(tracker: u32, lists: [u8; 2]) -> AnnounceRow {
        AnnounceRow {
            lists,
            ..AnnounceRow::unknown(TrackerId(tracker))
        }
    }

    #[test]
    fn each_tracker_and_the_dht_is_a_source_per_family() {
        let (ids, mut lists) = (ids(), Vec::new());
        let row = TorrentRow {
            dht_lists: [1, 0],
            ..TorrentRow::default()
        };
        let announces = [
            announce(0, [1, 1]),
            announce(1, [0, 2]),
            announce(2, [0, 0]),
        ];
        let sources = ids.of_torrent(&row, &announces, &mut lists);
        let expected = [
            (ids.trackers[0][0], LIST),
            (ids.trackers[0][1], LIST),
            (ids.trackers[1][1], 2 * LIST),
            (ids.dht[0], LIST),
        ];
        assert_eq!(sources.lists, expected);
    }

    #[test]
    fn small_sources_of_many_torrents_count_together() {
        let ids = ids();
        let mut totals = ListTotals {
            trackers: vec![[0; 2]; 300],
            named: Vec::new(),
            dht: [0; 2],
            torrents: 0,
        };
        for torrent in 0..256 {
            let own = announce(1 + torrent, [1, 0]);
            totals.add(&TorrentRow::default(), &[announce(0, [1, 0]), own]);
        }
        let lists = totals.take(&ids);
        let expected = [(ids.trackers[0][0], LIST), (SMALL_SOURCES, LIST)];
        assert_eq!(lists.lists, expected);
        assert_eq!(lists.tolerance, LIST * 15 / 256);
        assert_eq!(totals.take(&ids).lists, [(SMALL_SOURCES, 0)]);
    }
}
