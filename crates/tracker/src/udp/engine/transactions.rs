//! The transaction table: which request an answer belongs to.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hasher, RandomState};

use super::arena::Key;

/// The owner of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The connect of a remote.
    Remote(Key),
    /// The announce or scrape of a probe.
    Probe(Key),
}

/// Pending requests by random 32-bit transaction id. Owners are generational keys, so a reused id
/// cannot lead to the wrong probe.
#[derive(Debug)]
pub(super) struct Transactions {
    owners: HashMap<u32, Owner, BuildHasherDefault<IdHasher>>,
    random: Random,
}

impl Transactions {
    /// Returns an empty table.
    pub(super) fn new(random: Random) -> Self {
        Self {
            owners: HashMap::default(),
            random,
        }
    }

    /// Adds a request. Returns an id that no pending request has.
    pub(super) fn open(&mut self, owner: Owner) -> u32 {
        loop {
            let id = self.random.next();
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

/// Numbers that an attacker cannot predict: a keyed hash (SipHash) of a counter. One number is
/// drawn per packet, so this must be cheap.
#[derive(Debug, Clone)]
pub struct Random {
    keyed: DefaultHasher,
    counter: u64,
}

impl Random {
    /// Returns a generator with a key from the operating system.
    pub fn from_os() -> Self {
        Self {
            keyed: RandomState::new().build_hasher(),
            counter: 0,
        }
    }

    /// Returns a generator with a fixed key, for tests.
    #[cfg(test)]
    pub(super) fn fixed() -> Self {
        Self {
            keyed: DefaultHasher::new(),
            counter: 0,
        }
    }

    fn next(&mut self) -> u32 {
        self.counter += 1;
        let mut hasher = self.keyed.clone();
        hasher.write_u64(self.counter);
        hasher.finish() as u32
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
    use super::*;

    #[test]
    fn ids_are_unique_while_outstanding() {
        let mut arena = super::super::arena::Arena::default();
        let mut table = Transactions::new(Random::fixed());
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
    fn every_generator_gets_its_own_key() {
        let draw = |mut random: Random| [random.next(), random.next(), random.next()];
        assert_ne!(draw(Random::from_os()), draw(Random::from_os()));
    }
}
