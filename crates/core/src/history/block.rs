//! The earlier days of neighbouring torrents, which consecutive snapshots share.

use super::runs::Run;

/// The samples of the days before the current one, of the torrents of a
/// [`Block`](crate::snapshot::Block). It changes once a day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryBlock {
    /// Of all torrents, one after the other.
    runs: Vec<Run>,
    /// Where the runs of each torrent end. Without any run, there is none.
    ends: Vec<u32>,
}

impl HistoryBlock {
    /// Returns the block of these torrents.
    pub(crate) fn of<'a>(torrents: impl ExactSizeIterator<Item = &'a [Run]>) -> Self {
        let mut block = Self {
            runs: Vec::new(),
            ends: Vec::with_capacity(torrents.len()),
        };
        torrents.for_each(|runs| block.push(runs));
        block.finish()
    }

    /// Appends the runs of the next torrent.
    pub(crate) fn push(&mut self, runs: &[Run]) {
        self.runs.extend_from_slice(runs);
        self.ends.push(self.runs.len() as u32);
    }

    /// Releases memory that is not needed.
    #[must_use]
    pub(crate) fn finish(mut self) -> Self {
        if self.runs.is_empty() {
            return Self::default();
        }
        self.runs.shrink_to_fit();
        self.ends.shrink_to_fit();
        self
    }

    /// Returns the runs of the torrent at a position.
    pub(crate) fn get(&self, position: usize) -> &[Run] {
        let before = position.checked_sub(1).and_then(|at| self.ends.get(at));
        let start = before.copied().unwrap_or(0);
        let end = self.ends.get(position).copied().unwrap_or(start);
        let runs = self.runs.get(start as usize..end as usize);
        runs.unwrap_or_default()
    }
}
