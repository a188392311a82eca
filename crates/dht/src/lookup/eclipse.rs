//! Detection of nodes that lie closer to the target than an honest DHT allows (Sybil and eclipse
//! attacks).
//!
//! An attacker who owns the eight closest nodes of an info-hash controls what a lookup finds. This
//! takes ids much closer to the info-hash than those of honest nodes, which is detectable: see
//! [`NetworkSize::ln_bounds`]. A lookup excludes such nodes and continues to the closest nodes
//! beyond them. Peers that are found there count. If none are found there, the swarm is unknown,
//! not empty.

use super::super::bound_ids::BoundIds;
use super::super::id::{self, Distance, NodeId};
use super::super::network_size::NetworkSize;
use super::super::packed::PackedAddress;
use super::{Candidate, CandidateState, K, Lookup, QueryKind};

/// Closest nodes whose distances are tested.
const MAX_RANKS: usize = 24;
/// Probability of a false alarm per lookup, over all ranks.
const FALSE_ALARM: f64 = 1e-6;
/// Factor by which honest nodes may be denser than estimated. The lookups that measured the density
/// may have missed some of the closest nodes.
const SLACK: f64 = 2.0;
/// The same factor if unresponsive nodes count too: node tables hold nodes that left long ago.
const SLACK_SILENT: f64 = 4.0;
/// An attacker may spread ids just far enough to avoid an alarm. If nothing is found and the
/// distances have a probability below this, the nodes beyond are queried too. A false alarm of this
/// kind only costs packets: an empty swarm is still reported as empty.
const UNLIKELY: f64 = 0.05;
/// Probability of all distances together below which a lookup that excluded nodes cannot say that a
/// swarm is empty.
const CROWDED: f64 = 3e-3;
/// Factor by which the farthest of the closest nodes may exceed its expected distance if none of
/// them holds a peer. An honest DHT exceeds it once in 100,000 lookups.
const REACH: f64 = 3.0;
/// The same beyond a cluster. The cluster may have displaced the holders from the answers of other
/// nodes, and the nodes behind the holders are twice as far.
const REACH_BEYOND: f64 = 1.5;
/// Clusters that are excluded per lookup.
const MAX_CLUSTERS: u8 = 6;
/// Closest nodes that are asked in one round of detours.
const DETOUR_NODES: usize = 4;
/// Rounds of detours.
const MAX_DETOURS: u8 = 10;
/// Prefix lengths around the one that the closest honest nodes share with the target. The last
/// detour asks for nodes at each of them.
const SURVEY_BITS: u32 = 6;

/// The state of the detection in one lookup.
#[derive(Debug, Default)]
pub(super) struct EclipseGuard {
    /// Share of the key space around the target in which nodes are excluded, unless BEP 42 binds
    /// their id to their address.
    edge: f64,
    clusters: u8,
    is_alarmed: bool,
    /// Whether nodes beyond the edge are wanted from the node table.
    wants_more: bool,
    detours: u8,
    /// Distance of the farthest node that the latest detours asked.
    reach: Option<Distance>,
    is_surveyed: bool,
}

impl EclipseGuard {
    /// Returns whether a node must not be queried at all.
    pub(super) fn refuses(&self, node: &Candidate) -> bool {
        self.edge > 0.0
            && node.distance.share() <= self.edge
            && !is_address_bound(&node.id, &node.address)
    }

    /// Returns whether the lookup waits for nodes from the table.
    pub(super) fn awaits_nodes(&self) -> bool {
        self.wants_more
    }

    /// Returns whether nodes were excluded, for certain or on suspicion.
    pub(super) fn has_excluded(&self) -> bool {
        self.clusters > 0
    }

    /// Returns whether there are nodes that an honest DHT would not have there.
    pub(super) fn is_alarmed(&self) -> bool {
        self.is_alarmed
    }
}

/// Nodes that are too many for the share of the key space that they occupy.
struct Cluster {
    members: Vec<NodeId>,
    edge: f64,
}

/// Returns whether BEP 42 binds the id of this node to its address. One in two million random ids
/// is bound.
fn is_address_bound(id: &NodeId, address: &PackedAddress) -> bool {
    id::is_secure_id(id, address.ip()) && !id::is_exempt(address.ip())
}

