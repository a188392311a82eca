//! Many cheap timers: a hashed timer wheel with coarse slots.
//!
//! Timers are never cancelled. The owner of a timer remembers when it is due and ignores stale
//! ones. An answer in time, the usual case, then costs no work here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The number of slots in the wheel. Later timers take more than one turn.
const SLOTS: usize = 4096;
/// The time that one slot covers: the largest delay of a timer.
const TICK: Duration = Duration::from_millis(20);
const TICK_NANOS: u64 = TICK.as_nanos() as u64;
/// The number of empty slot vectors kept for reuse.
const SPARES: usize = 64;

/// Timers that each carry a `T`.
#[derive(Debug)]
pub(super) struct TimerWheel<T> {
    start: Instant,
    slots: Vec<Vec<(u64, T)>>,
    /// One bit per slot, set if the slot is not empty.
    busy: [u64; SLOTS / 64],
    /// All ticks before this one have fired.
    next: u64,
    spares: VecDeque<Vec<(u64, T)>>,
}

impl<T: Copy> TimerWheel<T> {
    /// Returns an empty wheel whose first tick is `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            start: now,
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            busy: [0; SLOTS / 64],
            next: 0,
            spares: VecDeque::new(),
        }
    }

    /// Sets a timer. It fires at the first [`TimerWheel::expire`] at or after `due`.
    pub(super) fn insert(&mut self, due: Instant, what: T) {
        // Rounded up, because the owner of a timer that fires early would take it for a stale one.
        let tick = nanos(due, self.start).div_ceil(TICK_NANOS);
        self.put(tick.max(self.next), what);
    }

    fn put(&mut self, tick: u64, what: T) {
        let slot = slot(tick);
        if self.slots[slot].capacity() == 0 {
            self.slots[slot] = self.spares.pop_front().unwrap_or_default();
        }
        self.slots[slot].push((tick, what));
        self.busy[slot / 64] |= 1 << (slot % 64);
    }

    /// Removes the timers that are due and appends their values to `fired`.
    pub(super) fn expire(&mut self, now: Instant, fired: &mut Vec<T>) {
        let now = nanos(now, self.start) / TICK_NANOS;
        // After a long pause, one turn over all slots is enough.
        let turn = (now + 1).saturating_sub(self.next).min(SLOTS as u64);
        let first = self.next;
        self.next = self.next.max(now + 1);
        for tick in first..first + turn {
            let slot = slot(tick);
            if self.busy[slot / 64] & (1 << (slot % 64)) == 0 {
                continue;
            }
            self.busy[slot / 64] &= !(1 << (slot % 64));
            let mut due = std::mem::take(&mut self.slots[slot]);
            for (tick, what) in due.drain(..) {
                if tick <= now {
                    fired.push(what);
                } else {
                    self.put(tick, what);
                }
            }
            if self.spares.len() < SPARES {
                self.spares.push_back(due);
            }
        }
    }

    /// Returns when [`TimerWheel::expire`] must be called next. May be early if timers are more
    /// than one turn away, but never late.
    pub(super) fn next(&self) -> Option<Instant> {
        let first = slot(self.next);
        let words = self.busy.len();
        // One step more than there are words: the first word is searched from both ends.
        for step in 0..=words {
            let at = (first / 64 + step) % words;
            let mut word = self.busy[at];
            if step == 0 {
                word &= u64::MAX << (first % 64);
            }
            if word != 0 {
                let found = at * 64 + word.trailing_zeros() as usize;
                let ahead = (found + SLOTS - first) % SLOTS;
                let tick = self.next + ahead as u64;
                return Some(self.start + Duration::from_nanos(tick * TICK_NANOS));
            }
        }
        None
    }
}

/// Returns the nanoseconds since `start`. 64 bits last for 500 years and divide far faster than
/// 128.
fn nanos(at: Instant, start: Instant) -> u64 {
    at.saturating_duration_since(start).as_nanos() as u64
}

fn slot(tick: u64) -> usize {
    (tick % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(wheel: &mut TimerWheel<u32>, now: Instant) -> Vec<u32> {
        let mut out = Vec::new();
        wheel.expire(now, &mut out);
        out
    }

    #[test]
    fn timers_fire_once_and_never_early() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        let ms = |n| start + Duration::from_millis(n);
        assert_eq!(wheel.next(), None);
        wheel.insert(ms(501), 1);
        wheel.insert(ms(20), 2);
        wheel.insert(ms(100_000), 3);
        assert!(wheel.next().is_some_and(|at| at >= ms(20) && at < ms(41)));
        assert_eq!(fired(&mut wheel, ms(19)), Vec::<u32>::new());
        assert_eq!(fired(&mut wheel, ms(24)), [2]);
        assert_eq!(fired(&mut wheel, ms(500)), Vec::<u32>::new());
        assert_eq!(fired(&mut wheel, ms(520)), [1]);
        assert_eq!(fired(&mut wheel, ms(99_999)), Vec::<u32>::new());
        assert_eq!(fired(&mut wheel, ms(100_008)), [3]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn a_timer_in_the_past_fires_at_once() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        let later = start + Duration::from_secs(100);
        assert_eq!(fired(&mut wheel, later), Vec::<u32>::new());
        wheel.insert(start, 7);
        let next = wheel.next().expect("set");
        assert_eq!(fired(&mut wheel, next), [7]);
    }

    #[test]
    fn following_next_fires_every_timer() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        let delays: Vec<u64> = (0..400).map(|n| n * n).collect();
        for (n, delay) in (0..).zip(&delays) {
            wheel.insert(start + Duration::from_millis(*delay), n);
        }
        let mut seen = Vec::new();
        while let Some(at) = wheel.next() {
            for n in fired(&mut wheel, at) {
                let due = start + Duration::from_millis(delays[n as usize]);
                assert!(at >= due && at < due + TICK, "timer {n}");
                seen.push(n);
            }
        }
        assert_eq!(seen, (0..400).collect::<Vec<_>>());
    }
}
