//! Every node that is known, in the order of ids, shared by all lookups of one family.
//!
//! A lookup starts from the nodes closest to its target and leaves what it learned here, so the
//! next lookup nearby starts closer. Bounded: what is not needed again is trimmed behind the
//! sweep, and above the capacity a hand goes round and takes what never answered.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::ops::Bound;

use super::Contact;
use super::id::NodeId;
use super::packed::Address;
use seedwatch_clock::Mono;

/// Minutes that a node which did not answer is left alone.
const BAD_MINUTES: u16 = 20;
/// Minutes that an answer counts for the number of nodes.
const FRESH_MINUTES: u16 = 150;
/// Failures in a row that make a node bad which had answered before: one packet may get lost.
const PATIENCE: u8 = 2;
/// Nodes kept at least, and for each watched info-hash: the closest ones and some to replace them.
const CAPACITY: usize = 8192;
const CAPACITY_EACH: usize = 12;
/// Nodes kept at most.
const MAX_CAPACITY: usize = 4_000_000;
/// Neighbours of a target looked at for each of the closest that is wanted, before its subtree is
/// cut in halves: more of them only where nodes crowd.
const SIDES: usize = 6;
/// Nodes looked at for one that must go.
const HAND_REACH: usize = 64;

/// Nodes by id.
#[derive(Debug)]
pub(super) struct Cache {
    nodes: BTreeMap<NodeId, Node>,
    /// Nodes that answered when last asked, by the minute of the answer.
    good: Vec<u32>,
    capacity: usize,
    hand: NodeId,
    /// The memory of the latest search.
    scratch: Vec<Known>,
}

/// What is known of a node, in 24 bytes. Minutes count from 1 at the start of the process.
#[derive(Debug, Clone, Copy)]
struct Node {
    address: Address,
    /// Minute of the latest answer; 0 = never.
    answered: u16,
    /// Minute of the latest failure; 0 = none.
    failed: u16,
    /// Failures since the latest answer.
    failures: u8,
}

/// A node to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: NodeId,
    pub(super) address: Address,
    /// It answered when last asked, and not long ago.
    pub(super) good: bool,
}

impl Node {
    fn is_good(&self) -> bool {
        self.answered != 0 && self.failures == 0
    }

    fn is_fresh(&self, minute: u16) -> bool {
        self.is_good() && between(self.answered, minute) <= FRESH_MINUTES
    }

    fn known(&self, id: NodeId, minute: u16) -> Known {
        Known {
            id,
            address: self.address,
            good: self.is_fresh(minute),
        }
    }

    fn is_bad(&self, minute: u16) -> bool {
        let patience = if self.answered == 0 { 1 } else { PATIENCE };
        self.failures >= patience && between(self.failed, minute) < BAD_MINUTES
    }
}

/// Minutes of the process that can be told apart: 45 days. A node that was not asked for so long
/// looks fresh for a while, which costs one packet.
const MINUTES: u64 = u16::MAX as u64;

/// The minute of a time, from 1.
fn minute(now: Mono) -> u16 {
    (now.0 / 60_000 % MINUTES) as u16 + 1
}

/// Minutes between two of them.
fn between(then: u16, now: u16) -> u16 {
    ((MINUTES + u64::from(now) - u64::from(then)) % MINUTES) as u16
}

impl Cache {
    pub(super) fn new() -> Self {
        Self {
            nodes: BTreeMap::new(),
            good: vec![0; MINUTES as usize + 1],
            capacity: CAPACITY,
            hand: NodeId([0; 20]),
            scratch: Vec::new(),
        }
    }

