//! The peers of each swarm, and the nodes that hold them.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sha1::{Digest, Sha1};

use super::ids::{Id, Ids};
use super::random::{Rng, hash, mix, unit};
use super::reply::Filter;
use super::settings::{Net, WorldSettings};

/// Peers of computed swarms that are cached, all swarms together.
const MAX_CACHED: usize = 1 << 18;
/// First octet of the peers of computed swarms. Nothing contacts them.
const PEERS4: u8 = 81;
/// The same for IPv6.
const PEERS6: u16 = 0x2a02;
/// First octets of invented peers.
const INVENTED4: [u8; 2] = [66, 6];
/// The same for IPv6.
const INVENTED6: [u16; 2] = [0x2a0b, 0x0bad];

/// A swarm and its true peers.
pub(super) struct Swarm {
    /// Makes visibility differ between swarms.
    key: u64,
    /// Seeders first.
    pub(super) peers: Vec<SocketAddr>,
    seeders: usize,
    /// The nodes that the peers announced to.
    holders: Vec<u32>,
    /// The two bits of each peer in a filter; computed when first needed.
    bits: OnceCell<Vec<[u16; 2]>>,
}

impl Swarm {
    fn new(
        ids: &Ids,
        info_hash: &Id,
        peers: Vec<SocketAddr>,
        seeders: usize,
        holders: usize,
    ) -> Self {
        Self {
            key: prefix(info_hash),
            holders: ids.closest_alive(prefix(info_hash), holders),
            peers,
            seeders,
            bits: OnceCell::new(),
        }
    }

    pub(super) fn is_held_by(&self, node: usize) -> bool {
        self.holders.contains(&(node as u32))
    }

    /// Collects the indices of the peers that a holder stores.
    pub(super) fn visible_at(&self, node: usize, visible: f64, seed: u64, found: &mut Vec<u32>) {
        let pair = hash(seed ^ 10, self.key, node as u64);
        let is_visible = |at: &u32| unit(mix(pair ^ u64::from(*at))) < visible;
        found.clear();
        found.extend((0..self.peers.len() as u32).filter(is_visible));
    }

    /// Returns the BEP 33 filters of some peers: seeders, then the others.
    pub(super) fn filters(&self, indices: &[u32]) -> (Filter, Filter) {
        let bits = self
            .bits
            .get_or_init(|| self.peers.iter().map(|peer| bits(peer.ip())).collect());
        let mut filters = ([0; 256], [0; 256]);
        for at in indices {
            let is_seeder = (*at as usize) < self.seeders;
            let filter = if is_seeder {
                &mut filters.0
            } else {
                &mut filters.1
            };
            for bit in bits[*at as usize] {
                filter[usize::from(bit / 8)] |= 1 << (bit % 8);
            }
        }
        filters
    }
}

/// All swarms. Announced ones are stored; others are computed if the world has peers for every
/// info-hash.
pub(super) struct Swarms {
    net: Net,
    seed: u64,
    replicas: usize,
    announced: HashMap<Id, Swarm>,
    per_hash: usize,
    computed: HashMap<Id, Swarm>,
    cached: usize,
}

impl Swarms {
    pub(super) fn new(settings: &WorldSettings) -> Self {
        Self {
            net: settings.family,
            seed: settings.seed,
            replicas: settings.replicas,
            announced: HashMap::new(),
            per_hash: 0,
            computed: HashMap::new(),
            cached: 0,
        }
    }

    pub(super) fn announce(
        &mut self,
        ids: &Ids,
        info_hash: Id,
        peers: Vec<SocketAddr>,
        seeders: usize,
    ) {
        let swarm = Swarm::new(ids, &info_hash, peers, seeders, self.replicas);
        self.announced.insert(info_hash, swarm);
    }

    /// Gives every info-hash that was not announced this many peers, a quarter of them seeders.
    pub(super) fn set_per_hash(&mut self, peers: usize) {
        self.per_hash = peers;
        self.computed.clear();
        self.cached = 0;
    }

    /// Returns the swarm of an info-hash, if there is one.
    pub(super) fn get(&mut self, ids: &Ids, info_hash: &Id) -> Option<&Swarm> {
        if let Some(swarm) = self.announced.get(info_hash) {
            return Some(swarm);
        }
        if self.per_hash == 0 {
            return None;
        }
        if self.cached > MAX_CACHED {
            self.computed.clear();
            self.cached = 0;
        }
        Some(self.computed.entry(*info_hash).or_insert_with(|| {
            self.cached += self.per_hash;
            let peers = compute(self.net, self.seed, info_hash, self.per_hash);
            Swarm::new(ids, info_hash, peers, self.per_hash / 4, self.replicas)
        }))
    }

    pub(super) fn peers(&self, info_hash: &Id) -> Vec<SocketAddr> {
        match self.announced.get(info_hash) {
            Some(swarm) => swarm.peers.clone(),
            None => compute(self.net, self.seed, info_hash, self.per_hash),
        }
    }
}

/// Returns the first 64 bits of an id.
pub(super) fn prefix(id: &Id) -> u64 {
    id[..8]
        .iter()
        .fold(0, |prefix, byte| prefix << 8 | u64::from(*byte))
}

/// Returns a peer that does not exist.
pub(super) fn invented_peer(net: Net, rng: &mut Rng) -> SocketAddr {
    let random = rng.next();
    let ip: IpAddr = match net {
        Net::V4 => {
            let [a, b] = INVENTED4;
            let [c, d, ..] = random.to_le_bytes();
            Ipv4Addr::new(a, b, c, d).into()
        }
        Net::V6 => {
            let [a, b] = INVENTED6;
            Ipv6Addr::new(a, b, random as u16, 0, 0, 0, 0, 1).into()
        }
    };
    SocketAddr::new(ip, (random >> 48) as u16 | 1024)
}

/// Returns whether [`invented_peer`] returned this address.
pub(super) fn is_invented(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.octets().starts_with(&INVENTED4),
        IpAddr::V6(ip) => ip.segments().starts_with(&INVENTED6),
    }
}

/// Computes the peers of an info-hash that was not announced: distinct addresses, each in its own
/// /64 in IPv6.
fn compute(net: Net, seed: u64, info_hash: &Id, count: usize) -> Vec<SocketAddr> {
    let start = hash(seed, 11, prefix(info_hash));
    (0..count as u64)
        .map(|peer| {
            let port = (mix(start ^ peer) >> 48) as u16 | 1024;
            // An odd factor makes all results distinct.
            let number = start.wrapping_add(peer.wrapping_mul(0x9e37_79b9)) as u32;
            let ip: IpAddr = match net {
                Net::V4 => {
                    let [_, a, b, c] = number.to_be_bytes();
                    Ipv4Addr::new(PEERS4, a, b, c).into()
                }
                Net::V6 => {
                    let (high, low) = ((number >> 16) as u16, number as u16);
                    Ipv6Addr::new(PEERS6, high, low, 0, 0, 0, 0, 1).into()
                }
            };
            SocketAddr::new(ip, port)
        })
        .collect()
}

/// Returns the two bits of an address in a filter (BEP 33).
fn bits(ip: IpAddr) -> [u16; 2] {
    let digest = match ip {
        IpAddr::V4(ip) => Sha1::digest(ip.octets()),
        IpAddr::V6(ip) => Sha1::digest(ip.octets()),
    };
    [0, 2].map(|at| u16::from_le_bytes([digest[at], digest[at + 1]]) % 2048)
}
