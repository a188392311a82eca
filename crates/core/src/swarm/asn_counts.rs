//! Current peers of all torrents by autonomous system (AS).

use std::collections::HashMap;

use super::geo_breakdown::PeersByAsn;
use crate::snapshot::AsnLabel;
use seedwatch_geo::Asn;

/// Autonomous systems with a label of their own.
const SHOWN: usize = 20;
/// The rank down to which a system keeps its label. Without this hysteresis, series would come and
/// go with each round.
const KEPT_RANK: usize = 30;

/// Current peers of all torrents by autonomous system. A peer counts once per torrent.
#[derive(Debug, Default)]
pub(super) struct AsnCounts {
    known: HashMap<Asn, u64>,
    unknown: u64,
    /// The systems that had a label last time, sorted.
    shown: Vec<Asn>,
}

impl AsnCounts {
    /// Adds the peers of one torrent.
    pub(super) fn add(&mut self, peers: &PeersByAsn) {
        for (asn, peers) in peers {
            let count = match asn {
                Some(asn) => self.known.entry(*asn).or_default(),
                None => &mut self.unknown,
            };
            *count += u64::from(*peers);
        }
    }

    /// Subtracts the peers of one torrent.
    pub(super) fn remove(&mut self, peers: &PeersByAsn) {
        for (asn, peers) in peers {
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

    /// Returns the peers per label: the largest systems by number, then the rest.
    pub(super) fn rows(&mut self) -> Vec<(AsnLabel, u64)> {
        let mut ranked: Vec<(Asn, u64)> = self.known.iter().map(|(a, n)| (*a, *n)).collect();
        let by_size = |(asn, peers): &(Asn, u64)| (std::cmp::Reverse(*peers), *asn);
        if ranked.len() > KEPT_RANK {
            ranked.select_nth_unstable_by_key(KEPT_RANK, by_size);
            ranked.truncate(KEPT_RANK);
        }
        ranked.sort_unstable_by_key(by_size);
        let before = std::mem::take(&mut self.shown);
        let ranked = ranked.into_iter().enumerate();
        let shown = ranked
            .filter(|(rank, (asn, _))| *rank < SHOWN || before.binary_search(asn).is_ok())
            .map(|(_, row)| row);
        let mut shown: Vec<(Asn, u64)> = shown.collect();
        shown.sort_unstable();
        self.shown = shown.iter().map(|(asn, _)| *asn).collect();
        let shown_peers: u64 = shown.iter().map(|(_, peers)| peers).sum();
        let all_peers: u64 = self.known.values().sum();
        let labelled = shown.into_iter();
        let labelled = labelled.map(|(asn, peers)| (AsnLabel::Known(asn), peers));
        let rest = [
            (AsnLabel::Other, all_peers - shown_peers),
            (AsnLabel::Unknown, self.unknown),
        ];
        labelled.chain(rest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(list: &[(u32, u32)]) -> PeersByAsn {
        list.iter().map(|(asn, n)| (Some(Asn(*asn)), *n)).collect()
    }

    fn shown(counts: &mut AsnCounts) -> Vec<u32> {
        let rows = counts.rows();
        let known = rows.iter().filter_map(|(label, _)| match label {
            AsnLabel::Known(asn) => Some(asn.0),
            _ => None,
        });
        known.collect()
    }

    #[test]
    fn every_peer_has_exactly_one_label() {
        let mut counts = AsnCounts::default();
        let many: Vec<(u32, u32)> = (1..=100).map(|asn| (asn, asn)).collect();
        counts.add(&peers(&many));
        counts.add(&[(None, 7)].into());
        let rows = counts.rows();
        assert_eq!(rows.len(), SHOWN + 2);
        assert_eq!(rows[0], (AsnLabel::Known(Asn(81)), 81));
        assert_eq!(rows[SHOWN], (AsnLabel::Other, (1..=80).sum()));
        assert_eq!(rows[SHOWN + 1], (AsnLabel::Unknown, 7));
        counts.remove(&peers(&many));
        let rest = [(AsnLabel::Other, 0), (AsnLabel::Unknown, 7)];
        assert_eq!(counts.rows(), rest);
    }

    #[test]
    fn a_system_keeps_its_label_until_it_falls_behind_the_kept_rank() {
        let mut counts = AsnCounts::default();
        let many: Vec<(u32, u32)> = (1..=40).map(|asn| (asn, 1000 - asn)).collect();
        counts.add(&peers(&many));
        assert_eq!(shown(&mut counts), (1..=20).collect::<Vec<_>>());
        // The 20th system falls to rank 25 and keeps its label beside the new 20th …
        counts.remove(&peers(&[(20, 6)]));
        assert_eq!(shown(&mut counts), (1..=21).collect::<Vec<_>>());
        // … and loses it when it falls behind rank 30.
        counts.remove(&peers(&[(20, 20)]));
        assert!(!shown(&mut counts).contains(&20));
        assert_eq!(shown(&mut counts).len(), SHOWN);
    }
}
