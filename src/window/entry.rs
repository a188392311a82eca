//! One remembered peer in eight bytes.

use super::{Peer, SOURCES};

/// Bits of a peer's hash.
pub(super) const HASH_BITS: u32 = 64 - SOURCES as u32 * SLOT_BITS;
const SLOT_BITS: u32 = 10;
/// The last hour that can be written, counted from the base of a set.
pub(super) const LAST_SLOT: u32 = (1 << SLOT_BITS) - 1;

/// A hash, and for each source the hour of its last sighting as a slot: hours since the base of
/// the set, 0 for never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(u64);

impl Entry {
    /// Slots beyond [`LAST_SLOT`] are cut to it.
    pub(super) fn new(hash: u64, slots: [u32; SOURCES]) -> Self {
        let mut entry = Self(hash << (64 - HASH_BITS));
        for (source, slot) in slots.into_iter().enumerate() {
            entry.set(source, slot);
        }
        entry
    }

    pub(super) fn hash(self) -> u64 {
        self.0 >> (64 - HASH_BITS)
    }

    pub(super) fn peer(self) -> Peer {
        Peer(self.hash())
    }

    pub(super) fn slot(self, source: usize) -> u32 {
        (self.0 >> (source as u32 * SLOT_BITS)) as u32 & LAST_SLOT
    }

    pub(super) fn slots(self) -> [u32; SOURCES] {
        [self.slot(0), self.slot(1)]
    }

    pub(super) fn set(&mut self, source: usize, slot: u32) {
        let shift = source as u32 * SLOT_BITS;
        self.0 &= !(u64::from(LAST_SLOT) << shift);
        self.0 |= u64::from(slot.min(LAST_SLOT)) << shift;
    }

    /// No source saw it.
    pub(super) fn is_blank(self) -> bool {
        self.slots() == [0; SOURCES]
    }
}
