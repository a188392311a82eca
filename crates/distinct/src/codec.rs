//! The encoding of sets: about seven bytes per peer. The caller adds version and checksum.
//!
//! ```text
//! number of entries | latest hour | number of sources | entries
//! entry: (difference to the hash before) << sources | mask of sources | ages
//! ```
//!
//! All numbers are LEB128. The mask has one bit for each source that saw the peer, source 0 in the
//! lowest bit; one age in hours follows for each of them, lowest source first. Mask 0 means that
//! all sources last saw the peer in the same hour; one age follows. Because a set states its number
//! of sources, a program with more sources reads it unchanged.

use super::entry::{Entry, HASH_BITS, LAST_SLOT};
use super::{MAX_ENTRIES, SOURCES, Set};

/// Bytes that no set and no running clock encodes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the encoding of a set of peers")]
pub struct DecodeError;

/// The encoding of a set. The caller stores it as a version of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Hashes of 44 bits, whose upper 36 are today's hashes; two sources.
    V1,
    /// Hashes of 36 bits; two sources.
    V2,
    /// The format that [`Set::encode`] writes; each set states its number of sources.
    V3,
}

impl Format {
    const fn hash_bits(self) -> u32 {
        match self {
            Self::V1 => 44,
            Self::V2 | Self::V3 => HASH_BITS,
        }
    }

    /// Reads the number of sources, which earlier formats do not state.
    fn sources(self, from: &mut &[u8]) -> Result<usize, DecodeError> {
        let sources = match self {
            Self::V1 | Self::V2 => 2,
            Self::V3 => read_varint(from)?,
        };
        match usize::try_from(sources) {
            Ok(sources @ 1..=SOURCES) => Ok(sources),
            _ => Err(DecodeError),
        }
    }
}

/// The mask of an entry whose sources all last saw the peer in the same hour.
const SAME: u64 = 0;
/// Fewest bytes of an entry.
const MIN_ENTRY: usize = 2;

impl Set {
    /// Appends the encoding of the set to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (base, newest, entries) = self.parts();
        write_varint(out, entries.len() as u64);
        write_varint(out, newest.into());
        write_varint(out, SOURCES as u64);
        let mut next = 0;
        for entry in entries.iter() {
            let slots = entry.slots();
            let age = |slot: u32| u64::from((newest - base).saturating_sub(slot));
            let is_same = slots == [slots[0]; SOURCES];
            let mask = if is_same { SAME } else { mask(slots) };
            write_varint(out, (entry.hash() - next) << SOURCES | mask);
            next = entry.hash() + 1;
            if is_same {
                write_varint(out, age(slots[0]));
                continue;
            }
            for slot in slots.into_iter().filter(|slot| *slot > 0) {
                write_varint(out, age(slot));
            }
        }
    }

    /// Decodes a set from the front of `from` and advances `from` past it.
    ///
    /// # Errors
    ///
    /// If `from` does not begin with an encoding in this format.
    pub fn decode(from: &mut &[u8], format: Format) -> Result<Self, DecodeError> {
        let count = usize::try_from(read_varint(from)?).map_err(|_| DecodeError)?;
        let newest = u32::try_from(read_varint(from)?).map_err(|_| DecodeError)?;
        let sources = format.sources(from)?;
        if count > MAX_ENTRIES.min(from.len() / MIN_ENTRY) {
            return Err(DecodeError);
        }
        let base = newest.saturating_sub(LAST_SLOT);
        let mut entries: Vec<Entry> = Vec::with_capacity(count);
        let bits = format.hash_bits();
        let mut next = 0;
        for _ in 0..count {
            let head = read_varint(from)?;
            let hash = (head >> sources) + next;
            if hash >> bits != 0 {
                return Err(DecodeError);
            }
            next = hash + 1;
            let slots = read_slots(from, head & ((1 << sources) - 1), sources, newest - base)?;
            let entry = Entry::new(hash >> (bits - HASH_BITS), slots);
            match entries
                .last_mut()
                .filter(|last| last.hash() == entry.hash())
            {
                // They differed only in the lower bits of a V1 hash.
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

/// Returns one bit for each source that saw the peer.
fn mask(slots: [u32; SOURCES]) -> u64 {
    let bits = slots.into_iter().enumerate();
    bits.fold(0, |mask, (source, slot)| {
        mask | u64::from(slot > 0) << source
    })
}

/// Reads the ages that a mask announces, as slots up to `newest`. Its loops have constant bounds,
/// so that the compiler unrolls them.
#[inline]
fn read_slots(
    from: &mut &[u8],
    mask: u64,
    sources: usize,
    newest: u32,
) -> Result<[u32; SOURCES], DecodeError> {
    let mut slots = [0; SOURCES];
    if mask == SAME {
        let same = slot(read_varint(from)?, newest)?;
        return Ok(std::array::from_fn(
            |source| {
                if source < sources { same } else { 0 }
            },
        ));
    }
    for (source, out) in slots.iter_mut().enumerate() {
        if mask >> source & 1 == 1 {
            *out = slot(read_varint(from)?, newest)?;
        }
    }
    // Each set has one encoding: equal hours of all sources are written as SAME.
    let is_same = (1..SOURCES).all(|source| source >= sources || slots[source] == slots[0]);
    match is_same {
        true => Err(DecodeError),
        false => Ok(slots),
    }
}

/// Converts an age to a slot, which is never 0: slot 0 means that the source never saw the peer.
#[inline]
fn slot(age: u64, newest: u32) -> Result<u32, DecodeError> {
    let age = u32::try_from(age).map_err(|_| DecodeError)?;
    let slot = newest.checked_sub(age).filter(|slot| *slot > 0);
    slot.ok_or(DecodeError)
}

/// Appends an integer as LEB128: seven bits per byte, lowest first.
pub(super) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads an integer that [`write_varint`] wrote, and advances `from` past it.
///
/// # Errors
///
/// If `from` ends early, the integer exceeds 64 bits, or it is longer than necessary.
pub(super) fn read_varint(from: &mut &[u8]) -> Result<u64, DecodeError> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = from.split_first().ok_or(DecodeError)?;
        *from = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(DecodeError);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return if bits == 0 && shift > 0 {
                Err(DecodeError)
            } else {
                Ok(value)
            };
        }
    }
    Err(DecodeError)
}
