//! Reuse of the allocations of ended lookups.

use super::Lookup;

/// The allocations of an ended lookup.
#[derive(Debug)]
pub(crate) struct RecycledLookup(Box<Lookup>);

impl RecycledLookup {
    /// Clears an ended lookup. Keeps the allocations of a usual one.
    pub(crate) fn of(mut lookup: Box<Lookup>) -> Self {
        lookup.nodes.clear();
        lookup.peer_reports.clear();
        lookup.filters.clear();
        lookup.extra_queries.clear();
        Self(lookup)
    }

    /// Starts `next`, which must not have candidates yet, in these allocations.
    pub(crate) fn begin(mut self, next: Lookup) -> Box<Lookup> {
        debug_assert!(next.nodes.is_empty(), "its nodes would be lost");
        let before = std::mem::replace(&mut *self.0, next);
        self.0.nodes = before.nodes;
        self.0.peer_reports = before.peer_reports;
        self.0.filters = before.filters;
        self.0.extra_queries = before.extra_queries;
        self.0
    }
}
