//! Our own addresses and our own entries in lists, which never count as peers.
//!
//! - An address is ours in every list only if a local interface has it. No statement of a tracker
//!   or a DHT node makes an address ours: a stranger could hide a peer of any swarm by naming it.
//! - In a list that answers `started`, one entry per family with our announced port is ours. It is
//!   left out of that list only; another source that names the same address counts. For two hours
//!   after a process with the same ports was killed, the same holds for answers to `stopped`.
//! - A local IPv6 address is excluded whole, not by its /64. Peers are /64 prefixes, and a
//!   neighbour in our /64 is a peer.

use std::net::IpAddr;

use seedwatch_torrent::{Endpoint4, Endpoint6};
use seedwatch_tracker::AnnounceResponse;

/// The addresses of local interfaces, and our addresses as DHT nodes see them.
#[derive(Debug, Default)]
pub(super) struct OwnAddresses {
    /// Local IPv4 addresses as host-order numbers, for the inner loop.
    v4: Vec<u32>,
    /// A set of the lowest eight bits of each address in `v4`. Rules out most other addresses with
    /// one test.
    low_bytes: [u64; 4],
    /// Local IPv6 addresses.
    v6: Vec<u128>,
    /// Our addresses as most DHT nodes see them (BEP 42). A hint among entries with our port.
    external: Vec<IpAddr>,
}

impl OwnAddresses {
    /// Sets the addresses of the local interfaces.
    pub(super) fn set_local(&mut self, addresses: &[IpAddr]) {
        self.v4.clear();
        self.v6.clear();
        for ip in addresses {
            match ip.to_canonical() {
                IpAddr::V4(ip) => self.v4.push(ip.to_bits()),
                IpAddr::V6(ip) => self.v6.push(ip.to_bits()),
            }
        }
        self.v4.sort_unstable();
        self.v4.dedup();
        self.low_bytes = [0; 4];
        for ip in &self.v4 {
            self.low_bytes[word(*ip)] |= bit(*ip);
        }
        self.v6.sort_unstable();
        self.v6.dedup();
    }

    /// Sets our addresses as most DHT nodes see them. Alone, they exclude no peer.
    pub(super) fn set_external(&mut self, addresses: impl Iterator<Item = IpAddr>) {
        self.external = addresses.map(|ip| ip.to_canonical()).collect();
    }

    /// Returns whether a local interface may have this IPv4 address. `false` is certain.
    #[inline]
    pub(super) fn may_contain_v4(&self, ip: u32) -> bool {
        self.low_bytes[word(ip)] & bit(ip) != 0
    }

    /// Returns whether a local interface has this IPv4 address.
    pub(super) fn contains_v4(&self, ip: u32) -> bool {
        self.v4.contains(&ip)
    }

    /// Returns whether a local interface has this IPv6 address.
    pub(super) fn contains_v6(&self, ip: u128) -> bool {
        self.v6.contains(&ip)
    }

    /// Ranks the evidence that an entry with our port is ours; larger is stronger. It only decides
    /// between entries of one list, so the `external_ip` of the tracker that made it is good
    /// enough.
    fn evidence(&self, ip: IpAddr, external_ip: Option<IpAddr>) -> u8 {
        let is_local = match ip {
            IpAddr::V4(ip) => self.contains_v4(ip.to_bits()),
            IpAddr::V6(ip) => self.contains_v6(ip.to_bits()),
        };
        if is_local {
            3
        } else if self.external.contains(&ip) {
            2
        } else {
            u8::from(external_ip == Some(ip))
        }
    }
}

#[inline]
fn word(ip: u32) -> usize {
    ip as usize / 64 % 4
}

#[inline]
fn bit(ip: u32) -> u64 {
    1 << (ip % 64)
}

/// The marks of our own entry in the answer to `started`.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnEntry {
    /// The ports that we announce, by family. A tracker may list us as announced over the other
    /// family, or under a translated address.
    ports: [u16; 2],
    /// Our address as the tracker states it (BEP 24).
    external_ip: Option<IpAddr>,
}