    /// Makes room for the surroundings of so many info-hashes.
    pub(super) fn set_targets(&mut self, targets: usize) {
        self.capacity = (CAPACITY + targets * CAPACITY_EACH).min(MAX_CAPACITY);
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Nodes that answered when last asked, and not long ago.
    pub(super) fn good(&self, now: Mono) -> usize {
        let now = u64::from(minute(now));
        let minutes = (0..=u64::from(FRESH_MINUTES)).map(|ago| (MINUTES + now - 1 - ago) % MINUTES);
        minutes.map(|at| self.good[at as usize + 1] as usize).sum()
    }

    /// Takes note of a node's standing before (`false`) or after (`true`) it changes.
    fn book(good: &mut [u32], node: &Node, after: bool) {
        if node.is_good() {
            let count = &mut good[usize::from(node.answered)];
            *count = if after { *count + 1 } else { *count - 1 };
        }
    }

    /// Somebody named a node. What is known of it stays; a new address replaces one that does not
    /// answer. Returns where to ask it, unless it is left alone for a while.
    pub(super) fn hear(&mut self, id: NodeId, address: Address, now: Mono) -> Option<Address> {
        match self.nodes.entry(id) {
            Entry::Vacant(place) => {
                place.insert(Node {
                    address,
                    answered: 0,
                    failed: 0,
                    failures: 0,
                });
                if self.nodes.len() > self.capacity {
                    self.evict(now);
                }
                Some(address)
            }
            Entry::Occupied(mut known) => {
                let node = known.get_mut();
                // Its failures are booked already: it is not good.
                if node.address != address && node.failures > 0 {
                    node.address = address;
                    node.failures = 0;
                    node.answered = 0;
                }
                (!node.is_bad(minute(now))).then_some(node.address)
            }
        }
    }

    /// A node answered from its address under its id.
    pub(super) fn answered(&mut self, id: NodeId, address: Address, now: Mono) {
        // Known there already, as most that answer are: one search instead of two.
        if !self.note_answer(&id, address, now) {
            self.hear(id, address, now);
            self.note_answer(&id, address, now);
        }
    }

    /// Takes note of an answer, if the node is known at this address.
    fn note_answer(&mut self, id: &NodeId, address: Address, now: Mono) -> bool {
        let known = self.nodes.get_mut(id);
        let Some(node) = known.filter(|node| node.address == address) else {
            return false;
        };
        Self::book(&mut self.good, node, false);
        node.answered = minute(now);
        node.failures = 0;
        Self::book(&mut self.good, node, true);
        true
    }

    /// A node did not answer, or not as itself.
    pub(super) fn failed(&mut self, id: &NodeId, now: Mono) {
        if let Some(node) = self.nodes.get_mut(id) {
            Self::book(&mut self.good, node, false);
            node.failures = node.failures.saturating_add(1);
            node.failed = minute(now);
        }
    }

    /// The `n` nodes closest to a target that are not bad, closest first.
    pub(super) fn closest(&mut self, target: &NodeId, n: usize, now: Mono) -> Vec<Known> {
        let minute = minute(now);
        let mut found = std::mem::take(&mut self.scratch);
        self.closest_of(
            target,
            n,
            minute,
            &|(_, node)| !node.is_bad(minute),
            &mut found,
        );
        let closest = found.clone();
        self.scratch = found;
        closest
    }

    /// The `n` nodes closest to a target that answered lately and are farther from it than this
    /// share of the key space, closest first.
    pub(super) fn closest_beyond(
        &self,
        target: &NodeId,
        edge: f64,
        n: usize,
        now: Mono,
    ) -> Vec<Known> {
        let minute = minute(now);
        let usable = |(id, node): &(&NodeId, &Node)| {
            node.is_fresh(minute) && target.distance(id).share() > edge
        };
        let mut found = Vec::new();
        self.closest_of(target, n, minute, &usable, &mut found);
        found
    }

    fn closest_of(
        &self,
        target: &NodeId,
        n: usize,
        minute: u16,
        usable: &dyn Fn(&(&NodeId, &Node)) -> bool,
        found: &mut Vec<Known>,
    ) {
        found.clear();
        found.reserve(SIDES * n);
        // The n-th usable neighbours on either side bound the smallest subtree that surely holds
        // enough; the closest are all in it.
        let mut below = self.nodes.range(..target).rev().filter(|node| usable(node));
        let mut above = self.nodes.range(target..).filter(|node| usable(node));
        let known = |(id, node): (&NodeId, &Node)| node.known(*id, minute);
        found.extend(below.by_ref().take(n).map(known));
        let low = found.get(n - 1).map(|nth| target.shared_bits(&nth.id));
        let low_count = found.len();
        found.extend(above.by_ref().take(n).map(known));
        let high = found.get(low_count + n - 1);
        let high = high.map(|nth| target.shared_bits(&nth.id));
        let depth = low.max(high).unwrap_or(0).min(159);
        // The rest of the subtree, which the same two walks through the tree go on to.
        let (first, last) = subtree(target, depth);
        let below = below.take_while(|(id, _)| **id >= first);
        let above = above.take_while(|(id, _)| **id <= last);
        let most = SIDES * n - found.len();
        found.extend(below.chain(above).take(most).map(known));
        if found.len() == SIDES * n {
            found.clear();
            self.collect(target, depth, n, usable, minute, found);
        }
        let distance = |known: &Known| target.distance(&known.id);
        if found.len() > n {
            found.select_nth_unstable_by_key(n - 1, distance);
            found.truncate(n);
        }
        found.sort_unstable_by_key(distance);
    }

    /// Adds usable nodes of the subtree that shares `depth` bits with `target`, nearest subtrees
    /// first, until there are `n`.
    fn collect(
        &self,
        target: &NodeId,
        depth: u32,
        n: usize,
        usable: &dyn Fn(&(&NodeId, &Node)) -> bool,
        minute: u16,
        found: &mut Vec<Known>,
    ) {
        let (first, last) = subtree(target, depth);
        let nodes = self.nodes.range(first..=last);
        let before = found.len();
        for (id, node) in nodes.filter(|node| usable(node)) {
            if found.len() == n && depth < 159 {
                // More than fit: the half with the target's next bit comes first.
                found.truncate(before);
                self.collect(target, depth + 1, n, usable, minute, found);
                if found.len() < n {
                    self.collect(&target.flipped(depth), depth + 1, n, usable, minute, found);
                }
                return;
            }
            found.push(node.known(*id, minute));
        }
    }

    /// Forgets what was only heard of, or is bad for good, between two ids: the sweep has passed.
    pub(super) fn trim(&mut self, from: &NodeId, to: &NodeId, now: Mono) {
        if from >= to {
            return;
        }
        let minute = minute(now);
        let range = (Bound::Excluded(*from), Bound::Excluded(*to));
        let gone: Vec<NodeId> = self
            .nodes
            .range(range)
            .filter(|(_, node)| !node.is_bad(minute) && !node.is_fresh(minute))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.remove(&id);
        }
    }

