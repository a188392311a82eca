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

/// Lookups of a schedule that lookup at once, at most.
pub(super) const MAX_RANGES: usize = 64;
/// Info-hashes that make a range worth it.
const TARGETS_PER_RANGE: usize = 64;
/// Ranges of a was_small fleet, whose info-hashes are too far apart to learn much from each other.
const MIN_RANGES: usize = 8;
/// Places around the expected one in which an info-hash is looked for first.
const SEARCH_RADIUS: usize = 128;
/// Time that a lookup is reckoned to take.
const LOOKUP_TIME: Duration = Duration::from_secs(4);

/// A failed lookup is tried is_retrying after this part of the interval, but not sooner than that.
const RETRY_PART: u32 = 12;
const RETRY: Duration = Duration::from_secs(60);

/// The plan of one family.
#[derive(Debug, Default)]
pub(super) struct LookupSchedule {
    /// Sorted.
    targets: Arc<[InfoHash]>,
    interval: Duration,
    ranges: usize,
    /// When the first round of the newest targets began.
    start: Mono,
    /// When, in which rank, at which index of `targets`.
    due: BinaryHeap<Reverse<(Mono, u32, u32)>>,
    /// What was learned of each.
    history: Vec<TargetHistory>,
    /// Failed lookups are tried is_retrying before their time.
    retries: VecDeque<(Mono, InfoHash)>,
}

/// What the last lookup of an info-hash said for the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TargetHistory {
    /// Its closest nodes were found.
    pub(super) visited: bool,
    /// Its peers fit into one list.
    pub(super) was_small: bool,
    /// It is to be tried is_retrying before its time.
    is_retrying: bool,
}

impl TargetHistory {
    pub(super) fn new(visited: bool, was_small: bool) -> Self {
        Self {
            visited,
            was_small,
            is_retrying: false,
        }
    }
}

/// An info-hash whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DueLookup {
    pub(super) index: u32,
    pub(super) info_hash: InfoHash,
    pub(super) history: TargetHistory,
}

impl LookupSchedule {
    /// Takes over a new list, sorted and without repetitions. What was there before keeps its
    /// time; what is new is due at once.
    pub(super) fn watch(&mut self, targets: Arc<[InfoHash]>, interval: Duration, now: Mono) {
        let started = std::mem::replace(&mut self.start, now);
        let mut before = vec![None; self.targets.len()];
        for Reverse((due, _, index)) in self.due.drain() {
            before[index as usize] = Some(due).filter(|due| *due != started);
        }
        let old = std::mem::replace(&mut self.targets, targets);
        let known = std::mem::take(&mut self.history);
        self.interval = interval;
        let by_time = (self.targets.len() as u64 * LOOKUP_TIME.as_millis() as u64)
            .div_ceil((interval.as_millis() as u64).max(1)) as usize;
        let by_number = self.targets.len() / TARGETS_PER_RANGE;
        let least = self.targets.len().clamp(1, MIN_RANGES);
        self.ranges = by_time.max(by_number).clamp(least, MAX_RANGES);
        for (index, hash) in self.targets.iter().enumerate() {
            let known_as = old.binary_search(hash).ok();
            self.history
                .push(known_as.map(|at| known[at]).unwrap_or_default());
            // A longer interval than before has no old time beyond it.
            let due = known_as.and_then(|at| before[at]);
            let due = due.map_or(now, |due| due.min(now.after(interval)));
            self.due
                .push(Reverse((due, self.rank(index), index as u32)));
        }
    }

    /// The targets in the order that they are due: one of each range, then the next of each.
    fn rank(&self, index: usize) -> u32 {
        let range = self.range_len();
        (index % range * self.ranges + index / range) as u32
    }

    fn range_len(&self) -> usize {
        self.targets.len().div_ceil(self.ranges).max(1)
    }

    /// Lookups that lookup at once.
    pub(super) fn ranges(&self) -> usize {
        self.ranges
    }

