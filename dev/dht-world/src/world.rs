//! The world: takes a query, gives an answer and its delay.

use std::net::{IpAddr, SocketAddr};

use super::addresses::{Addresses, Owner};
use super::byzantine::{self, Misbehaviour};
use super::eclipse::{AttackStyle, Eclipse};
use super::ids::{Id, Ids};
use super::query::{self, Query};
use super::random::{Rng, hash, unit};
use super::reply::{self, Body};
use super::settings::{Delay, Net, PORT, ScrapeStyle, WorldSettings};
use super::stats::{PerNode, Stats};
use super::swarms::{Swarms, invented_peer, is_invented, prefix};
use super::table::{K, Table};

/// Number of bootstrap nodes.
const BOOTSTRAP: usize = 8;
/// Relative variation of the round-trip times of a node.
const JITTER: f64 = 0.05;

/// What an answer shows of a swarm: peers, or the filters of its seeders and of its other peers.
type SwarmShown = (Vec<SocketAddr>, Option<(reply::Filter, reply::Filter)>);

/// An emulated DHT of one family.
pub struct World {
    settings: WorldSettings,
    ids: Ids,
    addresses: Addresses,
    swarms: Swarms,
    rng: Rng,
    stats: Stats,
    per_node: PerNode,
    /// A list of nodes, for reuse.
    nodes: Vec<u32>,
    /// Indices of peers, for reuse.
    indices: Vec<u32>,
    eclipse: Option<Eclipse>,
}

impl World {
    /// Creates a world. Ten million nodes take a second or two in a release build.
    pub fn new(settings: WorldSettings) -> Self {
        let total = (f64::from(settings.nodes) / (1.0 - settings.dead)).round() as u32;
        assert!(
            settings.nodes > 0 && settings.dead < 1.0,
            "no node is alive"
        );
        let seed = settings.seed;
        Self {
            ids: Ids::new(settings.nodes, total, seed),
            addresses: Addresses::new(settings.family, settings.public, total, PORT, seed),
            swarms: Swarms::new(&settings),
            rng: Rng::new(hash(seed, 15, 0)),
            stats: Stats::default(),
            per_node: PerNode::new(total as usize),
            nodes: Vec::new(),
            indices: Vec::new(),
            eclipse: None,
            settings,
        }
    }

    /// Sets the port of all nodes. The default is 6881.
    pub fn set_port(&mut self, port: u16) {
        self.addresses.set_port(port);
    }

    /// Returns the port of all nodes.
    pub fn port(&self) -> u16 {
        self.addresses.port()
    }

    /// Returns the family of the network.
    pub fn family(&self) -> Net {
        self.settings.family
    }

    /// Sets the swarm of an info-hash. The first `seeders` peers are seeders.
    pub fn announce(
        &mut self,
        info_hash: Id,
        peers: impl Iterator<Item = (IpAddr, u16)>,
        seeders: usize,
    ) {
        let peers = peers.map(SocketAddr::from).collect();
        self.swarms.announce(&self.ids, info_hash, peers, seeders);
    }

    /// Gives every info-hash that is not announced this many peers, a quarter of them seeders. They
    /// are a pure function of hash and seed, so a million swarms take no memory.
    pub fn auto_peers(&mut self, per_hash: usize) {
        self.swarms.set_per_hash(per_hash);
    }

    /// Returns the true peers of an info-hash.
    pub fn peers_of(&self, info_hash: &Id) -> Vec<SocketAddr> {
        self.swarms.peers(info_hash)
    }

    /// Returns whether a byzantine node of any world invented this peer.
    pub fn is_invented(peer: IpAddr) -> bool {
        is_invented(peer)
    }

    /// Starts an attack on an info-hash.
    pub fn eclipse(&mut self, eclipse: Eclipse) {
        self.eclipse = Some(eclipse);
    }

    /// Returns bootstrap addresses: nodes that are alive and honest.
    pub fn bootstrap(&self) -> Vec<SocketAddr> {
        let mut found = Vec::new();
        let first = hash(self.settings.seed, 16, 0) as usize % self.ids.len();
        for step in 0..self.ids.len() {
            // Neighbouring steps lie far apart in the order of ids.
            let node = (first + step * (self.ids.len() / BOOTSTRAP + 1)) % self.ids.len();
            let address = self.addresses.of(node);
            if self.ids.is_alive(node)
                && self.misbehaviour(node).is_none()
                && !found.contains(&address)
            {
                found.push(address);
            }
            if found.len() == BOOTSTRAP {
                break;
            }
        }
        found
    }

