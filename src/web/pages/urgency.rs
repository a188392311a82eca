//! The torrents of a page, the most urgent first.

use crate::web::query::{Position, is_needy, needs_something, position};
use seedwatch_core::snapshot::{Snapshot, TorrentView};
use seedwatch_core::verdict::State;

/// Positions that are kept before all but the first of them are forgotten.
const KEPT: usize = 4096;

/// The torrents by urgency. Keeps little more of them than the page can show.
#[derive(Debug)]
pub(super) struct ByUrgency {
    /// Most torrents that are shown.
    most: usize,
    /// The number of torrents by [`State::index`].
    numbers: [usize; State::ALL.len()],
    /// The number of torrents that need something.
    needy: usize,
    /// The first torrents in order, once all are there.
    first: Vec<Position>,
}

impl ByUrgency {
    /// Counts the torrents that readers may know, with their indices. Keeps the first `most` of
    /// them.
    pub(super) fn of<'a>(
        snapshot: &Snapshot,
        torrents: impl Iterator<Item = (usize, TorrentView<'a>)>,
        most: usize,
    ) -> Self {
        let mut all = Self {
            most,
            numbers: Default::default(),
            needy: 0,
            first: Vec::new(),
        };
        let torrents = torrents.filter(|(_, view)| snapshot.shows(view.torrent));
        torrents.for_each(|(index, view)| all.add(index, view));
        all.cut();
        all.first.sort_unstable();
        all
    }

    fn add(&mut self, index: usize, view: TorrentView<'_>) {
        self.numbers[view.verdict.state.index()] += 1;
        self.needy += usize::from(needs_something(view.verdict));
        if self.most > 0 {
            self.first.push(position(index, view));
        }
        if self.first.len() >= KEPT.max(self.most * 2) {
            self.cut();
        }
    }

    /// Forgets all positions but the first.
    fn cut(&mut self) {
        if self.first.len() > self.most {
            self.first.select_nth_unstable(self.most);
            self.first.truncate(self.most);
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

    /// Returns the indices of torrents that need something, the most urgent first.
    pub(super) fn worst(&self) -> Vec<usize> {
        let needy = self.first.iter().filter(|position| is_needy(**position));
        needy.map(|(.., index)| *index as usize).collect()
    }

    /// Returns the indices of torrents, the most urgent first.
    pub(super) fn first(&self) -> Vec<usize> {
        let all = self.first.iter();
        all.map(|(.., index)| *index as usize).collect()
    }
}
