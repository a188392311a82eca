//! Which node named which peer, kept until the lookup knows which nodes to trust.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::bloom::{self, Filter};
use crate::SwarmEstimate;
use seedwatch_torrent::address::{Accept, is_global};
use seedwatch_torrent::{Endpoint4, Endpoint6, Peers};

/// Reports kept per lookup: about 200 answers of 100 peers.
const MAX_REPORTS: usize = 20_000;

/// Reports for which an ended lookup keeps its allocation.
const KEPT_CAPACITY: usize = 256;

/// A set of holders, as bits by their number.
pub(super) type Holders = u64;

/// Holders whose lists are told apart.
pub(super) const MAX_HOLDERS: u8 = 64;

/// Holders that must agree before one that disagrees is rejected.
const MIN_AGREE: u32 = 3;
/// Least share of the known peers that an honest holder names, given that nodes come and go.
const LEAST_SHARED: f64 = 0.6;
/// Probability below which a disagreement is not chance.
const TOO_UNLIKELY: f64 = 1e-3;

/// Peers as the holders named them, including repetitions.
#[derive(Debug, Default)]
pub(super) struct PeerReports {
    v4: Vec<Report4>,
    v6: Vec<(Endpoint6, u8)>,
    malformed: u32,
    /// Whether both lists are sorted.
    sorted: bool,
}

/// An IPv4 peer and a holder that named it: address, port and holder in one integer, which sorts
/// several times as fast as a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Report4(u64);

impl Report4 {
    fn new(peer: Endpoint4, holder: u8) -> Self {
        Self(u64::from(peer.ip) << 32 | u64::from(peer.port) << 16 | u64::from(holder))
    }
}

impl From<Report4> for (Endpoint4, u8) {
    fn from(Report4(report): Report4) -> Self {
        let ip = (report >> 32) as u32;
        let port = (report >> 16) as u16;
        (Endpoint4 { ip, port }, report as u8)
    }
}

/// How often peers were named, as in a capture–recapture experiment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CaptureCounts {
    /// Distinct peers.
    pub(super) seen: usize,
    /// Of these, peers named once.
    once: usize,
    /// Of these, peers named twice.
    twice: usize,
}

impl CaptureCounts {
    /// Returns a lower bound of the number of peers, including those never named (Chao 1984). It
    /// assumes random lists, which common clients send.
    pub(super) fn total(&self) -> f64 {
        let (once, twice) = (self.once as f64, self.twice as f64);
        self.seen as f64 + once * (once - 1.0).max(0.0) / (2.0 * (twice + 1.0))
    }

    fn count(&mut self, times: usize) {
        self.seen += 1;
        self.once += usize::from(times == 1);
        self.twice += usize::from(times == 2);
    }
}

