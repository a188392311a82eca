//! Who named whom: the peers of one lookup before it is known which nodes are to be trusted.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::bloom::{self, Filter};
use crate::Estimate;
use seedwatch_torrent::address::{Accept, is_global};
use seedwatch_torrent::{Endpoint4, Endpoint6, Peers};

/// Sightings kept of one lookup: some 200 answers of 100 peers.
const MAX: usize = 20_000;

/// Sightings that a lookup keeps room for after its end.
const ROOM: usize = 256;

/// A set of holders, by their number.
pub(super) type Holders = u64;

/// Holders whose lists are kept apart.
pub(super) const MAX_HOLDERS: u8 = 64;

/// Holders that must agree before one that does not is doubted.
const MIN_AGREE: u32 = 3;
/// An honest holder has at least this share of what the others have: nodes come and go.
const LEAST_SHARED: f64 = 0.6;
/// What is less likely than this has another reason.
const TOO_UNLIKELY: f64 = 1e-3;

/// Peers as holders named them, repetitions included.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    v4: Vec<(Endpoint4, u8)>,
    v6: Vec<(Endpoint6, u8)>,
    malformed: u32,
    /// Both lists are in order.
    sorted: bool,
}

/// How often peers were seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// Different peers.
    pub(super) seen: usize,
    /// Of these, named once.
    once: usize,
    /// Of these, named twice.
    twice: usize,
}

impl Census {
    /// How many there are at least, those never named included (Chao 1984). Right for lists
    /// that are drawn at random, which those of common clients are.
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

impl Sightings {
    /// Takes in one list; returns its length. A value that is no address and port is counted.
    pub(super) fn add<'a>(&mut self, values: impl Iterator<Item = &'a [u8]>, holder: u8) -> usize {
        let before = self.len();
        let mut listed = Peers::default();
        for value in values.take(MAX - before.min(MAX)) {
            match *value {
                [a, b, c, d, e, f] => {
                    let ip = u32::from_be_bytes([a, b, c, d]);
                    let port = u16::from_be_bytes([e, f]);
                    self.v4.push((Endpoint4 { ip, port }, holder));
                }
                _ if value.len() == 18 => listed.push_compact6(value),
                _ => self.malformed += 1,
            }
        }
        self.sorted = false;
        self.v6.extend(listed.v6.iter().map(|peer| (*peer, holder)));
        self.len() - before
    }

    /// Forgets all of it. Keeps the room of a usual lookup.
    pub(super) fn clear(&mut self) {
        self.v4.clear();
        self.v6.clear();
        self.v4.shrink_to(ROOM);
        self.v6.shrink_to(ROOM);
        self.malformed = 0;
        self.sorted = false;
    }

    fn sort(&mut self) {
        if !std::mem::replace(&mut self.sorted, true) {
            // One number compares faster than two.
            let order = |peer: &Endpoint4| u64::from(peer.ip) << 16 | u64::from(peer.port);
            self.v4.sort_unstable_by_key(|(peer, _)| order(peer));
            self.v6.sort_unstable_by_key(|(peer, _)| *peer);
        }
    }

    fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// How often the peers of these holders were named, and which holders named some alone.
    pub(super) fn census(&mut self, trusted: Holders) -> (Census, Holders) {
        self.sort();
        let (mut census, mut alone) = (Census::default(), 0);
        let mut count = |by: Holders, times: usize| {
            census.count(times);
            alone |= if by.is_power_of_two() { by } else { 0 };
        };
        named(&self.v4, trusted, |_, by, times| count(by, times));
        named(&self.v6, trusted, |_, by, times| count(by, times));
        (census, alone)
    }

