//! The largest autonomous systems of the fleet.

use std::collections::HashMap;

use super::places::Systems;
use super::reach::System;
use seedwatch_geo::Asn;

/// Systems that are shown.
const SHOWN: usize = 20;
/// One that is shown stays until it falls behind so many: series that come and go with each round
/// help nobody.
const STAY: usize = 30;

/// Peers of all torrents by autonomous system. A peer of two torrents counts twice: it is two copies.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    known: HashMap<Asn, u64>,
    unknown: u64,
    /// Sorted.
    shown: Vec<Asn>,
}

impl Fleet {
    pub(super) fn add(&mut self, systems: &Systems) {
        for (asn, peers) in systems {
            let count = match asn {
                Some(asn) => self.known.entry(*asn).or_default(),
                None => &mut self.unknown,
            };
            *count += u64::from(*peers);
        }
    }

    pub(super) fn remove(&mut self, systems: &Systems) {
        for (asn, peers) in systems {
            let count = match asn {
                Some(asn) => self.known.entry(*asn).or_default(),
                None => &mut self.unknown,
            };
            *count = count.saturating_sub(u64::from(*peers));
            if let Some(asn) = asn
                && *count == 0
            {
                self.known.remove(asn);
            }
        }
    }

    /// The largest, then the rest.
    pub(super) fn rows(&mut self) -> Vec<(System, u64)> {
        let mut ranked: Vec<(Asn, u64)> = self.known.iter().map(|(a, n)| (*a, *n)).collect();
        let by_size = |(asn, peers): &(Asn, u64)| (std::cmp::Reverse(*peers), *asn);
        if ranked.len() > STAY {
            ranked.select_nth_unstable_by_key(STAY, by_size);
            ranked.truncate(STAY);
        }
        ranked.sort_unstable_by_key(by_size);
        let before = std::mem::take(&mut self.shown);
        let ranked = ranked.into_iter().enumerate();
        let mut rows: Vec<(System, u64)> = ranked
            .filter(|(rank, (asn, _))| *rank < SHOWN || before.binary_search(asn).is_ok())
            .map(|(_, (asn, peers))| (System::Known(asn), peers))
            .collect();
        rows.sort_unstable();
        self.shown = rows
            .iter()
            .filter_map(|(system, _)| match system {
                System::Known(asn) => Some(*asn),
                System::Other | System::Unknown => None,
            })
            .collect();
        let listed: u64 = rows.iter().map(|(_, peers)| peers).sum();
        let all: u64 = self.known.values().sum();
        rows.push((System::Other, all - listed));
        rows.push((System::Unknown, self.unknown));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(list: &[(u32, u32)]) -> Systems {
        list.iter().map(|(asn, n)| (Some(Asn(*asn)), *n)).collect()
    }

    fn shown(fleet: &mut Fleet) -> Vec<u32> {
        let rows = fleet.rows();
        let known = rows.iter().filter_map(|(system, _)| match system {
            System::Known(asn) => Some(asn.0),
            _ => None,
        });
        known.collect()
    }

    #[test]
    fn nobody_is_counted_twice_or_forgotten() {
        let mut fleet = Fleet::default();
        let many: Vec<(u32, u32)> = (1..=100).map(|asn| (asn, asn)).collect();
        fleet.add(&peers(&many));
        fleet.add(&[(None, 7)].into());
        let rows = fleet.rows();
        assert_eq!(rows.len(), SHOWN + 2);
        assert_eq!(rows[0], (System::Known(Asn(81)), 81));
        assert_eq!(rows[SHOWN], (System::Other, (1..=80).sum()));
        assert_eq!(rows[SHOWN + 1], (System::Unknown, 7));
        fleet.remove(&peers(&many));
        assert_eq!(fleet.rows(), [(System::Other, 0), (System::Unknown, 7)]);
    }

    #[test]
    fn who_is_shown_stays_for_a_while() {
        let mut fleet = Fleet::default();
        let many: Vec<(u32, u32)> = (1..=40).map(|asn| (asn, 1000 - asn)).collect();
        fleet.add(&peers(&many));
        assert_eq!(shown(&mut fleet), (1..=20).collect::<Vec<_>>());
        // The 20th falls to the 25th rank and stays beside those that are now before it …
        fleet.remove(&peers(&[(20, 6)]));
        assert_eq!(shown(&mut fleet), (1..=21).collect::<Vec<_>>());
        // … and goes when it falls behind the 30th.
        fleet.remove(&peers(&[(20, 20)]));
        assert!(!shown(&mut fleet).contains(&20));
        assert_eq!(shown(&mut fleet).len(), SHOWN);
    }
}
