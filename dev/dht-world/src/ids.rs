//! Node ids: a sorted prefix of 64 bits each; the rest of an id is a hash. Ten million ids take 80
//! MB.

use std::ops::Range;

use super::random::{Rng, hash};

/// An id or an info-hash.
pub(super) type Id = [u8; 20];

/// All ids of the world. The index of an id identifies its node.
pub(super) struct Ids {
    prefixes: Vec<u64>,
    /// Index of the first prefix for each value of the leading bits; ends with the total.
    starts: Vec<u32>,
    /// Bits of a prefix that are not leading bits.
    shift: u32,
    /// One bit per node.
    alive: Vec<u64>,
    seed: u64,
}

impl Ids {
    /// Creates `total` ids, of which `alive` belong to nodes that answer.
    pub(super) fn new(alive: u32, total: u32, seed: u64) -> Self {
        let mut rng = Rng::new(hash(seed, 1, 0));
        let mut prefixes: Vec<u64> = (0..total).map(|_| rng.next()).collect();
        prefixes.sort_unstable();
        // About eight ids per step.
        let leading = (total / 8).max(1).ilog2();
        let shift = 64 - leading;
        let mut starts = vec![0u32; (1 << leading) + 1];
        for prefix in &prefixes {
            starts[step(*prefix, shift) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        Self {
            alive: choose(alive, total, hash(seed, 2, 0)),
            prefixes,
            starts,
            shift,
            seed,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.prefixes.len()
    }

    pub(super) fn prefix(&self, node: usize) -> u64 {
        self.prefixes[node]
    }

    pub(super) fn is_alive(&self, node: usize) -> bool {
        self.alive[node / 64] >> (node % 64) & 1 == 1
    }

    /// Returns the whole id of a node.
    pub(super) fn id(&self, node: usize) -> Id {
        let mut id = [0; 20];
        id[..8].copy_from_slice(&self.prefixes[node].to_be_bytes());
        id[8..16].copy_from_slice(&hash(self.seed, 3, node as u64).to_be_bytes());
        id[16..].copy_from_slice(&(hash(self.seed, 4, node as u64) as u32).to_be_bytes());
        id
    }

    /// Returns the nodes whose ids share this many leading bits with a prefix.
    pub(super) fn block(&self, prefix: u64, bits: u32) -> Range<usize> {
        let low = u64::MAX.checked_shr(bits).unwrap_or(0);
        let first = prefix & !low;
        let end = match (first | low).checked_add(1) {
            Some(next) => self.lower_bound(next),
            None => self.len(),
        };
        self.lower_bound(first)..end
    }

    /// Returns the first node whose prefix is not below this one.
    fn lower_bound(&self, prefix: u64) -> usize {
        let step = step(prefix, self.shift);
        let (from, to) = (self.starts[step] as usize, self.starts[step + 1] as usize);
        from + self.prefixes[from..to].partition_point(|other| *other < prefix)
    }

    /// Returns the closest nodes that are alive, closest first.
    pub(super) fn closest_alive(&self, target: u64, count: usize) -> Vec<u32> {
        let mut bits = (self.len().max(1).ilog2() + 2).min(64);
        loop {
            let block = self.block(target, bits);
            let alive = block.clone().filter(|node| self.is_alive(*node));
            if bits == 0 || block.len() >= count && alive.clone().count() >= count {
                let mut nodes: Vec<u32> = alive.map(|node| node as u32).collect();
                nodes.sort_unstable_by_key(|node| self.prefixes[*node as usize] ^ target);
                nodes.truncate(count);
                return nodes;
            }
            bits -= 1;
        }
    }

    /// Returns whether at least `count` nodes of a block are alive.
    pub(super) fn has_alive(&self, block: Range<usize>, count: usize) -> bool {
        block
            .filter(|node| self.is_alive(*node))
            .nth(count.saturating_sub(1))
            .is_some()
    }
}

fn step(prefix: u64, shift: u32) -> usize {
    prefix.checked_shr(shift).unwrap_or(0) as usize
}

/// Chooses exactly `chosen` of `total` indices. Returns a bitmap.
fn choose(chosen: u32, total: u32, seed: u64) -> Vec<u64> {
    let mut rng = Rng::new(seed);
    let mut bitmap = vec![0; (total as usize).div_ceil(64)];
    let mut wanted = chosen as usize;
    for node in 0..total as usize {
        if rng.below(total as usize - node) < wanted {
            bitmap[node / 64] |= 1 << (node % 64);
            wanted -= 1;
        }
    }
    bitmap
}
