//! The torrents of the page, the most urgent first.

use super::MAX_ROWS;
use crate::web::query::rank;
use seedwatch_core::snapshot::Snapshot;
use seedwatch_core::verdict::State;

/// Number of ranks: one per state, and one for living torrents with a condition.
const RANKS: usize = State::ALL.len() + 1;

/// The torrents by urgency. Keeps no more per rank than the page can show.
#[derive(Debug, Default)]
pub(super) struct ByUrgency {
    /// The number of torrents by [`State::index`].
    numbers: [usize; State::ALL.len()],
    /// Indices of torrents by rank.
    torrents: [Vec<usize>; RANKS],
}

impl ByUrgency {
    /// Sorts the torrents of a snapshot.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut all = Self::default();
        for (index, view) in snapshot.rows().enumerate() {
            all.numbers[view.verdict.state.index()] += 1;
            let torrents = &mut all.torrents[rank(view.verdict)];
            if torrents.len() < MAX_ROWS {
                torrents.push(index);
            }
        }
        all
    }

    /// Returns the number of torrents in a state.
    pub(super) const fn count(&self, state: State) -> usize {
        self.numbers[state.index()]
    }

    /// Returns the indices of torrents, the most urgent first, and within one rank by name.
    pub(super) fn first(&self, most: usize) -> impl Iterator<Item = usize> {
        self.torrents.iter().flatten().copied().take(most)
    }
}