    /// Makes room for one node: the hand takes the next that never answered or no longer does,
    /// and any other only when there is none within its reach.
    fn evict(&mut self, now: Mono) {
        let minute = minute(now);
        let after = (Bound::Excluded(self.hand), Bound::Unbounded);
        let around = self.nodes.range(after).chain(self.nodes.iter());
        let mut victim = None;
        for (id, node) in around.take(HAND_REACH) {
            victim = Some(*id);
            if !node.is_fresh(minute) {
                break;
            }
        }
        if let Some(id) = victim {
            self.hand = id;
            self.remove(&id);
        }
    }

    fn remove(&mut self, id: &NodeId) {
        if let Some(node) = self.nodes.remove(id) {
            Self::book(&mut self.good, &node, false);
        }
    }

    /// At most `n` nodes that answered, spread over the key space: what is worth saving. They say
    /// nothing of what was looked for.
    pub(super) fn spread(&self, n: u16) -> Vec<Contact> {
        let mut chosen: Vec<Contact> = Vec::new();
        for part in 0..n {
            let mut point = [0; 20];
            let start = u64::from(part) * (u64::MAX / u64::from(n));
            point[..8].copy_from_slice(&start.to_be_bytes());
            let next = self.nodes.range(NodeId(point)..).take(HAND_REACH);
            if let Some((id, node)) = next.into_iter().find(|(_, node)| node.is_good())
                && chosen.last().is_none_or(|last| last.id != *id)
            {
                chosen.push(Contact {
                    id: *id,
                    address: SocketAddr::from(node.address),
                });
            }
        }
        chosen
    }
}

/// First and last id that share `depth` bits with `target`.
fn subtree(target: &NodeId, depth: u32) -> (NodeId, NodeId) {
    let (mut first, mut last) = (target.0, target.0);
    let whole = depth as usize / 8;
    if whole < 20 {
        let mask = 0xffu8 >> (depth % 8);
        first[whole] &= !mask;
        last[whole] |= mask;
        first[whole + 1..].fill(0);
        last[whole + 1..].fill(0xff);
    }
    (NodeId(first), NodeId(last))
}

#[cfg(test)]
mod tests;
