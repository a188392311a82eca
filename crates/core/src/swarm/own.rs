//! Our own addresses and our own entries in lists: never counted as peers.
//!
//! - An address is ours everywhere only if a local interface has it. No statement of a tracker or a
//!   DHT node makes it so: a stranger could hide a peer of any swarm by naming it.
//! - In a list that answers `started`, one entry of each family with our announced port is ours. It
//!   is left out of that list only; another source that names the same address counts.
//! - A local IPv6 address is excluded whole, not by its /64. Peers are /64 prefixes, and a
//!   neighbour in our /64 is a peer.

use std::net::IpAddr;

use seedwatch_torrent::{Endpoint4, Endpoint6};
use seedwatch_tracker::{AnnounceResponse, AnnounceStrategy};

/// The addresses of this machine, and those that strangers see us come from.
#[derive(Debug, Default)]
pub struct OwnAddresses {
    /// Local IPv4 addresses as host-order numbers, for the inner loop.
    v4: Vec<u32>,
    /// One bit for the lowest eight bits of each of these: rules out most other addresses at once.
    endings4: [u64; 4],
    /// Local IPv6 addresses.
    v6: Vec<u128>,
    /// As most nodes of the DHT see us (BEP 42). Serves as a hint among entries with our port.
    external: Vec<IpAddr>,
}

impl OwnAddresses {
    /// Sets what the system lists.
    pub fn set_local(&mut self, addresses: &[IpAddr]) {
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
        self.endings4 = [0; 4];
        for ip in &self.v4 {
            self.endings4[word(*ip)] |= ending(*ip);
        }
        self.v6.sort_unstable();
        self.v6.dedup();
    }

    /// Sets what most nodes of the DHT say. It removes no peer by itself.
    pub fn set_external(&mut self, addresses: impl Iterator<Item = IpAddr>) {
        self.external = addresses.map(|ip| ip.to_canonical()).collect();
    }

    /// Perhaps a local IPv4 address, and surely none where this says no.
    #[inline]
    pub(super) fn may_contain4(&self, ip: u32) -> bool {
        self.endings4[word(ip)] & ending(ip) != 0
    }

    /// Whether a local interface has this IPv4 address.
    pub fn contains4(&self, ip: u32) -> bool {
        self.v4.contains(&ip)
    }

    /// Whether a local interface has this IPv6 address.
    pub fn contains6(&self, ip: u128) -> bool {
        self.v6.contains(&ip)
    }

    /// How much speaks for an address with our port being ours. Decides between entries of one
    /// list, so the word of the tracker that made the list is good enough here.
    fn evidence(&self, ip: IpAddr, told: Option<IpAddr>) -> u8 {
        let is_local = match ip {
            IpAddr::V4(ip) => self.contains4(ip.to_bits()),
            IpAddr::V6(ip) => self.contains6(ip.to_bits()),
        };
        if is_local {
            3
        } else if self.external.contains(&ip) {
            2
        } else {
            u8::from(told == Some(ip))
        }
    }
}

#[inline]
fn word(ip: u32) -> usize {
    ip as usize / 64 % 4
}

#[inline]
fn ending(ip: u32) -> u64 {
    1 << (ip % 64)
}

/// What tells our own entry in the answer to `started`.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnEntry {
    /// The ports that we claim. Both, because a tracker may list us as announced over the other
    /// family, or under a translated address of it.
    ports: [u16; 2],
    /// Our address by the tracker's word (BEP 24).
    told: Option<IpAddr>,
}

impl OwnEntry {
    /// `None` where the list answers `stopped`: we are not in it.
    pub(super) fn in_answer_to_started(answer: &AnnounceResponse, ports: [u16; 2]) -> Option<Self> {
        (answer.strategy == AnnounceStrategy::StartThenStop).then(|| Self {
            ports,
            told: answer.external_ip.map(|ip| ip.to_canonical()),
        })
    }

    #[inline]
    fn has_port(&self, port: u16) -> bool {
        (port == self.ports[0]) | (port == self.ports[1])
    }

    /// Our own entry among IPv4 peers, if there is one.
    pub(super) fn entry4(&self, listed: &[Endpoint4], own: &OwnAddresses) -> Option<Endpoint4> {
        let ours = listed.iter().filter(|peer| self.has_port(peer.port));
        self.likeliest(ours.copied(), own, |peer| {
            IpAddr::V4(std::net::Ipv4Addr::from_bits(peer.ip))
        })
    }

    /// Our own entry among IPv6 peers, if there is one.
    pub(super) fn entry6(&self, listed: &[Endpoint6], own: &OwnAddresses) -> Option<Endpoint6> {
        let ours = listed.iter().filter(|peer| self.has_port(peer.port));
        self.likeliest(ours.copied(), own, |peer| {
            IpAddr::V6(std::net::Ipv6Addr::from_bits(peer.ip))
        })
    }

    /// One entry of a list is ours at most. The others with our port are peers that chose the same
    /// port, or a lie. Without evidence the first one is taken, which keeps the number right.
    fn likeliest<T>(
        &self,
        candidates: impl Iterator<Item = T>,
        own: &OwnAddresses,
        ip: impl Fn(&T) -> IpAddr,
    ) -> Option<T> {
        let weighed = candidates.map(|entry| (own.evidence(ip(&entry), self.told), entry));
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
    fn addresses_of_local_interfaces_are_ours_and_their_neighbours_are_not() {
        let mut own = OwnAddresses::default();
        own.set_local(&[ip("::ffff:192.0.2.1"), ip("2001:db8:1:2:3::4")]);
        assert!(own.contains4(0xC000_0201));
        assert!(own.contains6(0x2001_0db8_0001_0002_0003_0000_0000_0004));
        assert!(!own.contains6(0x2001_0db8_0001_0002_0003_0000_0000_0005));
    }

    #[test]
    fn what_the_dht_says_makes_no_address_ours() {
        let mut own = OwnAddresses::default();
        own.set_external([ip("198.51.100.7"), ip("2001:db8:1:2::9")].into_iter());
        assert!(!own.contains4(0xC633_6407));
        assert!(!own.contains6(0x2001_0db8_0001_0002_0000_0000_0000_0009));
    }

    #[test]
    fn of_several_entries_with_our_port_the_likeliest_is_ours() {
        let entry = |ip: u32, port| Endpoint4 { ip, port };
        let [first, told, voted, local] = [1, 2, 3, 4].map(|n| entry(0x0101_0100 + n, 4242));
        let mut own = OwnAddresses::default();
        own.set_local(&[ip("1.1.1.4")]);
        own.set_external([ip("1.1.1.3")].into_iter());
        let own_entry = OwnEntry {
            ports: [4242, 4243],
            told: Some(ip("1.1.1.2")),
        };
        let stranger = entry(0x0101_0109, 6881);
        for (listed, ours) in [
            (&[stranger][..], None),
            (&[stranger, first, entry(9, 4243)], Some(first)),
            (&[first, told], Some(told)),
            (&[first, told, voted], Some(voted)),
            (&[local, first, told, voted], Some(local)),
        ] {
            assert_eq!(own_entry.entry4(listed, &own), ours);
        }
    }
}
