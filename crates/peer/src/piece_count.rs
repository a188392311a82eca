//! How many pieces a torrent has, as far as it is known.

use std::num::NonZeroU32;

/// Most pieces of a torrent that is visited. libtorrent refuses torrents with more.
pub const MAX_PIECES: u32 = 1 << 21;

/// The number of pieces of a torrent: exact with metadata, otherwise a range that the messages of
/// peers narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceCount {
    least: u32,
    most: u32,
}

/// A claim contradicts what is known about the number of pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("contradictory numbers of pieces")]
pub struct Contradiction;

impl PieceCount {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        least: 1,
        most: MAX_PIECES,
    };

    /// Returns a known number; more than [`MAX_PIECES`] count as that many.
    pub fn exactly(count: NonZeroU32) -> Self {
        let count = count.get().min(MAX_PIECES);
        Self {
            least: count,
            most: count,
        }
    }

    /// Returns what a bitfield of so many bytes says: eight pieces per byte, rounded up.
    pub(crate) fn of_bitfield(length: usize) -> Self {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let most = length.saturating_mul(8).min(MAX_PIECES);
        Self {
            least: most.saturating_sub(7).max(1),
            most,
        }
    }

    /// Returns the least number that is possible.
    pub fn least(self) -> u32 {
        self.least
    }

    /// Returns the greatest number that is possible.
    pub fn most(self) -> u32 {
        self.most
    }

    /// Returns the number, if it is exact.
    pub fn exact(self) -> Option<u32> {
        (self.least == self.most).then_some(self.most)
    }

    /// Returns whether a bitfield may have this length.
    pub(crate) fn fits_bitfield(self, length: usize) -> bool {
        length > 0 && self.meet(Self::of_bitfield(length)).is_ok() && length <= self.bytes()
    }

    /// Returns the bytes of the longest possible bitfield.
    pub(crate) fn bytes(self) -> usize {
        self.most.div_ceil(8) as usize
    }

    /// Returns what both ranges allow.
    ///
    /// # Errors
    ///
    /// If they have no number in common.
    pub fn meet(self, other: Self) -> Result<Self, Contradiction> {
        let met = Self {
            least: self.least.max(other.least),
            most: self.most.min(other.most),
        };
        match met.least <= met.most {
            true => Ok(met),
            false => Err(Contradiction),
        }
    }

    /// Notes that this piece exists.
    pub(crate) fn include(self, piece: u32) -> Result<Self, Contradiction> {
        let least = piece.checked_add(1).ok_or(Contradiction)?;
        self.meet(Self {
            least,
            most: MAX_PIECES,
        })
    }
}
