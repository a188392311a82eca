//! One lookup: who is asked next, what the answers say, and when it is over. No socket, no clock.
//!
//! A lookup list_queries the closest nodes it knows of until the `k` closest that live have all answered.
//! It list_queries for lists only: common clients answer `scrape` with filters in index of lists
//! (BEP 33). Then holders of a swarm that is larger than their lists are asked again, as long as
//! something new is to be expected, and some of them for filters.

mod candidates;
mod eclipse;
mod outcome;
mod peer_reports;
mod recycle;
mod requery;

use std::time::Duration;

use super::id::{Distance, NodeId};
use super::krpc::Response;
use super::network_size::NetworkSize;
use super::packed::{PackedAddress, Subnet};
use crate::LookupStats;
use candidates::CandidateList;
use eclipse::EclipseGuard;
pub(super) use outcome::LookupOutcome;
use peer_reports::{Holders, MAX_HOLDERS, PeerReports};
pub(super) use recycle::RecycledLookup;
use requery::RequeryBudget;
use seedwatch_clock::Mono;
use seedwatch_torrent::InfoHash;
use seedwatch_torrent::address::Accept;

/// Closest nodes that must have answered (BEP 5).
pub(super) const K: usize = 8;
/// Most of them, while the farthest still names peers that nobody else does.
const MAX_K: usize = 16;
/// Nodes kept in view.
const MAX_CANDIDATES: usize = 48;
/// Nodes asked at once while the lookup still comes closer, and when nodes are slow.
const INITIAL_PARALLELISM: usize = 2;
const MAX_FAR_PARALLELISM: usize = 4;
/// Only so many of the closest nodes that answered can hold the swarm.
const MAX_TRUSTED: usize = 20;
/// Bits that a node beyond the closest may share less with the target than the last of these.
const NEAR_BITS: u32 = 2;
/// Nodes asked for filters where lists are complete.
const FILTERS: usize = 2;
/// Longest time of a lookup.
pub(super) const MAX_DURATION: Duration = Duration::from_secs(30);

/// How a lookup begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// The nodes it begins with are the closest there are, as of the last time.
    pub(super) warm: bool,
    /// The swarm was small the last time: lists are complete.
    pub(super) was_small: bool,
    /// Holders that are enough (`recall_target`).
    pub(super) holders_wanted: Option<usize>,
    /// One node a /24 or /64. In a lab, where all share one, few nodes may be all there are.
    pub(super) require_distinct_subnets: bool,
    /// Which peers count.
    pub(super) accept: Accept,
}

/// A lookup under way.
#[derive(Debug)]
pub(super) struct Lookup {
    target: NodeId,
    /// `None`: nobody is looked for, only nodes.
    info_hash: Option<InfoHash>,
    plan: Plan,
    k: usize,
    /// Queries that may be under way at once.
    parallelism: usize,
    in_flight: usize,
    /// By distance.
    nodes: CandidateList,
    peer_reports: PeerReports,
    filters: Vec<(NodeId, Box<[[u8; 256]; 2]>)>,
    holders: u8,
    filters_asked: usize,
    requery: RequeryBudget,
    guard: EclipseGuard,
    /// Nothing was found, and that does not say yet that nothing is there.
    is_unsure: bool,
    /// Questions beyond the lookup itself, and how many of them are under way.
    extra_queries: Vec<(NodeId, QueryKind)>,
    extra_in_flight: usize,
    /// When it is cut off.
    deadline: Mono,
    started: Option<Mono>,
    stats: LookupStats,
}

/// A node in view.
#[derive(Debug, Clone)]
struct Candidate {
    id: NodeId,
    distance: Distance,
    address: PackedAddress,
    subnet: Subnet,
    state: CandidateState,
    hops: u8,
    list_queries: u8,
    /// Questions beyond the lookup itself that are under way.
    extra_in_flight: u8,
    holder: Option<u8>,
    /// Its longest list.
    longest_list: usize,
    /// Which node named it first; `None`: known before.
    named_by: Option<NodeId>,
    /// Closer to the target than an honest DHT allows: what it says does not count.
    excluded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CandidateState {
    /// Not asked yet.
    Unqueried,
    /// Queried.
    Queried,
    /// Queried, and slower than most: it no longer holds up the lookup, but its answer counts.
    Stale,
    /// Answered.
    Answered,
    /// Does not answer, or not as itself.
    Failed,
}

/// What a node is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueryKind {
    /// For peers.
    Peers,
    /// For filters (BEP 33).
    Filters,
    /// For nodes around another id.
    Around(NodeId),
}

