//! Node ids, the XOR metric (BEP 5) and ids bound to addresses (BEP 42).

use std::cmp::Ordering;
use std::fmt;
use std::net::IpAddr;

use rand::Rng;
use rand::rngs::StdRng;
use seedwatch_torrent::InfoHash;

/// The id of a node, or another point of the key space.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(pub [u8; 20]);

impl Ord for NodeId {
    /// Compares as bytes do, but as two integers. This is faster, and node tables spend much time
    /// here.
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers().cmp(&other.numbers())
    }
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The XOR of two ids, as three integers, which compare faster than bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Distance {
    high: u64,
    middle: u64,
    low: u32,
}

impl Distance {
    /// Returns the number of leading bits that both ids share: 160 if they are equal.
    pub fn shared_bits(self) -> u32 {
        match self.upper() {
            0 => 128 + self.low.leading_zeros(),
            upper => upper.leading_zeros(),
        }
    }

    /// Returns the distance as a share of the key space.
    pub fn share(self) -> f64 {
        // Two conversions of 64 bits are faster than one of 128 bits.
        self.high as f64 / 2f64.powi(64) + self.middle as f64 / 2f64.powi(128)
    }

    /// Returns the first 64 bits, which order most distances.
    pub(super) fn prefix(self) -> u64 {
        self.high
    }

    fn upper(self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.middle)
    }
}

impl NodeId {
    pub(super) fn random(rng: &mut StdRng) -> Self {
        let mut id = [0; 20];
        rng.fill_bytes(&mut id);
        Self(id)
    }

    /// Returns the id of an info-hash: the point of the key space where its peers are stored.
    pub const fn of(info_hash: InfoHash) -> Self {
        Self(info_hash.0)
    }

    /// Returns the XOR distance (BEP 5).
    pub fn distance(&self, other: &NodeId) -> Distance {
        let (ours, theirs) = (self.numbers(), other.numbers());
        let upper = ours.0 ^ theirs.0;
        Distance {
            high: (upper >> 64) as u64,
            middle: upper as u64,
            low: ours.1 ^ theirs.1,
        }
    }

    /// Compares the distances of two ids to this one. The first 64 bits decide almost always.
    pub(super) fn compare_distances(&self, one: &NodeId, other: &NodeId) -> Ordering {
        let near = |id: &NodeId| id.prefix() ^ self.prefix();
        let by_prefix = near(one).cmp(&near(other));
        by_prefix.then_with(|| self.distance(one).cmp(&self.distance(other)))
    }

    /// Returns the first 64 bits.
    fn prefix(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Returns the position of the id within the key space, from 0 to 1.
    pub(super) fn share(&self) -> f64 {
        self.numbers().0 as f64 / 2f64.powi(128)
    }

    fn numbers(&self) -> (u128, u32) {
        let [high @ .., a, b, c, d] = self.0;
        (u128::from_be_bytes(high), u32::from_be_bytes([a, b, c, d]))
    }

    /// Returns the id with one bit inverted, counted from the left.
    pub(super) fn flipped(&self, bit: u32) -> Self {
        let mut id = self.0;
        if let Some(byte) = id.get_mut(bit as usize / 8) {
            *byte ^= 0x80 >> (bit % 8);
        }
        Self(id)
    }

    /// Returns the number of leading bits that both ids share: 160 if they are equal.
    pub fn shared_bits(&self, other: &NodeId) -> u32 {
        self.distance(other).shared_bits()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bits of an IPv4 address that determine an id (BEP 42).
const MASK_4: [u8; 4] = [0x03, 0x0f, 0x3f, 0xff];
/// Bits of the upper half of an IPv6 address that determine an id (BEP 42).
const MASK_6: [u8; 8] = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff];
/// Bits of the last byte that seed the checksum (BEP 42).
const SEED: u8 = 0x07;
/// Bits of the third byte that the checksum determines: 21 bits in all (BEP 42).
const THIRD: u8 = 0xf8;

/// Returns an id for a node at `ip` (BEP 42). All other bits, and the last byte with the seed, are
/// those of `random`.
pub fn secure_id(ip: IpAddr, random: [u8; 20]) -> NodeId {
    let mut id = random;
    let [first, second, third] = prefix(ip, random[19]);
    id[0] = first;
    id[1] = second;
    id[2] = third | (random[2] & !THIRD);
    NodeId(id)
}

/// Returns whether a node at `ip` may have this id (BEP 42). In private, link-local and loopback
/// networks every id is valid, since their addresses differ from the external ones.
pub fn is_secure_id(id: &NodeId, ip: IpAddr) -> bool {
    let [a, b, c, ..] = id.0;
    is_exempt(ip) || [a, b, c & THIRD] == prefix(ip, id.0[19])
}

/// Returns the 21 bits that BEP 42 prescribes, padded with zeros.
fn prefix(ip: IpAddr, seed: u8) -> [u8; 3] {
    let seed = (seed & SEED) << 5;
    let checksum = match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let octets = ip.octets();
            let mut masked: [u8; 4] = std::array::from_fn(|at| octets[at] & MASK_4[at]);
            masked[0] |= seed;
            crc32c(&masked)
        }
        IpAddr::V6(ip) => {
            let octets = ip.octets();
            let mut masked: [u8; 8] = std::array::from_fn(|at| octets[at] & MASK_6[at]);
            masked[0] |= seed;
            crc32c(&masked)
        }
    };
    let [first, second, third, _] = checksum.to_be_bytes();
    [first, second, third & THIRD]
}

