//! The swarms of a tracker in the order in which they are due.
//!
//! It is a heap whose nodes have eight children. Most of a large heap is not in the CPU's cache,
//! and the children of a node are adjacent in memory. So an operation takes a third of the steps of
//! a binary heap, and each step touches one or two cache lines.

use seedwatch_clock::Mono;
use seedwatch_tracker::AnnounceId;

/// Children of a node.
const CHILDREN: usize = 8;

/// A swarm and when it is due, in twelve bytes.
#[derive(Debug, Clone, Copy)]
struct Entry {
    due_high: u32,
    due_low: u32,
    id: AnnounceId,
}

impl Entry {
    fn new(due: Mono, id: AnnounceId) -> Self {
        Self {
            due_high: (due.0 >> 32) as u32,
            due_low: due.0 as u32,
            id,
        }
    }

    fn due(self) -> Mono {
        Mono(u64::from(self.due_high) << 32 | u64::from(self.due_low))
    }

    /// Returns the sort key: due time, then id.
    fn rank(self) -> u128 {
        u128::from(self.due().0) << 32 | u128::from(self.id.0)
    }
}

/// Swarms by due time, then by id.
#[derive(Debug, Default)]
pub(super) struct DueHeap {
    /// In heap order: no entry has a smaller rank than its parent.
    entries: Vec<Entry>,
}

impl DueHeap {
    /// Adds a swarm.
    pub(super) fn push(&mut self, due: Mono, id: AnnounceId) {
        self.entries.push(Entry::new(due, id));
        self.rise(self.entries.len() - 1);
    }

    /// Returns the swarm that is due first.
    pub(super) fn first(&self) -> Option<(Mono, AnnounceId)> {
        self.entries.first().map(|first| (first.due(), first.id))
    }

    /// Removes and returns the swarm that is due first.
    pub(super) fn pop(&mut self) -> Option<AnnounceId> {
        let first = self.entries.first()?.id;
        self.entries.swap_remove(0);
        self.sink(0);
        Some(first)
    }

    /// Keeps the swarms for which `keep` returns true.
    pub(super) fn retain(&mut self, keep: impl Fn(AnnounceId) -> bool) {
        self.entries.retain(|entry| keep(entry.id));
        // A sorted list is a heap.
        self.entries.sort_unstable_by_key(|entry| entry.rank());
    }

    /// Returns the due times, in no order.
    pub(super) fn times(&self) -> impl Iterator<Item = Mono> {
        self.entries.iter().map(|entry| entry.due())
    }

    /// Moves an entry up until heap order holds.
    fn rise(&mut self, mut at: usize) {
        let entry = self.entries[at];
        while at > 0 {
            let parent = (at - 1) / CHILDREN;
            if self.entries[parent].rank() <= entry.rank() {
                break;
            }
            self.entries[at] = self.entries[parent];
            at = parent;
        }
        self.entries[at] = entry;
    }

    /// Moves an entry down until heap order holds.
    fn sink(&mut self, mut at: usize) {
        let Some(&entry) = self.entries.get(at) else {
            return;
        };
        let rank = entry.rank();
        loop {
            let first = at * CHILDREN + 1;
            let end = (first + CHILDREN).min(self.entries.len());
            let children = self.entries.get(first..end).unwrap_or_default();
            let least = (first..end)
                .zip(children)
                .min_by_key(|(_, child)| child.rank());
            let Some((index, child)) = least.filter(|(_, child)| child.rank() < rank) else {
                break;
            };
            self.entries[at] = *child;
            at = index;
        }
        self.entries[at] = entry;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns numbers that look random.
    fn mixed(n: u32) -> u32 {
        n.wrapping_mul(0x9e37_79b1) ^ n.wrapping_mul(0x85eb_ca6b) >> 13
    }

    fn drained(queue: &mut DueHeap) -> Vec<(Mono, AnnounceId)> {
        let next = || {
            let first = queue.first();
            assert_eq!(queue.pop(), first.map(|(_, id)| id));
            first
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn swarms_are_popped_in_order_of_due_time() {
        for count in [0, 1, 2, 8, 9, 10, 73, 74, 5_000] {
            let mut queue = DueHeap::default();
            let mut all: Vec<_> = (0..count)
                .map(|n| (Mono(u64::from(mixed(n) % 700) << 25), AnnounceId(n)))
                .collect();
            for (due, id) in &all {
                queue.push(*due, *id);
            }
            assert_eq!(queue.times().count(), count as usize);
            all.sort_unstable();
            assert_eq!(drained(&mut queue), all, "{count}");
        }
    }

    #[test]
    fn swarms_pushed_again_keep_the_order() {
        let mut queue = DueHeap::default();
        (0..1_000).for_each(|n| queue.push(Mono(0), AnnounceId(n)));
        let mut due = Mono(0);
        for round in 0..20_000 {
            let (next, id) = queue.first().unwrap();
            assert!(next >= due, "{round}");
            due = next;
            assert_eq!(queue.pop(), Some(id));
            queue.push(Mono(due.0 + 1_000 + u64::from(mixed(round) % 100)), id);
        }
        assert_eq!(queue.times().count(), 1_000);
    }

    #[test]
    fn retain_keeps_the_order() {
        let mut queue = DueHeap::default();
        (0..500).for_each(|n| queue.push(Mono(u64::from(mixed(n) % 97)), AnnounceId(n)));
        queue.retain(|id| id.0 % 3 == 0);
        let left = drained(&mut queue);
        assert_eq!(left.len(), 167);
        assert!(left.is_sorted());
        assert!(left.iter().all(|(_, id)| id.0 % 3 == 0));
    }
}
