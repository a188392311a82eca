//! How often to ask again where lists are cut: the coupon collector's problem.
//!
//! A holder of three thousand peers names a hundred at random. Every further answer brings fewer
//! that are new; it is enough when hardly any are missing, when nothing new comes, or when the
//! budget is spent.

use super::super::id::NodeId;
use super::sightings::Census;
use super::{Ask, Candidate, MAX_K, Walk};

/// A list of so many may have been cut: common clients cut at 50 or 100.
const FULL_LIST: usize = 45;
/// The same over IPv6, where libtorrent cuts at 25.
const FULL_LIST_6: usize = 23;

/// Share of the peers that may stay unseen.
const MISSING: f64 = 0.002;
/// Questions to one holder.
const MAX_EACH: u8 = 10;
/// Further questions of one lookup.
const MAX_QUESTIONS: usize = 80;
/// Holders of a large swarm that are asked for filters.
pub(super) const FILTERS: usize = 4;

impl Candidate {
    /// It may know more peers than it names.
    pub(super) fn may_be_cut(&self) -> bool {
        self.list >= FULL_LIST || self.list >= FULL_LIST_6 && self.address.ip().is_ipv6()
    }
}

/// The state of the collection.
#[derive(Debug, Default)]
pub(super) struct Coupon {
    asked: usize,
    /// Peers known when last asked for more.
    seen: Option<usize>,
}

impl Coupon {
    /// Whether further questions were asked for.
    pub(super) fn is_used(&self) -> bool {
        self.asked > 0
    }

    /// How many further questions are worth it, one to each of these `holders`, when an answer
    /// holds `list` peers.
    pub(super) fn questions(&mut self, census: Census, list: usize, holders: usize) -> usize {
        let nothing_new = self.seen == Some(census.seen);
        let total = census.total();
        let missing = 1.0 - census.seen as f64 / total;
        if nothing_new || census.seen == 0 || missing <= MISSING {
            return 0;
        }
        self.seen = Some(census.seen);
        // Each answer misses a peer with this probability.
        let misses = (1.0 - list as f64 / total).clamp(0.001, 0.999);
        let wanted = ((MISSING / missing).ln() / misses.ln()).ceil() as usize;
        let questions = wanted.min(holders).min(MAX_QUESTIONS - self.asked);
        self.asked += questions;
        questions
    }
}

impl Walk {
    /// Adds further questions to holders, as far as they are worth it.
    pub(super) fn look_further(&mut self) {
        let trusted = self.trusted();
        if trusted == 0 {
            return;
        }
        let (census, alone) = self.sightings.census(trusted);
        let last = self.top().last().and_then(|at| self.nodes[at].holder);
        if self.k < MAX_K && last.is_some_and(|last| alone & 1 << last != 0) {
            self.k += 1;
        }
        let holders = self.closest().filter(|node| node.holder.is_some());
        let (mut full, mut short): (Vec<_>, Vec<_>) = holders
            .map(|node| (node.id, node.list, node.asks, node.may_be_cut()))
            .partition(|(.., full)| *full);
        self.parallel = MAX_K;
        if full.is_empty() {
            if census.seen == 0 {
                // Nodes that hold peers were asked for filters only.
                let unheard = short.iter().filter(|(_, _, asks, _)| *asks == 0);
                self.extra.extend(unheard.map(|(id, ..)| (*id, Ask::List)));
            } else if self.filters_asked == 0 {
                short.truncate(1);
                self.extra
                    .extend(short.iter().map(|(id, ..)| (*id, Ask::Filters)));
            }
            return;
        }
        let lists = full.iter().map(|(_, list, ..)| list).sum::<usize>() / full.len();
        // Those that were asked least come first.
        full.sort_by_key(|(_, _, asks, _)| *asks);
        let again = full.iter().filter(|(_, _, asks, _)| *asks < MAX_EACH);
        let again: Vec<NodeId> = again.map(|(id, ..)| *id).collect();
        let questions = self.coupon.questions(census, lists, again.len());
        let wanted = again.iter().take(questions).map(|id| (*id, Ask::List));
        self.extra.extend(wanted);
        if self.filters_asked < FILTERS {
            let missing = FILTERS - self.filters_asked;
            let filters = full.iter().rev().take(missing);
            self.extra
                .extend(filters.map(|(id, ..)| (*id, Ask::Filters)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sightings::Sightings;
    use super::*;

    /// What is known after so many lists of a hundred, drawn from so many peers.
    fn census(lists: u8, peers: u32) -> Census {
        let mut random = crate::random::Random::new([3; 32]);
        let mut sightings = Sightings::default();
        for holder in 0..lists {
            let list: Vec<[u8; 6]> = (0..100)
                .map(|_| {
                    let [_, a, b, c] = (random.u32() % peers).to_be_bytes();
                    [9, a, b, c, 26, 225]
                })
                .collect();
            sightings.add(list.iter().map(|value| &value[..]), holder);
        }
        sightings.census(u64::MAX).0
    }

    #[test]
    fn it_asks_for_what_is_missing_and_no_more() {
        assert_eq!(Coupon::default().questions(census(60, 100), 100, 8), 0);
        let few = Coupon::default().questions(census(20, 400), 100, 64);
        let many = Coupon::default().questions(census(8, 400), 100, 64);
        assert!(few < many && many < 40, "{few} {many}");
    }

    #[test]
    fn the_budget_holds_and_nothing_new_ends_it() {
        let mut coupon = Coupon::default();
        let asked: usize = (2..40)
            .map(|lists| coupon.questions(census(lists, 60_000), 100, 8))
            .sum();
        assert_eq!(asked, MAX_QUESTIONS);
        let mut coupon = Coupon::default();
        assert!(coupon.questions(census(8, 3_000), 100, 8) > 0);
        assert_eq!(coupon.questions(census(8, 3_000), 100, 8), 0);
    }
}
