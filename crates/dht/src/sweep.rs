//! Which info-hash is looked up when.
//!
//! Every info-hash is due once an interval, spread evenly. The ring of ids is cut into ranges that
//! are swept side by side, each in id order: a lookup then starts from what its neighbour just
//! learned. The first round goes as fast as the rate allows, since somebody waits for it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::id::NodeId;
use seedwatch_clock::Mono;
use seedwatch_torrent::InfoHash;

/// Lookups of a sweep that walk at once, at most.
pub(super) const MAX_RANGES: usize = 64;
/// Info-hashes that make a range worth it.
const RANGE: usize = 64;
/// Ranges of a small fleet, whose info-hashes are too far apart to learn much from each other.
const MIN_RANGES: usize = 8;
/// Places around the expected one in which an info-hash is looked for first.
const NEAR: usize = 128;
/// Time that a lookup is reckoned to take.
const LOOKUP: Duration = Duration::from_secs(4);

/// A failed lookup is tried again after this part of the interval, but not sooner than that.
const RETRY_PART: u32 = 12;
const RETRY: Duration = Duration::from_secs(60);

/// The plan of one family.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// Sorted.
    targets: Arc<[InfoHash]>,
    interval: Duration,
    ranges: usize,
    /// When the first round of the newest targets began.
    start: Mono,
    /// When, in which turn, at which place of `targets`.
    due: BinaryHeap<Reverse<(Mono, u32, u32)>>,
    /// What was learned of each.
    known: Vec<Known>,
    /// Failed lookups are tried again before their time.
    again: VecDeque<(Mono, InfoHash)>,
}

/// What the last lookup of an info-hash said for the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Its closest nodes were found.
    pub(super) visited: bool,
    /// Its peers fit into one list.
    pub(super) small: bool,
    /// It is to be tried again before its time.
    again: bool,
}

impl Known {
    pub(super) fn new(visited: bool, small: bool) -> Self {
        Self {
            visited,
            small,
            again: false,
        }
    }
}

/// An info-hash whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) place: u32,
    pub(super) info_hash: InfoHash,
    pub(super) known: Known,
}

impl Sweep {
    /// Takes over a new list, sorted and without repetitions. What was there before keeps its
    /// time; what is new is due at once.
    pub(super) fn watch(&mut self, targets: Arc<[InfoHash]>, interval: Duration, now: Mono) {
        let started = std::mem::replace(&mut self.start, now);
        let mut before = vec![None; self.targets.len()];
        for Reverse((due, _, place)) in self.due.drain() {
            before[place as usize] = Some(due).filter(|due| *due != started);
        }
        let old = std::mem::replace(&mut self.targets, targets);
        let known = std::mem::take(&mut self.known);
        self.interval = interval;
        let by_time = (self.targets.len() as u64 * LOOKUP.as_millis() as u64)
            .div_ceil((interval.as_millis() as u64).max(1)) as usize;
        let by_number = self.targets.len() / RANGE;
        let least = self.targets.len().clamp(1, MIN_RANGES);
        self.ranges = by_time.max(by_number).clamp(least, MAX_RANGES);
        for (place, hash) in self.targets.iter().enumerate() {
            let known_as = old.binary_search(hash).ok();
            self.known
                .push(known_as.map(|at| known[at]).unwrap_or_default());
            // A longer interval than before has no old time beyond it.
            let due = known_as.and_then(|at| before[at]);
            let due = due.map_or(now, |due| due.min(now.after(interval)));
            self.due
                .push(Reverse((due, self.turn(place), place as u32)));
        }
    }

    /// The targets in the order that they are due: one of each range, then the next of each.
    fn turn(&self, place: usize) -> u32 {
        let range = self.range();
        (place % range * self.ranges + place / range) as u32
    }

    fn range(&self) -> usize {
        self.targets.len().div_ceil(self.ranges).max(1)
    }

    /// Lookups that walk at once.
    pub(super) fn ranges(&self) -> usize {
        self.ranges
    }

