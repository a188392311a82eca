//! One lookup: selects the next query, evaluates answers and decides when to end. No socket, no
//! clock.
//!
//! A lookup queries the closest nodes that it knows until the `k` closest responsive ones have all
//! answered. It asks them for peer lists only, since common clients replace the list by filters if
//! they are asked to `scrape` (BEP 33). Afterwards it queries holders of a swarm that is larger
//! than their lists again, as long as new peers are to be expected, and asks some of them for
//! filters.

mod candidates;
mod eclipse;
mod outcome;
mod peer_reports;
mod recycle;
mod requery;
mod responses;

use std::time::Duration;

use super::bound_ids::BoundIds;
use super::id::NodeId;
use super::network_size::NetworkSize;
use super::packed::{PackedAddress, Subnet};
use crate::LookupStats;
use candidates::{Candidate, CandidateList, CandidateState, NextQuery, QueryKind};
use eclipse::EclipseGuard;
pub(super) use outcome::LookupOutcome;
use peer_reports::{FilterPair, Holders, PeerReports};
pub(super) use recycle::RecycledLookup;
use requery::RequeryBudget;
use seedwatch_clock::Mono;
use seedwatch_torrent::InfoHash;
use seedwatch_torrent::address::Accept;

/// Closest nodes that must have answered (BEP 5).
pub(super) const K: usize = 8;
/// Upper limit of `k`. It grows while the farthest node still names peers that no other node does.
const MAX_K: usize = 16;
/// Candidates that are kept.
const MAX_CANDIDATES: usize = 48;
/// Queries in flight while the lookup still comes closer: at first, and at most once nodes are
/// stale.
const INITIAL_PARALLELISM: usize = 2;
const MAX_FAR_PARALLELISM: usize = 4;
/// Closest nodes that answered and may count as holders.
const MAX_TRUSTED: usize = 20;
/// Shared bits by which a node beyond the `k` closest may fall short of the farthest of them.
const NEAR_BITS: u32 = 2;
/// Nodes that are asked for filters if lists are complete.
const FILTERS: usize = 2;
/// Longest duration of a lookup at a sufficient rate.
pub(super) const MAX_DURATION: Duration = Duration::from_secs(30);

/// What is known when a lookup starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Whether the previous lookup found the closest nodes and they still answer.
    pub(super) warm: bool,
    /// Whether the swarm was small at the previous lookup, so that lists are complete.
    pub(super) was_small: bool,
    /// Number of holders after which the lookup may end (`recall_target`).
    pub(super) holders_wanted: Option<usize>,
    /// Whether only one node per /24 or /64 may be queried. A test network where all nodes share
    /// one subnet may have few nodes in all.
    pub(super) require_distinct_subnets: bool,
    /// Peer addresses that count.
    pub(super) accept: Accept,
}

/// An active lookup.
#[derive(Debug)]
pub(super) struct Lookup {
    target: NodeId,
    /// `None` if the lookup only looks for nodes.
    info_hash: Option<InfoHash>,
    plan: Plan,
    k: usize,
    /// Queries that may be in flight.
    parallelism: usize,
    in_flight: usize,
    /// Candidates by distance.
    nodes: CandidateList,
    peer_reports: PeerReports,
    filters: Vec<(NodeId, FilterPair)>,
    holders: u8,
    filters_asked: usize,
    requery: RequeryBudget,
    guard: EclipseGuard,
    /// Whether nothing was found and the swarm may nevertheless have peers.
    is_unsure: bool,
    /// Queries in addition to the first one of each node, and how many of them are in flight.
    extra_queries: Vec<(NodeId, QueryKind)>,
    extra_in_flight: usize,
    /// Time at which the lookup ends with what it has.
    deadline: Mono,
    started: Option<Mono>,
    stats: LookupStats,
}

impl Lookup {
    /// Creates a lookup without candidates.
    pub(super) fn new(
        target: NodeId,
        info_hash: Option<InfoHash>,
        plan: Plan,
        deadline: Mono,
    ) -> Self {
        let parallelism = match plan.holders_wanted {
            _ if !plan.warm => INITIAL_PARALLELISM,
            Some(enough) => enough,
            None => K,
        };
        Self {
            target,
            info_hash,
            plan,
            k: K,
            parallelism,
            in_flight: 0,
            nodes: CandidateList::default(),
            peer_reports: PeerReports::default(),
            filters: Vec::new(),
            holders: 0,
            filters_asked: 0,
            requery: RequeryBudget::default(),
            guard: EclipseGuard::default(),
            is_unsure: false,
            extra_queries: Vec::new(),
            extra_in_flight: 0,
            deadline,
            started: None,
            stats: LookupStats::default(),
        }
    }

    pub(super) fn target(&self) -> &NodeId {
        &self.target
    }

    pub(super) fn info_hash(&self) -> Option<InfoHash> {
        self.info_hash
    }

