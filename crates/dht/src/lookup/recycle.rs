//! The memory of lookups that are over serves those that begin.

use super::Lookup;

/// A lookup that is over, for its memory.
#[derive(Debug)]
pub(crate) struct RecycledLookup(Box<Lookup>);

impl RecycledLookup {
    /// Empties a lookup that is over. Keeps the room of its usual lists.
    pub(crate) fn of(mut lookup: Box<Lookup>) -> Self {
        lookup.nodes.clear();
        lookup.peer_reports.clear();
        lookup.filters.clear();
        lookup.extra_queries.clear();
        Self(lookup)
    }

    /// Begins `next`, which knows no node yet, in this memory.
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
