//! Who is where: peers that come and go, move to other addresses and share networks. Seeded.

use std::net::{Ipv4Addr, Ipv6Addr};

use seedwatch_torrent::Peers;
use seedwatch_torrent::address;

/// Numbers that look like chance and are the same in each run (SplitMix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A peer as its swarm knows it: an IPv4 address, or a /64 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Person {
    V4(u32),
    V6(u64),
}

impl Person {
    /// Somewhere on the internet; every third has IPv6.
    pub(crate) fn new(chance: &mut Chance) -> Self {
        loop {
            if chance.one_in(3) {
                // Within 2000::/4, where networks are given out.
                let net = 0x2000_0000_0000_0000 | chance.next() >> 4;
                if address::is_global_v6(Ipv6Addr::from_bits(u128::from(net) << 64)) {
                    return Self::V6(net);
                }
            } else {
                let ip = chance.next() as u32;
                if address::is_global_v4(Ipv4Addr::from_bits(ip)) {
                    return Self::V4(ip);
                }
            }
        }
    }
}

/// The peers of one torrent.
pub(crate) struct Swarm {
    pub(crate) here: Vec<Person>,
    size: usize,
    /// One in so many goes each hour, and another comes.
    stay: usize,
}

impl Swarm {
    pub(crate) fn new(size: usize, stay: usize, chance: &mut Chance) -> Self {
        let here = (0..size).map(|_| Person::new(chance)).collect();
        Self { here, size, stay }
    }

    /// An hour goes by. Some leave, some renumber, some come from a swarm beside; the whole breathes
    /// with the time of day.
    pub(crate) fn pass(&mut self, hour: u64, beside: &[Person], chance: &mut Chance) {
        for place in 0..self.here.len() {
            if chance.one_in(self.stay) {
                self.here[place] = Person::new(chance);
            }
        }
        let day = [6, 6, 7, 8, 9, 10, 10, 9, 8, 7, 6, 5][(hour % 24 / 2) as usize];
        let wanted = self.size * day / 10;
        self.here.truncate(wanted.max(1));
        while self.here.len() < wanted {
            let person = match beside.is_empty() || chance.one_in(2) {
                true => Person::new(chance),
                false => beside[chance.below(beside.len())],
            };
            self.here.push(person);
        }
    }

    /// What a source names: up to `most` of them, in any order, some twice, hosts of a network under
    /// several addresses.
    pub(crate) fn list(&self, most: usize, chance: &mut Chance) -> (Peers, Vec<Person>) {
        let mut peers = Peers::default();
        let mut named = Vec::new();
        let start = chance.below(self.here.len());
        let turn = self.here.iter().cycle().skip(start);
        for person in turn.take(self.here.len().min(most)) {
            for _ in 0..1 + chance.one_in(10) as usize {
                match person {
                    Person::V4(ip) => peers.push(Ipv4Addr::from_bits(*ip).into(), 6881),
                    Person::V6(net) => {
                        let host = u128::from(chance.next());
                        let ip = Ipv6Addr::from_bits(u128::from(*net) << 64 | host);
                        peers.push(ip.into(), 6881);
                    }
                }
            }
            named.push(*person);
        }
        (peers, named)
    }
}