    /// Returns the living nodes that are truly closest to a target, closest first.
    pub fn closest(&self, target: &Id, count: usize) -> Vec<(Id, SocketAddr)> {
        let nodes = self.ids.closest_alive(prefix(target), count);
        nodes.into_iter().map(|node| self.contact(node)).collect()
    }

    /// Returns the counts.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Resets the counts.
    pub fn reset_stats(&mut self) {
        self.stats = Stats::default();
        self.per_node = PerNode::new(self.ids.len());
    }

    /// Processes a datagram that was sent to a node. The answer, if there is one, is in `out`; it
    /// arrives after the returned delay in milliseconds. Time must not go backwards.
    pub fn answer(
        &mut self,
        to: SocketAddr,
        from: SocketAddr,
        datagram: &[u8],
        now_ms: u64,
        out: &mut Vec<u8>,
    ) -> Option<u64> {
        out.clear();
        self.stats.queries += 1;
        let owner = self.addresses.owner(to);
        match owner {
            Some(Owner::Node(node)) => self.per_node.count(node, now_ms, &mut self.stats),
            Some(Owner::Sybil { .. }) => self.stats.sybils += 1,
            None => {}
        }
        let Some(query) = query::parse(datagram) else {
            self.stats.malformed += 1;
            return None;
        };
        self.stats.without_ro += u64::from(!query.read_only);
        self.stats.announces += u64::from(query.method == b"announce_peer");
        self.stats.scrapes += u64::from(query.scrape);
        let owner = owner.filter(|owner| match owner {
            Owner::Node(node) => self.ids.is_alive(*node),
            Owner::Sybil { .. } => true,
        });
        let Some(owner) = owner else {
            self.stats.dead += 1;
            return None;
        };
        if self.is_lost() {
            return None;
        }
        let delay = match owner {
            Owner::Node(node) => {
                self.answer_as_node(node, from, &query, out);
                self.delay(node)
            }
            Owner::Sybil { cluster, member } => {
                let eclipse = self.eclipse.as_ref();
                match eclipse.and_then(|eclipse| eclipse.member(cluster)) {
                    Some(member) => self.answer_as_eclipse(member, from, &query, out),
                    None => self.answer_as_sybil(cluster, member, from, &query, out),
                }
                self.delay(usize::from(member))
            }
        };
        (!self.is_lost()).then_some(delay)
    }

    fn is_lost(&mut self) -> bool {
        let lost = self.rng.chance(self.settings.loss);
        self.stats.lost += u64::from(lost);
        lost
    }

    fn misbehaviour(&self, node: usize) -> Option<Misbehaviour> {
        byzantine::misbehaviour(self.settings.seed, node, self.settings.byzantine)
    }

    fn contact(&self, node: u32) -> (Id, SocketAddr) {
        (self.ids.id(node as usize), self.addresses.of(node as usize))
    }

    fn delay(&mut self, node: usize) -> u64 {
        let first = hash(self.settings.seed, 17, node as u64);
        let jitter = 1.0 + JITTER * (2.0 * unit(self.rng.next()) - 1.0);
        let delay = match self.settings.delay {
            Delay::None => 0.0,
            Delay::Uniform { min_ms, max_ms } => {
                let own = min_ms + (max_ms - min_ms) * unit(first);
                (own * jitter).clamp(min_ms, max_ms)
            }
            Delay::LogNormal { median_ms, sigma } => {
                // Box-Muller transform.
                let radius = (-2.0 * (1.0 - unit(first)).ln()).sqrt();
                let second = hash(self.settings.seed, 18, node as u64);
                let normal = radius * (std::f64::consts::TAU * unit(second)).cos();
                median_ms * (sigma * normal).exp() * jitter
            }
        };
        delay.round() as u64
    }

    fn answer_as_node(
        &mut self,
        node: usize,
        from: SocketAddr,
        query: &Query<'_>,
        out: &mut Vec<u8>,
    ) {
        let misbehaviour = self.misbehaviour(node);
        let mut rng = Rng::new(self.rng.next());
        if misbehaviour == Some(Misbehaviour::Transaction) {
            let other = byzantine::other_transaction(query.transaction, &mut rng);
            let query = Query {
                transaction: &other,
                ..*query
            };
            self.answer_with(node, misbehaviour, from, &query, &mut rng, out);
        } else {
            self.answer_with(node, misbehaviour, from, query, &mut rng, out);
        }
        if misbehaviour == Some(Misbehaviour::Garbage) {
            let honest = std::mem::take(out);
            byzantine::garbage(out, &honest, query.transaction, &mut rng);
        }
    }