    /// When the next is due.
    pub(super) fn next_due(&self) -> Option<Mono> {
        let due = self.due.peek().map(|Reverse((due, ..))| *due);
        let again = self.again.front().map(|(at, _)| *at);
        due.into_iter().chain(again).min()
    }

    /// Takes one that is due, and plans its next time.
    pub(super) fn take(&mut self, now: Mono) -> Option<Due> {
        while let Some((at, hash)) = self.again.front().copied()
            && at <= now
        {
            self.again.pop_front();
            if let Some(place) = self.place_of(&hash) {
                self.known[place].again = false;
                return Some(self.at(place as u32));
            }
        }
        let turns = (self.range() * self.ranges) as f64;
        // Replaced in place: half the work of taking it out and putting it back.
        let mut first = self.due.peek_mut()?;
        let Reverse((due, turn, place)) = *first;
        if due > now {
            return None;
        }
        let next = if due == self.start {
            // From here on, each at its own time of the interval.
            let step = self.interval.mul_f64(f64::from(turn + 1) / turns);
            // Never at the start again.
            due.after(step.max(Duration::from_millis(1)))
        } else {
            due.after(self.interval)
        };
        *first = Reverse((next.max(now), turn, place));
        drop(first);
        Some(self.at(place))
    }

    /// The place of an info-hash among the targets.
    fn place_of(&self, hash: &InfoHash) -> Option<usize> {
        // As ids, which compare faster than bytes do.
        let id = NodeId::of(*hash);
        let place = |part: std::ops::Range<usize>| {
            let start = part.start;
            let found = self.targets[part].binary_search_by_key(&id, |target| NodeId::of(*target));
            found.ok().map(|at| start + at)
        };
        // Hashes are spread evenly, so its place is nearly known. A search there touches less
        // memory than one in all of them, which follows where the guess is wrong.
        let all = self.targets.len();
        let guess = (id.share() * all as f64) as usize;
        let near = guess.saturating_sub(NEAR).min(all)..guess.saturating_add(NEAR).min(all);
        place(near).or_else(|| place(0..all))
    }

    fn at(&self, place: u32) -> Due {
        Due {
            place,
            info_hash: self.targets[place as usize],
            known: self.known[place as usize],
        }
    }

    /// A lookup has ended. One that did not get through is tried again soon. Returns the ids that
    /// the sweep has passed with it.
    pub(super) fn learned(
        &mut self,
        info_hash: &InfoHash,
        known: Known,
        now: Mono,
    ) -> Option<(NodeId, NodeId)> {
        let place = self.place_of(info_hash)?;
        let again = self.known[place].again;
        self.known[place] = Known { again, ..known };
        let wait = (self.interval / RETRY_PART).max(RETRY);
        if !known.visited && !again && wait < self.interval {
            self.known[place].again = true;
            self.again.push_back((now.after(wait), *info_hash));
        }
        self.passed(place)
    }

    /// Everything is due again: lookups were cut short.
    pub(super) fn restart(&mut self, now: Mono) {
        let (targets, interval) = (Arc::clone(&self.targets), self.interval);
        self.due.clear();
        self.again.clear();
        self.known.iter_mut().for_each(|known| known.again = false);
        self.watch(targets, interval, now);
    }

    /// The ids that the sweep has passed when it is done with this place.
    fn passed(&self, place: usize) -> Option<(NodeId, NodeId)> {
        let id = |at: usize| Some(NodeId::of(*self.targets.get(at)?));
        Some((id(place.checked_sub(2)?)?, id(place - 1)?))
    }