    /// Those of these holders that can be believed. Where most name common peers, one that names
    /// many and none of theirs invents them.
    pub(super) fn believed(&mut self, trusted: Holders) -> Holders {
        self.sort();
        let mut groups: Vec<Holders> = Vec::new();
        let mut join = |by: Holders| {
            let apart = |group: &Holders| group & by == 0;
            let joined = groups.iter().filter(|group| !apart(group));
            let all = joined.fold(by, |all, group| all | group);
            groups.retain(apart);
            groups.push(all);
        };
        named(&self.v4, trusted, |_, by, _| join(by));
        named(&self.v6, trusted, |_, by, _| join(by));
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
        let (census, _) = self.census(most);
        let shown = LEAST_SHARED * census.seen as f64 / census.total();
        let strangers = groups.into_iter().filter(|group| *group != most);
        strangers.fold(trusted, |left, group| {
            // The chance that an honest holder of so many shares nothing with all the others.
            let named = self.census(group).0.seen as f64 / f64::from(group.count_ones());
            if (1.0 - shown).powf(named) < TOO_UNLIKELY {
                left & !group
            } else {
                left
            }
        })
    }

    /// The peers of these holders, each once.
    pub(super) fn peers(&mut self, trusted: Holders) -> Peers {
        self.sort();
        let mut peers = Peers {
            malformed: self.malformed,
            ..Peers::default()
        };
        let holders = trusted.count_ones().max(1) as usize;
        peers.v4.reserve(self.v4.len() / holders);
        named(&self.v4, trusted, |peer, _, _| peers.v4.push(peer));
        named(&self.v6, trusted, |peer, _, _| peers.v6.push(peer));
        peers
    }
}

/// Calls `each` with every different peer of a sorted list that trusted holders named: the peer,
/// the holders, and how often.
fn named<P: Copy + Ord>(
    sorted: &[(P, u8)],
    trusted: Holders,
    mut each: impl FnMut(P, Holders, usize),
) {
    for run in sorted.chunk_by(|a, b| a.0 == b.0) {
        let (mut by, mut times) = (0, 0);
        for holder in run.iter().map(|(_, holder)| 1 << holder & trusted) {
            by |= holder;
            times += usize::from(holder != 0);
        }
        if by != 0 {
            each(run[0].0, by, times);
        }
    }
}

/// Filters of one node: of seeds, and of all others.
pub(super) type Pair = [[u8; 256]; 2];

/// A full filter stands for at least so many: the BEP's own limit.
const FULL: f64 = 6000.0;
/// A filter that claims so many times what others do, and some more, is made up.
const TOO_MANY: f64 = 2.0;
const SOME_MORE: f64 = 16.0;