impl PeerReports {
    /// Adds one list. Returns its length. Values that are not an address with a port are counted as
    /// malformed.
    pub(super) fn add<'a>(&mut self, values: impl Iterator<Item = &'a [u8]>, holder: u8) -> usize {
        let before = self.len();
        let mut listed = Peers::default();
        for value in values.take(MAX_REPORTS - before.min(MAX_REPORTS)) {
            match *value {
                [a, b, c, d, e, f] => {
                    let ip = u32::from_be_bytes([a, b, c, d]);
                    let port = u16::from_be_bytes([e, f]);
                    self.v4.push(Report4::new(Endpoint4 { ip, port }, holder));
                }
                _ if value.len() == 18 => listed.push_compact6(value),
                _ => self.malformed += 1,
            }
        }
        self.sorted = false;
        self.v6.extend(listed.v6.iter().map(|peer| (*peer, holder)));
        self.len() - before
    }

    /// Removes all reports. Keeps the allocation of a usual lookup.
    pub(super) fn clear(&mut self) {
        self.v4.clear();
        self.v6.clear();
        self.v4.shrink_to(KEPT_CAPACITY);
        self.v6.shrink_to(KEPT_CAPACITY);
        self.malformed = 0;
        self.sorted = false;
    }

    fn sort(&mut self) {
        if !std::mem::replace(&mut self.sorted, true) {
            self.v4.sort_unstable();
            self.v6.sort_unstable_by_key(|(peer, _)| *peer);
        }
    }

    fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Counts how often the peers of these holders were named. Also returns the holders that were
    /// alone in naming a peer.
    pub(super) fn capture_counts(&mut self, trusted: Holders) -> (CaptureCounts, Holders) {
        self.sort();
        let (mut counts, mut alone) = (CaptureCounts::default(), 0);
        let mut count = |by: Holders, times: usize| {
            counts.count(times);
            alone |= if by.is_power_of_two() { by } else { 0 };
        };
        for_each_peer(&self.v4, trusted, |_, by, times| count(by, times));
        for_each_peer(&self.v6, trusted, |_, by, times| count(by, times));
        (counts, alone)
    }

    /// Returns those of these holders that are plausible. If most of them name common peers, a
    /// holder that names many peers and none of theirs invents them.
    pub(super) fn believed_holders(&mut self, trusted: Holders) -> Holders {
        self.sort();
        let mut groups: Vec<Holders> = Vec::new();
        let mut join = |by: Holders| {
            let apart = |group: &Holders| group & by == 0;
            let joined = groups.iter().filter(|group| !apart(group));
            let all = joined.fold(by, |all, group| all | group);
            groups.retain(apart);
            groups.push(all);
        };
        for_each_peer(&self.v4, trusted, |_, by, _| join(by));
        for_each_peer(&self.v6, trusted, |_, by, _| join(by));
        let all: u32 = groups.iter().map(|group| group.count_ones()).sum();
        let Some(most) = groups
            .iter()
            .copied()
            .max_by_key(|group| group.count_ones())
        else {
            return trusted;
        };
        if most.count_ones() < MIN_AGREE || most.count_ones() * 2 <= all {
            return trusted;
        }
        let (counts, _) = self.capture_counts(most);
        let shown = LEAST_SHARED * counts.seen as f64 / counts.total();
        let strangers = groups.into_iter().filter(|group| *group != most);
        strangers.fold(trusted, |left, group| {
            // The probability that an honest holder of this many peers shares none with the others.
            let named = self.capture_counts(group).0.seen as f64 / f64::from(group.count_ones());
            if (1.0 - shown).powf(named) < TOO_UNLIKELY {
                left & !group
            } else {
                left
            }
        })
    }

    /// Returns the peers of these holders, each once.
    pub(super) fn peers(&mut self, trusted: Holders) -> Peers {
        self.sort();
        let mut peers = Peers {
            malformed: self.malformed,
            ..Peers::default()
        };
        let holders = trusted.count_ones().max(1) as usize;
        peers.v4.reserve(self.v4.len() / holders);
        for_each_peer(&self.v4, trusted, |peer, _, _| peers.v4.push(peer));
        for_each_peer(&self.v6, trusted, |peer, _, _| peers.v6.push(peer));
        peers
    }
}

/// Calls `each` for every distinct peer of a sorted list that trusted holders named, with these
/// holders and the number of reports.
fn for_each_peer<P: PartialEq, R: Copy + Into<(P, u8)>>(
    sorted: &[R],
    trusted: Holders,
    mut each: impl FnMut(P, Holders, usize),
) {
    let mut reports = sorted.iter().map(|report| (*report).into()).peekable();
    while let Some((peer, first)) = reports.next() {
        let (mut by, mut times) = (0, 0);
        let mut named_by = |holder: u8| {
            let holder = 1 << holder & trusted;
            by |= holder;
            times += usize::from(holder != 0);
        };
        named_by(first);
        while let Some((_, holder)) = reports.next_if(|(next, _)| *next == peer) {
            named_by(holder);
        }
        if by != 0 {
            each(peer, by, times);
        }
    }
}

