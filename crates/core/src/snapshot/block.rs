//! Blocks of torrent rows: the unit that consecutive snapshots share.

use super::torrent::{AnnounceRow, TorrentRow};
use super::windows::TorrentWindows;

/// The rows of up to [`Block::SIZE`] neighbouring torrents.
#[derive(Debug, Clone, Default)]
pub struct Block {
    rows: Vec<TorrentRow>,
    announces: Vec<AnnounceRow>,
    /// Sorted by the position in `rows`. Most torrents are idle and have no entry.
    windows: Vec<(u8, TorrentWindows)>,
    /// Whether a tracker refuses one of the torrents. Few blocks need to be searched then.
    has_refusals: bool,
}

impl Block {
    /// Torrents per block.
    pub const SIZE: usize = 128;

    /// Appends the next torrent. A block holds up to [`Block::SIZE`].
    pub fn push(
        &mut self,
        row: TorrentRow,
        announces: impl IntoIterator<Item = AnnounceRow>,
        windows: Option<TorrentWindows>,
    ) {
        let position = self.rows.len() as u8;
        self.windows
            .extend(windows.map(|windows| (position, windows)));
        self.rows.push(TorrentRow {
            first_announce: self.announces.len() as u32,
            ..row
        });
        let first = self.announces.len();
        self.announces.extend(announces);
        let mut new = self.announces.iter().skip(first);
        self.has_refusals |= new.any(|row| row.refusal().is_some());
    }

    /// Returns whether a tracker refuses one of the torrents.
    pub fn has_refusals(&self) -> bool {
        self.has_refusals
    }

    /// Returns the torrent at a position, with its announces in the order of the configuration.
    pub fn get(
        &self,
        position: usize,
    ) -> Option<(&TorrentRow, &[AnnounceRow], Option<&TorrentWindows>)> {
        let row = self.rows.get(position)?;
        let windows = self
            .windows
            .binary_search_by_key(&position, |(at, _)| usize::from(*at));
        let windows = windows.ok().and_then(|at| Some(&self.windows.get(at)?.1));
        let end = self
            .rows
            .get(position + 1)
            .map_or(self.announces.len(), |next| next.first_announce as usize);
        let announces = self.announces.get(row.first_announce as usize..end)?;
        Some((row, announces, windows))
    }

    /// Releases memory that growing reserved in excess.
    pub fn shrink(&mut self) {
        self.rows.shrink_to_fit();
        self.announces.shrink_to_fit();
        self.windows.shrink_to_fit();
    }
}
