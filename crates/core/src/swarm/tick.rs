//! The time of an event on the monotonic clock, in four bytes.

use std::time::Duration;

use crate::snapshot::UnixOption32;
use seedwatch_clock::{Mono, Now, Unix};

/// The time of an event in tenths of a second of the monotonic clock; 0 = never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Tick(u32);

impl Tick {
    /// Returns the tick of a point in time.
    pub(super) fn at(now: Mono) -> Self {
        Self(u32::try_from(now.0 / 100 + 1).unwrap_or(u32::MAX))
    }

    /// Returns when the event happened, by the wall clock.
    pub(super) fn unix(self, now: Now) -> UnixOption32 {
        let Some(tenths) = self.0.checked_sub(1) else {
            return UnixOption32::default();
        };
        let ago = now.mono.0.saturating_sub(u64::from(tenths) * 100) / 1000;
        UnixOption32::plausible(Unix(now.unix.0.saturating_sub(ago)))
    }

    /// Returns when the event goes stale, if it happened and is not stale yet.
    pub(super) fn fresh_until(self, now: Mono, stale_after: Duration) -> Option<Mono> {
        let happened = Mono(u64::from(self.0.checked_sub(1)?) * 100);
        Some(happened.after(stale_after)).filter(|until| *until > now)
    }
}
