//! Peer lists as trackers claim them, before any filter.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 peer: address as a number in host order, and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint4 {
    /// Address.
    pub ip: u32,
    /// Port.
    pub port: u16,
}

/// An IPv6 peer: address as a number in host order, and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint6 {
    /// Address.
    pub ip: u128,
    /// Port.
    pub port: u16,
}

/// The peers of one answer. `::ffff:a.b.c.d` is an IPv4 peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers {
    /// IPv4 peers in the order of the answer, repetitions included.
    pub v4: Vec<Endpoint4>,
    /// IPv6 peers in the order of the answer, repetitions included.
    pub v6: Vec<Endpoint6>,
    /// Entries that could not be read: wrong length, a host name, a port out of range.
    pub malformed: u32,
}

impl Peers {
    /// Most peers read from one answer; an answer of 1 MiB cannot hold more compact entries.
    pub const MAX: usize = 200_000;

    /// Reads compact entries of six bytes (BEP 23). A rest that is no whole entry counts as one
    /// malformed entry.
    pub fn push_compact4(&mut self, bytes: &[u8]) {
        let (entries, rest) = bytes.as_chunks::<6>();
        self.v4.reserve_exact(entries.len());
        self.v4
            .extend(entries.iter().map(|&[a, b, c, d, e, f]| Endpoint4 {
                ip: u32::from_be_bytes([a, b, c, d]),
                port: u16::from_be_bytes([e, f]),
            }));
        self.malformed += u32::from(!rest.is_empty());
    }

    /// Reads compact entries of eighteen bytes (BEP 7).
    pub fn push_compact6(&mut self, bytes: &[u8]) {
        let (entries, rest) = bytes.as_chunks::<18>();
        for entry in entries {
            let mut ip = [0; 16];
            ip.copy_from_slice(&entry[..16]);
            let port = u16::from_be_bytes([entry[16], entry[17]]);
            self.push(IpAddr::V6(Ipv6Addr::from(ip)), port);
        }
        self.malformed += u32::from(!rest.is_empty());
    }

    /// Adds one peer.
    pub fn push(&mut self, ip: IpAddr, port: u16) {
        match ip.to_canonical() {
            IpAddr::V4(ip) => self.v4.push(Endpoint4 {
                ip: Ipv4Addr::to_bits(ip),
                port,
            }),
            IpAddr::V6(ip) => self.v6.push(Endpoint6 {
                ip: Ipv6Addr::to_bits(ip),
                port,
            }),
        }
    }

    /// Readable entries of both families.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Names somebody but us, who claim `own_port`: some trackers show us nobody but ourselves.
    pub fn has_others(&self, own_port: u16) -> bool {
        self.v4.iter().any(|peer| peer.port != own_port)
            || self.v6.iter().any(|peer| peer.port != own_port)
    }

    /// Something was listed, and nothing of it can be read: who is there stays unknown.
    pub fn is_unreadable(&self) -> bool {
        self.is_empty() && self.malformed > 0
    }

    /// No readable entry at all.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}