/// The next query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NextQuery {
    pub(super) id: NodeId,
    pub(super) address: PackedAddress,
    /// For filters.
    pub(super) scrape: bool,
    /// For nodes around this id, instead of the target.
    pub(super) around: Option<NodeId>,
}

impl Candidate {
    /// It has answered, or may yet, and is not set aside.
    fn is_eligible(&self) -> bool {
        !self.excluded && !matches!(self.state, CandidateState::Failed | CandidateState::Stale)
    }
}

impl Lookup {
    /// A lookup from the closest nodes known.
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

    /// When it is cut off.
    pub(super) fn deadline(&self) -> Mono {
        self.deadline
    }

    /// A node that may be worth asking; says how many of the `k` closest it leaves behind it.
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
            // Otherwise the owner of one network could surround a swarm with it.
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

    /// A node has left the view.
    fn drop_extra_queries(&mut self, gone: &Candidate) {
        self.extra_queries.retain(|(id, _)| *id != gone.id);
        self.extra_in_flight -= usize::from(gone.extra_in_flight);
    }

    /// The node that speaks for a network: one that answers, or may yet.
    fn subnet_representative(&self, subnet: &Subnet) -> Option<usize> {
        let speaks = |node: &Candidate| node.subnet == *subnet && node.is_eligible();
        let index = self.nodes.iter().position(speaks);
        index.filter(|_| self.plan.require_distinct_subnets)
    }

