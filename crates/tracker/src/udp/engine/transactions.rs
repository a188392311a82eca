//! The transaction table: which request an answer belongs to.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{ProbeKey, RemoteKey};

/// The owner of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The connect of a remote.
    Remote(RemoteKey),
    /// The announce or scrape of a probe.
    Probe(ProbeKey),
}

/// Pending requests by random 32-bit transaction id. Owners are generational keys, so a reused id
/// cannot lead to the wrong probe.
#[derive(Debug)]
pub(super) struct Transactions {
    owners: HashMap<u32, Owner, BuildHasherDefault<IdHasher>>,
    rng: StdRng,
}

impl Transactions {
    /// Returns an empty table whose ids are drawn from `seed`.
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self {
            owners: HashMap::default(),
            rng: StdRng::from_seed(seed),
        }
    }

    /// Adds a request. Returns an id that no pending request has.
    pub(super) fn open(&mut self, owner: Owner) -> u32 {
        loop {
            let id = self.rng.next_u32();
            if let std::collections::hash_map::Entry::Vacant(slot) = self.owners.entry(id) {
                slot.insert(owner);
                return id;
            }
        }
    }

    /// Returns the owner of a transaction id.
    pub(super) fn owner(&self, id: u32) -> Option<Owner> {
        self.owners.get(&id).copied()
    }

    /// Removes a request that was answered or abandoned.
    pub(super) fn close(&mut self, id: u32) {
        self.owners.remove(&id);
    }

    /// Returns the number of pending requests.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.owners.len()
    }
}

/// Hashes transaction ids. They are random, so one multiplication spreads them over the bits that
/// the map uses.
#[derive(Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte) ^ (self.0 as u32));
        }
    }

    fn write_u32(&mut self, n: u32) {
        self.0 = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use slotmap::SlotMap;

    use super::*;

    #[test]
    fn ids_are_unique_while_outstanding() {
        let mut arena = SlotMap::<ProbeKey, u32>::with_key();
        let mut table = Transactions::new([1; 32]);
        let ids: std::collections::HashSet<u32> = (0..100_000)
            .map(|n| table.open(Owner::Probe(arena.insert(n))))
            .collect();
        assert_eq!(ids.len(), 100_000);
        assert_eq!(table.len(), 100_000);
        for id in &ids {
            assert!(table.owner(*id).is_some());
            table.close(*id);
        }
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn ids_depend_on_the_seed() {
        let owner = Owner::Probe(ProbeKey::default());
        let draw = |seed| Transactions::new(seed).open(owner);
        assert_ne!(draw([1; 32]), draw([2; 32]));
    }
}
