//! The nodes that a node knows: a pure function of two ids, so nothing is stored.
//!
//! As in Kademlia, a node keeps a bucket of 8 for each number of leading bits that an id shares
//! with its own. If a bucket has so few candidates that the node meets all of them, it knows each
//! with a probability.

use std::ops::Range;

use super::ids::Ids;
use super::random::{below, hash, unit};

/// Entries of a bucket, and nodes in an answer (BEP 5).
pub(super) const K: usize = 8;
/// Largest bucket of which a node may know all candidates: its neighbourhood. Twice K, since each
/// node looks up its own id and so meets the closest ones.
const NEIGHBOURHOOD: usize = 2 * K;

/// The routing table of one node.
pub(super) struct Table<'a> {
    pub(super) ids: &'a Ids,
    pub(super) node: usize,
    /// Probability of knowing a neighbour.
    pub(super) neighbours: f64,
    pub(super) seed: u64,
}

impl Table<'_> {
    /// Collects the known nodes closest to a target, closest first, at most [`K`].
    pub(super) fn closest(&self, target: u64, found: &mut Vec<u32>) {
        found.clear();
        let own = self.ids.prefix(self.node);
        let shared = (own ^ target).leading_zeros();
        // First the ids that share more bits with the target than our own id does, then those that
        // share as many, then those that share fewer.
        if shared < 64 {
            self.bucket(shared, found);
        }
        if found.len() < K {
            for bits in shared + 1..64 {
                if self.ids.block(own, bits).len() <= 1 {
                    break; // only ourselves
                }
                self.bucket(bits, found);
            }
        }
        for bits in (0..shared).rev() {
            if found.len() >= K {
                break;
            }
            self.bucket(bits, found);
        }
        found.sort_unstable_by_key(|node| self.ids.prefix(*node as usize) ^ target);
        found.truncate(K);
    }

    /// Returns all ids that share exactly `bits` leading bits with our own.
    fn candidates(&self, bits: u32) -> Range<usize> {
        let sibling = self.ids.prefix(self.node) ^ (1 << (63 - bits));
        self.ids.block(sibling, bits + 1)
    }

    /// Adds the entries of one bucket.
    fn bucket(&self, bits: u32, found: &mut Vec<u32>) {
        let all = self.candidates(bits);
        if all.len() <= NEIGHBOURHOOD {
            let known = |other: &usize| {
                let pair = hash(self.seed ^ 7, self.node as u64, *other as u64);
                unit(pair) < self.neighbours
            };
            found.extend(all.filter(known).map(|node| node as u32));
            return;
        }
        let bucket = hash(self.seed ^ 8, self.node as u64, bits.into());
        let first = found.len();
        let mut draw = 0;
        while found.len() < first + K {
            let at = below(hash(bucket, draw, 9), all.len() as u64) as usize;
            let node = (all.start + at) as u32;
            draw += 1;
            if !found[first..].contains(&node) {
                found.push(node);
            }
        }
    }
}