/// Returns whether BEP 42 exempts the network of `ip`, or would exempt it if it considered IPv6.
pub(super) fn is_exempt(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local(),
    }
}

/// Returns the CRC-32C checksum (Castagnoli, RFC 3720).
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (crc >> 8) ^ CASTAGNOLI[usize::from(crc as u8 ^ byte)]
    })
}

/// Checksum of each byte; the polynomial is 0x1EDC6F41 with its bits reversed.
const CASTAGNOLI: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ ((crc & 1) * 0x82f6_3b78);
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    fn id(hex: &str) -> NodeId {
        NodeId(HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap())
    }

    /// Test vectors of BEP 42.
    const VECTORS: [(&str, &str); 5] = [
        ("124.31.75.21", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
        ("21.75.31.124", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
        ("65.23.51.170", "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
        ("84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
        ("43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
    ];

    #[test]
    fn the_test_vectors_of_bep_42_hold() {
        for (ip, hex) in VECTORS {
            let (ip, id) = (ip.parse().unwrap(), id(hex));
            assert!(is_secure_id(&id, ip), "{ip}");
            assert_eq!(secure_id(ip, id.0), id, "{ip}");
        }
    }

    #[test]
    fn an_id_of_another_address_is_not_secure() {
        for (ip, _) in VECTORS {
            for (other, hex) in VECTORS {
                let secure = is_secure_id(&id(hex), ip.parse().unwrap());
                assert_eq!(secure, ip == other, "{ip} {other}");
            }
        }
    }

    #[test]
    fn the_checksum_matches_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn private_networks_are_exempt() {
        let any = NodeId([0x55; 20]);
        for ip in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "127.0.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_secure_id(&any, ip.parse().unwrap()), "{ip}");
        }
        assert!(!is_secure_id(&any, "172.32.0.1".parse().unwrap()));
        assert!(!is_secure_id(&any, "2606:4700::1".parse().unwrap()));
    }

    #[test]
    fn shared_bits_count_from_the_left() {
        let zero = NodeId([0; 20]);
        let mut other = zero;
        assert_eq!(zero.shared_bits(&other), 160);
        other.0[19] = 1;
        assert_eq!(zero.shared_bits(&other), 159);
        other.0[2] = 0x10;
        assert_eq!(zero.shared_bits(&other), 19);
        other.0[0] = 0x80;
        assert_eq!(zero.shared_bits(&other), 0);
    }

    proptest! {
        #[test]
        fn an_id_generated_for_an_address_is_secure(ip: IpAddr, random: [u8; 20]) {
            let id = secure_id(ip, random);
            prop_assert!(is_secure_id(&id, ip));
            prop_assert_eq!(&id.0[3..], &random[3..]);
            prop_assert_eq!(id.0[2] & 7, random[2] & 7);
        }

        #[test]
        fn only_the_upper_half_of_an_ipv6_address_counts(
            upper: u64,
            a: u64,
            b: u64,
            random: [u8; 20],
        ) {
            let upper = upper | 1 << 61; // neither private nor an IPv4 address in disguise
            let ip = |lower: u64| IpAddr::V6((u128::from(upper) << 64 | u128::from(lower)).into());
            prop_assert_eq!(secure_id(ip(a), random), secure_id(ip(b), random));
        }

        #[test]
        fn nearer_ids_share_at_least_as_many_bits(a: [u8; 20], b: [u8; 20], to: [u8; 20]) {
            let (a, b, to) = (NodeId(a), NodeId(b), NodeId(to));
            prop_assert_eq!(a.distance(&b), b.distance(&a));
            if a.distance(&to) < b.distance(&to) {
                prop_assert!(a.shared_bits(&to) >= b.shared_bits(&to));
            }
        }
    }
}
