//! The torrents of a page, the most urgent first.

use crate::web::query::rank;
use seedwatch_core::snapshot::{Snapshot, TorrentView};
use seedwatch_core::verdict::State;

/// Number of ranks: one per state, and one for living torrents with a condition.
const RANKS: usize = State::ALL.len() + 1;

/// Ranks of torrents that need something: dead, at risk, unobserved, or alive with a condition.
const NEEDY_RANKS: usize = 4;

/// The torrents by urgency. Keeps no more per rank than the page can show.
#[derive(Debug)]
pub(super) struct ByUrgency {
    /// Most torrents kept per rank.
    most: usize,
    /// The number of torrents by [`State::index`].
    numbers: [usize; State::ALL.len()],
    /// The number of torrents that need something.
    needy: usize,
    /// Indices of torrents by rank.
    torrents: [Vec<usize>; RANKS],
}

impl ByUrgency {
    /// Sorts the torrents that readers may know, with their indices. Keeps the first `most` of each
    /// rank.
    pub(super) fn of<'a>(
        snapshot: &Snapshot,
        torrents: impl Iterator<Item = (usize, TorrentView<'a>)>,
        most: usize,
    ) -> Self {
        let mut all = Self {
            most,
            numbers: Default::default(),
            needy: 0,
            torrents: Default::default(),
        };
        let torrents = torrents.filter(|(_, view)| snapshot.shows(view.torrent));
        torrents.for_each(|(index, view)| all.add(index, view));
        all
    }

    fn add(&mut self, index: usize, view: TorrentView<'_>) {
        self.numbers[view.verdict.state.index()] += 1;
        let rank = rank(view.verdict);
        self.needy += usize::from(rank < NEEDY_RANKS);
        let torrents = &mut self.torrents[rank];
        if torrents.len() < self.most {
            torrents.push(index);
        }
    }

    /// Returns the number of all torrents.
    pub(super) fn total(&self) -> usize {
        self.numbers.iter().sum()
    }

    /// Returns the number of torrents in a state.
    pub(super) const fn count(&self, state: State) -> usize {
        self.numbers[state.index()]
    }

    /// Returns the number of torrents that need something.
    pub(super) const fn needy(&self) -> usize {
        self.needy
    }

    /// Returns the indices of torrents that need something, the most urgent first, and within one
    /// rank by name.
    pub(super) fn worst(&self) -> Vec<usize> {
        let needy = self.torrents[..NEEDY_RANKS].iter().flatten();
        needy.copied().take(self.most).collect()
    }

    /// Returns the indices of torrents, the most urgent first, and within one rank by name.
    pub(super) fn first(&self) -> Vec<usize> {
        let all = self.torrents.iter().flatten();
        all.copied().take(self.most).collect()
    }
}
