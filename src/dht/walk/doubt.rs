//! Nodes that lie closer to the target than an honest DHT allows (Sybil and eclipse attacks).
//!
//! Whoever owns the eight closest nodes of an info-hash decides what a lookup hears. To own them
//! takes ids much closer to it than those of honest nodes, and that shows: see [`Size::surprise`].
//! Such nodes are set aside, and the lookup goes on to the closest nodes beyond them. What is found
//! there counts. Where nothing is found there, the swarm is unknown and not empty.

use super::super::id::{self, Distance, NodeId};
use super::super::packed::Address;
use super::super::size::Size;
use super::{Ask, Candidate, State, Walk};

/// Closest nodes whose distances are looked at.
const RANKS: usize = 24;
/// Probability of a false alarm of one lookup, over all ranks.
const FALSE_ALARM: f64 = 1e-6;
/// Honest nodes may be so many times as dense as the estimate says: lookups that measured it may
/// have missed some of the closest nodes, which lookups by the law above do not.
const SLACK: f64 = 2.0;
/// With a probability below this, nothing found is not believed before [`WIDE`] nodes have
/// answered: an attacker may spread ids just far enough not to be set aside.
const UNLIKELY: f64 = 1e-2;
/// Nodes that must answer then.
pub(super) const WIDE: usize = 24;
/// Clusters set aside in one lookup. More of them than this are not worth the packets.
const MAX_CLUSTERS: u8 = 6;
/// Bits that the detours of one round turn, and nodes that are asked for each.
const DETOUR_BITS: u32 = 4;
const DETOUR_NODES: usize = 2;
/// Rounds of detours.
const MAX_DETOURS: u8 = 8;

/// What a lookup doubts.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Nodes within this share of the key space are set aside, unless BEP 42 speaks for them.
    edge: f64,
    clusters: u8,
    /// Nodes beyond are wanted from those known before.
    wants_more: bool,
    detours: u8,
    /// Where the latest detours began.
    reach: Option<Distance>,
}

impl Doubt {
    /// Whether a node is not to be asked at all.
    pub(super) fn refuses(&self, node: &Candidate) -> bool {
        self.edge > 0.0 && node.distance.share() <= self.edge && !is_bound(&node.id, &node.address)
    }

    /// Whether the lookup waits for further nodes.
    pub(super) fn is_wanting(&self) -> bool {
        self.wants_more
    }

    /// Whether anything was set aside.
    pub(super) fn is_raised(&self) -> bool {
        self.clusters > 0
    }
}

/// BEP 42 ties the id of this node to its address. Of random ids one in two million is.
fn is_bound(id: &NodeId, address: &Address) -> bool {
    id::is_secure(id, address.ip()) && !id::is_exempt(address.ip())
}

impl Walk {
    /// Judges the nodes closest to the target that have answered. Says whether the lookup has to
    /// go on because of it.
    pub(super) fn doubt(&mut self, size: &Size) -> bool {
        let answered = |node: &&Candidate| node.state == State::Answered && !node.doubted;
        let beyond = |node: &&Candidate| node.distance.share() > self.doubt.edge;
        let nodes = self.nodes.iter().filter(answered).filter(beyond);
        let nodes: Vec<&Candidate> = nodes.take(RANKS).collect();
        if let Some(count) = self.cluster(&nodes, size) {
            let members = &nodes[..count];
            // Ids that BEP 42 binds to addresses take thousands of addresses to choose: where they
            // alone would not surprise, the others are the cluster.
            let bound = |node: &&&Candidate| is_bound(&node.id, &node.address);
            let tied: Vec<&Candidate> = members.iter().filter(bound).copied().collect();
            let spare = self.cluster(&tied, size).is_none();
            let aside = members.iter().filter(|node| !spare || !bound(node));
            let aside: Vec<NodeId> = aside.map(|node| node.id).collect();
            let edge = members.last().map_or(0.0, |last| last.distance.share());
            return self.set_aside(&aside, edge);
        }
        self.trusted() == 0 && (self.ask_wider(size) || self.detour(size))
    }