    fn answer_with(
        &mut self,
        node: usize,
        misbehaviour: Option<Misbehaviour>,
        from: SocketAddr,
        query: &Query<'_>,
        rng: &mut Rng,
        out: &mut Vec<u8>,
    ) {
        let net = self.settings.family;
        let external = match misbehaviour {
            Some(Misbehaviour::Peers) => invented_peer(net, rng),
            _ => from,
        };
        let external = self.settings.external_ip.then_some(external);
        let mut body = Body {
            id: self.ids.id(node),
            ..Body::default()
        };
        let target = match requested_target(query) {
            Ok(Some(target)) => target,
            Ok(None) => return reply::response(out, query.transaction, external, &body),
            Err(error) => return reply::error(out, query.transaction, error),
        };
        let contacts = self.contacts(node, misbehaviour, from, &target);
        body.nodes = &contacts;
        if query.method == b"find_node" {
            return reply::response(out, query.transaction, external, &body);
        }
        body.port = Some(from.port());
        body.token = Some((hash(self.settings.seed, 19, node as u64) as u32).to_le_bytes());
        let (values, filters) = match misbehaviour {
            Some(Misbehaviour::Id | Misbehaviour::Peers) => self.invented(query.scrape, rng),
            _ => self.stored(node, &target, query.scrape, rng),
        };
        if misbehaviour == Some(Misbehaviour::Id) {
            body.id = byzantine::close_to(&target, rng);
        }
        match &filters {
            Some((seeders, peers)) if self.settings.scrape == ScrapeStyle::Libtorrent => {
                body.filters = Some((seeders, peers));
            }
            _ => body.values = &values,
        }
        reply::response(out, query.transaction, external, &body);
    }

    /// Returns the contacts in the answer of a node: those that it knows, or members of its
    /// cluster.
    fn contacts(
        &mut self,
        node: usize,
        misbehaviour: Option<Misbehaviour>,
        from: SocketAddr,
        target: &Id,
    ) -> Vec<(Id, SocketAddr)> {
        let mut contacts = [(Id::default(), from); K];
        if misbehaviour == Some(Misbehaviour::Cluster) {
            let (cluster, first) = byzantine::cluster_members(self.settings.seed, node, target);
            self.cluster_members(cluster, first, target, &mut contacts);
            return contacts.to_vec();
        }
        let known = self.known(node, target, &mut contacts);
        self.with_eclipse(node, target, &contacts[..known])
    }

    /// Collects the contacts that a node names for a target. Returns their number.
    fn known(&mut self, node: usize, target: &Id, contacts: &mut [(Id, SocketAddr); K]) -> usize {
        let mut nodes = std::mem::take(&mut self.nodes);
        let table = Table {
            ids: &self.ids,
            node,
            neighbours: self.settings.neighbours,
            seed: self.settings.seed,
        };
        table.closest(prefix(target), &mut nodes);
        for (contact, node) in contacts.iter_mut().zip(&nodes) {
            *contact = self.contact(*node);
        }
        let known = nodes.len();
        self.nodes = nodes;
        known
    }

    /// Adds the nodes of an attack that a node knows, if they are closer.
    fn with_eclipse(
        &self,
        node: usize,
        target: &Id,
        known: &[(Id, SocketAddr)],
    ) -> Vec<(Id, SocketAddr)> {
        let mut all = known.to_vec();
        if let Some(eclipse) = &self.eclipse {
            all.extend(eclipse.known_by(node, &self.addresses));
            let distance = |id: &Id| -> Id { std::array::from_fn(|at| id[at] ^ target[at]) };
            all.sort_by_key(|(id, _)| distance(id));
            all.truncate(K);
        }
        all
    }

    /// Writes the answer of a node of the attack.
    fn answer_as_eclipse(
        &mut self,
        member: usize,
        from: SocketAddr,
        query: &Query<'_>,
        out: &mut Vec<u8>,
    ) {
        let Some(eclipse) = self.eclipse.clone() else {
            return;
        };
        let mut rng = Rng::new(self.rng.next());
        let (id, _) = eclipse.contact(member, &self.addresses);
        let net = self.settings.family;
        let mut nodes = match eclipse.style {
            AttackStyle::DeadEnds => eclipse.dead_ends(member, net),
            AttackStyle::Mute => Vec::new(),
            AttackStyle::Empty | AttackStyle::Invented => eclipse.contacts(&self.addresses),
        };
        nodes.truncate(K);
        let values: Vec<SocketAddr> = match (eclipse.style, query.method) {
            (AttackStyle::Invented, b"get_peers") => (0..self.values_cap())
                .map(|_| invented_peer(net, &mut rng))
                .collect(),
            _ => Vec::new(),
        };
        let body = Body {
            id,
            nodes: &nodes,
            values: &values,
            token: Some([member as u8; 4]),
            ..Body::default()
        };
        let external = self.settings.external_ip.then_some(from);
        reply::response(out, query.transaction, external, &body);
    }

