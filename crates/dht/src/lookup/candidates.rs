//! The candidates of a lookup, closest first.

use std::ops::{Deref, DerefMut};

use super::super::id::{Distance, NodeId};
use super::super::packed::{PackedAddress, Subnet};

/// A node that a lookup knows and may query.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) id: NodeId,
    pub(super) distance: Distance,
    pub(super) address: PackedAddress,
    pub(super) subnet: Subnet,
    pub(super) state: CandidateState,
    pub(super) hops: u8,
    pub(super) list_queries: u8,
    /// Extra queries in flight.
    pub(super) extra_in_flight: u8,
    pub(super) holder: Option<u8>,
    /// Length of its longest peer list.
    pub(super) longest_list: usize,
    /// Node that named it first; `None` if it comes from the node table.
    pub(super) named_by: Option<NodeId>,
    /// Whether it lies closer to the target than an honest DHT allows. Its answers do not count.
    pub(super) excluded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CandidateState {
    /// Not queried yet.
    Unqueried,
    /// Queried.
    Queried,
    /// Queried, and slower than most. The lookup no longer waits for it, but its answer counts.
    Stale,
    /// Has answered.
    Answered,
    /// Does not answer, or answers under another id.
    Failed,
}

/// What a query asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryKind {
    /// Peers.
    Peers,
    /// Filters (BEP 33).
    Filters,
    /// Nodes close to another id.
    Around(NodeId),
}

/// A query to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NextQuery {
    pub(crate) id: NodeId,
    pub(crate) address: PackedAddress,
    /// Whether to ask for filters.
    pub(crate) scrape: bool,
    /// Id to use in place of the target, to find nodes close to it.
    pub(crate) around: Option<NodeId>,
}

impl Candidate {
    /// Returns whether the node has answered or still may, and is not excluded.
    pub(super) fn is_eligible(&self) -> bool {
        !self.excluded && !matches!(self.state, CandidateState::Failed | CandidateState::Stale)
    }
}

/// Candidates in the order of their distances. A caller must not change a distance.
#[derive(Debug, Default)]
pub(super) struct CandidateList {
    nodes: Vec<Candidate>,
    /// The first 64 bits of each distance. A search in these alone touches few cache lines.
    prefixes: Vec<u64>,
}

impl CandidateList {
    /// Returns the index of the node at this distance, or the index at which to insert it.
    pub(super) fn find(&self, distance: &Distance) -> Result<usize, usize> {
        let prefix = distance.prefix();
        let first = self.prefixes.partition_point(|other| *other < prefix);
        if self.prefixes.get(first) != Some(&prefix) {
            return Err(first);
        }
        if self.nodes[first].distance == *distance {
            return Ok(first);
        }
        // Only an attacker who chooses ids makes several nodes share these 64 bits.
        let same = self.prefixes[first..].partition_point(|other| *other == prefix);
        let same = &self.nodes[first..first + same];
        match same.binary_search_by_key(distance, |node| node.distance) {
            Ok(at) => Ok(first + at),
            Err(at) => Err(first + at),
        }
    }

    /// Inserts a node at the index that [`CandidateList::find`] returned.
    pub(super) fn insert(&mut self, at: usize, node: Candidate) {
        self.prefixes.insert(at, node.distance.prefix());
        self.nodes.insert(at, node);
    }

    pub(super) fn remove(&mut self, at: usize) -> Candidate {
        self.prefixes.remove(at);
        self.nodes.remove(at)
    }

    /// Removes the farthest node.
    pub(super) fn pop(&mut self) -> Option<Candidate> {
        self.prefixes.pop();
        self.nodes.pop()
    }

    /// Removes and returns the nodes for which `stays` is false.
    pub(super) fn extract_unless(&mut self, stays: impl Fn(&Candidate) -> bool) -> Vec<Candidate> {
        let removed = self.nodes.extract_if(.., |node| !stays(node)).collect();
        let prefixes = self.nodes.iter().map(|node| node.distance.prefix());
        self.prefixes = prefixes.collect();
        removed
    }

    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.prefixes.clear();
    }
}

impl Deref for CandidateList {
    type Target = [Candidate];

    fn deref(&self) -> &[Candidate] {
        &self.nodes
    }
}

impl DerefMut for CandidateList {
    fn deref_mut(&mut self) -> &mut [Candidate] {
        &mut self.nodes
    }
}
