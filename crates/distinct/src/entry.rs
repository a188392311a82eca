//! One remembered peer: seven bytes for two sources.
//!
//! The hash has a fixed length, and each source adds [`SLOT_BITS`] to an entry. A further source
//! therefore makes entries longer (nine bytes for three sources, ten for four) and leaves hashes,
//! and with them saved sets, as they are.

use super::SOURCES;

/// Bits of a peer's hash, whatever the number of sources.
pub(super) const HASH_BITS: u32 = 36;
/// Bits of an hour.
const SLOT_BITS: u32 = 10;
/// Bits of the hours of all sources.
const SLOTS_BITS: u32 = SOURCES as u32 * SLOT_BITS;
/// The byte that the hash begins in.
const HASH_AT: usize = (SLOTS_BITS / 8) as usize;
/// Bytes of an entry.
const BYTES: usize = (HASH_BITS + SLOTS_BITS).div_ceil(8) as usize;
/// The latest hour that fits, counted from the base of a set.
pub(super) const LAST_SLOT: u32 = (1 << SLOT_BITS) - 1;

const _: () = assert!(SOURCES >= 1 && HASH_BITS + SLOTS_BITS <= u128::BITS);

/// The shortest integer that holds an entry: 64 bits unless `IS_WIDE`.
struct Width<const IS_WIDE: bool>;

trait Integer {
    type Type;
}

impl Integer for Width<false> {
    type Type = u64;
}

impl Integer for Width<true> {
    type Type = u128;
}

/// An entry as an integer: the slots, that of source 0 in the lowest bits, then the hash.
type Packed = <Width<{ BYTES > size_of::<u64>() }> as Integer>::Type;

/// A hash, and for each source the slot of its last sighting: the hours since the base of the set,
/// 0 for never. Entries are bytes because a large installation holds a hundred million of them, and
/// an integer would pad each to eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry([u8; BYTES]);

impl Entry {
    /// Packs an entry. Slots beyond [`LAST_SLOT`] become [`LAST_SLOT`].
    pub(super) fn new(hash: u64, slots: [u32; SOURCES]) -> Self {
        let mut packed = Packed::from(hash) << SLOTS_BITS;
        for (source, slot) in slots.into_iter().enumerate() {
            packed |= Packed::from(slot.min(LAST_SLOT)) << shift(source);
        }
        Self::from_packed(packed)
    }

    fn from_packed(packed: Packed) -> Self {
        let bytes = packed.to_le_bytes();
        Self(std::array::from_fn(|at| bytes[at]))
    }

    fn packed(&self) -> Packed {
        let byte = |at: usize| self.0.get(at).copied().unwrap_or(0);
        Packed::from_le_bytes(std::array::from_fn(byte))
    }

    /// Returns the hash. A search reads little else, so this reads no bytes of slots.
    pub(super) fn hash(&self) -> u64 {
        let byte = |at: usize| self.0.get(HASH_AT + at).copied().unwrap_or(0);
        u64::from_le_bytes(std::array::from_fn(byte)) >> (SLOTS_BITS % 8)
    }

    /// Returns the slot of one source.
    pub(super) fn slot(&self, source: usize) -> u32 {
        (self.packed() >> shift(source)) as u32 & LAST_SLOT
    }

    /// Returns the slots of all sources.
    pub(super) fn slots(&self) -> [u32; SOURCES] {
        std::array::from_fn(|source| self.slot(source))
    }

    /// Replaces the slot of one source.
    pub(super) fn set_slot(&mut self, source: usize, slot: u32) {
        let others = self.packed() & !(Packed::from(LAST_SLOT) << shift(source));
        *self = Self::from_packed(others | Packed::from(slot.min(LAST_SLOT)) << shift(source));
    }

    /// Adopts every later slot of another entry of the same peer.
    pub(super) fn unite(&mut self, other: Self) {
        for (source, slot) in other.slots().into_iter().enumerate() {
            self.set_slot(source, self.slot(source).max(slot));
        }
    }

    /// Returns whether no source saw the peer.
    pub(super) fn is_blank(self) -> bool {
        self.slots() == [0; SOURCES]
    }
}

/// The lowest bit of a source's slot.
const fn shift(source: usize) -> u32 {
    source as u32 * SLOT_BITS
}
