//! What answers, errors and timeouts do to a lookup.

use super::super::id::NodeId;
use super::super::krpc::Response;
use super::super::packed::PackedAddress;
use super::candidates::CandidateState;
use super::peer_reports::MAX_HOLDERS;
use super::{Lookup, MAX_FAR_PARALLELISM, MAX_K};

impl Lookup {
    /// Processes an answer, late (`was_stale`) or not, with the nodes it names that may be queried.
    pub(crate) fn on_response(
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
            // An answer without peers, filters or nodes does not say that the swarm is empty.
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

    /// Adjusts the number of queries in flight. It is low while answers bring the lookup much
    /// closer, since the nodes that are closest now will not stay so. It is high once they do not.
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
        if let Some((seeders, leechers)) = filters
            && self.filters.iter().all(|(id, _)| *id != node.id)
        {
            self.filters.push((node.id, [*seeders, *leechers]));
        }
    }

    /// Records that one of the queries to this node is over.
    fn on_query_done(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.extra_in_flight > 0 {
            node.extra_in_flight -= 1;
            self.extra_in_flight -= 1;
        }
    }

    /// Records that a query is slower than most.
    pub(crate) fn mark_stale(&mut self, id: &NodeId) {
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

    /// Processes an error, or an answer under a wrong id.
    pub(crate) fn on_failure(&mut self, id: &NodeId, was_stale: bool, is_error: bool) {
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
            // The peers that an impostor named do not count either.
            node.holder = None;
        }
    }
}