    /// How many of these nodes, closest first, are a cluster: the number that is least likely by
    /// chance, if even that is too unlikely.
    fn cluster(&self, nodes: &[&Candidate], size: &Size) -> Option<usize> {
        let edge = self.doubt.edge;
        let shares = nodes.iter().map(|node| (node.distance.share() - edge) * SLACK);
        let surprise = size.surprise(shares)?;
        let (at, least) = least(&surprise)?;
        (least < (FALSE_ALARM / RANKS as f64).ln()).then_some(at + 1)
    }

    /// Sets nodes aside, and all that only they named.
    fn set_aside(&mut self, aside: &[NodeId], edge: f64) -> bool {
        self.doubt.edge = edge;
        self.doubt.clusters += 1;
        for node in &mut self.nodes {
            node.doubted |= aside.contains(&node.id);
        }
        let named = |node: &Candidate| node.named_by.is_some_and(|by| aside.contains(&by));
        let doubt = &self.doubt;
        let stays = |node: &Candidate| {
            node.state == State::Answered || !named(node) && !doubt.refuses(node)
        };
        let (stay, gone) = self.nodes.drain(..).partition(stays);
        self.nodes = stay;
        let gone: Vec<Candidate> = gone;
        gone.iter().for_each(|node| self.forget(node));
        self.extra.retain(|(id, _)| !aside.contains(id));
        self.tally.doubted += aside.len() as u32;
        self.doubt.wants_more = true;
        self.doubt.clusters < MAX_CLUSTERS
    }

    /// Has more nodes asked where nothing was found and the closest are denser than usual.
    fn ask_wider(&mut self, size: &Size) -> bool {
        if self.k >= WIDE {
            return false;
        }
        let answered = |node: &&Candidate| node.state == State::Answered;
        let shares = self.nodes.iter().filter(answered).take(self.k);
        let shares = shares.map(|node| node.distance.share());
        let surprise = size.surprise(shares).unwrap_or_default();
        let is_dense = least(&surprise).is_some_and(|(_, least)| least < UNLIKELY.ln());
        if is_dense {
            self.k = WIDE;
            self.doubt.wants_more = true;
        }
        is_dense
    }

    /// Looks for honest nodes that the cluster has pushed out of the answers of others: asks for
    /// the surroundings of ids as close to the target as honest nodes are, but on the other side of
    /// a bit, where the cluster is no closer than they. Goes on as long as that brings closer ones.
    fn detour(&mut self, size: &Size) -> bool {
        let closest: Vec<(NodeId, Distance)> = self
            .closest()
            .map(|node| (node.id, node.distance))
            .collect();
        let Some((_, reach)) = closest.last().copied().filter(|_| self.doubt.is_raised()) else {
            return false;
        };
        let comes_closer = self.doubt.reach.is_none_or(|before| reach < before);
        if !comes_closer || self.doubt.detours >= MAX_DETOURS {
            return false;
        }
        self.doubt.reach = Some(reach);
        self.doubt.detours += 1;
        let first = size.bits().saturating_sub(DETOUR_BITS - 1);
        for (turn, bit) in (first..first + DETOUR_BITS).enumerate() {
            let around = self.target.flipped(bit);
            let nodes = closest.iter().cycle().skip(turn * DETOUR_NODES);
            let nodes = nodes.take(DETOUR_NODES.min(closest.len()));
            self.extra.extend(nodes.map(|(id, _)| (*id, Ask::Around(around))));
        }
        true
    }

    /// Whether nodes are wanted beyond this share of the key space, of those that answered before
    /// this lookup. Says so once.
    pub(in crate::dht) fn wants_more(&mut self) -> Option<f64> {
        std::mem::take(&mut self.doubt.wants_more).then_some(self.doubt.edge)
    }
}

/// Place and value of the least.
fn least(values: &[f64]) -> Option<(usize, f64)> {
    let values = values.iter().copied().enumerate();
    values.min_by(|(_, a), (_, b)| a.total_cmp(b))
}
