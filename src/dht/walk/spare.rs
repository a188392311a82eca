//! The memory of lookups that are over serves those that begin.

use super::Walk;

impl Walk {
    /// Empties a walk that is over, but for the room of its usual lists.
    pub(in crate::dht) fn clear(&mut self) {
        self.nodes.clear();
        self.sightings.clear();
        self.filters.clear();
        self.extra.clear();
    }

    /// Begins `next` in the room of a walk that was cleared.
    pub(in crate::dht) fn replace(&mut self, next: Self) {
        let before = std::mem::replace(self, next);
        self.nodes = before.nodes;
        self.sightings = before.sightings;
        self.filters = before.filters;
        self.extra = before.extra;
    }
}
