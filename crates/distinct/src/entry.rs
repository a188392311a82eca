//! One remembered peer in seven bytes.

use super::SOURCES;

/// Bits of a peer's hash.
pub(super) const HASH_BITS: u32 = 8 * BYTES as u32 - SOURCES as u32 * SLOT_BITS;
const BYTES: usize = 7;
const SLOT_BITS: u32 = 10;
/// The last hour that can be written, counted from the base of a set.
pub(super) const LAST_SLOT: u32 = (1 << SLOT_BITS) - 1;

/// A hash, and for each source the hour of its last sighting as a slot: hours since the base of
/// the set, 0 for never. Bytes rather than a number, because there may be a hundred million, and the
/// eighth byte of each would be padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry([u8; BYTES]);

impl Entry {
    /// Slots beyond [`LAST_SLOT`] are cut to it.
    pub(super) fn new(hash: u64, slots: [u32; SOURCES]) -> Self {
        let [first, second] = slots.map(|slot| u64::from(slot.min(LAST_SLOT)));
        Self::of(hash << (2 * SLOT_BITS) | second << SLOT_BITS | first)
    }

    fn of(number: u64) -> Self {
        let [bytes @ .., _] = number.to_le_bytes();
        Self(bytes)
    }

    fn number(self) -> u64 {
        let [a, b, c, d, e, f, g] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, 0])
    }

    pub(super) fn hash(self) -> u64 {
        self.number() >> (2 * SLOT_BITS)
    }

    pub(super) fn slot(self, source: usize) -> u32 {
        (self.number() >> (source as u32 * SLOT_BITS)) as u32 & LAST_SLOT
    }

    pub(super) fn slots(self) -> [u32; SOURCES] {
        [self.slot(0), self.slot(1)]
    }

    pub(super) fn set(&mut self, source: usize, slot: u32) {
        let shift = source as u32 * SLOT_BITS;
        let others = self.number() & !(u64::from(LAST_SLOT) << shift);
        *self = Self::of(others | u64::from(slot.min(LAST_SLOT)) << shift);
    }

    /// Takes over what is later in another entry of the same peer.
    pub(super) fn unite(&mut self, other: Self) {
        for (source, slot) in other.slots().into_iter().enumerate() {
            self.set(source, self.slot(source).max(slot));
        }
    }

    /// No source saw it.
    pub(super) fn is_blank(self) -> bool {
        self.slots() == [0; SOURCES]
    }
}
