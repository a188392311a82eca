//! The time of an event on the monotonic clock, in four bytes.

use std::time::Duration;

use seedwatch_clock::Mono;

/// The time of an event in tenths of a second of the monotonic clock; 0 = never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Tick(u32);

impl Tick {
    /// Returns the tick of a point in time.
    pub(super) fn at(now: Mono) -> Self {
        Self(u32::try_from(now.0 / 100 + 1).unwrap_or(u32::MAX))
    }

    /// Returns when the event goes stale, if it happened and is not stale yet.
    pub(super) fn fresh_until(self, now: Mono, stale_after: Duration) -> Option<Mono> {
        let happened = Mono(u64::from(self.0.checked_sub(1)?) * 100);
        Some(happened.after(stale_after)).filter(|until| *until > now)
    }
}