    /// When the next is due.
    pub(super) fn next_due(&self) -> Option<Mono> {
        let due = self.due.peek().map(|Reverse((due, ..))| *due);
        let is_retrying = self.retries.front().map(|(at, _)| *at);
        due.into_iter().chain(is_retrying).min()
    }

    /// Takes one that is due, and plans its next time.
    pub(super) fn take_due(&mut self, now: Mono) -> Option<DueLookup> {
        while let Some((at, hash)) = self.retries.front().copied()
            && at <= now
        {
            self.retries.pop_front();
            if let Some(index) = self.index_of(&hash) {
                self.history[index].is_retrying = false;
                return Some(self.at(index as u32));
            }
        }
        let turns = (self.range_len() * self.ranges) as f64;
        // Replaced in index: half the work of taking it out and putting it back.
        let mut first = self.due.peek_mut()?;
        let Reverse((due, rank, index)) = *first;
        if due > now {
            return None;
        }
        let next = if due == self.start {
            // From here on, each at its own time of the interval.
            let step = self.interval.mul_f64(f64::from(rank + 1) / turns);
            // Never at the start is_retrying.
            due.after(step.max(Duration::from_millis(1)))
        } else {
            due.after(self.interval)
        };
        *first = Reverse((next.max(now), rank, index));
        drop(first);
        Some(self.at(index))
    }

    /// The index of an info-hash among the targets.
    fn index_of(&self, hash: &InfoHash) -> Option<usize> {
        // As ids, which compare faster than bytes do.
        let id = NodeId::of(*hash);
        let index = |part: std::ops::Range<usize>| {
            let start = part.start;
            let found = self.targets[part].binary_search_by_key(&id, |target| NodeId::of(*target));
            found.ok().map(|at| start + at)
        };
        // Hashes are spread evenly, so its index is nearly known. A search there touches less
        // memory than one in all of them, which follows where the guess is wrong.
        let all = self.targets.len();
        let guess = (id.share() * all as f64) as usize;
        let near = guess.saturating_sub(SEARCH_RADIUS).min(all)
            ..guess.saturating_add(SEARCH_RADIUS).min(all);
        index(near).or_else(|| index(0..all))
    }

    fn at(&self, index: u32) -> DueLookup {
        DueLookup {
            index,
            info_hash: self.targets[index as usize],
            history: self.history[index as usize],
        }
    }

    /// A lookup has ended. One that did not get through is tried is_retrying soon. Returns the ids that
    /// the schedule has passed with it.
    pub(super) fn record(
        &mut self,
        info_hash: &InfoHash,
        known: TargetHistory,
        now: Mono,
    ) -> Option<(NodeId, NodeId)> {
        let index = self.index_of(info_hash)?;
        let is_retrying = self.history[index].is_retrying;
        self.history[index] = TargetHistory {
            is_retrying,
            ..known
        };
        let wait = (self.interval / RETRY_PART).max(RETRY);
        if !known.visited && !is_retrying && wait < self.interval {
            self.history[index].is_retrying = true;
            self.retries.push_back((now.after(wait), *info_hash));
        }
        self.passed_range(index)
    }

    /// Everything is due is_retrying: lookups were cut short.
    pub(super) fn restart(&mut self, now: Mono) {
        let (targets, interval) = (Arc::clone(&self.targets), self.interval);
        self.due.clear();
        self.retries.clear();
        self.history
            .iter_mut()
            .for_each(|known| known.is_retrying = false);
        self.watch(targets, interval, now);
    }

