//! Swarms of known peers, put into a tracker by announces from the peers' own addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use super::address;
use super::wire::{self, Endpoint, Event, Hash, Peer};

/// The port of every planted peer.
const PORT: u16 = 51_413;

/// A hash that nothing else uses. It holds the bytes that URLs get wrong: space, plus, percent,
/// ampersand, NUL.
pub(crate) fn fresh_hash() -> Hash {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut hash = *b" +%&\0\xff/?=~..........";
    hash[10..].copy_from_slice(&[&number.to_be_bytes()[..], b" e"].concat());
    hash
}

/// A swarm whose every member is known.
#[derive(Debug, Clone)]
pub(crate) struct Swarm {
    pub(crate) hash: Hash,
    pub(crate) seeders: Vec<Peer>,
    pub(crate) leechers: Vec<Peer>,
}

impl Swarm {
    /// Peers numbered from `first` on: first the seeders, then the leechers.
    pub(crate) fn of(hash: Hash, first: u32, seeders: u32, leechers: u32) -> Self {
        let peers = |from: u32, count: u32, left: u32| {
            (from..from + count)
                .map(|number| peer(address::peer(number), left))
                .collect()
        };
        Self {
            hash,
            seeders: peers(first, seeders, 0),
            leechers: peers(first + seeders, leechers, 7),
        }
    }

    /// The same with IPv6 peers, each in a /64 of its own: inside a network namespace only.
    pub(crate) fn of6(hash: Hash, first: u16, seeders: u16, leechers: u16) -> Self {
        let peers = |from: u16, count: u16, left: u32| {
            (from..from + count)
                .map(|number| peer(address::peer6(number), left))
                .collect()
        };
        Self {
            hash,
            seeders: peers(first, seeders, 0),
            leechers: peers(first + seeders, leechers, 7),
        }
    }

    /// Makes them members at a tracker.
    pub(crate) fn join(&self, tracker: Endpoint) {
        for peer in self.all() {
            wire::announce(tracker, &self.hash, peer, Event::Started);
        }
    }

    /// Makes them leave.
    pub(crate) fn leave(&self, tracker: Endpoint) {
        for peer in self.all() {
            wire::announce(tracker, &self.hash, peer, Event::Stopped);
        }
    }

    /// Lets the first seeder leave.
    pub(crate) fn first_leaves(&mut self, tracker: Endpoint) {
        let peer = self.seeders.remove(0);
        wire::announce(tracker, &self.hash, &peer, Event::Stopped);
    }

    /// Lets the first leecher finish its download.
    pub(crate) fn complete_one(&mut self, tracker: Endpoint) {
        let mut peer = self.leechers.remove(0);
        peer.left = 0;
        wire::announce(tracker, &self.hash, &peer, Event::Completed);
        self.seeders.push(peer);
    }

    /// Every member.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Peer> {
        self.seeders.iter().chain(&self.leechers)
    }

    /// Every member's address and port.
    pub(crate) fn endpoints(&self) -> BTreeSet<SocketAddr> {
        self.all()
            .map(|peer| SocketAddr::new(peer.ip, peer.port))
            .collect()
    }

    /// The hash as in a configuration.
    pub(crate) fn hex(&self) -> String {
        wire::hex(&self.hash)
    }
}

fn peer(ip: IpAddr, left: u32) -> Peer {
    Peer {
        ip,
        port: PORT,
        left,
    }
}
