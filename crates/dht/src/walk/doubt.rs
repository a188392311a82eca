//! Nodes that lie closer to the target than an honest DHT allows (Sybil and eclipse attacks).
//!
//! An attacker who owns the eight closest nodes of an info-hash decides what a lookup hears. That
//! takes ids much closer to it than those of honest nodes, which shows: see [`Size::surprise`].
//! Such nodes are set aside, and the lookup goes on to the closest nodes beyond them. What is found
//! there counts. Where nothing is found there, the swarm is unknown and not empty.

use super::super::id::{self, Distance, NodeId};
use super::super::packed::Address;
use super::super::size::Size;
use super::{Ask, Candidate, K, State, Walk};

/// Closest nodes whose distances are looked at.
const RANKS: usize = 24;
/// Probability of a false alarm of one lookup, over all ranks.
const FALSE_ALARM: f64 = 1e-6;
/// Honest nodes may be so many times as dense as the estimate says: lookups that measured it may
/// have missed some of the closest nodes, which lookups by the law above do not.
const SLACK: f64 = 2.0;
/// The same where nodes that do not answer count, too: tables hold nodes that are long gone.
const SLACK_SILENT: f64 = 4.0;
/// An attacker may spread ids just far enough not to raise an alarm. So where nothing is found and
/// the distances have a probability below this, the nodes beyond are asked, too. A false alarm of
/// this kind costs packets, and no answer: what is empty stays so.
const UNLIKELY: f64 = 2e-2;
/// The last of the closest nodes beyond a crowd may be so many times as far from it as on average.
const REACH: f64 = 3.0;
/// Clusters set aside in one lookup. More of them than this are not worth the packets.
const MAX_CLUSTERS: u8 = 6;
/// Closest nodes that are asked for others in one round of detours.
const DETOUR_NODES: usize = 4;
/// Rounds of detours.
const MAX_DETOURS: u8 = 10;
/// Leading bits, up to those that the closest honest nodes share with the target, around which all
/// are asked for in the end.
const SURVEY_BITS: u32 = 4;

/// What a lookup doubts.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Nodes within this share of the key space are set aside, unless BEP 42 speaks for them.
    edge: f64,
    clusters: u8,
    is_alarmed: bool,
    /// Nodes beyond are wanted from those known before.
    wants_more: bool,
    detours: u8,
    /// How near the nodes were that the latest detours began at.
    reach: Option<Distance>,
    is_surveyed: bool,
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

    /// Whether there are nodes that no honest DHT would have there.
    pub(super) fn is_alarmed(&self) -> bool {
        self.is_alarmed
    }
}

/// Nodes too many for the space they take, and how far that reaches.
struct Crowd {
    members: Vec<NodeId>,
    edge: f64,
}

/// BEP 42 ties the id of this node to its address. Of random ids one in two million is.
fn is_bound(id: &NodeId, address: &Address) -> bool {
    id::is_secure(id, address.ip()) && !id::is_exempt(address.ip())
}

impl Walk {
    /// Judges the nodes closest to the target. Says whether the lookup has to go on because of it.
    pub(super) fn doubt(&mut self, size: &mut Size) -> bool {
        let answered = |node: &Candidate| node.state == State::Answered;
        let asked = |node: &Candidate| node.state != State::Heard;
        let alarm = (FALSE_ALARM / RANKS as f64).ln();
        let crowd = self.crowd(size, answered, SLACK, alarm);
        let crowd = crowd.or_else(|| self.crowd(size, asked, SLACK_SILENT, alarm));
        if let Some(crowd) = crowd {
            self.doubt.is_alarmed = true;
            return self.set_aside(&crowd);
        }
        if self.trusted() != 0 {
            return false;
        }
        match self.crowd(size, answered, 1.0, UNLIKELY.ln()) {
            Some(crowd) => {
                size.want_more();
                self.set_aside(&crowd)
            }
            None => self.detour(size),
        }
    }

    /// Nodes that are too many for the space they take, and how far it reaches.
    fn crowd(
        &self,
        size: &Size,
        is_seen: impl Fn(&Candidate) -> bool,
        slack: f64,
        limit: f64,
    ) -> Option<Crowd> {
        let edge = self.doubt.edge;
        let beyond = |node: &&Candidate| !node.doubted && node.distance.share() > edge;
        let nodes = self
            .nodes
            .iter()
            .filter(beyond)
            .filter(|node| is_seen(node));
        let nodes: Vec<&Candidate> = nodes.take(RANKS).collect();
        let members = &nodes[..self.cluster(&nodes, size, slack, limit)?];
        // Ids that BEP 42 binds to addresses take thousands of addresses to choose: where they
        // alone would not surprise, the others are the crowd.
        let bound = |node: &&&Candidate| is_bound(&node.id, &node.address);
        let tied: Vec<&Candidate> = members.iter().filter(bound).copied().collect();
        let spares = self.cluster(&tied, size, slack, limit).is_none();
        let aside = members.iter().filter(|node| !spares || !bound(node));
        let edge = members.last().map_or(0.0, |last| last.distance.share());
        Some(Crowd {
            members: aside.map(|node| node.id).collect(),
            edge,
        })
    }

