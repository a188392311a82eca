//! The DHT engine: takes datagrams and the time, gives datagrams to send and reports of lookups.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Contact;
use super::family_node::FamilyNode;
use super::rate_limit::PacketBucket;
use crate::{DhtStatus, LookupReport};
use rand::SeedableRng;
use rand::rngs::StdRng;
use seedwatch_clock::Mono;
use seedwatch_torrent::Family;
use seedwatch_torrent::InfoHash;
use seedwatch_torrent::address::Accept;

/// Longest time between two calls of [`Engine::poll`].
const IDLE: Duration = Duration::from_secs(1);

/// Settings of an [`Engine`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Packets per second, both families together.
    pub max_rate: f64,
    /// Time in which every watched info-hash is looked up once.
    pub interval: Duration,
    /// Share of the peers after which a lookup may end early, to send fewer queries. `None`: a
    /// lookup ends when all closest nodes have answered.
    pub recall_target: Option<f64>,
    /// Whether a lookup accepts only one node per /24 or /64. Off where all nodes share one subnet.
    pub require_distinct_subnets: bool,
    /// Node addresses that may be queried.
    pub accept: Accept,
}

/// Datagrams to send.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// Destination of each datagram, and where it ends in `bytes`.
    ends: Vec<(SocketAddr, usize)>,
}

impl Outbox {
    /// Returns the datagrams in order.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        let spans = starts.zip(&self.ends);
        spans.map(|(start, (to, end))| (*to, &self.bytes[start..*end]))
    }

    /// Returns the number of datagrams.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there is no datagram.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Removes all datagrams, after they were sent.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds a datagram to `to`, whose bytes `write` appends.
    pub(super) fn push(&mut self, to: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push((to, self.bytes.len()));
    }
}

/// A read-only node (BEP 43) in the DHTs of both families (BEP 32).
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    bucket: PacketBucket,
    rng: StdRng,
    hashes: Arc<[InfoHash]>,
    /// Indexed by [`Family::index`].
    nodes: [Option<FamilyNode>; 2],
    /// Family that is polled first. It alternates, so that both share the rate.
    first: usize,
    ended: Vec<LookupReport>,
}

impl Engine {
    /// Creates an engine without sockets. `seed` must be unpredictable: ids and transaction ids are
    /// drawn from it.
    pub fn new(settings: Settings, seed: [u8; 32], now: Mono) -> Self {
        Self {
            settings,
            bucket: PacketBucket::new(settings.max_rate, now),
            rng: StdRng::from_seed(seed),
            hashes: Arc::from([]),
            nodes: [None, None],
            first: 0,
            ended: Vec::new(),
        }
    }

    /// Replaces the settings.
    pub fn configure(&mut self, settings: Settings, now: Mono) {
        let before = std::mem::replace(&mut self.settings, settings);
        self.bucket.set_rate(settings.max_rate);
        for node in self.nodes.iter_mut().flatten() {
            node.configure(&settings);
        }
        if settings.interval != before.interval {
            self.watch(Arc::clone(&self.hashes), now);
        }
    }

    /// Adds our node in the DHT of a family, once the caller has a socket of it.
    pub fn open(&mut self, family: Family, now: Mono) {
        let mut node = FamilyNode::new(family, &mut self.rng, now);
        node.configure(&self.settings);
        node.watch(Arc::clone(&self.hashes), self.settings.interval, now);
        self.nodes[family.index()] = Some(node);
    }

    /// Sets the info-hashes to look up once per interval. They must be sorted and distinct.
    pub fn watch(&mut self, hashes: Arc<[InfoHash]>, now: Mono) {
        self.hashes = hashes;
        for node in self.nodes.iter_mut().flatten() {
            node.watch(Arc::clone(&self.hashes), self.settings.interval, now);
        }
    }

    /// Looks up an info-hash at once, in every open family.
    pub fn look_up(&mut self, hash: InfoHash, now: Mono) {
        for node in self.nodes.iter_mut().flatten() {
            node.look_up(hash, now);
        }
    }

    /// Pauses a family while our own network has no connectivity. Active lookups are dropped; they
    /// start again afterwards.
    pub fn pause(&mut self, family: Family, paused: bool, now: Mono) {
        if let Some(node) = &mut self.nodes[family.index()] {
            node.pause(paused, now);
        }
    }

    /// Adds bootstrap addresses. Each is asked for the nodes closest to our id.
    pub fn add_bootstrap(&mut self, family: Family, addresses: &[SocketAddr]) {
        if let Some(node) = &mut self.nodes[family.index()] {
            node.add_bootstrap(addresses);
        }
    }

    /// Adds nodes of an earlier run to the node table.
    pub fn restore(&mut self, contacts: &[Contact], now: Mono) {
        for node in self.nodes.iter_mut().flatten() {
            node.restore(contacts, &self.settings, now);
        }
    }

    /// Returns the nodes to save: at most 512 per family that answered. They are spread evenly over
    /// the key space, so that they do not reveal what was looked up.
    pub fn nodes_to_save(&self) -> Vec<Contact> {
        let nodes = self.nodes.iter().flatten();
        nodes.flat_map(FamilyNode::nodes_to_save).collect()
    }

    /// Returns whether too few nodes answer, so that the caller should add bootstrap addresses.
    pub fn needs_bootstrap(&self, family: Family, now: Mono) -> bool {
        let node = &self.nodes[family.index()];
        node.as_ref().is_some_and(|node| node.needs_bootstrap(now))
    }

    /// Processes a received datagram.
    pub fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Mono) {
        let family = Family::of(&from.ip().to_canonical());
        if let Some(node) = &mut self.nodes[family.index()] {
            node.receive(from, datagram, &self.settings, &mut self.rng, now);
        }
    }

    /// Ends the queries to an address that ICMP reports as unreachable.
    pub fn mark_unreachable(&mut self, to: SocketAddr, now: Mono) {
        let family = Family::of(&to.ip().to_canonical());
        if let Some(node) = &mut self.nodes[family.index()] {
            node.mark_unreachable(to, now);
        }
    }

    /// Writes the datagrams that may be sent now into `out`. Returns the latest time of the next
    /// call.
    pub fn poll(&mut self, now: Mono, out: &mut Outbox) -> Mono {
        self.bucket.refill(now);
        self.first ^= 1;
        let mut wake = now.after(IDLE);
        for at in [self.first, self.first ^ 1] {
            let Some(node) = &mut self.nodes[at] else {
                continue;
            };
            let mut context = super::family_node::PollContext {
                settings: &self.settings,
                bucket: &mut self.bucket,
                rng: &mut self.rng,
                out,
                ended: &mut self.ended,
            };
            wake = wake.min(node.poll(now, &mut context));
        }
        wake
    }

    /// Returns the reports of lookups that have ended since the last call.
    pub fn take_reports(&mut self) -> Vec<LookupReport> {
        std::mem::take(&mut self.ended)
    }

    /// Returns the status of a family; `None` if it has no socket.
    pub fn status(&self, family: Family, now: Mono) -> Option<DhtStatus> {
        let node = self.nodes[family.index()].as_ref()?;
        Some(node.status(now))
    }
}
