//! Sets as bytes: about seven a peer. The caller adds version and checksum.
//!
//! The count of entries and the latest hour, then each entry: the difference to the hash before and two bits that
//! say which ages follow, then one age in hours for each source that saw it, or one for both
//! where they are equal. All numbers are LEB128.

use super::entry::{Entry, HASH_BITS, LAST_SLOT};
use super::{MAX_ENTRIES, SOURCES, Set};

/// Bytes that no set and no calendar was written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not what a set of peers is written as")]
pub struct Nonsense;

/// How sets were written. The caller knows by its own version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// At first: with longer hashes. The first bits of these are the hashes of now.
    Long,
    /// As [`Set::encode`] writes them.
    Now,
}

impl Layout {
    const fn hash_bits(self) -> u32 {
        match self {
            Self::Long => 44,
            Self::Now => HASH_BITS,
        }
    }
}

/// Both sources last saw the peer in the same hour.
const SAME: u64 = 0;
/// Only the first saw it.
const FIRST: u64 = 1;
/// Only the second saw it.
const SECOND: u64 = 2;
/// Both saw it, in different hours.
const BOTH: u64 = 3;
/// Bits of these.
const KIND: u32 = 2;
const KINDS: u64 = (1 << KIND) - 1;
/// Bytes of an entry at least.
const SHORTEST: usize = 2;

impl Set {
    /// Appends it to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (base, newest, entries) = self.parts();
        write_varint(out, entries.len() as u64);
        write_varint(out, newest.into());
        let mut next = 0;
        for entry in entries.iter() {
            let slots: [u32; SOURCES] = entry.slots();
            let kind = match slots {
                [_, 0] => FIRST,
                [0, _] => SECOND,
                [first, second] if first == second => SAME,
                _ => BOTH,
            };
            write_varint(out, (entry.hash() - next) << KIND | kind);
            next = entry.hash() + 1;
            let ages = slots.map(|slot| (newest - base).saturating_sub(slot));
            if kind != SECOND {
                write_varint(out, ages[0].into());
            }
            if kind == SECOND || kind == BOTH {
                write_varint(out, ages[1].into());
            }
        }
    }

    /// Takes one from the front of `from`. What follows is left there.
    ///
    /// # Errors
    ///
    /// If there is none that was written so.
    pub fn decode(from: &mut &[u8], layout: Layout) -> Result<Self, Nonsense> {
        let count = usize::try_from(read_varint(from)?).map_err(|_| Nonsense)?;
        let newest = u32::try_from(read_varint(from)?).map_err(|_| Nonsense)?;
        if count > MAX_ENTRIES.min(from.len() / SHORTEST) {
            return Err(Nonsense);
        }
        let base = newest.saturating_sub(LAST_SLOT);
        let mut entries: Vec<Entry> = Vec::with_capacity(count);
        let bits = layout.hash_bits();
        let mut next = 0;
        for _ in 0..count {
            let head = read_varint(from)?;
            let hash = (head >> KIND) + next;
            if hash >> bits != 0 {
                return Err(Nonsense);
            }
            next = hash + 1;
            let mut slot = || slot(read_varint(from)?, newest - base);
            let slots = match head & KINDS {
                SAME => [slot()?; SOURCES],
                FIRST => [slot()?, 0],
                SECOND => [0, slot()?],
                _ => [slot()?, slot()?],
            };
            if head & KINDS == BOTH && slots[0] == slots[1] {
                return Err(Nonsense);
            }
            let entry = Entry::new(hash >> (bits - HASH_BITS), slots);
            match entries
                .last_mut()
                .filter(|last| last.hash() == entry.hash())
            {
                // Only the bits that are gone told them apart.
                Some(last) => last.unite(entry),
                None => entries.push(entry),
            }
        }
        Ok(Self::from_parts(
            base,
            newest,
            entries.into_iter().collect(),
        ))
    }
}

/// The slot of an age; never 0, which would be no sighting at all.
fn slot(age: u64, newest: u32) -> Result<u32, Nonsense> {
    let age = u32::try_from(age).map_err(|_| Nonsense)?;
    newest.checked_sub(age).filter(|s| *s > 0).ok_or(Nonsense)
}

/// Appends a number, seven bits a byte, the lowest first.
pub fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number that was written in the only way that there is.
pub fn read_varint(from: &mut &[u8]) -> Result<u64, Nonsense> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = from.split_first().ok_or(Nonsense)?;
        *from = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(Nonsense);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return if bits == 0 && shift > 0 {
                Err(Nonsense)
            } else {
                Ok(value)
            };
        }
    }
    Err(Nonsense)
}
