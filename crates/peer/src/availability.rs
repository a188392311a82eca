//! How many copies of a torrent the visited peers claim to have together.

use crate::piece_count::{Contradiction, PieceCount};
use crate::piece_set::{Completeness, PieceSet};

/// The pieces of several peers, united. Takes one byte per piece once a peer has some of them.
///
/// All numbers are lower bounds: peers that were not reached may have more, and a peer that hides
/// pieces counts without them. Without metadata, the first peers decide how many pieces there may
/// be, and others may contradict them; start again with [`PieceCount::exactly`] when it is known.
///
/// ```
/// use seedwatch_peer::{Availability, PieceCount, PieceSet};
///
/// let count = PieceCount::exactly(8.try_into()?);
/// let set = |bits: u8| {
///     let mut set = PieceSet::none(count);
///     set.add_bitfield(vec![bits]).map(|_| set)
/// };
/// let mut availability = Availability::new(count);
/// availability.add(&set(0b1111_0000)?)?;
/// assert_eq!(availability.missing().collect::<Vec<_>>(), [4, 5, 6, 7]);
/// availability.add(&set(0b0001_1111)?)?;
///
/// // Two halves that overlap in one of eight pieces.
/// assert_eq!(availability.complete_peers(), 0);
/// assert_eq!(availability.copies().to_string(), "1.125");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    count: PieceCount,
    complete: u32,
    /// How many incomplete peers have each piece, up to 255. Pieces after the end: none.
    partial: Vec<u8>,
}

/// Distributed copies: the full copies that all pieces have, and the share of pieces that have one
/// more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Copies {
    /// Full copies.
    pub full: u32,
    /// Thousandths of the pieces that have one copy more, rounded down.
    pub thousandths: u16,
}

impl Copies {
    /// Returns the copies as one number.
    pub fn as_f64(self) -> f64 {
        f64::from(self.full) + f64::from(self.thousandths) / 1000.0
    }
}

impl std::fmt::Display for Copies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.full, self.thousandths)
    }
}

impl Availability {
    /// Returns the availability without any peer.
    pub fn new(count: PieceCount) -> Self {
        Self {
            count,
            complete: 0,
            partial: Vec::new(),
        }
    }

    /// Adds the pieces of one more peer. What the peer tells about the number of pieces narrows it.
    ///
    /// # Errors
    ///
    /// If the set contradicts the number of pieces. The peer does not count then.
    pub fn add(&mut self, set: &PieceSet) -> Result<(), Contradiction> {
        let count = self.count.meet(set.count())?;
        let mut set = set.clone();
        set.set_count(count)?;
        self.count = count;
        self.partial.truncate(count.most() as usize);
        if set.completeness() == Completeness::Complete {
            self.complete = self.complete.saturating_add(1);
            return Ok(());
        }
        // Every piece that the set names is among those that exist for certain.
        let end = set.count().least() as usize;
        if self.partial.len() < end {
            self.partial.reserve_exact(end - self.partial.len());
            self.partial.resize(end, 0);
        }
        for (piece, peers) in (0..end as u32).zip(&mut self.partial) {
            *peers = peers.saturating_add(set.contains(piece).into());
        }
        Ok(())
    }

    /// Narrows the number of pieces, when it becomes known.
    ///
    /// # Errors
    ///
    /// If a peer that was added contradicts it.
    pub fn set_count(&mut self, count: PieceCount) -> Result<(), Contradiction> {
        self.count = self.count.meet(count)?;
        self.partial.truncate(self.count.most() as usize);
        Ok(())
    }

    /// Returns the number of pieces, as far as it is known.
    pub fn count(&self) -> PieceCount {
        self.count
    }

    /// Returns how many peers have everything.
    pub fn complete_peers(&self) -> u32 {
        self.complete
    }

    /// Returns the distributed copies. While the number of pieces is not known, returns the least
    /// that any possible number allows.
    pub fn copies(&self) -> Copies {
        // A bitfield leaves at most eight numbers. Without one, pieces may exist that no peer has.
        let possible = self.count.least()..=self.count.most();
        let copies = match possible.clone().count() {
            1..=8 => possible.map(|count| self.copies_of(count)).min(),
            _ => None,
        };
        let mut copies = copies.unwrap_or(Copies {
            full: 0,
            thousandths: 0,
        });
        copies.full = copies.full.saturating_add(self.complete);
        copies
    }

    /// Returns the pieces that exist for certain and that no peer has, in order.
    pub fn missing(&self) -> impl Iterator<Item = u32> {
        let end = match self.complete {
            0 => self.count.least(),
            _ => 0,
        };
        (0..end).filter(|piece| self.peers_with(*piece) == 0)
    }

    /// Returns the bytes that it holds.
    pub fn memory(&self) -> usize {
        self.partial.capacity()
    }

    fn peers_with(&self, piece: u32) -> u8 {
        let peers = self.partial.get(piece as usize);
        peers.copied().unwrap_or(0)
    }

    /// Returns the copies that incomplete peers have together if there are so many pieces.
    fn copies_of(&self, count: u32) -> Copies {
        let stored = &self.partial[..self.partial.len().min(count as usize)];
        let unknown = u64::from(count) - stored.len() as u64;
        let least = match unknown {
            0 => stored.iter().copied().min().unwrap_or(0),
            _ => 0,
        };
        let more = stored.iter().filter(|peers| **peers > least).count() as u64;
        Copies {
            full: least.into(),
            // Less than 1000, because at least one piece has the least number.
            thousandths: (more * 1000 / u64::from(count.max(1))) as u16,
        }
    }
}

#[cfg(test)]
mod tests;
