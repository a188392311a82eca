//! When answers are read and handed over together: a busy worker does not wake up for each of them,
//! and does not wake others. Pure.

use std::time::{Duration, Instant};

/// Time over which reads are counted.
const PERIOD: Duration = Duration::from_millis(100);
/// Reads in one period that make a worker busy: a hundred a second.
const BUSY: u32 = 10;
/// Shortest time between two reads of a busy worker. A measured round trip may be too long by as
/// much. The receive buffer does not fill up meanwhile: the window of the engine counts what was sent
/// in the last 20 ms.
const REST: Duration = Duration::from_millis(10);

/// Longest time that a busy worker keeps observations.
const KEEP: Duration = Duration::from_millis(20);
/// Most observations that it keeps. More would not stay in the cache until they are taken in.
const KEPT: usize = 128;

/// Spaces what a busy worker reads and hands over. An answer to a worker that is not busy is read and
/// handed over at once.
#[derive(Debug)]
pub(super) struct BatchPacer {
    /// When the present period began.
    period: Instant,
    /// Reads in it.
    reads: u32,
    /// This period, or the one before, had many.
    busy: bool,
    /// The latest read.
    last: Instant,
    /// When observations were last handed over.
    handed: Instant,
}

impl BatchPacer {
    /// A worker that has read nothing.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            period: now,
            reads: 0,
            busy: false,
            last: now,
            handed: now,
        }
    }

    /// Notes that something was read.
    pub(super) fn read(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.period);
        if age >= PERIOD {
            self.busy = self.reads >= BUSY && age < 2 * PERIOD;
            self.reads = 0;
            self.period = now;
        }
        self.reads += 1;
        self.busy |= self.reads >= BUSY;
        self.last = now;
    }

    /// How long answers that may come are to be left where they are.
    pub(super) fn rest(&self, now: Instant) -> Duration {
        match self.busy {
            true => (self.last + REST).saturating_duration_since(now),
            false => Duration::ZERO,
        }
    }

    /// How long so many observations are to be kept.
    pub(super) fn keep(&self, observations: usize, now: Instant) -> Duration {
        match self.busy && observations < KEPT {
            true => (self.handed + KEEP).saturating_duration_since(now),
            false => Duration::ZERO,
        }
    }

    /// Notes that observations were handed over.
    pub(super) fn handed(&mut self, now: Instant) {
        self.handed = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads of a worker in a time, when an answer comes every `gap`, and the longest time that one
    /// waited.
    fn reads(gap: Duration, time: Duration) -> (u32, Duration) {
        let start = Instant::now();
        let mut pacer = BatchPacer::new(start);
        let (mut count, mut longest) = (0, Duration::ZERO);
        let (mut now, mut next) = (start, start);
        while next < start + time {
            now = now.max(next);
            now += pacer.rest(now);
            longest = longest.max(now - next);
            while next <= now {
                next += gap;
            }
            pacer.read(now);
            count += 1;
        }
        (count, longest)
    }

    #[test]
    fn few_answers_are_read_at_once() {
        let gap = Duration::from_millis(11);
        assert_eq!(reads(gap, gap * 500), (500, Duration::ZERO));
    }

    #[test]
    fn many_answers_are_read_together_and_none_waits_long() {
        let second = Duration::from_secs(1);
        let (count, longest) = reads(Duration::from_micros(200), second);
        assert!((98..=115).contains(&count), "{count} reads");
        assert!(longest <= REST, "{longest:?}");
    }

    #[test]
    fn a_busy_worker_keeps_few_observations_and_none_for_long() {
        let start = Instant::now();
        let mut pacer = BatchPacer::new(start);
        assert_eq!(pacer.keep(1, start), Duration::ZERO, "it is not busy");
        (0..BUSY).for_each(|_| pacer.read(start));
        assert_eq!(pacer.keep(1, start), KEEP);
        assert_eq!(pacer.keep(KEPT, start), Duration::ZERO);
        assert_eq!(pacer.keep(1, start + KEEP), Duration::ZERO);
        pacer.handed(start + KEEP);
        assert_eq!(pacer.keep(1, start + KEEP), KEEP);
    }

    #[test]
    fn a_worker_calms_down() {
        let start = Instant::now();
        let mut pacer = BatchPacer::new(start);
        for n in 0..1000 {
            pacer.read(start + Duration::from_micros(200) * n);
        }
        let later = start + Duration::from_secs(1);
        assert_eq!(pacer.rest(later), Duration::ZERO);
        pacer.read(later);
        assert_eq!(pacer.rest(later), Duration::ZERO);
    }
}