impl OwnEntry {
    /// Returns the marks of our entry in an answer that may list it.
    pub(super) fn of(answer: &AnnounceResponse, ports: [u16; 2]) -> Self {
        Self {
            ports,
            external_ip: answer.external_ip.map(|ip| ip.to_canonical()),
        }
    }

    #[inline]
    fn has_port(&self, port: u16) -> bool {
        (port == self.ports[0]) | (port == self.ports[1])
    }

    /// Returns our own entry among IPv4 peers, if there is one.
    pub(super) fn find_v4(&self, listed: &[Endpoint4], own: &OwnAddresses) -> Option<Endpoint4> {
        let ours = listed.iter().filter(|peer| self.has_port(peer.port));
        self.likeliest(ours.copied(), own, |peer| {
            IpAddr::V4(std::net::Ipv4Addr::from_bits(peer.ip))
        })
    }

    /// Returns our own entry among IPv6 peers, if there is one.
    pub(super) fn find_v6(&self, listed: &[Endpoint6], own: &OwnAddresses) -> Option<Endpoint6> {
        let ours = listed.iter().filter(|peer| self.has_port(peer.port));
        self.likeliest(ours.copied(), own, |peer| {
            IpAddr::V6(std::net::Ipv6Addr::from_bits(peer.ip))
        })
    }

    /// Returns the candidate with the strongest evidence. At most one entry of a list is ours; the
    /// others with our port are peers that chose the same port, or false. Without evidence, the
    /// first candidate keeps the count right.
    fn likeliest<T>(
        &self,
        candidates: impl Iterator<Item = T>,
        own: &OwnAddresses,
        ip: impl Fn(&T) -> IpAddr,
    ) -> Option<T> {
        let weighed = candidates.map(|entry| (own.evidence(ip(&entry), self.external_ip), entry));
        // The first of the largest.
        let best = weighed.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_addresses_of_local_interfaces_are_ours() {
        let mut own = OwnAddresses::default();
        own.set_local(&[ip("::ffff:192.0.2.1"), ip("2001:db8:1:2:3::4")]);
        assert!(own.contains_v4(0xC000_0201));
        assert!(own.contains_v6(0x2001_0db8_0001_0002_0003_0000_0000_0004));
        assert!(!own.contains_v6(0x2001_0db8_0001_0002_0003_0000_0000_0005));
    }

    #[test]
    fn an_external_address_is_not_ours() {
        let mut own = OwnAddresses::default();
        own.set_external([ip("198.51.100.7"), ip("2001:db8:1:2::9")].into_iter());
        assert!(!own.contains_v4(0xC633_6407));
        assert!(!own.contains_v6(0x2001_0db8_0001_0002_0000_0000_0000_0009));
    }

    #[test]
    fn the_entry_with_our_port_and_the_strongest_evidence_is_ours() {
        let entry = |ip: u32, port| Endpoint4 { ip, port };
        let [first, stated, voted, local] = [1, 2, 3, 4].map(|n| entry(0x0101_0100 + n, 4242));
        let mut own = OwnAddresses::default();
        own.set_local(&[ip("1.1.1.4")]);
        own.set_external([ip("1.1.1.3")].into_iter());
        let own_entry = OwnEntry {
            ports: [4242, 4243],
            external_ip: Some(ip("1.1.1.2")),
        };
        let stranger = entry(0x0101_0109, 6881);
        for (listed, ours) in [
            (&[stranger][..], None),
            (&[stranger, first, entry(9, 4243)], Some(first)),
            (&[first, stated], Some(stated)),
            (&[first, stated, voted], Some(voted)),
            (&[local, first, stated, voted], Some(local)),
        ] {
            assert_eq!(own_entry.find_v4(listed, &own), ours);
        }
    }
}