    /// How many of these nodes, closest first, are a cluster: the number that is least likely by
    /// chance, if even that is too unlikely.
    fn cluster(&self, nodes: &[&Candidate], size: &Size, slack: f64, limit: f64) -> Option<usize> {
        let edge = self.doubt.edge;
        let shares = nodes
            .iter()
            .map(|node| (node.distance.share() - edge) * slack);
        let surprise = size.surprise(shares)?;
        let (at, least) = least(&surprise)?;
        (least < limit).then_some(at + 1)
    }

    /// Sets nodes aside, and all that only they named.
    fn set_aside(&mut self, crowd: &Crowd) -> bool {
        if self.doubt.clusters >= MAX_CLUSTERS {
            return false;
        }
        let aside = &crowd.members;
        self.doubt.edge = crowd.edge;
        self.doubt.clusters += 1;
        for node in self.nodes.iter_mut() {
            node.doubted |= aside.contains(&node.id);
        }
        let named = |node: &Candidate| node.named_by.is_some_and(|by| aside.contains(&by));
        let doubt = &self.doubt;
        let stays = |node: &Candidate| {
            node.state == State::Answered || !named(node) && !doubt.refuses(node)
        };
        let gone = self.nodes.part(stays);
        gone.iter().for_each(|node| self.forget(node));
        self.extra.retain(|(id, _)| !aside.contains(id));
        self.doubt.wants_more = true;
        true
    }

    /// Looks for honest nodes that the crowd has pushed out of the answers of others. Asks the
    /// closest nodes beyond it for ids that are closer to the target than they are, but differ from
    /// it in a bit before the crowd does: there the crowd is no closer than honest nodes.
    fn detour(&mut self, size: &Size) -> bool {
        let closest = self.closest().take(DETOUR_NODES);
        let closest: Vec<(NodeId, Distance)> = closest.map(|n| (n.id, n.distance)).collect();
        let is_needed = self.doubt.clusters > 0;
        let Some((_, reach)) = closest.last().copied().filter(|_| is_needed) else {
            return false;
        };
        let comes_closer = self.doubt.reach.is_none_or(|before| reach < before);
        if self.doubt.detours >= MAX_DETOURS || !comes_closer && self.doubt.is_surveyed {
            return false;
        }
        self.doubt.detours += 1;
        self.doubt.reach = Some(reach);
        let target = self.target;
        let around = |id: NodeId, bit: u32| (id, Ask::Around(target.flipped(bit.min(159))));
        if comes_closer {
            let nearer = closest.iter().flat_map(|(id, distance)| {
                let bits = distance.shared_bits();
                [around(*id, bits + 1), around(*id, bits + 2)]
            });
            self.extra.extend(nearer);
        } else {
            // No closer node was found: look for other honest nodes at about the same distance.
            self.doubt.is_surveyed = true;
            let first = size.bits().saturating_sub(SURVEY_BITS - 1);
            let nodes = closest.iter().cycle();
            let bits = (first..first + SURVEY_BITS).flat_map(|bit| [bit, bit]);
            let survey = nodes.zip(bits).map(|((id, _), bit)| around(*id, bit));
            self.extra.extend(survey);
        }
        true
    }

    /// Whether a lookup that found nothing met the nodes that would know: where nodes were set
    /// aside, the closest beyond them must be as near as the size of the DHT makes expect.
    pub(super) fn is_conclusive(&self, size: &Size) -> bool {
        if self.doubt.clusters == 0 {
            return true;
        }
        let nodes = size.estimate().map_or(0.0, |nodes| nodes as f64);
        let last = self.closest().take(K).last();
        let reach = last.map_or(1.0, |last| last.distance.share()) - self.doubt.edge;
        !self.doubt.is_alarmed && reach * nodes <= REACH * K as f64
    }

    /// Nodes set aside that count as suspicious: where the result rests on it.
    pub(super) fn doubted(&self) -> u32 {
        let is_serious = self.doubt.is_alarmed || self.is_unsure;
        let doubted = self.nodes.iter().filter(|node| node.doubted && is_serious);
        doubted.count() as u32
    }

    /// Whether nodes are wanted beyond this share of the key space, of those that answered before
    /// this lookup. Says so once.
    pub(crate) fn wants_more(&mut self) -> Option<f64> {
        std::mem::take(&mut self.doubt.wants_more).then_some(self.doubt.edge)
    }
}

/// Place and value of the least.
fn least(values: &[f64]) -> Option<(usize, f64)> {
    let values = values.iter().copied().enumerate();
    values.min_by(|(_, a), (_, b)| a.total_cmp(b))
}