/// Leaves out filters that claim far more than the others, or, where there are hardly any others,
/// than the peers that were named, if lists were complete (`bound`): one bit is enough to lie with,
/// and united filters keep it.
pub(super) fn plausible(filters: Vec<&Pair>, bound: Option<usize>) -> Vec<&Pair> {
    let claim = |pair: &Pair| -> f64 {
        let sizes = pair.iter().map(bloom::estimate);
        sizes.map(|size| size.unwrap_or(FULL)).sum()
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

/// Unites filters and what lists name beside them: BEP 33 has peers of nodes without filters go
/// to that of the leechers. `None` without any filter.
pub(super) fn estimate(filters: &[&Pair], peers: &Peers, accept: Accept) -> Option<Estimate> {
    let [mut seeds, mut leechers] = [Filter::default(), Filter::default()];
    for [theirs, others] in filters {
        seeds.unite(theirs);
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
            leechers.insert_unless_in(&seeds, ip);
        }
    }
    let sizes = [seeds.estimate(), leechers.estimate()];
    let [seeders, leechers] = sizes.map(|size| size.unwrap_or(FULL).round() as u32);
    Some(Estimate {
        seeders,
        leechers,
        saturated: sizes.contains(&None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(n: u16) -> [u8; 6] {
        let [a, b] = n.to_be_bytes();
        [9, 9, a, b, 0x1a, 0xe1]
    }

    #[test]
    fn peers_of_untrusted_holders_do_not_count() {
        let mut sightings = Sightings::default();
        let lists = [value(1), value(2), value(3)];
        let values = |range: std::ops::Range<usize>| lists[range].iter().map(|v| &v[..]);
        assert_eq!(sightings.add(values(0..2), 0), 2);
        assert_eq!(sightings.add(values(1..3), 1), 2);
        assert_eq!(sightings.add([&b"short"[..]].into_iter(), 0), 0);
        assert_eq!(sightings.peers(0b11).v4.len(), 3);
        assert_eq!(sightings.peers(0b01).v4.len(), 2);
        assert_eq!(sightings.peers(0b01).malformed, 1);
        let (census, alone) = sightings.census(0b11);
        assert_eq!((census.seen, census.once, census.twice), (3, 2, 1));
        assert_eq!(alone, 0b11);
    }

    #[test]
    fn the_unseen_are_told_from_repetitions() {
        // Eight lists of a hundred, drawn from three hundred.
        let mut random = crate::random::Random::new([8; 32]);
        let mut sightings = Sightings::default();
        for holder in 0..8 {
            let mut all: Vec<u16> = (0..300).collect();
            let list: Vec<[u8; 6]> = (0..100)
                .map(|_| value(all.swap_remove(random.u32() as usize % all.len())))
                .collect();
            sightings.add(list.iter().map(|v| &v[..]), holder);
        }
        let (census, _) = sightings.census(0xff);
        assert!(census.seen < 298);
        assert!((290.0..310.0).contains(&census.total()), "{census:?}");
    }

    #[test]
    fn who_shares_nothing_with_the_many_is_not_believed() {
        let mut sightings = Sightings::default();
        let list = |range: std::ops::Range<u16>| range.map(value).collect::<Vec<_>>();
        let honest = [list(0..20), list(3..23), list(1..22)];
        for (holder, list) in (0..).zip(&honest) {
            sightings.add(list.iter().map(|v| &v[..]), holder);
        }
        let (lies, few) = (list(500..510), list(600..602));
        sightings.add(lies.iter().map(|v| &v[..]), 3);
        assert_eq!(sightings.believed(0b1111), 0b0111);
        // Two peers may have come a moment ago.
        sightings.add(few.iter().map(|v| &v[..]), 4);
        assert_eq!(sightings.believed(0b11111), 0b10111);
        // Two against two: nobody knows.
        assert_eq!(sightings.believed(0b01011), 0b01011);
    }

    #[test]
    fn a_filter_of_ones_is_left_out() {
        let lie = [[0xff; 256]; 2];
        let honest = |range: std::ops::Range<u8>| {
            let mut filter = Filter::default();
            range.for_each(|n| filter.insert([9, 9, 9, n].into()));
            [*filter.as_bytes(), [0; 256]]
        };
        let (one, two) = (honest(0..40), honest(3..44));
        assert_eq!(plausible(vec![&one, &lie, &two], None), [&one, &two]);
        assert_eq!(plausible(vec![&lie], Some(40)), [&lie; 0]);
        assert_eq!(plausible(vec![&one], Some(38)), [&one]);
        assert_eq!(plausible(vec![&lie], None), [&lie], "nobody knows better");
    }

    #[test]
    fn peers_that_cannot_be_do_not_count_as_leechers() {
        let mut peers = Peers::default();
        peers.push([10, 1, 1, 1].into(), 5);
        peers.push([9, 9, 9, 9].into(), 0);
        peers.push([9, 9, 9, 9].into(), 1);
        let none = [[0; 256]; 2];
        let leechers = |accept| estimate(&[&none], &peers, accept).unwrap().leechers;
        assert_eq!((leechers(Accept::Global), leechers(Accept::Any)), (1, 2));
    }

    #[test]
    fn no_holder_fills_the_memory() {
        let mut sightings = Sightings::default();
        let long: Vec<[u8; 6]> = (0..u16::MAX).map(value).collect();
        sightings.add(long.iter().map(|v| &v[..]), 0);
        assert_eq!(sightings.len(), MAX);
    }
}