    /// Returns the time at which the lookup ends with what it has.
    pub(super) fn deadline(&self) -> Mono {
        self.deadline
    }

    /// Adds a node. Returns whether it is now among the `k` closest.
    pub(super) fn add_candidate(&mut self, id: NodeId, address: PackedAddress, hops: u8) -> bool {
        self.add_candidate_from(None, id, address, hops)
    }

    fn add_candidate_from(
        &mut self,
        named_by: Option<NodeId>,
        id: NodeId,
        address: PackedAddress,
        hops: u8,
    ) -> bool {
        let distance = self.target.distance(&id);
        let index = self.nodes.find(&distance);
        let Err(index) = index else { return false };
        if index >= MAX_CANDIDATES {
            return false;
        }
        let subnet = address.subnet();
        let candidate = Candidate {
            id,
            distance,
            address,
            subnet,
            state: CandidateState::Unqueried,
            hops,
            list_queries: 0,
            extra_in_flight: 0,
            holder: None,
            longest_list: 0,
            named_by,
            excluded: false,
        };
        if self.guard.refuses(&candidate) {
            return false;
        }
        let index = match self.subnet_representative(&subnet) {
            None => index,
            // Otherwise the owner of one subnet could surround a swarm with its nodes.
            Some(at) if self.nodes[at].state != CandidateState::Unqueried || at < index => {
                return false;
            }
            Some(farther) => {
                self.nodes.remove(farther);
                index
            }
        };
        self.nodes.insert(index, candidate);
        if self.nodes.len() > MAX_CANDIDATES
            && let Some(last) = self.nodes.pop()
        {
            self.drop_extra_queries(&last);
        }
        self.closest_eligible().any(|at| at == index)
    }

    /// Drops the extra queries of a candidate that was removed.
    fn drop_extra_queries(&mut self, removed: &Candidate) {
        self.extra_queries.retain(|(id, _)| *id != removed.id);
        self.extra_in_flight -= usize::from(removed.extra_in_flight);
    }

    /// Returns the candidate that occupies a subnet: one that has answered or still may.
    fn subnet_representative(&self, subnet: &Subnet) -> Option<usize> {
        let represents = |node: &Candidate| node.subnet == *subnet && node.is_eligible();
        let index = self.nodes.iter().position(represents);
        index.filter(|_| self.plan.require_distinct_subnets)
    }