/// The filters of one node: seeders, and all other peers.
pub(super) type FilterPair = [[u8; 256]; 2];

/// Number of peers from which on a filter is full: the limit of BEP 33.
const FULL_FILTER: f64 = 6000.0;
/// A filter that claims more than this multiple of the usual size, plus a margin, is implausible.
const TOO_MANY: f64 = 2.0;
const SOME_MORE: f64 = 16.0;

/// Removes filters that claim far more than the others. With fewer than three filters, compares
/// them with `bound`, the number of named peers if lists were complete. One bit suffices to lie,
/// and a union of filters keeps it.
pub(super) fn drop_implausible(
    filters: Vec<&FilterPair>,
    bound: Option<usize>,
) -> Vec<&FilterPair> {
    let claim = |pair: &FilterPair| -> f64 {
        let sizes = pair.iter().map(bloom::estimate);
        sizes.map(|size| size.unwrap_or(FULL_FILTER)).sum()
    };
    let usual = match (filters.len(), bound) {
        (0..3, Some(bound)) => bound as f64,
        (0..3, None) => return filters,
        (n, _) => {
            let mut claims: Vec<f64> = filters.iter().map(|pair| claim(pair)).collect();
            claims.sort_unstable_by(f64::total_cmp);
            claims[n / 2]
        }
    };
    let most = TOO_MANY * usual + SOME_MORE;
    let mut filters = filters;
    filters.retain(|pair| claim(pair) <= most);
    filters
}

