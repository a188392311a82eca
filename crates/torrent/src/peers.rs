//! Peer lists as trackers send them, before any filter.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 peer: address as a number in host order, and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint4 {
    /// The address.
    pub ip: u32,
    /// The port.
    pub port: u16,
}

/// An IPv6 peer: address as a number in host order, and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint6 {
    /// The address.
    pub ip: u128,
    /// The port.
    pub port: u16,
}

/// The peers of one answer. IPv4-mapped IPv6 addresses (`::ffff:a.b.c.d`) are IPv4 peers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers {
    /// IPv4 peers in the order of the answer, repetitions included.
    pub v4: Vec<Endpoint4>,
    /// IPv6 peers in the order of the answer, repetitions included.
    pub v6: Vec<Endpoint6>,
    /// Number of unreadable entries: wrong length, a host name, a port out of range.
    pub malformed: u32,
    /// Number of readable entries beyond the limit.
    pub omitted: u32,
}

impl Peers {
    /// Reads compact entries of six bytes (BEP 23). An incomplete last entry counts as malformed.
    pub fn push_compact4(&mut self, bytes: &[u8]) {
        self.push_compact4_within(bytes, usize::MAX);
    }

    /// Reads compact entries of eighteen bytes (BEP 7).
    pub fn push_compact6(&mut self, bytes: &[u8]) {
        self.push_compact6_within(bytes, usize::MAX);
    }

    /// Reads entries as [`Peers::push_compact4`] does, keeps the first `limit` peers and counts the
    /// others.
    pub fn push_compact4_within(&mut self, bytes: &[u8], limit: usize) {
        let (entries, rest) = bytes.as_chunks::<6>();
        let kept = entries.len().min(limit.saturating_sub(self.v4.len()));
        let (kept, omitted) = entries.split_at(kept);
        self.v4.reserve_exact(kept.len());
        self.v4
            .extend(kept.iter().map(|&[a, b, c, d, e, f]| Endpoint4 {
                ip: u32::from_be_bytes([a, b, c, d]),
                port: u16::from_be_bytes([e, f]),
            }));
        self.omit(omitted.len());
        self.malformed += u32::from(!rest.is_empty());
    }

    /// Reads entries as [`Peers::push_compact6`] does, keeps the first `limit` peers of each family
    /// and counts the others.
    pub fn push_compact6_within(&mut self, bytes: &[u8], limit: usize) {
        let (entries, rest) = bytes.as_chunks::<18>();
        for entry in entries {
            let mut ip = [0; 16];
            ip.copy_from_slice(&entry[..16]);
            let port = u16::from_be_bytes([entry[16], entry[17]]);
            self.push_within(IpAddr::V6(Ipv6Addr::from(ip)), port, limit);
        }
        self.malformed += u32::from(!rest.is_empty());
    }

    /// Adds one peer.
    pub fn push(&mut self, ip: IpAddr, port: u16) {
        self.push_within(ip, port, usize::MAX);
    }

    /// Adds one peer, or only counts it if the list has `limit` peers of its family.
    pub fn push_within(&mut self, ip: IpAddr, port: u16, limit: usize) {
        match ip.to_canonical() {
            IpAddr::V4(ip) if self.v4.len() < limit => self.v4.push(Endpoint4 {
                ip: Ipv4Addr::to_bits(ip),
                port,
            }),
            IpAddr::V6(ip) if self.v6.len() < limit => self.v6.push(Endpoint6 {
                ip: Ipv6Addr::to_bits(ip),
                port,
            }),
            _ => self.omit(1),
        }
    }

    fn omit(&mut self, entries: usize) {
        let entries = u32::try_from(entries).unwrap_or(u32::MAX);
        self.omitted = self.omitted.saturating_add(entries);
    }

    /// Returns the number of kept peers of both families.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Returns the number of readable entries of both families, including those beyond the limit.
    pub fn claimed(&self) -> usize {
        self.len() + self.omitted as usize
    }

    /// Returns whether the list has entries of which none is readable. Its swarm stays unknown.
    pub fn is_unreadable(&self) -> bool {
        self.is_empty() && self.malformed > 0
    }

    /// Returns whether the list has no kept peers.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_peers_of_each_family_are_kept_and_the_others_counted() {
        let mut peers = Peers::default();
        let four: Vec<u8> = (0..5).flat_map(|n| [1, 1, 1, n, 0, 9]).collect();
        peers.push_compact4_within(&four, 3);
        assert_eq!((peers.v4.len(), peers.omitted), (3, 2));
        let mut six = [0x2a; 36];
        six[33] = 1;
        peers.push_compact6_within(&six, 3);
        assert_eq!(
            (peers.v6.len(), peers.omitted),
            (2, 2),
            "families have separate limits"
        );
        // An IPv4-mapped IPv6 address.
        peers.push_within("::ffff:1.1.1.9".parse().unwrap(), 9, 3);
        assert_eq!((peers.v4.len(), peers.omitted), (3, 3));
        assert_eq!(peers.v4.iter().map(|peer| peer.ip & 255).max(), Some(2));
    }

    #[test]
    fn memory_is_reserved_for_kept_peers_only() {
        let mut peers = Peers::default();
        peers.push_compact4_within(&vec![7; 6 * 150_000], 200);
        assert_eq!((peers.v4.len(), peers.omitted), (200, 149_800));
        assert!(peers.v4.capacity() < 400);
    }
}
