//! A hash for tables in memory that strangers cannot steer: its key is secret.
//!
//! Nodes choose their ids, and with some effort their addresses. Without the key they cannot tell
//! which of them meet in a table. SipHash promises more and takes several times as long, for every
//! packet.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The key, drawn anew for each table.
#[derive(Debug, Clone)]
pub(super) struct Key {
    start: u64,
    factor: u64,
}

/// A hash under way.
pub(super) struct Keyed {
    state: u64,
    factor: u64,
}

impl Default for Key {
    fn default() -> Self {
        let random = RandomState::new();
        Self {
            start: random.hash_one(0),
            factor: random.hash_one(1) | 1,
        }
    }
}

impl BuildHasher for Key {
    type Hasher = Keyed;

    fn build_hasher(&self) -> Keyed {
        Keyed {
            state: self.start,
            factor: self.factor,
        }
    }
}

impl Keyed {
    /// Multiplies by the secret factor. Both halves of the product together depend on all bits.
    fn mixed(&self, word: u64) -> u64 {
        let product = u128::from(self.state ^ word) * u128::from(self.factor);
        (product >> 64) as u64 ^ product as u64
    }

    fn mix(&mut self, word: u64) {
        self.state = self.mixed(word);
    }
}

impl Hasher for Keyed {
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
        // Once more: the last word alone would leave neighbours at even distances.
        self.mixed(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_neighbours_spread() {
        let (one, two) = (Key::default(), Key::default());
        let address = |n: u16| [[9, 9, 9, 9], [0, 0, n as u8, (n >> 8) as u8]].concat();
        assert_ne!(one.hash_one(address(1)), two.hash_one(address(1)));
        // The low bits choose the place: 4,096 neighbours in 4,096 places leave 1/e of them free.
        let mut places = [false; 4096];
        (0..4096).for_each(|n| places[one.hash_one(address(n)) as usize % 4096] = true);
        let free = places.iter().filter(|taken| !**taken).count();
        assert!((1300..1720).contains(&free), "{free}");
    }
}
