//! The node table: all known nodes of one family, ordered by id and shared by all lookups.
//!
//! A lookup starts from the nodes closest to its target and stores the nodes that it finds, so the
//! next lookup nearby starts closer. The table is bounded. Nodes behind the schedule are trimmed.
//! Above the capacity, a cursor goes round and evicts nodes that never answered.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::ops::Bound;

use super::Contact;
use super::id::NodeId;
use super::packed::PackedAddress;
use seedwatch_clock::Mono;

/// Minutes for which a node that failed is not queried.
const BAD_MINUTES: u16 = 20;
/// Minutes for which an answer keeps a node good.
const FRESH_MINUTES: u16 = 150;
/// Failures in a row that make a node bad if it had answered before: one packet may get lost.
const MAX_FAILURES: u8 = 2;
/// Least capacity, and capacity per watched info-hash: its closest nodes and some replacements.
const MIN_CAPACITY: usize = 8192;
const CAPACITY_PER_TARGET: usize = 12;
/// Largest capacity.
const MAX_CAPACITY: usize = 4_000_000;
/// Neighbours of a target that are examined per wanted node before its subtree is halved. More
/// neighbours than this only exist where nodes cluster.
const SEARCH_FACTOR: usize = 6;
/// Nodes that are examined to evict one.
const EVICTION_SCAN: usize = 64;

/// The nodes by id.
#[derive(Debug)]
pub(super) struct NodeTable {
    nodes: BTreeMap<NodeId, NodeRecord>,
    /// Number of good nodes by the minute of their latest answer.
    good_by_minute: Vec<u32>,
    capacity: usize,
    eviction_cursor: NodeId,
    /// Allocation that searches reuse.
    scratch: Vec<KnownNode>,
}

/// The state of a node, in 24 bytes. Minutes count from 1 at the start of the process.
#[derive(Debug, Clone, Copy)]
struct NodeRecord {
    address: PackedAddress,
    /// Minute of the latest answer; 0 if there was none.
    answered: u16,
    /// Minute of the latest failure; 0 if there was none.
    failed: u16,
    /// Failures since the latest answer.
    failures: u8,
}

/// A node to start a lookup from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownNode {
    pub(super) id: NodeId,
    pub(super) address: PackedAddress,
    /// Whether it answered the latest query, and recently.
    pub(super) is_good: bool,
}

impl NodeRecord {
    fn is_good(&self) -> bool {
        self.answered != 0 && self.failures == 0
    }

    fn is_fresh(&self, minute: u16) -> bool {
        self.is_good() && minutes_between(self.answered, minute) <= FRESH_MINUTES
    }

    fn known(&self, id: NodeId, minute: u16) -> KnownNode {
        KnownNode {
            id,
            address: self.address,
            is_good: self.is_fresh(minute),
        }
    }

    fn is_bad(&self, minute: u16) -> bool {
        let allowed = if self.answered == 0 { 1 } else { MAX_FAILURES };
        self.failures >= allowed && minutes_between(self.failed, minute) < BAD_MINUTES
    }
}

/// Range of the minute counter: 45 days. A node that was not queried for so long appears fresh for
/// a while, which costs one packet.
const MINUTES: u64 = u16::MAX as u64;

/// Returns the minute of a time, from 1.
fn minute(now: Mono) -> u16 {
    (now.0 / 60_000 % MINUTES) as u16 + 1
}

/// Returns the minutes from `then` to `now`.
fn minutes_between(then: u16, now: u16) -> u16 {
    ((MINUTES + u64::from(now) - u64::from(then)) % MINUTES) as u16
}

impl NodeTable {
    pub(super) fn new() -> Self {
        Self {
            nodes: BTreeMap::new(),
            good_by_minute: vec![0; MINUTES as usize + 1],
            capacity: MIN_CAPACITY,
            eviction_cursor: NodeId([0; 20]),
            scratch: Vec::new(),
        }
    }

