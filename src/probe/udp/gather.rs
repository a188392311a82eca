//! When answers are read together: a busy worker does not wake up for each of them. Pure.

use std::time::{Duration, Instant};

/// Time over which reads are counted.
const PERIOD: Duration = Duration::from_millis(100);
/// Reads in one period that make a worker busy: a hundred a second.
const BUSY: u32 = 10;
/// Shortest time between two reads of a busy worker. A measured round trip may be too long by as
/// much. The receive buffer does not fill up meanwhile: the window of the engine counts what was sent
/// in the last 20 ms.
const REST: Duration = Duration::from_millis(10);

/// Spaces the reads of a busy worker. An answer to a worker that is not busy is read at once.
#[derive(Debug)]
pub(super) struct Gather {
    /// When the present period began.
    period: Instant,
    /// Reads in it.
    reads: u32,
    /// This period, or the one before, had many.
    busy: bool,
    /// The latest read.
    last: Instant,
}

impl Gather {
    /// A worker that has read nothing.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            period: now,
            reads: 0,
            busy: false,
            last: now,
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
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads of a worker in a time, when an answer comes every `gap`, and the longest time that one
    /// waited.
    fn reads(gap: Duration, time: Duration) -> (u32, Duration) {
        let start = Instant::now();
        let mut gather = Gather::new(start);
        let (mut count, mut longest) = (0, Duration::ZERO);
        let (mut now, mut next) = (start, start);
        while next < start + time {
            now = now.max(next);
            now += gather.rest(now);
            longest = longest.max(now - next);
            while next <= now {
                next += gap;
            }
            gather.read(now);
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
    fn a_worker_calms_down() {
        let start = Instant::now();
        let mut gather = Gather::new(start);
        for n in 0..1000 {
            gather.read(start + Duration::from_micros(200) * n);
        }
        let later = start + Duration::from_secs(1);
        assert_eq!(gather.rest(later), Duration::ZERO);
        gather.read(later);
        assert_eq!(gather.rest(later), Duration::ZERO);
    }
}