    /// How many should have begun, the first round aside, and how late the latest is.
    pub(super) fn overdue(&self, now: Mono) -> (u32, Duration) {
        let late =
            |Reverse((due, ..)): &&Reverse<(Mono, u32, u32)>| *due < now && *due != self.start;
        let all = self.due.iter().filter(late);
        let lag = all.clone().map(|Reverse((due, ..))| now.since(*due)).max();
        (all.count() as u32, lag.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn hashes(n: u32) -> Arc<[InfoHash]> {
        let hash = |at: u32| {
            let mut hash = [0; 20];
            hash[..4].copy_from_slice(&(at << 16).to_be_bytes());
            InfoHash(hash)
        };
        (0..n).map(hash).collect()
    }

    fn drain(sweep: &mut Sweep, now: Mono) -> Vec<u32> {
        std::iter::from_fn(|| sweep.take(now))
            .map(|due| due.place)
            .collect()
    }

    #[test]
    fn ranges_are_swept_side_by_side_in_order() {
        let mut sweep = Sweep::default();
        sweep.watch(hashes(640), HOUR, Mono(5));
        assert_eq!(sweep.ranges(), 10);
        let first: Vec<u32> = (0..20)
            .map(|_| sweep.take(Mono(5)).unwrap().place)
            .collect();
        let expected: Vec<u32> = (0..10)
            .map(|n| n * 64)
            .chain((0..10).map(|n| n * 64 + 1))
            .collect();
        assert_eq!(first, expected);
    }

    #[test]
    fn after_the_first_round_the_load_is_even() {
        let mut sweep = Sweep::default();
        sweep.watch(hashes(360), HOUR, Mono(0));
        assert_eq!(drain(&mut sweep, Mono(0)).len(), 360);
        let mut all = vec![0; 360];
        for minute in 1..=180 {
            let due = drain(&mut sweep, Mono(minute * 60_000));
            assert!((5..=7).contains(&due.len()), "{minute}: {}", due.len());
            due.iter().for_each(|place| all[*place as usize] += 1);
        }
        assert!(all.iter().all(|n| *n == 3));
    }

    #[test]
    fn new_targets_are_due_at_once_and_old_ones_keep_their_time() {
        let mut sweep = Sweep::default();
        let all = hashes(10);
        let old: Arc<[InfoHash]> = all[..5].into();
        sweep.watch(old, HOUR, Mono(0));
        drain(&mut sweep, Mono(0));
        sweep.learned(&all[2], Known::new(true, true), Mono(0));
        sweep.watch(all, HOUR, Mono(1000));
        let mut new = drain(&mut sweep, Mono(1000));
        new.sort_unstable();
        assert_eq!(new, [5, 6, 7, 8, 9]);
        let known = std::iter::from_fn(|| sweep.take(Mono(4_000_000)));
        assert!(
            known
                .filter(|due| due.place == 2)
                .all(|due| due.known.small)
        );
    }

    #[test]
    fn what_failed_is_tried_again_soon() {
        let mut sweep = Sweep::default();
        let all = hashes(3);
        sweep.watch(Arc::clone(&all), HOUR, Mono(0));
        drain(&mut sweep, Mono(0));
        // However often it fails, it is tried again once.
        for _ in 0..3 {
            sweep.learned(&all[1], Known::default(), Mono(0));
        }
        assert_eq!(sweep.next_due(), Some(Mono(300_000)));
        assert_eq!(drain(&mut sweep, Mono(300_000)), [1]);
        // Its own time stays.
        assert_eq!(drain(&mut sweep, Mono(3_600_000)).len(), 3);
    }

    #[test]
    fn an_interval_too_short_for_all_does_not_turn_in_place() {
        let mut sweep = Sweep::default();
        sweep.watch(hashes(5_000), Duration::from_secs(1), Mono(0));
        assert_eq!(drain(&mut sweep, Mono(0)).len(), 5_000);
    }

    #[test]
    fn a_sweep_that_falls_behind_says_so_and_does_not_pile_up() {
        let mut sweep = Sweep::default();
        sweep.watch(hashes(10), HOUR, Mono(0));
        assert_eq!(
            sweep.overdue(Mono(1000)).0,
            0,
            "the first round is not late"
        );
        drain(&mut sweep, Mono(0));
        let later = Mono(20 * 3_600_000);
        assert_eq!(sweep.overdue(later).0, 10);
        assert!(sweep.overdue(later).1 > HOUR * 18);
        let once: Vec<u32> = (0..10).map(|_| sweep.take(later).unwrap().place).collect();
        let mut sorted = once.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..10).collect::<Vec<_>>());
    }
}