    /// Returns the indices of the `k` closest candidates that have not failed.
    fn closest_eligible(&self) -> impl Iterator<Item = usize> + '_ {
        let nodes = self.nodes.iter().enumerate();
        let nodes = nodes.filter(|(_, node)| node.is_eligible());
        nodes.map(|(at, _)| at).take(self.k)
    }

    /// Returns whether all closest nodes have answered, or enough holders have.
    fn has_converged(&self) -> bool {
        if self.has_enough_holders() {
            return true;
        }
        self.closest_eligible()
            .all(|at| self.nodes[at].state == CandidateState::Answered)
    }

    /// Returns whether the holders that the recall target requires have answered.
    fn has_enough_holders(&self) -> bool {
        self.plan.holders_wanted.is_some_and(|enough| {
            let holders = self.closest_answered().filter(|node| node.longest_list > 0);
            holders.count() >= enough
        })
    }

    /// Returns the next query, unless none may be sent now. `may_ask` applies the per-node limit;
    /// if it admits an address, that node is queried.
    pub(super) fn next_query(
        &mut self,
        mut may_ask: impl FnMut(&PackedAddress) -> bool,
    ) -> Option<NextQuery> {
        if self.in_flight >= self.parallel_limit() {
            return None;
        }
        if self.has_converged() {
            let mut extra = 0..self.extra_queries.len();
            let index = extra.find(|at| {
                let id = &self.extra_queries[*at].0;
                self.index_of(id)
                    .is_some_and(|at| may_ask(&self.nodes[at].address))
            })?;
            let (id, what) = self.extra_queries.remove(index);
            let at = self.index_of(&id)?;
            self.nodes[at].extra_in_flight += 1;
            self.extra_in_flight += 1;
            return self.query(at, what);
        }
        let mut unqueried = self
            .closest_eligible()
            .filter(|at| self.nodes[*at].state == CandidateState::Unqueried);
        let at = unqueried.find(|at| may_ask(&self.nodes[*at].address))?;
        drop(unqueried);
        let what = if self.is_for_filters() {
            QueryKind::Filters
        } else {
            QueryKind::Peers
        };
        self.query(at, what)
    }

    /// Returns whether the next query should ask for filters. If lists are complete, the last of
    /// the closest nodes are asked for filters instead: the others name the same peers, and no
    /// extra packet is needed.
    fn is_for_filters(&self) -> bool {
        if self.info_hash.is_none()
            || self.plan.holders_wanted.is_some()
            || self.filters_asked >= FILTERS
        {
            return false;
        }
        let asked = self
            .closest_eligible()
            .filter(|at| self.nodes[*at].state != CandidateState::Unqueried);
        let is_last = asked.count() + FILTERS >= self.k;
        is_last && (self.plan.was_small || self.holders >= 2) && !self.has_truncated_list()
    }

    fn has_truncated_list(&self) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| !node.excluded && node.may_be_truncated())
    }

    fn query(&mut self, at: usize, what: QueryKind) -> Option<NextQuery> {
        let node = self.nodes.get_mut(at)?;
        self.stats.asked += u32::from(node.state == CandidateState::Unqueried);
        if node.state == CandidateState::Unqueried {
            node.state = CandidateState::Queried;
        }
        node.list_queries += u8::from(what == QueryKind::Peers);
        let scrape = what == QueryKind::Filters;
        self.filters_asked += usize::from(scrape);
        self.in_flight += 1;
        self.stats.queries += 1;
        Some(NextQuery {
            id: node.id,
            address: node.address,
            scrape,
            around: match what {
                QueryKind::Around(id) => Some(id),
                QueryKind::Peers | QueryKind::Filters => None,
            },
        })
    }

    /// Returns whether the lookup has converged and only queries holders again.
    pub(super) fn is_collecting(&mut self) -> bool {
        self.requery.is_used() && self.has_converged()
    }

    /// Ends the lookup with what it has.
    pub(super) fn cut_off(&mut self) {
        self.deadline = Mono(0);
    }

    /// Records that a query was sent.
    pub(super) fn sent(&mut self, now: Mono) {
        self.started.get_or_insert(now);
    }

    /// Returns whether a node is a candidate.
    pub(super) fn knows(&self, id: &NodeId) -> bool {
        self.index_of(id).is_some()
    }

    /// Returns whether a query could be sent now, apart from per-node limits.
    pub(super) fn has_query_ready(&self) -> bool {
        if self.in_flight >= self.parallel_limit() {
            return false;
        }
        if self.has_converged() {
            return !self.extra_queries.is_empty();
        }
        self.closest_eligible()
            .any(|at| self.nodes[at].state == CandidateState::Unqueried)
    }

    /// Returns how many queries may be in flight now.
    fn parallel_limit(&self) -> usize {
        match self.plan.holders_wanted {
            Some(enough) if self.holders > 0 => {
                let known = self
                    .closest_answered()
                    .filter(|node| node.longest_list > 0)
                    .count();
                enough.saturating_sub(known).max(1)
            }
            _ => self.parallelism,
        }
    }

    fn index_of(&self, id: &NodeId) -> Option<usize> {
        self.nodes.find(&self.target.distance(id)).ok()
    }

    /// Returns whether the lookup is over. Plans further queries once all answers are there. `size`
    /// tells which distances are plausible, and `bound` how many bound ids.
    pub(super) fn is_over(&mut self, size: &mut NetworkSize, bound: &BoundIds) -> bool {
        if !self.is_idle() || self.extra_in_flight > 0 {
            return false;
        }
        if self.info_hash.is_none() {
            return true;
        }
        while self.is_idle() && self.check_for_eclipse(size) {}
        if !self.is_idle() {
            return false;
        }
        let is_empty = self.trusted_holders() == 0;
        self.is_unsure = is_empty && !size.is_settled();
        if self.is_unsure {
            return false;
        }
        self.is_unsure = is_empty && !self.is_conclusive(size, bound);
        if !self.has_enough_holders() {
            self.plan_requeries();
        }
        self.is_idle()
    }

    /// Returns whether all answers are there and no query is planned.
    fn is_idle(&self) -> bool {
        self.has_converged() && self.extra_queries.is_empty() && !self.guard.awaits_nodes()
    }

    /// Returns the nodes closest to the target that answered. Beyond the `k` that peers announce
    /// to, only nodes at a similar distance count. A far node that names peers may name them for
    /// any info-hash.
    fn closest_answered(&self) -> impl Iterator<Item = &Candidate> {
        let answered = |node: &&Candidate| node.state == CandidateState::Answered && !node.excluded;
        let nodes = self.nodes.iter().filter(answered);
        let last = nodes.clone().take(self.k).last();
        let reach = last.map_or(0, |last| last.distance.shared_bits());
        let close = move |(rank, node): &(usize, &Candidate)| {
            *rank < self.k || node.distance.shared_bits() + NEAR_BITS >= reach
        };
        let close = nodes.take(MAX_TRUSTED).enumerate().take_while(close);
        close.map(|(_, node)| node)
    }

    fn trusted_holders(&self) -> Holders {
        self.closest_answered()
            .filter_map(|node| node.holder)
            .fold(0, |all, holder| all | 1 << holder)
    }
}

#[cfg(test)]
mod tests;