/// Unites the filters and adds the listed peers that they lack. BEP 33 assigns peers of nodes
/// without filters to the leechers. Returns `None` without filters.
pub(super) fn estimate(
    filters: &[&FilterPair],
    peers: &Peers,
    accept: Accept,
) -> Option<SwarmEstimate> {
    let [mut seeders, mut leechers] = [Filter::default(), Filter::default()];
    for [theirs, others] in filters {
        seeders.unite(theirs);
        leechers.unite(others);
    }
    if filters.is_empty() {
        return None;
    }
    let v4 = peers
        .v4
        .iter()
        .map(|p| (Ipv4Addr::from_bits(p.ip).into(), p.port));
    let v6 = peers
        .v6
        .iter()
        .map(|p| (Ipv6Addr::from_bits(p.ip).into(), p.port));
    for (ip, port) in v4.chain(v6) {
        let counts = port != 0 && (accept == Accept::Any || is_global(ip));
        if counts {
            leechers.insert_unless_in(&seeders, ip);
        }
    }
    let sizes = [seeders.estimate(), leechers.estimate()];
    let [seeders, leechers] = sizes.map(|size| size.unwrap_or(FULL_FILTER).round() as u32);
    Some(SwarmEstimate {
        seeders,
        leechers,
        saturated: sizes.contains(&None),
    })
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn value(n: u16) -> [u8; 6] {
        let [a, b] = n.to_be_bytes();
        [9, 9, a, b, 0x1a, 0xe1]
    }

    #[test]
    fn peers_of_untrusted_holders_do_not_count() {
        let mut peer_reports = PeerReports::default();
        let lists = [value(1), value(2), value(3)];
        let values = |range: std::ops::Range<usize>| lists[range].iter().map(|v| &v[..]);
        assert_eq!(peer_reports.add(values(0..2), 0), 2);
        assert_eq!(peer_reports.add(values(1..3), 1), 2);
        assert_eq!(peer_reports.add([&b"short"[..]].into_iter(), 0), 0);
        assert_eq!(peer_reports.peers(0b11).v4.len(), 3);
        assert_eq!(peer_reports.peers(0b01).v4.len(), 2);
        assert_eq!(peer_reports.peers(0b01).malformed, 1);
        let (counts, alone) = peer_reports.capture_counts(0b11);
        assert_eq!((counts.seen, counts.once, counts.twice), (3, 2, 1));
        assert_eq!(alone, 0b11);
    }

    #[test]
    fn the_number_of_unseen_peers_is_estimated_from_repetitions() {
        const TRIALS: u8 = 64;
        let (mut seen, mut total) = (0, 0.0);
        for trial in 0..TRIALS {
            // Eight lists of 100 peers, drawn from 300.
            let mut rng = StdRng::from_seed([trial; 32]);
            let mut peer_reports = PeerReports::default();
            for holder in 0..8 {
                let mut all: Vec<u16> = (0..300).collect();
                let list: Vec<[u8; 6]> = (0..100)
                    .map(|_| value(all.swap_remove(rng.next_u32() as usize % all.len())))
                    .collect();
                peer_reports.add(list.iter().map(|v| &v[..]), holder);
            }
            let (counts, _) = peer_reports.capture_counts(0xff);
            assert!((280.0..325.0).contains(&counts.total()), "{counts:?}");
            seen += counts.seen;
            total += counts.total();
        }
        assert!(seen / usize::from(TRIALS) < 290);
        let mean = total / f64::from(TRIALS);
        assert!((297.0..303.0).contains(&mean), "{mean}");
    }

    #[test]
    fn a_holder_that_shares_no_peer_with_the_majority_is_rejected() {
        let mut peer_reports = PeerReports::default();
        let list = |range: std::ops::Range<u16>| range.map(value).collect::<Vec<_>>();
        let honest = [list(0..20), list(3..23), list(1..22)];
        for (holder, list) in (0..).zip(&honest) {
            peer_reports.add(list.iter().map(|v| &v[..]), holder);
        }
        let (lies, few) = (list(500..510), list(600..602));
        peer_reports.add(lies.iter().map(|v| &v[..]), 3);
        assert_eq!(peer_reports.believed_holders(0b1111), 0b0111);
        // Two peers may have joined a moment ago.
        peer_reports.add(few.iter().map(|v| &v[..]), 4);
        assert_eq!(peer_reports.believed_holders(0b11111), 0b10111);
        // Two against two: neither side can be rejected.
        assert_eq!(peer_reports.believed_holders(0b01011), 0b01011);
    }

    #[test]
    fn a_full_filter_is_dropped() {
        let lie = [[0xff; 256]; 2];
        let honest = |range: std::ops::Range<u8>| {
            let mut filter = Filter::default();
            range.for_each(|n| filter.insert([9, 9, 9, n].into()));
            [*filter.as_bytes(), [0; 256]]
        };
        let (one, two) = (honest(0..40), honest(3..44));
        assert_eq!(drop_implausible(vec![&one, &lie, &two], None), [&one, &two]);
        assert_eq!(drop_implausible(vec![&lie], Some(40)), [&lie; 0]);
        assert_eq!(drop_implausible(vec![&one], Some(38)), [&one]);
        assert_eq!(
            drop_implausible(vec![&lie], None),
            [&lie],
            "there is nothing to compare it with"
        );
    }

    #[test]
    fn unroutable_peers_do_not_count_as_leechers() {
        let mut peers = Peers::default();
        peers.push([10, 1, 1, 1].into(), 5);
        peers.push([9, 9, 9, 9].into(), 0);
        peers.push([9, 9, 9, 9].into(), 1);
        let none = [[0; 256]; 2];
        let leechers = |accept| estimate(&[&none], &peers, accept).unwrap().leechers;
        assert_eq!((leechers(Accept::Global), leechers(Accept::Any)), (1, 2));
    }

    #[test]
    fn reports_are_bounded() {
        let mut peer_reports = PeerReports::default();
        let long: Vec<[u8; 6]> = (0..u16::MAX).map(value).collect();
        peer_reports.add(long.iter().map(|v| &v[..]), 0);
        assert_eq!(peer_reports.len(), MAX_REPORTS);
    }
}
