//! The nodes that a walk has in view, closest first.

use std::ops::{Deref, DerefMut};

use super::super::id::Distance;
use super::Candidate;

/// Candidates in the order of their distances, which must not be changed in place.
#[derive(Debug, Default)]
pub(super) struct View {
    nodes: Vec<Candidate>,
    /// The first 64 bits of each distance. A search in them alone stays within a few cache lines.
    prefixes: Vec<u64>,
}

impl View {
    /// Returns the place of the node at this distance, or the place that it would have.
    pub(super) fn find(&self, distance: &Distance) -> Result<usize, usize> {
        let prefix = distance.prefix();
        let first = self.prefixes.partition_point(|other| *other < prefix);
        // The same 64 bits take an attacker who chooses ids. Rarely is there more than one node.
        let same = self.prefixes[first..].iter();
        let same = same.take_while(|other| **other == prefix).count();
        let same = &self.nodes[first..first + same];
        match same.binary_search_by_key(distance, |node| node.distance) {
            Ok(at) => Ok(first + at),
            Err(at) => Err(first + at),
        }
    }

    /// Adds a node at the place that [`View::find`] gave.
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

    /// Removes the nodes for which `stays` is false, and returns them.
    pub(super) fn part(&mut self, stays: impl Fn(&Candidate) -> bool) -> Vec<Candidate> {
        let gone = self.nodes.extract_if(.., |node| !stays(node)).collect();
        let prefixes = self.nodes.iter().map(|node| node.distance.prefix());
        self.prefixes = prefixes.collect();
        gone
    }

    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.prefixes.clear();
    }
}

impl Deref for View {
    type Target = [Candidate];

    fn deref(&self) -> &[Candidate] {
        &self.nodes
    }
}

impl DerefMut for View {
    fn deref_mut(&mut self) -> &mut [Candidate] {
        &mut self.nodes
    }
}
