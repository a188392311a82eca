//! From addresses to hashes that nobody can turn back.

use std::fmt;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;

use super::entry::HASH_BITS;

/// The secret of an installation. Without it, hashes of all four billion IPv4 addresses would tell
/// who was seen.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 16]);

impl Key {
    /// Takes 128 random bits.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bits, for saving.
    pub const fn secret(&self) -> &[u8; 16] {
        &self.0
    }

    /// Tells this key from others, and nothing of it.
    pub fn fingerprint(&self) -> [u8; 8] {
        let text = b"fingerprint of a key";
        SipHasher13::new_with_key(&self.0).hash(text).to_be_bytes()
    }

    /// One peer: an IPv4 address, or the /64 network of an IPv6 address. Hosts choose the other half
    /// of an IPv6 address themselves, and change it daily.
    pub fn peer(&self, address: IpAddr) -> Peer {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4(address.to_bits()),
            IpAddr::V6(address) => self.v6((address.to_bits() >> 64) as u64),
        }
    }

    /// One peer by its IPv4 address, first byte highest.
    pub fn v4(&self, address: u32) -> Peer {
        self.hash(&address.to_be_bytes())
    }

    /// One peer by its IPv6 network of 64 bits, first byte highest.
    pub fn v6(&self, network: u64) -> Peer {
        self.hash(&network.to_be_bytes())
    }

    /// SipHash-1-3 also hashes the length, so that families never share inputs.
    fn hash(&self, bytes: &[u8]) -> Peer {
        Peer(SipHasher13::new_with_key(&self.0).hash(bytes) >> (64 - HASH_BITS))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A peer without its address: 36 bits of a keyed hash. Two of 1,000 peers share theirs in one of
/// 140,000 sets, two of 4,095 in one of 8,000: such a set counts one too few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(pub(super) u64);

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Key::new([7; 16]).peer(address.parse().unwrap())
    }

    #[test]
    fn a_peer_is_an_address_or_a_network() {
        assert_eq!(peer("2001:db8::1"), peer("2001:db8:0:0:ffff::2"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        let key = Key::new([7; 16]);
        assert_eq!(peer("192.0.2.1"), key.v4(0xc000_0201));
        assert_eq!(peer("2001:db8::1"), key.v6(0x2001_0db8_0000_0000));
        assert_ne!(key.v4(1), key.v6(1));
    }

    #[test]
    fn the_key_decides_and_stays_secret() {
        let (one, other) = (Key::new([1; 16]), Key::new([2; 16]));
        assert_ne!(one.v4(1), other.v4(1));
        assert_eq!(format!("{one:?}"), "Key(..)");
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_eq!(one.fingerprint(), Key::new([1; 16]).fingerprint());
    }

    /// Vectors of SipHash-1-3 with the key 00, 01, … 0f, as the reference implementation of SipHash
    /// computes them.
    #[test]
    fn it_is_siphash_1_3() {
        let key = Key::new(std::array::from_fn(|at| at as u8));
        let hash = |hex: u64| Peer(hex >> 28);
        assert_eq!(key.hash(&[]), hash(0xabac_0158_050f_c4dc));
        assert_eq!(key.v4(0x0001_0203), hash(0xcf75_5760_88d3_8328));
        assert_eq!(key.v6(0x0001_0203_0405_0607), hash(0x3690_9511_8d29_9a8e));
    }
}
