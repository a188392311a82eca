//! The outcome of a lookup.

use super::super::Contact;
use super::super::id::NodeId;
use super::peer_reports::{self, Holders};
use super::{Candidate, CandidateState, K, Lookup};
use crate::{FoundPeers, LookupError, LookupStats, SwarmEstimate};
use seedwatch_clock::Mono;
use seedwatch_torrent::InfoHash;

/// Nearest queried nodes of which a quarter must have answered.
const NEAREST_QUERIED: usize = 12;
/// Nodes that must have answered in all, outside test networks.
const MIN_ANSWERED: usize = 4;

/// The outcome of an ended lookup.
#[derive(Debug)]
pub(crate) struct LookupOutcome {
    pub(crate) target: NodeId,
    pub(crate) info_hash: Option<InfoHash>,
    pub(crate) result: Result<FoundPeers, LookupError>,
    pub(crate) stats: LookupStats,
    /// The closest nodes that answered, at most [`K`].
    pub(crate) closest: Vec<Contact>,
    /// Whether all of the closest were queried and [`K`] answered.
    pub(crate) is_whole: bool,
    /// Lengths of the lists of trusted holders.
    pub(crate) lists: Vec<usize>,
    /// Whether peers were found and no list was truncated.
    pub(crate) is_small: bool,
}

impl Lookup {
    /// Returns whether the lookup reached the nodes that would know the swarm. A few answers from
    /// far nodes do not prove that a swarm is empty.
    fn reached_closest(&self) -> bool {
        if self.has_enough_holders() {
            return true;
        }
        let asked = |node: &&Candidate| node.state != CandidateState::Unqueried && !node.excluded;
        let nearest = self.nodes.iter().filter(asked).take(NEAREST_QUERIED);
        let answers = nearest
            .clone()
            .filter(|node| node.state == CandidateState::Answered);
        let least = if self.plan.require_distinct_subnets {
            MIN_ANSWERED
        } else {
            1
        };
        let counts = |node: &&Candidate| node.state == CandidateState::Answered && !node.excluded;
        self.has_converged()
            && answers.count() * 4 >= nearest.count()
            && self.nodes.iter().filter(counts).count() >= least
    }

    /// Returns what the lookup found, or why that is unknown.
    fn result(&mut self, trusted: Holders) -> Result<FoundPeers, LookupError> {
        let reached_closest = self.reached_closest();
        let is_alarmed = self.guard.is_alarmed();
        if is_alarmed && (!reached_closest || trusted == 0) {
            // Nodes that cluster around the target may hide a swarm.
            return Err(LookupError::Doubtful);
        }
        if !reached_closest {
            // Silence, as in an outage of our own network, says nothing about the nodes.
            return Err(LookupError::Timeout);
        }
        // A late answer may have named peers since.
        if self.is_unsure && trusted == 0 {
            return Err(LookupError::Doubtful);
        }
        Ok(self.found(trusted))
    }

    /// Ends the lookup.
    pub(crate) fn finish(&mut self, now: Mono) -> LookupOutcome {
        self.stats.duration = self.started.map(|at| now.since(at)).unwrap_or_default();
        let reached_closest = self.reached_closest();
        let trusted = self.trusted_holders();
        let trusted = self.peer_reports.believed_holders(trusted);
        let closest: Vec<&Candidate> = self.closest_answered().collect();
        let closest_bits = closest.first().map(|n| n.id.shared_bits(&self.target));
        let hops = closest
            .iter()
            .take(K)
            .map(|node| u32::from(node.hops))
            .max();
        let lists: Vec<usize> = closest
            .iter()
            .filter(|node| node.longest_list > 0)
            .map(|node| node.longest_list)
            .collect();
        let closest: Vec<Contact> = closest
            .iter()
            .take(K)
            .map(|node| Contact {
                id: node.id,
                address: node.address.into(),
            })
            .collect();
        self.stats.closest_bits = closest_bits;
        self.stats.hops = hops.unwrap_or(0);
        self.stats.holders = trusted.count_ones();
        self.stats.doubted = self.suspicious_nodes();
        let result = self.result(trusted);
        LookupOutcome {
            target: self.target,
            info_hash: self.info_hash,
            is_small: !self.has_truncated_list() && !lists.is_empty(),
            is_whole: reached_closest
                && !self.guard.has_excluded()
                && self.plan.holders_wanted.is_none()
                && closest.len() == K,
            lists,
            closest,
            result,
            stats: self.stats,
        }
    }

    fn found(&mut self, trusted: Holders) -> FoundPeers {
        let peers = self.peer_reports.peers(trusted);
        let liar = |holder: Option<u8>| holder.is_some_and(|holder| trusted & 1 << holder == 0);
        let is_trusted = |id: &NodeId| {
            let mut closest = self.closest_answered();
            closest.any(|node| node.id == *id && !liar(node.holder))
        };
        let filters = self.filters.iter().filter(|(id, _)| is_trusted(id));
        let filters: Vec<_> = filters.map(|(_, filters)| filters).collect();
        let bound = (!self.has_truncated_list()).then_some(peers.len());
        let filters = peer_reports::drop_implausible(filters, bound);
        let estimate = peer_reports::estimate(&filters, &peers, self.plan.accept);
        // If none of the closest nodes holds a peer, the swarm is empty.
        let is_empty = trusted == 0 && self.plan.holders_wanted.is_none();
        let none = SwarmEstimate {
            seeders: 0,
            leechers: 0,
            saturated: false,
        };
        FoundPeers {
            estimate: estimate.or(is_empty.then_some(none)),
            peers,
        }
    }
}