impl Lookup {
    /// Tests the nodes closest to the target. Returns whether the lookup has to continue because of
    /// the result.
    pub(super) fn check_for_eclipse(&mut self, size: &mut NetworkSize) -> bool {
        let answered = |node: &Candidate| node.state == CandidateState::Answered;
        let asked = |node: &Candidate| node.state != CandidateState::Unqueried;
        let alarm = (FALSE_ALARM / MAX_RANKS as f64).ln();
        let cluster = self.find_cluster(size, answered, SLACK, alarm);
        let cluster = cluster.or_else(|| self.find_cluster(size, asked, SLACK_SILENT, alarm));
        if let Some(cluster) = cluster {
            self.guard.is_alarmed = true;
            return self.exclude(&cluster);
        }
        if self.trusted_holders() != 0 {
            return false;
        }
        match self.find_cluster(size, answered, 1.0, UNLIKELY.ln()) {
            Some(cluster) => {
                size.demand_precision();
                self.exclude(&cluster)
            }
            None => self.detour(size),
        }
    }

    /// Returns the nodes that are too many for the space they occupy, and how far it reaches.
    fn find_cluster(
        &self,
        size: &NetworkSize,
        is_seen: impl Fn(&Candidate) -> bool,
        slack: f64,
        limit: f64,
    ) -> Option<Cluster> {
        let edge = self.guard.edge;
        let beyond = |node: &&Candidate| !node.excluded && node.distance.share() > edge;
        let nodes = self
            .nodes
            .iter()
            .filter(beyond)
            .filter(|node| is_seen(node));
        let nodes: Vec<&Candidate> = nodes.take(MAX_RANKS).collect();
        let members = &nodes[..self.cluster_len(&nodes, size, slack, limit)?];
        // Choosing ids that BEP 42 binds to addresses takes thousands of addresses. If the bound
        // ids alone would be plausible, only the others are excluded.
        let bound = |node: &&&Candidate| is_address_bound(&node.id, &node.address);
        let tied: Vec<&Candidate> = members.iter().filter(bound).copied().collect();
        let spares = self.cluster_len(&tied, size, slack, limit).is_none();
        let excluded = members.iter().filter(|node| !spares || !bound(node));
        let edge = members.last().map_or(0.0, |last| last.distance.share());
        Some(Cluster {
            members: excluded.map(|node| node.id).collect(),
            edge,
        })
    }

    /// Returns how many of these nodes, closest first, form a cluster: the number with the least
    /// probability, if that is below the limit.
    fn cluster_len(
        &self,
        nodes: &[&Candidate],
        size: &NetworkSize,
        slack: f64,
        limit: f64,
    ) -> Option<usize> {
        let edge = self.guard.edge;
        let shares = nodes
            .iter()
            .map(|node| (node.distance.share() - edge) * slack);
        let bounds = size.ln_bounds(shares)?;
        let (at, least) = least(&bounds)?;
        (least < limit).then_some(at + 1)
    }

    /// Excludes nodes, and candidates that only they named. Returns false after too many clusters.
    fn exclude(&mut self, cluster: &Cluster) -> bool {
        if self.guard.clusters >= MAX_CLUSTERS {
            return false;
        }
        let excluded = &cluster.members;
        self.guard.edge = cluster.edge;
        self.guard.clusters += 1;
        for node in self.nodes.iter_mut() {
            node.excluded |= excluded.contains(&node.id);
        }
        let named = |node: &Candidate| node.named_by.is_some_and(|by| excluded.contains(&by));
        let guard = &self.guard;
        let stays = |node: &Candidate| {
            node.state == CandidateState::Answered || !named(node) && !guard.refuses(node)
        };
        let removed = self.nodes.extract_unless(stays);
        removed
            .iter()
            .for_each(|node| self.drop_extra_queries(node));
        self.extra_queries.retain(|(id, _)| !excluded.contains(id));
        self.guard.wants_more = true;
        true
    }

