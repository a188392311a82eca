//! Swarms of known peers. The rig announces each peer to a tracker from the peer's own address.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use super::address;
use super::wire::{self, AnnounceEvent, Endpoint, Hash, Peer};

/// The port of every peer.
const PORT: u16 = 51_413;

/// Returns a unique info-hash. It contains bytes that need escaping in URLs: space, plus, percent,
/// ampersand, NUL.
pub(crate) fn fresh_hash() -> Hash {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut hash = *b" +%&\0\xff/?=~..........";
    hash[10..].copy_from_slice(&[&number.to_be_bytes()[..], b" e"].concat());
    hash
}

/// A swarm with known peers.
#[derive(Debug, Clone)]
pub(crate) struct Swarm {
    pub(crate) hash: Hash,
    pub(crate) seeders: Vec<Peer>,
    pub(crate) leechers: Vec<Peer>,
}

impl Swarm {
    /// Returns a swarm of IPv4 peers. Their numbers begin at `first`, seeders before leechers.
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

    /// Like [`of`](Self::of), with IPv6 peers, each in its own /64. Works only inside a network
    /// namespace.
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

    /// Announces `started` for every peer.
    pub(crate) fn join(&self, tracker: Endpoint) {
        for peer in self.all() {
            wire::announce(tracker, &self.hash, peer, AnnounceEvent::Started);
        }
    }

    /// Announces `stopped` for every peer.
    pub(crate) fn leave(&self, tracker: Endpoint) {
        for peer in self.all() {
            wire::announce(tracker, &self.hash, peer, AnnounceEvent::Stopped);
        }
    }

    /// Removes the first seeder from the swarm and announces its `stopped`.
    pub(crate) fn first_leaves(&mut self, tracker: Endpoint) {
        let peer = self.seeders.remove(0);
        wire::announce(tracker, &self.hash, &peer, AnnounceEvent::Stopped);
    }

    /// Turns the first leecher into a seeder and announces its `completed`.
    pub(crate) fn complete_one(&mut self, tracker: Endpoint) {
        let mut peer = self.leechers.remove(0);
        peer.left = 0;
        wire::announce(tracker, &self.hash, &peer, AnnounceEvent::Completed);
        self.seeders.push(peer);
    }

    /// Returns every peer.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Peer> {
        self.seeders.iter().chain(&self.leechers)
    }

    /// Returns the address and port of every peer.
    pub(crate) fn endpoints(&self) -> BTreeSet<SocketAddr> {
        self.all()
            .map(|peer| SocketAddr::new(peer.ip, peer.port))
            .collect()
    }

    /// Returns the info-hash in the syntax of the configuration.
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