    /// Sets the capacity for this number of info-hashes.
    pub(super) fn set_targets(&mut self, targets: usize) {
        self.capacity = (MIN_CAPACITY + targets * CAPACITY_PER_TARGET).min(MAX_CAPACITY);
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the number of nodes that answered the latest query, and recently.
    pub(super) fn count_good(&self, now: Mono) -> usize {
        let now = u64::from(minute(now));
        let minutes = (0..=u64::from(FRESH_MINUTES)).map(|ago| (MINUTES + now - 1 - ago) % MINUTES);
        minutes
            .map(|at| self.good_by_minute[at as usize + 1] as usize)
            .sum()
    }

    /// Updates the count of good nodes, before (`false`) or after (`true`) a node changes.
    fn adjust_good(good: &mut [u32], node: &NodeRecord, after: bool) {
        if node.is_good() {
            let count = &mut good[usize::from(node.answered)];
            *count = if after { *count + 1 } else { *count - 1 };
        }
    }

    /// Adds a node that another one named. A known node keeps its state; a new address replaces one
    /// that failed. Returns the address to query, unless the node is bad.
    pub(super) fn add_named(
        &mut self,
        id: NodeId,
        address: PackedAddress,
        now: Mono,
    ) -> Option<PackedAddress> {
        match self.nodes.entry(id) {
            Entry::Vacant(vacant) => {
                vacant.insert(NodeRecord {
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
                // The node failed, so it is not in the count of good nodes.
                if node.address != address && node.failures > 0 {
                    node.address = address;
                    node.failures = 0;
                    node.answered = 0;
                }
                (!node.is_bad(minute(now))).then_some(node.address)
            }
        }
    }

    /// Records an answer of a node.
    pub(super) fn record_answer(&mut self, id: NodeId, address: PackedAddress, now: Mono) {
        // Most nodes that answer are known at this address, which takes one search instead of two.
        if !self.note_answer(&id, address, now) {
            self.add_named(id, address, now);
            self.note_answer(&id, address, now);
        }
    }

    /// Records an answer if the node is known at this address. Returns whether it is.
    fn note_answer(&mut self, id: &NodeId, address: PackedAddress, now: Mono) -> bool {
        let known = self.nodes.get_mut(id);
        let Some(node) = known.filter(|node| node.address == address) else {
            return false;
        };
        Self::adjust_good(&mut self.good_by_minute, node, false);
        node.answered = minute(now);
        node.failures = 0;
        Self::adjust_good(&mut self.good_by_minute, node, true);
        true
    }

    /// Records that a node did not answer, or answered under another id.
    pub(super) fn record_failure(&mut self, id: &NodeId, now: Mono) {
        if let Some(node) = self.nodes.get_mut(id) {
            Self::adjust_good(&mut self.good_by_minute, node, false);
            node.failures = node.failures.saturating_add(1);
            node.failed = minute(now);
        }
    }

    /// Returns the `n` nodes closest to a target that are not bad, closest first.
    pub(super) fn closest(&mut self, target: &NodeId, n: usize, now: Mono) -> &[KnownNode] {
        let minute = minute(now);
        let mut found = std::mem::take(&mut self.scratch);
        self.closest_of(
            target,
            n,
            minute,
            &|(_, node)| !node.is_bad(minute),
            &mut found,
        );
        self.scratch = found;
        &self.scratch
    }

    /// Returns the `n` nodes closest to a target that answered recently and are farther from it
    /// than a share of the key space, closest first.
    pub(super) fn closest_beyond(
        &self,
        target: &NodeId,
        edge: f64,
        n: usize,
        now: Mono,
    ) -> Vec<KnownNode> {
        let minute = minute(now);
        let usable = |(id, node): &(&NodeId, &NodeRecord)| {
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
        usable: &dyn Fn(&(&NodeId, &NodeRecord)) -> bool,
        found: &mut Vec<KnownNode>,
    ) {
        found.clear();
        found.reserve(SEARCH_FACTOR * n);
        // The n-th usable neighbours on either side bound the smallest subtree that contains enough
        // nodes. The closest nodes are all in that subtree.
        let mut below = self.nodes.range(..target).rev().filter(|node| usable(node));
        let mut above = self.nodes.range(target..).filter(|node| usable(node));
        let known = |(id, node): (&NodeId, &NodeRecord)| node.known(*id, minute);
        found.extend(below.by_ref().take(n).map(known));
        let low = found.get(n - 1).map(|nth| target.shared_bits(&nth.id));
        let low_count = found.len();
        found.extend(above.by_ref().take(n).map(known));
        let high = found.get(low_count + n - 1);
        let high = high.map(|nth| target.shared_bits(&nth.id));
        let depth = low.max(high).unwrap_or(0).min(159);
        // The rest of the subtree, to which the same two iterators continue.
        let (first, last) = subtree(target, depth);
        let below = below.take_while(|(id, _)| **id >= first);
        let above = above.take_while(|(id, _)| **id <= last);
        let most = SEARCH_FACTOR * n - found.len();
        found.extend(below.chain(above).take(most).map(known));
        if found.len() == SEARCH_FACTOR * n {
            found.clear();
            self.collect_subtree(target, depth, n, usable, minute, found);
        }
        let by_distance =
            |one: &KnownNode, other: &KnownNode| target.compare_distances(&one.id, &other.id);
        if found.len() > n {
            found.select_nth_unstable_by(n - 1, by_distance);
            found.truncate(n);
        }
        found.sort_unstable_by(by_distance);
    }

    /// Adds usable nodes of the subtree that shares `depth` bits with `target`, nearest subtrees
    /// first, until there are `n`.
    fn collect_subtree(
        &self,
        target: &NodeId,
        depth: u32,
        n: usize,
        usable: &dyn Fn(&(&NodeId, &NodeRecord)) -> bool,
        minute: u16,
        found: &mut Vec<KnownNode>,
    ) {
        let (first, last) = subtree(target, depth);
        let nodes = self.nodes.range(first..=last);
        let before = found.len();
        for (id, node) in nodes.filter(|node| usable(node)) {
            if found.len() == n && depth < 159 {
                // There are more than fit: the half with the target's next bit comes first.
                found.truncate(before);
                self.collect_subtree(target, depth + 1, n, usable, minute, found);
                if found.len() < n {
                    self.collect_subtree(
                        &target.flipped(depth),
                        depth + 1,
                        n,
                        usable,
                        minute,
                        found,
                    );
                }
                return;
            }
            found.push(node.known(*id, minute));
        }
    }

    /// Removes the nodes between two ids that never answered or stopped answering. The schedule has
    /// passed them.
    pub(super) fn trim(&mut self, from: &NodeId, to: &NodeId, now: Mono) {
        if from >= to {
            return;
        }
        let minute = minute(now);
        let range = (Bound::Excluded(*from), Bound::Excluded(*to));
        let removed: Vec<NodeId> = self
            .nodes
            .range(range)
            .filter(|(_, node)| !node.is_bad(minute) && !node.is_fresh(minute))
            .map(|(id, _)| *id)
            .collect();
        for id in removed {
            self.remove(&id);
        }
    }

    /// Removes one node: the next one after the cursor that is not fresh, or else the last one
    /// examined.
    fn evict(&mut self, now: Mono) {
        let minute = minute(now);
        let after = (Bound::Excluded(self.eviction_cursor), Bound::Unbounded);
        let around = self.nodes.range(after).chain(self.nodes.iter());
        let mut victim = None;
        for (id, node) in around.take(EVICTION_SCAN) {
            victim = Some(*id);
            if !node.is_fresh(minute) {
                break;
            }
        }
        if let Some(id) = victim {
            self.eviction_cursor = id;
            self.remove(&id);
        }
    }

    fn remove(&mut self, id: &NodeId) {
        if let Some(node) = self.nodes.remove(id) {
            Self::adjust_good(&mut self.good_by_minute, &node, false);
        }
    }

    /// Returns at most `n` nodes that answered, spread evenly over the key space. They do not
    /// reveal what was looked up.
    pub(super) fn sample_evenly(&self, n: u16) -> Vec<Contact> {
        let mut chosen: Vec<Contact> = Vec::new();
        for part in 0..n {
            let mut point = [0; 20];
            let start = u64::from(part) * (u64::MAX / u64::from(n));
            point[..8].copy_from_slice(&start.to_be_bytes());
            let next = self.nodes.range(NodeId(point)..).take(EVICTION_SCAN);
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

/// Returns the first and the last id that share `depth` bits with `target`.
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