    /// Places of the `k` closest nodes that are not known to fail.
    fn closest_eligible(&self) -> impl Iterator<Item = usize> + '_ {
        let places = self.nodes.iter().enumerate();
        let places = places.filter(|(_, node)| node.is_eligible());
        places.map(|(at, _)| at).take(self.k)
    }

    /// Whether every one of the closest nodes has answered, or enough have.
    fn has_converged(&self) -> bool {
        if self.has_enough_holders() {
            return true;
        }
        self.closest_eligible()
            .all(|at| self.nodes[at].state == CandidateState::Answered)
    }

    /// The holders that the recall target list_queries for have answered.
    fn has_enough_holders(&self) -> bool {
        self.plan.holders_wanted.is_some_and(|enough| {
            let holders = self.closest_answered().filter(|node| node.longest_list > 0);
            holders.count() >= enough
        })
    }

    /// The next query, unless nothing may be asked now. `may_ask` knows the manners; the node
    /// for which it says yes is asked.
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
        let mut heard = self
            .closest_eligible()
            .filter(|at| self.nodes[*at].state == CandidateState::Unqueried);
        let at = heard.find(|at| may_ask(&self.nodes[*at].address))?;
        drop(heard);
        let what = if self.is_for_filters() {
            QueryKind::Filters
        } else {
            QueryKind::Peers
        };
        self.query(at, what)
    }

    /// Where lists are complete, the last of the closest nodes are asked for filters instead:
    /// the others know the same peers, and no packet is spent on it.
    fn is_for_filters(&self) -> bool {
        if self.info_hash.is_none()
            || self.plan.holders_wanted.is_some()
            || self.filters_asked >= FILTERS
            || self.has_truncated_list()
        {
            return false;
        }
        let asked = self
            .closest_eligible()
            .filter(|at| self.nodes[*at].state != CandidateState::Unqueried);
        let is_last = asked.count() + FILTERS >= self.k;
        is_last && (self.plan.was_small || self.holders >= 2)
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

    /// It has met all nodes it needs, and list_queries those that hold a large swarm again.
    pub(super) fn is_collecting(&mut self) -> bool {
        self.requery.is_used() && self.has_converged()
    }

    /// It ends as it stands.
    pub(super) fn cut_off(&mut self) {
        self.deadline = Mono(0);
    }

    /// A query left.
    pub(super) fn sent(&mut self, now: Mono) {
        self.started.get_or_insert(now);
    }

    /// Whether a node is in view.
    pub(super) fn knows(&self, id: &NodeId) -> bool {
        self.index_of(id).is_some()
    }

    /// Something could be asked now, but for manners.
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

    /// Questions that may be under way now.
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

    /// An answer, late or not (`was_stale`), with the nodes it names that may be asked.
    pub(super) fn on_response(
        &mut self,
        id: &NodeId,
        was_stale: bool,
        response: &Response<'_>,
        contacts: &[(NodeId, PackedAddress)],
    ) {
        self.in_flight -= usize::from(!was_stale);
        let Some(at) = self.index_of(id) else { return };
        if !was_stale {
            self.on_query_done(at);
        }
        let is_statement = response.is_statement || self.info_hash.is_none();
        let node = &mut self.nodes[at];
        if !is_statement {
            // A node that says nothing about peers does not say that there are none.
            self.stats.rejected += 1;
            if node.state != CandidateState::Answered {
                node.state = CandidateState::Failed;
            }
            return;
        }
        if !matches!(node.state, CandidateState::Answered) {
            self.stats.answered += 1;
            node.state = CandidateState::Answered;
        }
        let (hops, by) = (node.hops.saturating_add(1), node.id);
        let contacts = if node.excluded { &[] } else { contacts };
        self.record_values(at, response);
        let closer = contacts
            .iter()
            .filter(|(id, address)| self.add_candidate_from(Some(by), *id, *address, hops))
            .count();
        self.adjust_parallelism(closer);
    }

    /// Narrow while answers still bring the lookup much closer, since who is closest now will not
    /// be; as wide as it takes once they do not.
    fn adjust_parallelism(&mut self, closer: usize) {
        if self.plan.holders_wanted.is_some() && !self.has_no_holder() {
            return;
        }
        self.parallelism = if closer <= 1 || self.has_converged() {
            MAX_K
        } else {
            self.parallelism.min(MAX_FAR_PARALLELISM)
        };
    }

    fn has_no_holder(&self) -> bool {
        self.holders == 0
    }

    fn record_values(&mut self, at: usize, response: &Response<'_>) {
        let node = &mut self.nodes[at];
        let mut values = response.values.clone().peekable();
        let filters = response.seeders.zip(response.leechers);
        if values.peek().is_none() && filters.is_none() {
            return;
        }
        if node.holder.is_none() && self.holders < MAX_HOLDERS {
            node.holder = Some(self.holders);
            self.holders += 1;
        }
        let Some(holder) = node.holder else { return };
        let listed = self.peer_reports.add(values, holder);
        node.longest_list = node.longest_list.max(listed);
        if let Some((seeds, leechers)) = filters
            && self.filters.iter().all(|(id, _)| *id != node.id)
        {
            self.filters.push((node.id, Box::new([*seeds, *leechers])));
        }
    }

    /// One of the queries to this node is over.
    fn on_query_done(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.extra_in_flight > 0 {
            node.extra_in_flight -= 1;
            self.extra_in_flight -= 1;
        }
    }

    /// A query is slower than most.
    pub(super) fn mark_stale(&mut self, id: &NodeId) {
        self.in_flight -= 1;
        self.stats.timed_out += 1;
        if let Some(at) = self.index_of(id) {
            self.on_query_done(at);
            let node = &mut self.nodes[at];
            if node.state == CandidateState::Queried {
                node.state = CandidateState::Stale;
            }
        }
        let is_walking = !self.has_converged() && self.parallelism < MAX_FAR_PARALLELISM;
        if is_walking && self.plan.holders_wanted.is_none() {
            self.parallelism += 1;
        }
    }

    /// An answer that is none: an error, or not from who was asked.
    pub(super) fn on_failure(&mut self, id: &NodeId, was_stale: bool, is_error: bool) {
        self.in_flight -= usize::from(!was_stale);
        if is_error {
            self.stats.errors += 1;
        } else {
            self.stats.rejected += 1;
        }
        let Some(at) = self.index_of(id) else { return };
        if !was_stale {
            self.on_query_done(at);
        }
        let node = &mut self.nodes[at];
        node.state = CandidateState::Failed;
        if !is_error {
            // A liar takes what it named with it.
            node.holder = None;
        }
    }

    /// Whether it is over. Looks for further queries once all answers are there. What is close
    /// is judged by the size of the DHT.
    pub(super) fn is_over(&mut self, size: &mut NetworkSize) -> bool {
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
        self.is_unsure = is_empty && !self.is_conclusive(size);
        if !self.has_enough_holders() {
            self.plan_requeries();
        }
        self.is_idle()
    }

    /// All answers are there, and nothing more is wanted.
    fn is_idle(&self) -> bool {
        self.has_converged() && self.extra_queries.is_empty() && !self.guard.awaits_nodes()
    }

    /// The nodes closest to the target that answered. Beyond the `k` that peers announce to, only
    /// those about as close: whoever is far and names peers names them for any info-hash.
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
