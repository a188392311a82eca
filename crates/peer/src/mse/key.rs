//! The key exchange of MSE: Diffie-Hellman with a prime of 768 bits, and the hashes of its secret.

use std::sync::LazyLock;

use num_bigint::BigUint;
use rand::{Rng, RngExt};
use sha1::{Digest, Sha1};

use super::Rc4;
use seedwatch_torrent::InfoHash;

/// Length of a public key and of the shared secret, in bytes.
pub const KEY_LENGTH: usize = 96;

/// Length of a private key in bytes. MSE recommends 160 bits. A fuzzer needs many keys and no
/// secrets.
const PRIVATE_LENGTH: usize = if cfg!(fuzzing) { 2 } else { 20 };

/// The prime of MSE, big-endian. It begins like that of the Oakley group 1 (RFC 2409, section 6.1)
/// and ends differently.
#[rustfmt::skip]
const PRIME: [u8; KEY_LENGTH] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc9, 0x0f, 0xda, 0xa2, 0x21, 0x68, 0xc2, 0x34,
    0xc4, 0xc6, 0x62, 0x8b, 0x80, 0xdc, 0x1c, 0xd1, 0x29, 0x02, 0x4e, 0x08, 0x8a, 0x67, 0xcc, 0x74,
    0x02, 0x0b, 0xbe, 0xa6, 0x3b, 0x13, 0x9b, 0x22, 0x51, 0x4a, 0x08, 0x79, 0x8e, 0x34, 0x04, 0xdd,
    0xef, 0x95, 0x19, 0xb3, 0xcd, 0x3a, 0x43, 0x1b, 0x30, 0x2b, 0x0a, 0x6d, 0xf2, 0x5f, 0x14, 0x37,
    0x4f, 0xe1, 0x35, 0x6d, 0x6d, 0x51, 0xc2, 0x45, 0xe4, 0x85, 0xb5, 0x76, 0x62, 0x5e, 0x7e, 0xc6,
    0xf4, 0x4c, 0x42, 0xe9, 0xa6, 0x3a, 0x36, 0x21, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x05, 0x63,
];

static MODULUS: LazyLock<BigUint> = LazyLock::new(|| BigUint::from_bytes_be(&PRIME));

/// Our half of a key exchange.
pub struct KeyPair {
    private: [u8; PRIVATE_LENGTH],
    /// The public key, big-endian, as on the wire.
    pub public: [u8; KEY_LENGTH],
}

impl KeyPair {
    /// Makes a pair of keys.
    pub fn generate(rng: &mut impl Rng) -> Self {
        let private: [u8; PRIVATE_LENGTH] = rng.random();
        let public = power(&BigUint::from(2u8), &private);
        Self { private, public }
    }

    /// Returns the secret that both sides know; `None` if the other key is not one that an honest
    /// side can have.
    pub fn agree(&self, other: &[u8; KEY_LENGTH]) -> Option<SharedSecret> {
        let key = BigUint::from_bytes_be(other);
        let one = BigUint::from(1u8);
        // 0, 1 and -1 make a secret that everybody knows.
        let is_possible = key > one && key < &*MODULUS - one;
        is_possible.then(|| SharedSecret(power(&key, &self.private)))
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyPair")
    }
}

/// The side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The side that connected.
    Initiator,
    /// The side that accepted the connection.
    Responder,
}

/// The secret of both sides. The info-hash is the second secret, which a listener has to find
/// among its torrents.
pub struct SharedSecret([u8; KEY_LENGTH]);

impl SharedSecret {
    /// Returns `HASH('req1', S)`, by which the responder finds the end of the padding.
    pub fn synchronization(&self) -> [u8; 20] {
        self.hash(b"req1", &[])
    }

    /// Returns `HASH('req2', SKEY) xor HASH('req3', S)`, which tells the info-hash to a responder
    /// that has the torrent.
    pub fn hidden_hash(&self, info_hash: InfoHash) -> [u8; 20] {
        let mut hidden: [u8; 20] = Sha1::new()
            .chain_update(b"req2")
            .chain_update(info_hash.0)
            .finalize()
            .into();
        let mask = self.hash(b"req3", &[]);
        hidden.iter_mut().zip(mask).for_each(|(a, b)| *a ^= b);
        hidden
    }

    /// Returns the cipher of the bytes that this side sends.
    pub fn cipher(&self, sender: Side, info_hash: InfoHash) -> Rc4 {
        let name = match sender {
            Side::Initiator => b"keyA",
            Side::Responder => b"keyB",
        };
        Rc4::new(&self.hash(name, &info_hash.0))
    }

    fn hash(&self, name: &[u8; 4], suffix: &[u8]) -> [u8; 20] {
        let hash = Sha1::new().chain_update(name).chain_update(self.0);
        hash.chain_update(suffix).finalize().into()
    }
}

impl std::fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedSecret")
    }
}

/// Returns `base` to the power of `exponent` in the group, with leading zeros.
fn power(base: &BigUint, exponent: &[u8]) -> [u8; KEY_LENGTH] {
    let power = base.modpow(&BigUint::from_bytes_be(exponent), &MODULUS);
    let digits = power.to_bytes_be();
    let mut bytes = [0; KEY_LENGTH];
    bytes[KEY_LENGTH - digits.len()..].copy_from_slice(&digits);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn both_sides_compute_the_same_secret() {
        let mut rng = StdRng::from_seed([3; 32]);
        for _ in 0..20 {
            let [a, b] = [(); 2].map(|()| KeyPair::generate(&mut rng));
            let [ours, theirs] = [a.agree(&b.public), b.agree(&a.public)].map(Option::unwrap);
            assert_eq!(ours.0, theirs.0);
            assert_eq!(ours.synchronization(), theirs.synchronization());
        }
    }

    #[test]
    fn powers_have_leading_zeros() {
        assert_eq!(power(&BigUint::from(2u8), &[3])[94..], [0, 8]);
        // 2 to the power of 768 exceeds the prime, so the power wraps around.
        let wrapped = power(&BigUint::from(2u8), &[3, 0]);
        assert_eq!(BigUint::from_bytes_be(&wrapped), {
            (BigUint::from(1u8) << 768) - &*MODULUS
        });
    }

    #[test]
    fn keys_that_make_a_known_secret_are_refused() {
        let pair = KeyPair::generate(&mut StdRng::from_seed([4; 32]));
        let mut below = PRIME;
        below[95] -= 1;
        let mut one = [0; 96];
        one[95] = 1;
        for key in [[0; 96], one, below, PRIME, [0xff; 96]] {
            assert!(pair.agree(&key).is_none());
        }
    }
}