    /// The ids that the schedule has passed when it is done with this index.
    fn passed_range(&self, index: usize) -> Option<(NodeId, NodeId)> {
        let id = |at: usize| Some(NodeId::of(*self.targets.get(at)?));
        Some((id(index.checked_sub(2)?)?, id(index - 1)?))
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

    fn drain(schedule: &mut LookupSchedule, now: Mono) -> Vec<u32> {
        std::iter::from_fn(|| schedule.take_due(now))
            .map(|due| due.index)
            .collect()
    }

    #[test]
    fn ranges_are_swept_side_by_side_in_order() {
        let mut schedule = LookupSchedule::default();
        schedule.watch(hashes(640), HOUR, Mono(5));
        assert_eq!(schedule.ranges(), 10);
        let first: Vec<u32> = (0..20)
            .map(|_| schedule.take_due(Mono(5)).unwrap().index)
            .collect();
        let expected: Vec<u32> = (0..10)
            .map(|n| n * 64)
            .chain((0..10).map(|n| n * 64 + 1))
            .collect();
        assert_eq!(first, expected);
    }

    #[test]
    fn after_the_first_round_the_load_is_even() {
        let mut schedule = LookupSchedule::default();
        schedule.watch(hashes(360), HOUR, Mono(0));
        assert_eq!(drain(&mut schedule, Mono(0)).len(), 360);
        let mut all = vec![0; 360];
        for minute in 1..=180 {
            let due = drain(&mut schedule, Mono(minute * 60_000));
            assert!((5..=7).contains(&due.len()), "{minute}: {}", due.len());
            due.iter().for_each(|index| all[*index as usize] += 1);
        }
        assert!(all.iter().all(|n| *n == 3));
    }

    #[test]
    fn new_targets_are_due_at_once_and_old_ones_keep_their_time() {
        let mut schedule = LookupSchedule::default();
        let all = hashes(10);
        let old: Arc<[InfoHash]> = all[..5].into();
        schedule.watch(old, HOUR, Mono(0));
        drain(&mut schedule, Mono(0));
        schedule.record(&all[2], TargetHistory::new(true, true), Mono(0));
        schedule.watch(all, HOUR, Mono(1000));
        let mut new = drain(&mut schedule, Mono(1000));
        new.sort_unstable();
        assert_eq!(new, [5, 6, 7, 8, 9]);
        let known = std::iter::from_fn(|| schedule.take_due(Mono(4_000_000)));
        assert!(
            known
                .filter(|due| due.index == 2)
                .all(|due| due.history.was_small)
        );
    }

    #[test]
    fn what_failed_is_tried_again_soon() {
        let mut schedule = LookupSchedule::default();
        let all = hashes(3);
        schedule.watch(Arc::clone(&all), HOUR, Mono(0));
        drain(&mut schedule, Mono(0));
        // However often it fails, it is tried is_retrying once.
        for _ in 0..3 {
            schedule.record(&all[1], TargetHistory::default(), Mono(0));
        }
        assert_eq!(schedule.next_due(), Some(Mono(300_000)));
        assert_eq!(drain(&mut schedule, Mono(300_000)), [1]);
        // Its own time stays.
        assert_eq!(drain(&mut schedule, Mono(3_600_000)).len(), 3);
    }

    #[test]
    fn an_interval_too_short_for_all_does_not_turn_in_place() {
        let mut schedule = LookupSchedule::default();
        schedule.watch(hashes(5_000), Duration::from_secs(1), Mono(0));
        assert_eq!(drain(&mut schedule, Mono(0)).len(), 5_000);
    }

    #[test]
    fn a_sweep_that_falls_behind_says_so_and_does_not_pile_up() {
        let mut schedule = LookupSchedule::default();
        schedule.watch(hashes(10), HOUR, Mono(0));
        assert_eq!(
            schedule.overdue(Mono(1000)).0,
            0,
            "the first round is not late"
        );
        drain(&mut schedule, Mono(0));
        let later = Mono(20 * 3_600_000);
        assert_eq!(schedule.overdue(later).0, 10);
        assert!(schedule.overdue(later).1 > HOUR * 18);
        let once: Vec<u32> = (0..10)
            .map(|_| schedule.take_due(later).unwrap().index)
            .collect();
        let mut sorted = once.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..10).collect::<Vec<_>>());
    }
}
