//! Random numbers that nodes cannot predict from earlier ones: SHA-1 over a secret seed and a
//! counter.

use sha1::{Digest, Sha1};

/// A stream of random bytes, determined by its seed.
#[derive(Debug, Clone)]
pub(super) struct Random {
    seed: [u8; 32],
    counter: u64,
    pool: [u8; 20],
    used: usize,
}

impl Random {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let pool = [0; 20];
        Self {
            seed,
            counter: 0,
            pool,
            used: pool.len(),
        }
    }

    /// Returns the next number.
    pub(super) fn u32(&mut self) -> u32 {
        if self.used + 4 > self.pool.len() {
            let mut hash = Sha1::new();
            hash.update(self.seed);
            hash.update(self.counter.to_be_bytes());
            self.pool = hash.finalize().into();
            self.counter += 1;
            self.used = 0;
        }
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.pool[self.used..self.used + 4]);
        self.used += 4;
        u32::from_be_bytes(bytes)
    }

    /// Returns a random id.
    pub(super) fn id(&mut self) -> [u8; 20] {
        let mut id = [0; 20];
        for bytes in id.chunks_exact_mut(4) {
            bytes.copy_from_slice(&self.u32().to_be_bytes());
        }
        id
    }
}
