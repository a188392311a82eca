//! The daily histories of all torrents, in blocks that snapshots share.

use std::ops::Range;
use std::sync::Arc;

use super::torrent::TorrentState;
use crate::history::{Calendar, HistoryBlock, Run, Runs, UtcDay};
use crate::roster::TorrentIndex;
use crate::snapshot::Block;
use seedwatch_clock::Now;

/// The daily histories of the torrents of the configuration.
#[derive(Debug, Default)]
pub(super) struct DayBook {
    pub(super) calendar: Calendar,
    blocks: Vec<TurnedBlock>,
}

/// A block, and the day to which it was turned.
#[derive(Debug, Clone, Default)]
struct TurnedBlock {
    days: Arc<HistoryBlock>,
    day: UtcDay,
}

impl DayBook {
    /// Advances the clock.
    pub(super) fn tick(&mut self, now: Now) {
        self.calendar.tick(now);
    }

    /// Returns the days before the current one of all torrents.
    pub(super) fn blocks(&self) -> Vec<Arc<HistoryBlock>> {
        let blocks = self.blocks.iter();
        blocks.map(|block| Arc::clone(&block.days)).collect()
    }

    /// Returns the days before the current one of a torrent.
    pub(super) fn runs(&self, torrent: TorrentIndex) -> &[Run] {
        let (block, position) = (torrent.get() / Block::SIZE, torrent.get() % Block::SIZE);
        let block = self.blocks.get(block);
        block.map_or(&[], |block| block.days.get(position))
    }

    /// Adopts a new configuration. `moved` has the index before of each torrent; `reinstated` are
    /// the days of torrents that came back, by index.
    pub(super) fn update(
        &mut self,
        moved: &[Option<TorrentIndex>],
        reinstated: &[(TorrentIndex, Runs)],
    ) {
        let starts = (0..moved.len()).step_by(Block::SIZE);
        let blocks = starts.map(|start| {
            let torrents = start..moved.len().min(start + Block::SIZE);
            let days = self.updated_block(torrents, moved, reinstated);
            // All blocks are turned again: what was reinstated may belong to the current day.
            let day = UtcDay::default();
            TurnedBlock { days, day }
        });
        self.blocks = blocks.collect();
    }

    fn updated_block(
        &self,
        torrents: Range<usize>,
        moved: &[Option<TorrentIndex>],
        reinstated: &[(TorrentIndex, Runs)],
    ) -> Arc<HistoryBlock> {
        let find = |torrent: usize| {
            let at = reinstated.binary_search_by_key(&torrent, |(index, _)| index.get());
            at.ok().map(|at| &reinstated[at].1)
        };
        let stays = |torrent: usize| {
            moved[torrent].is_some_and(|before| before.get() == torrent) && find(torrent).is_none()
        };
        let before = self.blocks.get(torrents.start / Block::SIZE);
        if let Some(before) = before
            && torrents.clone().all(stays)
        {
            return Arc::clone(&before.days);
        }
        let runs = torrents.map(|torrent| match find(torrent) {
            Some(runs) => runs.as_slice(),
            None => moved[torrent].map_or(&[][..], |before| self.runs(before)),
        });
        Arc::new(HistoryBlock::of(runs))
    }

    /// Begins another day for the torrents of a block, if it is another day.
    pub(super) fn turn(&mut self, block: usize, torrents: &mut [TorrentState]) {
        let (Some(now), Some(block)) = (self.calendar.now(), self.blocks.get_mut(block)) else {
            return;
        };
        if block.day == now.day {
            return;
        }
        block.day = now.day;
        let mut turned = HistoryBlock::default();
        let mut runs = Runs::default();
        for (position, torrent) in torrents.iter_mut().enumerate() {
            runs.copy_from(block.days.get(position));
            torrent.today.turn(&mut runs, now);
            turned.push(runs.as_slice());
        }
        let turned = turned.finish();
        if *block.days != turned {
            block.days = Arc::new(turned);
        }
    }
}
