//! The schedule of lookups.
//!
//! Every info-hash is due once per interval, spread evenly. The sorted targets are divided into
//! ranges that proceed in parallel, each in the order of ids. A lookup then starts from the nodes
//! that its neighbour just found. The first round goes as fast as the rate allows, since until then
//! swarms are unknown.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::id::NodeId;
use super::timers::Timers;
use seedwatch_clock::Mono;
use seedwatch_torrent::InfoHash;

/// Most ranges, and so scheduled lookups at the same time.
pub(super) const MAX_RANGES: usize = 64;
/// Targets per range in a large collection.
const TARGETS_PER_RANGE: usize = 64;
/// Ranges of a small collection, whose targets are too far apart to share many nodes.
const MIN_RANGES: usize = 8;
/// Distance from the expected index within which a target is searched first.
const SEARCH_RADIUS: usize = 128;
/// Assumed duration of a lookup.
const LOOKUP_TIME: Duration = Duration::from_secs(4);

/// A failed lookup is retried after this fraction of the interval, but not earlier than `RETRY`.
const RETRY_PART: u32 = 12;
const RETRY: Duration = Duration::from_secs(60);

/// The schedule of one family.
#[derive(Debug, Default)]
pub(super) struct LookupSchedule {
    /// Sorted and distinct.
    targets: Arc<[InfoHash]>,
    interval: Duration,
    ranges: usize,
    /// Time at which the first round of the current targets began.
    start: Mono,
    /// Rank in the first round and index of each target, by due time. A target that was looked up
    /// is due after all others, so times arrive in order.
    due: Timers<(u32, u32)>,
    /// History of each target, by index.
    history: Vec<TargetHistory>,
    /// Retries of failed lookups, in the order of their times.
    retries: VecDeque<(Mono, InfoHash)>,
}

/// What the previous lookup of a target found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TargetHistory {
    /// Whether it reached the closest nodes.
    pub(super) visited: bool,
    /// Whether the peers fit into one list.
    pub(super) was_small: bool,
    /// Whether a retry is scheduled.
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

/// A target that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DueLookup {
    pub(super) index: u32,
    pub(super) info_hash: InfoHash,
    pub(super) history: TargetHistory,
}

impl LookupSchedule {
    /// Replaces the targets, which must be sorted and distinct. A target that was present keeps its
    /// time; a new one is due at once.
    pub(super) fn watch(&mut self, targets: Arc<[InfoHash]>, interval: Duration, now: Mono) {
        let started = std::mem::replace(&mut self.start, now);
        let mut before = vec![None; self.targets.len()];
        for (due, (_, index)) in std::mem::take(&mut self.due).iter() {
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
        let mut all = Vec::with_capacity(self.targets.len());
        for (index, hash) in self.targets.iter().enumerate() {
            let known_as = old.binary_search(hash).ok();
            self.history
                .push(known_as.map(|at| known[at]).unwrap_or_default());
            // A target must not stay due later than one new interval from now.
            let due = known_as.and_then(|at| before[at]);
            let due = due.map_or(now, |due| due.min(now.after(interval)));
            all.push((due, (self.rank(index), index as u32)));
        }
        all.sort_unstable();
        all.into_iter()
            .for_each(|(due, target)| self.due.add(due, target));
    }

    /// Returns the position of a target in the first round: the first of each range, then the
    /// second of each.
    fn rank(&self, index: usize) -> u32 {
        let range = self.range_len();
        (index % range * self.ranges + index / range) as u32
    }

    fn range_len(&self) -> usize {
        self.targets.len().div_ceil(self.ranges).max(1)
    }

    /// Returns how many scheduled lookups may run at the same time.
    pub(super) fn ranges(&self) -> usize {
        self.ranges
    }

    /// Returns the time at which the next target is due.
    pub(super) fn next_due(&self) -> Option<Mono> {
        let is_retrying = self.retries.front().map(|(at, _)| *at);
        self.due.next().into_iter().chain(is_retrying).min()
    }

    /// Takes a target that is due and schedules its next time.
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
        let due = self.due.next()?;
        let (rank, index) = self.due.take_due(now)?;
        let next = if due == self.start {
            // After the first round, each target has its own time within the interval.
            let step = self.interval.mul_f64(f64::from(rank + 1) / turns);
            // A time equal to `start` would mean the first round.
            due.after(step.max(Duration::from_millis(1)))
        } else {
            due.after(self.interval)
        };
        self.due.add(next.max(now), (rank, index));
        Some(self.at(index))
    }

    /// Returns the index of an info-hash among the targets.
    fn index_of(&self, hash: &InfoHash) -> Option<usize> {
        // Ids compare faster than bytes.
        let id = NodeId::of(*hash);
        let index = |part: std::ops::Range<usize>| {
            let start = part.start;
            let found = self.targets[part].binary_search_by_key(&id, |target| NodeId::of(*target));
            found.ok().map(|at| start + at)
        };
        // Hashes are uniform, so the index can be estimated. A search near the estimate touches
        // less memory than a search in all targets, which is the fallback.
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

    /// Records the result of a lookup and schedules one retry of a failed lookup. Returns the range
    /// of ids that the schedule has passed.
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

    /// Makes every target due again, after lookups were dropped.
    pub(super) fn restart(&mut self, now: Mono) {
        let (targets, interval) = (Arc::clone(&self.targets), self.interval);
        self.due = Timers::default();
        self.retries.clear();
        self.history
            .iter_mut()
            .for_each(|known| known.is_retrying = false);
        self.watch(targets, interval, now);
    }

    /// Returns the range of ids that no lookup needs any more once the one of this target has
    /// ended.
    fn passed_range(&self, index: usize) -> Option<(NodeId, NodeId)> {
        let id = |at: usize| Some(NodeId::of(*self.targets.get(at)?));
        Some((id(index.checked_sub(2)?)?, id(index - 1)?))
    }

    /// Returns how many lookups are overdue, apart from the first round, and the delay of the
    /// latest one.
    pub(super) fn overdue(&self, now: Mono) -> (u32, Duration) {
        let times = self.due.iter().map(|(due, _)| due);
        let late = times.filter(|due| *due < now && *due != self.start);
        late.fold((0, Duration::ZERO), |(count, lag), due| {
            (count + 1, lag.max(now.since(due)))
        })
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
    fn ranges_proceed_in_parallel_in_the_order_of_ids() {
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
    fn a_failed_lookup_is_retried_once() {
        let mut schedule = LookupSchedule::default();
        let all = hashes(3);
        schedule.watch(Arc::clone(&all), HOUR, Mono(0));
        drain(&mut schedule, Mono(0));
        // However often the lookup fails, it is retried once.
        for _ in 0..3 {
            schedule.record(&all[1], TargetHistory::default(), Mono(0));
        }
        assert_eq!(schedule.next_due(), Some(Mono(300_000)));
        assert_eq!(drain(&mut schedule, Mono(300_000)), [1]);
        // The regular time is unchanged.
        assert_eq!(drain(&mut schedule, Mono(3_600_000)).len(), 3);
    }

    #[test]
    fn an_interval_that_is_too_short_does_not_loop() {
        let mut schedule = LookupSchedule::default();
        schedule.watch(hashes(5_000), Duration::from_secs(1), Mono(0));
        assert_eq!(drain(&mut schedule, Mono(0)).len(), 5_000);
    }

    #[test]
    fn an_overdue_schedule_reports_its_lag_and_skips_missed_rounds() {
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
