//! Keyed hashes of peer addresses, which cannot be reversed without the key.

use std::fmt;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;

use super::entry::HASH_BITS;

/// The secret of an installation. An unkeyed hash could be reversed by hashing all four billion
/// IPv4 addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 16]);

impl Key {
    /// Builds a key from 128 random bits.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bits, to be saved.
    pub const fn secret(&self) -> &[u8; 16] {
        &self.0
    }

    /// Returns a value that distinguishes keys and reveals nothing about this one.
    pub fn fingerprint(&self) -> [u8; 8] {
        let text = b"fingerprint of a key";
        SipHasher13::new_with_key(&self.0).hash(text).to_be_bytes()
    }

    /// Hashes a peer: an IPv4 address, or the /64 network of an IPv6 address. Hosts choose the
    /// other half of an IPv6 address themselves and change it daily (RFC 8981).
    pub fn peer(&self, address: IpAddr) -> PeerHash {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4(address.to_bits()),
            IpAddr::V6(address) => self.v6((address.to_bits() >> 64) as u64),
        }
    }

    /// Hashes a peer by its IPv4 address, first byte highest.
    pub fn v4(&self, address: u32) -> PeerHash {
        self.hash(&address.to_be_bytes())
    }

    /// Hashes a peer by the upper 64 bits of its IPv6 address, first byte highest.
    pub fn v6(&self, network: u64) -> PeerHash {
        self.hash(&network.to_be_bytes())
    }

    /// SipHash-1-3 also hashes the length of its input, so an IPv4 address and an IPv6 network are
    /// never the same input.
    fn hash(&self, bytes: &[u8]) -> PeerHash {
        PeerHash(SipHasher13::new_with_key(&self.0).hash(bytes) >> (64 - HASH_BITS))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A peer without its address: 36 bits of a keyed hash.
///
/// If two peers share a hash, a set counts one too few. That happens in one of 140,000 sets of
/// 1,000 peers, and in one of 8,000 sets of 4,095 peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerHash(pub(super) u64);

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> PeerHash {
        Key::new([7; 16]).peer(address.parse().unwrap())
    }

    #[test]
    fn a_peer_is_an_ipv4_address_or_an_ipv6_network() {
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
    fn hashes_depend_on_the_key_and_debug_hides_it() {
        let (one, other) = (Key::new([1; 16]), Key::new([2; 16]));
        assert_ne!(one.v4(1), other.v4(1));
        assert_eq!(format!("{one:?}"), "Key(..)");
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_eq!(one.fingerprint(), Key::new([1; 16]).fingerprint());
    }

    /// Vectors of the reference implementation of SipHash-1-3 with the key 00, 01, … 0f.
    #[test]
    fn hashes_match_the_reference_of_siphash_1_3() {
        let key = Key::new(std::array::from_fn(|at| at as u8));
        let hash = |hex: u64| PeerHash(hex >> 28);
        assert_eq!(key.hash(&[]), hash(0xabac_0158_050f_c4dc));
        assert_eq!(key.v4(0x0001_0203), hash(0xcf75_5760_88d3_8328));
        assert_eq!(key.v6(0x0001_0203_0405_0607), hash(0x3690_9511_8d29_9a8e));
    }
}
