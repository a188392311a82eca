//! Addresses in 18 bytes, since a table may hold millions of nodes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// First bytes of an IPv4 address that is mapped into IPv6 (RFC 4291, section 2.5.5.2).
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// An IP address and a port. IPv4 addresses are mapped: `::ffff:a.b.c.d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PackedAddress([u8; 18]);

/// A range of addresses that one owner is likely to hold: a /24 of IPv4, or a /64 or /48 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Subnet([u8; 15]);

impl From<SocketAddr> for PackedAddress {
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

impl From<PackedAddress> for SocketAddr {
    fn from(address: PackedAddress) -> Self {
        SocketAddr::new(address.ip(), address.port())
    }
}

impl PackedAddress {
    fn is_v4(&self) -> bool {
        self.0.starts_with(&MAPPED)
    }

    pub(super) fn ip(&self) -> IpAddr {
        let mut ip = [0; 16];
        ip.copy_from_slice(&self.0[..16]);
        Ipv6Addr::from(ip).to_canonical()
    }

    pub(super) fn port(&self) -> u16 {
        u16::from_be_bytes([self.0[16], self.0[17]])
    }

    /// Returns the address with port 0.
    pub(super) fn without_port(&self) -> Self {
        let mut bytes = self.0;
        bytes[16..].fill(0);
        Self(bytes)
    }

    pub(super) fn subnet(&self) -> Subnet {
        self.prefix(8)
    }

    /// Returns the range that one customer of a provider may hold: a /24, or a /48 of IPv6 (RFC
    /// 6177).
    pub(super) fn site(&self) -> Subnet {
        self.prefix(6)
    }

    /// Returns the /24, or the first `bytes6` bytes of an IPv6 address.
    fn prefix(&self, bytes6: usize) -> Subnet {
        let kept = if self.is_v4() { 15 } else { bytes6 };
        let mut subnet = [0; 15];
        subnet[..kept].copy_from_slice(&self.0[..kept]);
        Subnet(subnet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_packing() {
        for text in ["1.2.3.4:5", "[2001:db8::1]:6881"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(SocketAddr::from(PackedAddress::from(address)), address);
        }
    }

    #[test]
    fn neighbours_share_a_subnet() {
        let subnet = |text: &str| PackedAddress::from(text.parse::<SocketAddr>().unwrap()).subnet();
        assert_eq!(subnet("1.2.3.4:5"), subnet("1.2.3.200:9"));
        assert_ne!(subnet("1.2.3.4:5"), subnet("1.2.4.4:5"));
        assert_eq!(subnet("[2001:db8::1]:1"), subnet("[2001:db8::ffff:1]:1"));
        assert_ne!(subnet("[2001:db8::1]:1"), subnet("[2001:db8:0:1::1]:1"));
        let site = |text: &str| PackedAddress::from(text.parse::<SocketAddr>().unwrap()).site();
        assert_eq!(site("[2001:db8::1]:1"), site("[2001:db8:0:1::1]:1"));
        assert_ne!(site("[2001:db8::1]:1"), site("[2001:db8:1::1]:1"));
        assert_ne!(site("1.2.3.4:5"), site("1.2.4.4:5"));
    }
}
