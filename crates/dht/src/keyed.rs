//! A keyed hash for in-memory tables whose keys nodes can choose.
//!
//! Nodes choose their ids and, with some effort, their addresses. Without the key they cannot
//! predict which of them collide. SipHash gives stronger guarantees but takes several times as long
//! per packet.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The secret key, drawn at random for each table.
#[derive(Debug, Clone)]
pub(super) struct KeyedBuildHasher {
    start: u64,
    factor: u64,
}

/// The state of a hash computation.
pub(super) struct KeyedHasher {
    state: u64,
    factor: u64,
}

impl Default for KeyedBuildHasher {
    fn default() -> Self {
        let random = RandomState::new();
        Self {
            start: random.hash_one(0),
            factor: random.hash_one(1) | 1,
        }
    }
}

impl BuildHasher for KeyedBuildHasher {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher {
            state: self.start,
            factor: self.factor,
        }
    }
}

impl KeyedHasher {
    /// Multiplies by the secret factor. Both halves of the product together depend on all bits.
    fn mixed(&self, word: u64) -> u64 {
        let product = u128::from(self.state ^ word) * u128::from(self.factor);
        (product >> 64) as u64 ^ product as u64
    }

    fn mix(&mut self, word: u64) {
        self.state = self.mixed(word);
    }
}

impl Hasher for KeyedHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words
            .iter()
            .for_each(|word| self.mix(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.mix(u64::from_le_bytes(last));
        }
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn finish(&self) -> u64 {
        // Without another round, the last word would leave neighbours at even distances.
        self.mixed(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_neighbours_spread() {
        let (one, two) = (KeyedBuildHasher::default(), KeyedBuildHasher::default());
        let address = |n: u16| [[9, 9, 9, 9], [0, 0, n as u8, (n >> 8) as u8]].concat();
        assert_ne!(one.hash_one(address(1)), two.hash_one(address(1)));
        // The low bits choose the slot: 4,096 neighbours leave 1/e of 4,096 slots free.
        let mut is_occupied = [false; 4096];
        (0..4096).for_each(|n| is_occupied[one.hash_one(address(n)) as usize % 4096] = true);
        let free = is_occupied.iter().filter(|occupied| !**occupied).count();
        assert!((1300..1720).contains(&free), "{free}");
    }
}