    /// Returns peers that are in no swarm, and filters that hold every address if requested.
    fn invented(&self, scrape: bool, rng: &mut Rng) -> SwarmShown {
        let net = self.settings.family;
        let values = (0..self.values_cap()).map(|_| invented_peer(net, rng));
        let filters = scrape.then_some(([u8::MAX; 256], [u8::MAX; 256]));
        (values.collect(), filters)
    }

    /// Returns what a node stores of a swarm: values, or filters if requested.
    fn stored(&mut self, node: usize, info_hash: &Id, scrape: bool, rng: &mut Rng) -> SwarmShown {
        let target = prefix(info_hash);
        let shared = (self.ids.prefix(node) ^ target).leading_zeros();
        let closer = self.ids.block(target, (shared + 1).min(64));
        if shared < 64 && self.ids.has_alive(closer, self.settings.replicas) {
            return SwarmShown::default(); // The holders are closer.
        }
        let cap = self.values_cap();
        let swarm = self.swarms.get(&self.ids, info_hash);
        let Some(swarm) = swarm.filter(|swarm| swarm.is_held_by(node)) else {
            return SwarmShown::default();
        };
        let indices = &mut self.indices;
        let visible = self.settings.visible;
        swarm.visible_at(node, visible, self.settings.seed, indices);
        if scrape && self.settings.scrape == ScrapeStyle::Libtorrent {
            return (Vec::new(), Some(swarm.filters(indices)));
        }
        let mut values = Vec::new();
        for at in 0..cap.min(indices.len()) {
            let other = at + rng.below(indices.len() - at);
            indices.swap(at, other);
            values.push(swarm.peers[indices[at] as usize]);
        }
        (values, None)
    }

    /// Returns the largest number of peers in an answer. An IPv6 address takes three times the
    /// space; libtorrent sends a quarter as many.
    fn values_cap(&self) -> usize {
        match self.settings.family {
            Net::V4 => self.settings.values_cap,
            Net::V6 => (self.settings.values_cap / 4).max(1),
        }
    }

    fn answer_as_sybil(
        &mut self,
        cluster: u8,
        member: u8,
        from: SocketAddr,
        query: &Query<'_>,
        out: &mut Vec<u8>,
    ) {
        let mut rng = Rng::new(self.rng.next());
        let target = query.target.unwrap_or_default();
        let first = target[0] % 240 + 1;
        let mut contacts = [(Id::default(), from); K];
        self.cluster_members(cluster, first, &target, &mut contacts);
        let values: Vec<SocketAddr> = match query.method {
            b"get_peers" => (0..self.values_cap())
                .map(|_| invented_peer(self.settings.family, &mut rng))
                .collect(),
            _ => Vec::new(),
        };
        let body = Body {
            id: byzantine::cluster_member_id(self.settings.seed, cluster, member, &target),
            nodes: &contacts,
            values: &values,
            token: Some([member; 4]),
            ..Body::default()
        };
        let external = self.settings.external_ip.then_some(from);
        reply::response(out, query.transaction, external, &body);
    }

    /// Collects eight members of a cluster, close to a target.
    fn cluster_members(
        &self,
        cluster: u8,
        first: u8,
        target: &Id,
        contacts: &mut [(Id, SocketAddr); K],
    ) {
        for (contact, member) in contacts.iter_mut().zip(first..) {
            let id = byzantine::cluster_member_id(self.settings.seed, cluster, member, target);
            *contact = (id, self.addresses.of_sybil(cluster, member));
        }
    }
}

/// Returns the target of a query, `None` if its method has none, or the error to answer with.
fn requested_target(query: &Query<'_>) -> Result<Option<Id>, (u16, &'static str)> {
    match (query.method, query.id, query.target) {
        (b"ping" | b"announce_peer", Some(_), _) => Ok(None),
        (b"find_node" | b"get_peers", Some(_), Some(target)) => Ok(Some(target)),
        (b"ping" | b"announce_peer" | b"find_node" | b"get_peers", ..) => Err(reply::PROTOCOL),
        _ => Err(reply::METHOD_UNKNOWN),
    }
}
