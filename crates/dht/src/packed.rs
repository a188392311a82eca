//! Addresses in eighteen bytes: there may be a million nodes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// An address and a port of either family; IPv4 as `::ffff:a.b.c.d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address([u8; 18]);

/// What one owner is likely to have many addresses of: a /24, or a /64 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Net([u8; 15]);

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let mut bytes = [0; 18];
        bytes[..16].copy_from_slice(&ip.octets());
        bytes[16..].copy_from_slice(&address.port().to_be_bytes());
        Self(bytes)
    }
}

impl From<Address> for SocketAddr {
    fn from(address: Address) -> Self {
        SocketAddr::new(address.ip(), address.port())
    }
}

impl Address {
    pub(super) fn ip(&self) -> IpAddr {
        let mut ip = [0; 16];
        ip.copy_from_slice(&self.0[..16]);
        Ipv6Addr::from(ip).to_canonical()
    }

    pub(super) fn port(&self) -> u16 {
        u16::from_be_bytes([self.0[16], self.0[17]])
    }

    /// The same address, whatever the port.
    pub(super) fn without_port(&self) -> Self {
        let mut bytes = self.0;
        bytes[16..].fill(0);
        Self(bytes)
    }

    pub(super) fn net(&self) -> Net {
        self.network(8)
    }

    /// What one customer of a provider may have: a /24, or a /48 of IPv6 (RFC 6177).
    pub(super) fn site(&self) -> Net {
        self.network(6)
    }

    /// A /24, or so many bytes of an IPv6 address.
    fn network(&self, bytes6: usize) -> Net {
        let kept = match self.ip() {
            IpAddr::V4(_) => 15,
            IpAddr::V6(_) => bytes6,
        };
        let mut net = [0; 15];
        net[..kept].copy_from_slice(&self.0[..kept]);
        Net(net)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_come_back() {
        for text in ["1.2.3.4:5", "[2001:db8::1]:6881"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(SocketAddr::from(Address::from(address)), address);
        }
    }

    #[test]
    fn neighbours_share_a_net() {
        let net = |text: &str| Address::from(text.parse::<SocketAddr>().unwrap()).net();
        assert_eq!(net("1.2.3.4:5"), net("1.2.3.200:9"));
        assert_ne!(net("1.2.3.4:5"), net("1.2.4.4:5"));
        assert_eq!(net("[2001:db8::1]:1"), net("[2001:db8::ffff:1]:1"));
        assert_ne!(net("[2001:db8::1]:1"), net("[2001:db8:0:1::1]:1"));
        let site = |text: &str| Address::from(text.parse::<SocketAddr>().unwrap()).site();
        assert_eq!(site("[2001:db8::1]:1"), site("[2001:db8:0:1::1]:1"));
        assert_ne!(site("[2001:db8::1]:1"), site("[2001:db8:1::1]:1"));
        assert_ne!(site("1.2.3.4:5"), site("1.2.4.4:5"));
    }
}