    /// Looks for honest nodes that the cluster displaced from the answers of others. Asks the
    /// closest nodes beyond it for ids that are closer to the target than they are, but differ from
    /// the target in a bit before the cluster does. The cluster is no closer to such an id than
    /// honest nodes are.
    fn detour(&mut self, size: &NetworkSize) -> bool {
        let closest = self.closest_answered().take(DETOUR_NODES);
        let closest: Vec<(NodeId, Distance)> = closest.map(|n| (n.id, n.distance)).collect();
        let is_needed = self.guard.clusters > 0;
        let Some((_, reach)) = closest.last().copied().filter(|_| is_needed) else {
            return false;
        };
        let comes_closer = self.guard.reach.is_none_or(|before| reach < before);
        if self.guard.detours >= MAX_DETOURS || !comes_closer && self.guard.is_surveyed {
            return false;
        }
        self.guard.detours += 1;
        self.guard.reach = Some(reach);
        let target = self.target;
        let around = |id: NodeId, bit: u32| (id, QueryKind::Around(target.flipped(bit.min(159))));
        if comes_closer {
            let nearer = closest.iter().flat_map(|(id, distance)| {
                let bits = distance.shared_bits();
                [around(*id, bits + 1), around(*id, bits + 2)]
            });
            self.extra_queries.extend(nearer);
        } else {
            // No closer node was found: look for other honest nodes at about the same distance.
            self.guard.is_surveyed = true;
            let first = size.typical_shared_bits().saturating_sub(SURVEY_BITS - 1);
            let nodes: Vec<NodeId> = self
                .closest_answered()
                .take(K)
                .map(|node| node.id)
                .collect();
            let bits = (first..first + SURVEY_BITS).flat_map(|bit| [bit, bit]);
            let survey = nodes.iter().cycle().zip(bits);
            self.extra_queries
                .extend(survey.map(|(id, bit)| around(*id, bit)));
        }
        true
    }

    /// Returns whether a lookup that found nothing reached the nodes that would know. The closest
    /// must be as near as the size of the DHT suggests, and their ids must not look chosen. Until
    /// the size is known, only a test network can have an empty swarm.
    pub(super) fn is_conclusive(&self, size: &NetworkSize, bound: &BoundIds) -> bool {
        let closest = || self.closest_answered().take(K);
        if self.guard.is_alarmed
            || bound.are_too_few(closest().map(|node| (node.id, node.address.ip())))
        {
            return false;
        }
        let Some(nodes) = size.measured() else {
            // In a test network so few nodes are normal. In the DHT of the internet, lookups that
            // find no eight nodes mean that we hardly reach it.
            return size.is_small() || !self.plan.require_distinct_subnets;
        };
        if self.guard.has_excluded() && self.is_crowded(size) {
            return false;
        }
        let last = closest().last();
        let reach = last.map_or(1.0, |last| last.distance.share()) - self.guard.edge;
        let factor = if self.guard.has_excluded() {
            REACH_BEYOND
        } else {
            REACH
        };
        reach * nodes <= factor * K as f64
    }

    /// Returns whether all nodes that answered, excluded or not, are together too many for the
    /// space they occupy. An attacker may place several clusters of which each alone is plausible.
    fn is_crowded(&self, size: &NetworkSize) -> bool {
        let answered = |node: &&Candidate| node.state == CandidateState::Answered;
        let nodes = self.nodes.iter().filter(answered).take(MAX_RANKS);
        let bounds = size.ln_bounds(nodes.map(|node| node.distance.share()));
        let least = bounds.as_deref().and_then(least);
        least.is_some_and(|(_, least)| least < CROWDED.ln())
    }

    /// Returns the number of excluded nodes, if the result depends on the exclusion.
    pub(super) fn suspicious_nodes(&self) -> u32 {
        let is_serious = self.guard.is_alarmed || self.is_unsure;
        let excluded = self.nodes.iter().filter(|node| node.excluded && is_serious);
        excluded.count() as u32
    }

    /// Returns the share of the key space beyond which nodes are wanted from the table. Returns it
    /// once per request.
    pub(crate) fn wants_more(&mut self) -> Option<f64> {
        std::mem::take(&mut self.guard.wants_more).then_some(self.guard.edge)
    }
}

/// Returns index and value of the minimum.
fn least(values: &[f64]) -> Option<(usize, f64)> {
    let values = values.iter().copied().enumerate();
    values.min_by(|(_, a), (_, b)| a.total_cmp(b))
}
