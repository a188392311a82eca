//! A DHT engine in the emulated DHT, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers do")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use seedwatch_clock::Mono;
use seedwatch_dev_dht_world::{Net, World, WorldSettings};
use seedwatch_dht::LookupReport;
use seedwatch_dht::{Engine, Outbox, Settings};
use seedwatch_torrent::Family;
use seedwatch_torrent::InfoHash;

/// Address of the engine.
const ENGINE_ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 9);

/// The engine, the world and the datagrams in flight.
pub struct Sim {
    /// The engine under test.
    pub engine: Engine,
    /// The emulated DHT.
    pub world: World,
    /// Virtual time in milliseconds.
    pub now: u64,
    /// CPU time that the engine took, without the world.
    pub cpu: Duration,
    /// Reports of ended lookups, in order.
    pub ended: Vec<LookupReport>,
    /// Time at which each lookup ended.
    pub ended_at: Vec<u64>,
    /// Whether our own network drops all packets.
    pub is_offline: bool,
    in_flight: BinaryHeap<Reverse<(u64, u64)>>,
    datagrams: HashMap<u64, (SocketAddr, Vec<u8>)>,
    sent: u64,
    wake: u64,
    family: Family,
    outbox: Outbox,
}

impl Sim {
    /// Creates an engine that knows only the bootstrap addresses.
    pub fn new(settings: Settings, world: WorldSettings) -> Self {
        let family = match world.family {
            Net::V4 => Family::Ipv4,
            Net::V6 => Family::Ipv6,
        };
        let mut engine = Engine::new(settings, [7; 32], Mono(0));
        engine.open(family, Mono(0));
        let world = World::new(world);
        engine.add_bootstrap(family, &world.bootstrap());
        Self {
            engine,
            world,
            now: 0,
            cpu: Duration::ZERO,
            ended: Vec::new(),
            ended_at: Vec::new(),
            is_offline: false,
            in_flight: BinaryHeap::new(),
            datagrams: HashMap::new(),
            sent: 0,
            wake: 0,
            family,
            outbox: Outbox::default(),
        }
    }

    /// Returns the time as the engine's clock.
    pub fn mono(&self) -> Mono {
        Mono(self.now)
    }

    /// Returns the status of the engine.
    pub fn status(&self) -> seedwatch_dht::DhtStatus {
        self.engine.status(self.family, self.mono()).unwrap()
    }

    /// Returns the number of packets that the world received.
    pub fn packets(&self) -> u64 {
        self.world.stats().queries
    }

    /// Runs until `n` more lookups have ended, or for `limit`. Returns whether they ended.
    pub fn run(&mut self, lookups: usize, limit: Duration) -> bool {
        let wanted = self.ended.len() + lookups;
        let until = self.now + limit.as_millis() as u64;
        let mut answer = Vec::new();
        while self.ended.len() < wanted {
            let arrives = self.in_flight.peek().map(|Reverse((at, _))| *at);
            let next = arrives.unwrap_or(u64::MAX).min(self.wake).max(self.now);
            if next > until {
                self.now = until;
                return false;
            }
            self.now = next;
            let now = Mono(next);
            let mut arrived = Vec::new();
            while let Some(Reverse((at, number))) = self.in_flight.peek().copied()
                && at <= next
            {
                self.in_flight.pop();
                arrived.extend(self.datagrams.remove(&number));
            }
            let start = Instant::now();
            for (from, datagram) in &arrived {
                self.engine.receive(*from, datagram, now);
            }
            self.wake = self.engine.poll(now, &mut self.outbox).0;
            let ended = self.engine.take_reports();
            self.cpu += start.elapsed();
            self.ended_at.extend(ended.iter().map(|_| next));
            self.ended.extend(ended);
            let engine_address = SocketAddr::from(ENGINE_ADDRESS);
            for (to, datagram) in self.outbox.iter() {
                if self.is_offline {
                    continue;
                }
                if let Some(delay) =
                    self.world
                        .answer(to, engine_address, datagram, next, &mut answer)
                {
                    self.sent += 1;
                    self.in_flight.push(Reverse((next + delay, self.sent)));
                    self.datagrams.insert(self.sent, (to, answer.clone()));
                }
            }
            self.outbox.clear();
        }
        true
    }

    /// Watches info-hashes. Returns them sorted.
    pub fn watch(&mut self, hashes: Vec<InfoHash>) -> Arc<[InfoHash]> {
        let mut hashes = hashes;
        hashes.sort_unstable();
        hashes.dedup();
        let hashes: Arc<[InfoHash]> = hashes.into();
        let now = self.mono();
        self.engine.watch(Arc::clone(&hashes), now);
        self.wake = self.now;
        hashes
    }

    /// Looks up an info-hash outside the schedule.
    pub fn look_up(&mut self, hash: InfoHash) {
        let now = self.mono();
        self.engine.look_up(hash, now);
        self.wake = self.now;
    }

    /// Returns the share of the true peers that a lookup found, and the number of invented ones.
    pub fn recall(&self, lookup: &LookupReport) -> (f64, usize) {
        let truth: HashSet<SocketAddr> = self
            .world
            .peers_of(&lookup.info_hash.0)
            .into_iter()
            .collect();
        let Ok(found) = &lookup.result else {
            return (0.0, 0);
        };
        let v4 = found.peers.v4.iter();
        let v4 = v4.map(|p| (IpAddr::from(std::net::Ipv4Addr::from_bits(p.ip)), p.port));
        let v6 = found.peers.v6.iter();
        let v6 = v6.map(|p| (IpAddr::from(std::net::Ipv6Addr::from_bits(p.ip)), p.port));
        let named: HashSet<SocketAddr> = v4.chain(v6).map(SocketAddr::from).collect();
        let right = named.intersection(&truth).count();
        let recall = right as f64 / truth.len().max(1) as f64;
        (recall, named.len() - right)
    }
}

/// Returns info-hashes spread over the key space, the same for each seed.
/// Figures measured in the emulated DHT depend on them, so the generator (xorshift64*) stays.
pub fn hashes(n: usize, seed: u64) -> Vec<InfoHash> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let hash = |words: [u64; 3]| {
        let mut hash = [0; 20];
        for (bytes, word) in hash.chunks_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_be_bytes()[..bytes.len()]);
        }
        InfoHash(hash)
    };
    (0..n).map(|_| hash([next(), next(), next()])).collect()
}
