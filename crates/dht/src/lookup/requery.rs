//! How often to query holders again if their lists are truncated: the coupon collector's problem.
//!
//! A holder of three thousand peers names a hundred at random. Every further answer brings fewer
//! new ones. The lookup stops when hardly any peer is missing, when nothing new arrives, or when
//! the budget is spent.

use super::super::id::NodeId;
use super::peer_reports::CaptureCounts;
use super::{Candidate, CandidateState, Lookup, MAX_K, QueryKind};

/// Length from which on a list may be truncated: common clients truncate at 50 or 100.
const FULL_LIST: usize = 45;
/// The same over IPv6, where libtorrent truncates at 25.
const FULL_LIST_6: usize = 23;

/// Share of the peers that may stay unseen.
const MAX_MISSING: f64 = 0.002;
/// Queries to one holder.
const MAX_PER_HOLDER: u8 = 10;
/// Repeated queries per lookup.
const MAX_REQUERIES: usize = 80;
/// Holders of a large swarm that are asked for filters.
pub(super) const FILTERS: usize = 4;

impl Candidate {
    /// Returns whether the node may know more peers than it names.
    pub(super) fn may_be_truncated(&self) -> bool {
        self.longest_list >= FULL_LIST
            || self.longest_list >= FULL_LIST_6 && self.address.ip().is_ipv6()
    }
}

/// The budget of repeated queries of one lookup.
#[derive(Debug, Default)]
pub(super) struct RequeryBudget {
    asked: usize,
    /// Peers that were known at the previous grant.
    seen: Option<usize>,
}

impl RequeryBudget {
    /// Returns whether repeated queries were granted.
    pub(super) fn is_used(&self) -> bool {
        self.asked > 0
    }

    /// Grants the repeated queries that are worthwhile, at most one per holder, if an answer names
    /// `list` peers.
    pub(super) fn take(&mut self, counts: CaptureCounts, list: usize, holders: usize) -> usize {
        let nothing_new = self.seen == Some(counts.seen);
        let total = counts.total();
        let missing = 1.0 - counts.seen as f64 / total;
        if nothing_new || counts.seen == 0 || missing <= MAX_MISSING {
            return 0;
        }
        self.seen = Some(counts.seen);
        // Probability that one answer does not name a given peer.
        let misses = (1.0 - list as f64 / total).clamp(0.001, 0.999);
        let wanted = ((MAX_MISSING / missing).ln() / misses.ln()).ceil() as usize;
        let queries = wanted.min(holders).min(MAX_REQUERIES - self.asked);
        self.asked += queries;
        queries
    }
}

impl Lookup {
    /// Plans repeated queries to holders, as far as they are worthwhile.
    pub(super) fn plan_requeries(&mut self) {
        let trusted = self.trusted_holders();
        if trusted == 0 {
            return;
        }
        let (counts, alone) = self.peer_reports.capture_counts(trusted);
        let last = self
            .closest_eligible()
            .last()
            .and_then(|at| self.nodes[at].holder);
        if self.k < MAX_K && last.is_some_and(|last| alone & 1 << last != 0) {
            self.k += 1;
        }
        let holders = self.closest_answered().filter(|node| node.holder.is_some());
        let (mut full, mut short): (Vec<_>, Vec<_>) = holders
            .map(|node| {
                (
                    node.id,
                    node.longest_list,
                    node.list_queries,
                    node.may_be_truncated(),
                )
            })
            .partition(|(.., full)| *full);
        self.parallelism = MAX_K;
        if full.is_empty() {
            if counts.seen == 0 {
                // These nodes hold peers and were asked for filters only.
                let unheard = short
                    .iter()
                    .filter(|(_, _, list_queries, _)| *list_queries == 0);
                self.extra_queries
                    .extend(unheard.map(|(id, ..)| (*id, QueryKind::Peers)));
            } else if self.filters_asked <= self.lost_filters() {
                short.truncate(1);
                self.extra_queries
                    .extend(short.iter().map(|(id, ..)| (*id, QueryKind::Filters)));
            }
            return;
        }
        let lists = full.iter().map(|(_, list, ..)| list).sum::<usize>() / full.len();
        // The holders that were queried least come first.
        full.sort_by_key(|(_, _, list_queries, _)| *list_queries);
        let again = full
            .iter()
            .filter(|(_, _, list_queries, _)| *list_queries < MAX_PER_HOLDER);
        let again: Vec<NodeId> = again.map(|(id, ..)| *id).collect();
        let queries = self.requery.take(counts, lists, again.len());
        let wanted = again.iter().take(queries).map(|id| (*id, QueryKind::Peers));
        self.extra_queries.extend(wanted);
        if self.filters_asked < FILTERS {
            let missing = FILTERS - self.filters_asked;
            let filters = full.iter().rev().take(missing);
            self.extra_queries
                .extend(filters.map(|(id, ..)| (*id, QueryKind::Filters)));
        }
    }

    /// Returns how many nodes were asked for filters only, and do not answer in time.
    fn lost_filters(&self) -> usize {
        let is_lost = |node: &&Candidate| {
            let is_silent = matches!(node.state, CandidateState::Failed | CandidateState::Stale);
            is_silent && node.list_queries == 0
        };
        self.nodes.iter().filter(is_lost).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::peer_reports::PeerReports;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// Returns the counts after this many random lists of 100 peers.
    fn counts(lists: u8, peers: u32) -> CaptureCounts {
        let mut rng = StdRng::from_seed([3; 32]);
        let mut peer_reports = PeerReports::default();
        for holder in 0..lists {
            let list: Vec<[u8; 6]> = (0..100)
                .map(|_| {
                    let [_, a, b, c] = (rng.next_u32() % peers).to_be_bytes();
                    [9, a, b, c, 26, 225]
                })
                .collect();
            peer_reports.add(list.iter().map(|value| &value[..]), holder);
        }
        peer_reports.capture_counts(u64::MAX).0
    }

    #[test]
    fn queries_are_granted_for_missing_peers_only() {
        assert_eq!(RequeryBudget::default().take(counts(60, 100), 100, 8), 0);
        let few = RequeryBudget::default().take(counts(20, 400), 100, 64);
        let many = RequeryBudget::default().take(counts(8, 400), 100, 64);
        assert!(few < many && many < 40, "{few} {many}");
    }

    #[test]
    fn the_budget_is_a_limit_and_no_new_peer_ends_it() {
        let mut requery = RequeryBudget::default();
        let asked: usize = (2..40)
            .map(|lists| requery.take(counts(lists, 60_000), 100, 8))
            .sum();
        assert_eq!(asked, MAX_REQUERIES);
        let mut requery = RequeryBudget::default();
        assert!(requery.take(counts(8, 3_000), 100, 8) > 0);
        assert_eq!(requery.take(counts(8, 3_000), 100, 8), 0);
    }
}
