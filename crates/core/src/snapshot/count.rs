//! Counts and times that may be unknown, in four bytes each.

use serde::{Deserialize, Serialize};

use seedwatch_clock::Unix;
use seedwatch_tracker::Counts;

/// A count that may be unknown, in four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(u32);

impl Count {
    /// Not known, or stale.
    pub const UNKNOWN: Self = Self(u32::MAX);

    /// Returns the count, if it is known.
    pub const fn get(self) -> Option<u32> {
        if self.0 == u32::MAX {
            None
        } else {
            Some(self.0)
        }
    }

    /// Returns the larger of the known counts.
    pub fn max(self, other: Self) -> Self {
        self.get().max(other.get()).into()
    }
}

impl Default for Count {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl From<Option<u32>> for Count {
    fn from(count: Option<u32>) -> Self {
        // No swarm is larger than `Counts::MAX`, so a larger claim is treated as unknown.
        match count {
            Some(count) if count <= Counts::MAX => Self(count),
            _ => Self::UNKNOWN,
        }
    }
}

/// An optional point on the wall clock in four bytes. It holds seconds since 1970, until 2106.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UnixOption32(u32);

impl UnixOption32 {
    /// The start of 2020. A clock that reads earlier is not set yet.
    const EARLIEST_PLAUSIBLE: u64 = 1_577_836_800;

    /// Seconds that a clock may be set back in normal operation: one hour.
    const TOLERATED_STEP_BACK: u64 = 3600;

    /// Returns the point, if there is one.
    pub const fn get(self) -> Option<Unix> {
        if self.0 == 0 {
            None
        } else {
            Some(Unix(self.0 as u64))
        }
    }

    /// Returns now, unless the reading is implausible: the clock is not set yet.
    pub(crate) fn plausible(now: Unix) -> Self {
        match now.0 >= Self::EARLIEST_PLAUSIBLE {
            true => now.into(),
            false => Self::default(),
        }
    }

    /// Sets the point to now. A machine that starts in 1970 does not know the time, so an
    /// implausible reading never replaces a later point.
    pub(crate) fn record(&mut self, now: Unix) {
        if now.0 >= Self::EARLIEST_PLAUSIBLE || self.get() < Some(now) {
            *self = now.into();
        }
    }

    /// Moves a point in the future back to now, and returns whether it did. If the clock once ran
    /// ahead, recorded points may lie in the future. An implausible reading changes nothing.
    pub(crate) fn clamp_to(&mut self, now: Unix) -> bool {
        let limit = Unix(now.0 + Self::TOLERATED_STEP_BACK);
        let is_ahead = now.0 >= Self::EARLIEST_PLAUSIBLE && self.get() > Some(limit);
        if is_ahead {
            *self = now.into();
        }
        is_ahead
    }

    /// Returns the later of two points.
    pub(crate) fn or_later(self, other: Self) -> Self {
        if self.get() > other.get() {
            self
        } else {
            other
        }
    }
}

impl From<Unix> for UnixOption32 {
    fn from(at: Unix) -> Self {
        Self(u32::try_from(at.0).unwrap_or(u32::MAX))
    }
}
