//! The memory of lookups that are over serves those that begin.

use super::Walk;

/// A walk that is over, for its memory.
#[derive(Debug)]
pub(crate) struct Spare(Box<Walk>);

impl Spare {
    /// Empties a walk that is over. Keeps the room of its usual lists.
    pub(crate) fn of(mut walk: Box<Walk>) -> Self {
        walk.nodes.clear();
        walk.sightings.clear();
        walk.filters.clear();
        walk.extra.clear();
        Self(walk)
    }

    /// Begins `next`, which knows no node yet, in this memory.
    pub(crate) fn begin(mut self, next: Walk) -> Box<Walk> {
        debug_assert!(next.nodes.is_empty(), "its nodes would be lost");
        let before = std::mem::replace(&mut *self.0, next);
        self.0.nodes = before.nodes;
        self.0.sightings = before.sightings;
        self.0.filters = before.filters;
        self.0.extra = before.extra;
        self.0
    }
}
