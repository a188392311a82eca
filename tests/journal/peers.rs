//! Simulated swarms: peers come and go, change their addresses, and share networks. Deterministic.

use std::net::{Ipv4Addr, Ipv6Addr};

use rand::rngs::SmallRng;
use rand::{Rng, RngExt};
use seedwatch_torrent::{Peers, address};

/// Returns true once in `n` calls, on average.
pub(crate) fn one_in(n: usize, rng: &mut SmallRng) -> bool {
    rng.random_ratio(1, n as u32)
}

/// A peer: an IPv4 address or a /64 prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    V4(u32),
    V6(u64),
}

impl Peer {
    /// Returns a random global address. Every third peer has IPv6.
    pub(crate) fn new(rng: &mut SmallRng) -> Self {
        loop {
            if one_in(3, rng) {
                // 2000::/4 holds most assigned networks.
                let net = 0x2000_0000_0000_0000 | rng.next_u64() >> 4;
                if address::is_global_v6(Ipv6Addr::from_bits(u128::from(net) << 64)) {
                    return Self::V6(net);
                }
            } else {
                let ip = rng.next_u32();
                if address::is_global_v4(Ipv4Addr::from_bits(ip)) {
                    return Self::V4(ip);
                }
            }
        }
    }
}

/// The peers of one torrent.
pub(crate) struct Swarm {
    pub(crate) current: Vec<Peer>,
    size: usize,
    /// The mean stay of a peer, in hours.
    stay: usize,
}

impl Swarm {
    pub(crate) fn new(size: usize, stay: usize, rng: &mut SmallRng) -> Self {
        let current = (0..size).map(|_| Peer::new(rng)).collect();
        Self {
            current,
            size,
            stay,
        }
    }

    /// Advances by one hour. Some peers are replaced, and some come from another swarm. The size
    /// depends on the time of day.
    pub(crate) fn advance(&mut self, hour: u64, neighbours: &[Peer], rng: &mut SmallRng) {
        for index in 0..self.current.len() {
            if one_in(self.stay, rng) {
                self.current[index] = Peer::new(rng);
            }
        }
        let day = [6, 6, 7, 8, 9, 10, 10, 9, 8, 7, 6, 5][(hour % 24 / 2) as usize];
        let wanted = self.size * day / 10;
        self.current.truncate(wanted.max(1));
        while self.current.len() < wanted {
            let peer = match neighbours.is_empty() || one_in(2, rng) {
                true => Peer::new(rng),
                false => neighbours[rng.random_range(..neighbours.len())],
            };
            self.current.push(peer);
        }
    }

    /// Returns an answer with up to `most` peers, and the distinct peers in it. Some entries are
    /// repeated, and a /64 prefix may have several addresses.
    pub(crate) fn list(&self, most: usize, rng: &mut SmallRng) -> (Peers, Vec<Peer>) {
        let mut peers = Peers::default();
        let mut named = Vec::new();
        let start = rng.random_range(..self.current.len());
        let turn = self.current.iter().cycle().skip(start);
        for peer in turn.take(self.current.len().min(most)) {
            for _ in 0..1 + one_in(10, rng) as usize {
                match peer {
                    Peer::V4(ip) => peers.push(Ipv4Addr::from_bits(*ip).into(), 6881),
                    Peer::V6(net) => {
                        let host = u128::from(rng.next_u64());
                        let ip = Ipv6Addr::from_bits(u128::from(*net) << 64 | host);
                        peers.push(ip.into(), 6881);
                    }
                }
            }
            named.push(*peer);
        }
        (peers, named)
    }
}
