//! The pieces that one peer claims to have.

use crate::piece_count::{Contradiction, PieceCount};

/// Whether a set holds all pieces of the torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// All of them.
    Complete,
    /// At least one piece is missing.
    Incomplete,
    /// It depends on the number of pieces, which is not known: the bits end with ones and up to
    /// seven zeros, or a few single pieces are known.
    Undecided,
}

/// A set of pieces. Takes one bit per piece, or nothing for all and none.
///
/// ```
/// use seedwatch_peer::{Completeness, PieceCount, PieceSet};
///
/// // Twelve ones and four zeros: a torrent of 12 pieces that is complete, or of up to 16 that is
/// // not.
/// let mut set = PieceSet::none(PieceCount::UNKNOWN);
/// set.add_bitfield(vec![0xff, 0xf0])?;
/// assert_eq!((set.count().least(), set.count().most()), (12, 16));
/// assert_eq!(set.completeness(), Completeness::Undecided);
///
/// set.set_count(PieceCount::exactly(12.try_into()?))?;
/// assert_eq!(set.completeness(), Completeness::Complete);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceSet {
    /// One bit per piece, the highest first, as on the wire.
    bits: Vec<u8>,
    /// Whether the pieces after `bits` are in the set.
    rest: bool,
    count: PieceCount,
}

impl PieceSet {
    /// Returns an empty set.
    pub fn none(count: PieceCount) -> Self {
        Self {
            bits: Vec::new(),
            rest: false,
            count,
        }
    }

    /// Returns the number of pieces of the torrent, as far as the set knows it.
    pub fn count(&self) -> PieceCount {
        self.count
    }

    /// Adds all pieces.
    pub fn add_all(&mut self) {
        self.bits = Vec::new();
        self.rest = true;
    }

    /// Adds one piece; returns whether it is new.
    ///
    /// # Errors
    ///
    /// If the torrent has no such piece.
    pub fn add(&mut self, piece: u32) -> Result<bool, Contradiction> {
        self.count = self.count.include(piece)?;
        let is_new = !self.contains(piece);
        if is_new {
            self.write(piece, true);
        }
        Ok(is_new)
    }

    /// Removes one piece (BEP 54); returns whether it was in the set.
    ///
    /// # Errors
    ///
    /// If the torrent has no such piece.
    pub fn remove(&mut self, piece: u32) -> Result<bool, Contradiction> {
        self.count = self.count.include(piece)?;
        let is_removed = self.contains(piece);
        if is_removed {
            self.write(piece, false);
        }
        Ok(is_removed)
    }

    /// Adds the pieces of a bitfield; returns whether it has any. Spare bits at its end are
    /// ignored, as libtorrent does.
    ///
    /// # Errors
    ///
    /// If its length does not fit the number of pieces.
    pub fn add_bitfield(&mut self, mut bits: Vec<u8>) -> Result<bool, Contradiction> {
        if !self.count.fits_bitfield(bits.len()) {
            return Err(Contradiction);
        }
        let mut count = self.count.meet(PieceCount::of_bitfield(bits.len()))?;
        clear_after(&mut bits, count.most());
        let last = last_one(&bits);
        if let Some(last) = last {
            count = count.include(last)?;
        }
        self.count = count;
        if !self.rest {
            let (long, short) = match bits.len() >= self.bits.len() {
                true => (bits, std::mem::take(&mut self.bits)),
                false => (std::mem::take(&mut self.bits), bits),
            };
            self.bits = long;
            self.bits.iter_mut().zip(short).for_each(|(a, b)| *a |= b);
        } else {
            // All but some that were taken back.
            self.bits.iter_mut().zip(bits).for_each(|(a, b)| *a |= b);
        }
        Ok(last.is_some())
    }

    /// Narrows the number of pieces.
    ///
    /// # Errors
    ///
    /// If the set contradicts it.
    pub fn set_count(&mut self, count: PieceCount) -> Result<(), Contradiction> {
        self.count = self.count.meet(count)?;
        clear_after(&mut self.bits, self.count.most());
        self.bits.truncate(self.count.bytes());
        Ok(())
    }

    /// Returns whether a piece is in the set.
    pub fn contains(&self, piece: u32) -> bool {
        let byte = self.bits.get((piece / 8) as usize);
        let is_in = byte.map_or(self.rest, |byte| byte & mask(piece) != 0);
        is_in && piece < self.count.most()
    }

    /// Returns how many pieces are in the set; `None` if it holds all pieces, and their number is
    /// unknown.
    pub fn len(&self) -> Option<u32> {
        if self.rest {
            let count = self.count.exact()?;
            // A set of this kind is all pieces but a few, or rare.
            return Some(match self.bits.is_empty() {
                true => count,
                false => (0..count)
                    .map(|piece| u32::from(self.contains(piece)))
                    .sum(),
            });
        }
        Some(self.bits.iter().map(|byte| byte.count_ones()).sum())
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        !self.rest && self.bits.iter().all(|byte| *byte == 0)
    }

    /// Returns whether the set holds all pieces.
    pub fn completeness(&self) -> Completeness {
        let first = self.first_missing();
        match first {
            None => Completeness::Complete,
            Some(first) if first >= self.count.most() => Completeness::Complete,
            Some(first) if first < self.count.least() => Completeness::Incomplete,
            Some(_) => Completeness::Undecided,
        }
    }

    /// Returns the bytes that the set holds.
    pub fn memory(&self) -> usize {
        self.bits.capacity()
    }

    /// Returns the first piece that is not in the set, which may be the one after the last.
    fn first_missing(&self) -> Option<u32> {
        let byte = self.bits.iter().position(|byte| *byte != 0xff);
        match byte {
            // A bitfield has at most `MAX_PIECES` bits.
            Some(at) => Some(at as u32 * 8 + self.bits[at].leading_ones()),
            None if self.rest => None,
            None => Some(self.bits.len() as u32 * 8),
        }
    }

    fn write(&mut self, piece: u32, value: bool) {
        let byte = (piece / 8) as usize;
        if byte >= self.bits.len() {
            let fill = if self.rest { 0xff } else { 0 };
            // Doubling, but never beyond the last piece.
            let wanted = (byte + 1).max(self.bits.len() * 2).min(self.count.bytes());
            self.bits.reserve_exact(wanted - self.bits.len());
            self.bits.resize(byte + 1, fill);
        }
        match value {
            true => self.bits[byte] |= mask(piece),
            false => self.bits[byte] &= !mask(piece),
        }
    }
}

fn mask(piece: u32) -> u8 {
    0x80 >> (piece % 8)
}

/// Returns the last piece of a bitfield.
fn last_one(bits: &[u8]) -> Option<u32> {
    let byte = bits.iter().rposition(|byte| *byte != 0)?;
    Some(byte as u32 * 8 + 7 - bits[byte].trailing_zeros())
}

/// Clears the bits after the last piece.
fn clear_after(bits: &mut [u8], count: u32) {
    let whole = (count / 8) as usize;
    let Some(after) = bits.get_mut(whole..) else {
        return;
    };
    let kept = !(0xffu8 >> (count % 8));
    for (at, byte) in after.iter_mut().enumerate() {
        *byte &= if at == 0 { kept } else { 0 };
    }
}

#[cfg(test)]
mod tests;
