//! The whole node without its sockets: datagrams and `now` in, datagrams and lookups out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Contact;
use super::family_node::FamilyNode;
use super::random::Random;
use super::rate_limit::TokenBucket;
use crate::{DhtStatus, LookupReport};
use seedwatch_clock::Mono;
use seedwatch_torrent::Family;
use seedwatch_torrent::InfoHash;
use seedwatch_torrent::address::Accept;

/// Longest time between two calls of [`Engine::poll`].
const IDLE: Duration = Duration::from_secs(1);

/// How the DHT is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Packets a second, both families together.
    pub max_rate: f64,
    /// Every watched info-hash is looked up once in this time.
    pub interval: Duration,
    /// Share of the peers that is enough, so that fewer nodes are asked; `None`: all closest.
    pub recall_target: Option<f64>,
    /// One node a /24 or /64 in each lookup. Off in labs, where all share one.
    pub require_distinct_subnets: bool,
    /// Which addresses of nodes count.
    pub accept: Accept,
}

/// Datagrams that are to leave.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// Where each goes and ends.
    ends: Vec<(SocketAddr, usize)>,
}

impl Outbox {
    /// The datagrams, in order.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        let spans = starts.zip(&self.ends);
        spans.map(|(start, (to, end))| (*to, &self.bytes[start..*end]))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// They have left.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds what `write` appends.
    pub(super) fn push(&mut self, to: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push((to, self.bytes.len()));
    }
}

/// A read-only node (BEP 43) in the DHTs of both families (BEP 32).
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    bucket: TokenBucket,
    random: Random,
    hashes: Arc<[InfoHash]>,
    /// By [`Family::index`].
    nodes: [Option<FamilyNode>; 2],
    /// Who is served first, in turn.
    first: usize,
    ended: Vec<LookupReport>,
}

impl Engine {
    /// A node without sockets. `seed` must be hard to guess.
    pub fn new(settings: Settings, seed: [u8; 32], now: Mono) -> Self {
        Self {
            settings,
            bucket: TokenBucket::new(settings.max_rate, now),
            random: Random::new(seed),
            hashes: Arc::from([]),
            nodes: [None, None],
            first: 0,
            ended: Vec::new(),
        }
    }

    /// Other settings from now on.
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

    /// There is a socket of this family.
    pub fn open(&mut self, family: Family, now: Mono) {
        let mut node = FamilyNode::new(family, &mut self.random, now);
        node.configure(&self.settings);
        node.watch(Arc::clone(&self.hashes), self.settings.interval, now);
        self.nodes[family.index()] = Some(node);
    }

    /// Info-hashes to be looked up once an interval: sorted, each once.
    pub fn watch(&mut self, hashes: Arc<[InfoHash]>, now: Mono) {
        self.hashes = hashes;
        for node in self.nodes.iter_mut().flatten() {
            node.watch(Arc::clone(&self.hashes), self.settings.interval, now);
        }
    }

    /// Looks an info-hash up at once, in every open family.
    pub fn look_up(&mut self, hash: InfoHash, now: Mono) {
        for node in self.nodes.iter_mut().flatten() {
            node.look_up(hash, now);
        }
    }

    /// Our own network is silent (or works again): lookups under way are dropped, and begin anew
    /// afterwards.
    pub fn pause(&mut self, family: Family, paused: bool, now: Mono) {
        if let Some(node) = &mut self.nodes[family.index()] {
            node.pause(paused, now);
        }
    }

    /// Bootstrap addresses; each is asked for its closest nodes.
    pub fn add_bootstrap(&mut self, family: Family, addresses: &[SocketAddr]) {
        if let Some(node) = &mut self.nodes[family.index()] {
            node.add_bootstrap(addresses);
        }
    }

    /// Nodes of an earlier run.
    pub fn restore(&mut self, contacts: &[Contact], now: Mono) {
        for node in self.nodes.iter_mut().flatten() {
            node.restore(contacts, &self.settings, now);
        }
    }

    /// Nodes worth saving: at most 512 a family that answered, spread evenly over the space of
    /// ids, so that they say nothing of what was looked for.
    pub fn nodes_to_save(&self) -> Vec<Contact> {
        let nodes = self.nodes.iter().flatten();
        nodes.flat_map(FamilyNode::nodes_to_save).collect()
    }

    /// Too few nodes answer: bootstrap addresses are wanted.
    pub fn needs_bootstrap(&self, family: Family, now: Mono) -> bool {
        let node = &self.nodes[family.index()];
        node.as_ref().is_some_and(|node| node.needs_bootstrap(now))
    }

    /// A datagram came in.
    pub fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Mono) {
        let family = Family::of(&from.ip().to_canonical());
        if let Some(node) = &mut self.nodes[family.index()] {
            node.receive(from, datagram, &self.settings, &mut self.random, now);
        }
    }

    /// ICMP said that this address cannot be reached.
    pub fn mark_unreachable(&mut self, to: SocketAddr, now: Mono) {
        let family = Family::of(&to.ip().to_canonical());
        if let Some(node) = &mut self.nodes[family.index()] {
            node.mark_unreachable(to, now);
        }
    }

    /// Puts what may leave now into `out`; returns when to come back at the latest.
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
                random: &mut self.random,
                out,
                ended: &mut self.ended,
            };
            wake = wake.min(node.poll(now, &mut context));
        }
        wake
    }

    /// Lookups that have ended since the last call.
    pub fn take_reports(&mut self) -> Vec<LookupReport> {
        std::mem::take(&mut self.ended)
    }

    /// How a family fares; `None` where it has no socket.
    pub fn status(&self, family: Family, now: Mono) -> Option<DhtStatus> {
        let node = self.nodes[family.index()].as_ref()?;
        Some(node.status(now))
    }
}
