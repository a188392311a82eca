//! The address of each node, without a table: a bijection from the index of a node to an address.
//! Nodes with neighbouring ids never share a /24, or a /48 in IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::random::{hash, mix};
use super::settings::Net;

/// Subnets of 24 bits from 127.1.0.0 to 127.254.255.0, or the same in another /8. 127.0.0.0/16 is
/// reserved for observers and for byzantine clusters; 127.255.255.255 would be a broadcast.
const NETS: u64 = 254 * 256;
/// Hosts per subnet: .1 to .254.
const HOSTS: u64 = 254;
/// Nodes that fit into IPv4.
const CAPACITY: u64 = NETS * HOSTS;
/// First bits of every address: 8 in IPv4 and 16 in IPv6.
const LOCAL: (u8, u16) = (127, 0xfd77);
/// The same if addresses should look public.
const PUBLIC: (u8, u16) = (45, 0x2a77);

/// The owner of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Node(usize),
    /// A member of a byzantine cluster, which occupies one /24, or one /64 in IPv6.
    Sybil {
        cluster: u8,
        member: u8,
    },
}

/// The bijection.
pub(super) struct Addresses {
    net: Net,
    /// First bits, in IPv4 and in IPv6.
    first4: u8,
    first6: u16,
    total: u64,
    port: u16,
    key: u64,
    /// Odd and not a multiple of 127, so that it has an inverse both modulo [`NETS`] and 2^32.
    factor: u64,
    inverse4: u64,
    inverse6: u32,
}

impl Addresses {
    /// Creates the addresses of `total` nodes.
    pub(super) fn new(net: Net, public: bool, total: u32, port: u16, seed: u64) -> Self {
        let (first4, first6) = [LOCAL, PUBLIC][usize::from(public)];
        let total = u64::from(total);
        assert!(net == Net::V6 || total <= CAPACITY, "a /8 is full");
        let mut factor = (hash(seed, 5, 0) % NETS) | 1;
        while factor.is_multiple_of(127) {
            factor = (factor + 2) % NETS;
        }
        Self {
            net,
            first4,
            first6,
            total,
            port,
            key: hash(seed, 6, 0),
            factor,
            inverse4: inverse(factor, NETS),
            inverse6: inverse(factor, 1 << 32) as u32,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn set_port(&mut self, port: u16) {
        self.port = port;
    }

    /// Returns the address of a node.
    pub(super) fn of(&self, node: usize) -> SocketAddr {
        let node = node as u64;
        let ip: IpAddr = match self.net {
            Net::V4 => {
                let net = (node % NETS * self.factor + self.key % NETS) % NETS;
                let host = (node / NETS + mix(self.key ^ net) % HOSTS) % HOSTS;
                let [.., high, low] = (net as u32).to_be_bytes();
                Ipv4Addr::new(self.first4, high + 1, low, host as u8 + 1).into()
            }
            Net::V6 => {
                let net = (node as u32)
                    .wrapping_mul(self.factor as u32)
                    .wrapping_add(self.key as u32);
                let (high, low) = ((net >> 16) as u16, net as u16);
                Ipv6Addr::new(self.first6, high, low, 0, 0, 0, 0, 1).into()
            }
        };
        SocketAddr::new(ip, self.port)
    }

    /// Returns the address of a member of a cluster.
    pub(super) fn of_sybil(&self, cluster: u8, member: u8) -> SocketAddr {
        let ip: IpAddr = match self.net {
            Net::V4 => Ipv4Addr::new(self.first4, 0, cluster.max(1), member).into(),
            Net::V6 => {
                let subnet = u16::from(cluster.max(1));
                Ipv6Addr::new(self.first6, 0, 0, subnet, 0, 0, 0, member.into()).into()
            }
        };
        SocketAddr::new(ip, self.port)
    }

    /// Returns the owner of an address.
    pub(super) fn owner(&self, address: SocketAddr) -> Option<Owner> {
        if address.port() != self.port {
            return None;
        }
        let (node, sybil) = match (self.net, address.ip()) {
            (Net::V4, IpAddr::V4(ip)) => {
                let [first, a, b, c] = ip.octets();
                if first != self.first4 {
                    (None, None)
                } else if a == 0 {
                    (None, (b > 0).then_some((b, c)))
                } else if a == 255 || c == 0 || c == 255 {
                    (None, None)
                } else {
                    let net = u64::from(a - 1) << 8 | u64::from(b);
                    let column = (net + NETS - self.key % NETS) % NETS * self.inverse4 % NETS;
                    let start = mix(self.key ^ net) % HOSTS;
                    let row = (u64::from(c - 1) + HOSTS - start) % HOSTS;
                    (Some(row * NETS + column), None)
                }
            }
            (Net::V6, IpAddr::V6(ip)) => match ip.segments() {
                [first, high, low, 0, 0, 0, 0, 1] if first == self.first6 => {
                    let net = u32::from(high) << 16 | u32::from(low);
                    let node = net
                        .wrapping_sub(self.key as u32)
                        .wrapping_mul(self.inverse6);
                    (Some(node.into()), None)
                }
                [first, 0, 0, subnet @ 1..=255, 0, 0, 0, member @ 0..=255]
                    if first == self.first6 =>
                {
                    (None, Some((subnet as u8, member as u8)))
                }
                _ => (None, None),
            },
            _ => (None, None),
        };
        match (node, sybil) {
            (Some(node), _) if node < self.total => Some(Owner::Node(node as usize)),
            (_, Some((cluster, member))) => Some(Owner::Sybil { cluster, member }),
            _ => None,
        }
    }
}

/// Returns the inverse of `factor` modulo `modulus` (extended Euclid). They must be coprime.
fn inverse(factor: u64, modulus: u64) -> u64 {
    let m = i128::from(modulus);
    let (mut old, mut new) = ((i128::from(factor) % m, 1), (m, 0));
    while new.0 != 0 {
        let quotient = old.0 / new.0;
        (old, new) = (new, (old.0 - quotient * new.0, old.1 - quotient * new.1));
    }
    old.1.rem_euclid(m) as u64
}
