//! Decides when a busy worker reads answers and hands over observations, so that neither it nor the
//! receiver wakes up for each of them. Pure.

use std::time::{Duration, Instant};

use seedwatch_tracker::udp::engine::MAX_HOLD;

/// The period over which reads are counted.
const PERIOD: Duration = Duration::from_millis(100);
/// A worker with this many reads in one period is busy: 100 per second.
const BUSY: u32 = 10;
/// The shortest time between two reads of a busy worker. Measured round trips may be too long by as
/// much. The receive buffer does not fill up meanwhile, because the engine's window bounds the
/// requests of the last [`MAX_HOLD`].
const REST: Duration = Duration::from_millis(10);
const _: () = assert!(REST.as_millis() < MAX_HOLD.as_millis());

/// The longest time that a busy worker keeps observations.
const KEEP: Duration = Duration::from_millis(20);
/// The largest number of observations that it keeps. More would leave the CPU cache before the
/// receiver reads them.
const KEPT: usize = 128;

/// Spaces the reads and batches of a busy worker. A worker that is not busy reads and hands over at
/// once.
#[derive(Debug)]
pub(super) struct BatchPacer {
    /// The start of the current period.
    period: Instant,
    /// The number of reads in it.
    reads: u32,
    /// Whether this period or the one before had many reads.
    busy: bool,
    /// The time of the latest read.
    last: Instant,
    /// When observations were last handed over.
    handed: Instant,
}

impl BatchPacer {
    /// Returns the pacer of a worker that has read nothing.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            period: now,
            reads: 0,
            busy: false,
            last: now,
            handed: now,
        }
    }

    /// Records a read.
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

    /// Returns the wait before the next read.
    pub(super) fn rest(&self, now: Instant) -> Duration {
        match self.busy {
            true => (self.last + REST).saturating_duration_since(now),
            false => Duration::ZERO,
        }
    }

    /// Returns the wait before `observations` observations are handed over.
    pub(super) fn keep(&self, observations: usize, now: Instant) -> Duration {
        match self.busy && observations < KEPT {
            true => (self.handed + KEEP).saturating_duration_since(now),
            false => Duration::ZERO,
        }
    }

    /// Records that observations were handed over.
    pub(super) fn handed(&mut self, now: Instant) {
        self.handed = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of reads in `time` if an answer arrives every `gap`, and the longest wait
    /// of an answer.
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
    fn a_busy_worker_holds_few_observations_briefly() {
        let start = Instant::now();
        let mut pacer = BatchPacer::new(start);
        assert_eq!(
            pacer.keep(1, start),
            Duration::ZERO,
            "the worker is not busy"
        );
        (0..BUSY).for_each(|_| pacer.read(start));
        assert_eq!(pacer.keep(1, start), KEEP);
        assert_eq!(pacer.keep(KEPT, start), Duration::ZERO);
        assert_eq!(pacer.keep(1, start + KEEP), Duration::ZERO);
        pacer.handed(start + KEEP);
        assert_eq!(pacer.keep(1, start + KEEP), KEEP);
    }

    #[test]
    fn a_worker_stops_batching_when_traffic_falls() {
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
