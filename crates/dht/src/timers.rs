//! A timer queue, earliest first.
//!
//! Timeouts of one kind are about equally long, so most times arrive in order. Those are kept in a
//! queue with constant cost. Only the others are kept in a heap.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use seedwatch_clock::Mono;

/// Items and the times at which they are due.
#[derive(Debug)]
pub(super) struct Timers<T> {
    /// In the order of their times.
    queue: VecDeque<(Mono, T)>,
    heap: BinaryHeap<Reverse<(Mono, T)>>,
}

impl<T: Ord> Default for Timers<T> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            heap: BinaryHeap::new(),
        }
    }
}

impl<T: Ord + Copy> Timers<T> {
    /// Adds an item that is due at `at`.
    pub(super) fn add(&mut self, at: Mono, item: T) {
        match self.queue.back() {
            Some((last, _)) if at < *last => self.heap.push(Reverse((at, item))),
            _ => self.queue.push_back((at, item)),
        }
    }

    /// Iterates over the items and their times, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Mono, T)> {
        let heaped = self.heap.iter().map(|Reverse(item)| *item);
        self.queue.iter().copied().chain(heaped)
    }

    /// Returns the time of the earliest item.
    pub(super) fn next(&self) -> Option<Mono> {
        let queued = self.queue.front().map(|(at, _)| *at);
        let heaped = self.heap.peek().map(|Reverse((at, _))| *at);
        queued.into_iter().chain(heaped).min()
    }

    /// Takes the earliest item out if it is due.
    pub(super) fn take_due(&mut self, now: Mono) -> Option<T> {
        let next = self.next().filter(|at| *at <= now)?;
        if self.queue.front().is_some_and(|(at, _)| *at == next) {
            return self.queue.pop_front().map(|(_, item)| item);
        }
        self.heap.pop().map(|Reverse((_, item))| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_in_the_order_of_their_times() {
        let mut timers = Timers::default();
        for at in [5, 3, 9, 9, 1, 7, 20, 4] {
            timers.add(Mono(at), at);
        }
        assert_eq!(timers.next(), Some(Mono(1)));
        assert_eq!(timers.take_due(Mono(0)), None);
        let due: Vec<u64> = std::iter::from_fn(|| timers.take_due(Mono(9))).collect();
        assert_eq!(due, [1, 3, 4, 5, 7, 9, 9]);
        assert_eq!(timers.next(), Some(Mono(20)));
        assert_eq!(timers.iter().collect::<Vec<_>>(), [(Mono(20), 20)]);
        assert_eq!(timers.take_due(Mono(20)), Some(20));
        assert_eq!(timers.next(), None);
    }
}
