//! Days in UTC, by a wall clock that may be wrong.

use serde::{Deserialize, Serialize};

use crate::snapshot::UnixOption32;
use seedwatch_clock::{Mono, Now, Unix};

/// How far, in seconds, the clock may be set back without a return to the day before.
const BACKLASH: u64 = 3600;

/// After so many midnights in order, the clock is right: days that it says are over are dropped.
const TRUSTED_AFTER: u8 = 7;

/// A day in UTC. [`UtcDay::default`] is 1970-01-01, on which nothing is recorded.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct UtcDay(pub(super) u16);

impl UtcDay {
    /// Seconds of a day. Unix time knows no leap seconds.
    pub const SECONDS: u64 = 24 * 3600;

    /// Returns the day of a point in time. Returns `None` before 2020, because the clock is then
    /// not set, and after 2149.
    pub fn of(at: Unix) -> Option<Self> {
        UnixOption32::plausible(at).get()?;
        u16::try_from(at.0 / Self::SECONDS).ok().map(Self)
    }

    /// Returns when the day begins.
    pub const fn start(self) -> Unix {
        Unix(self.0 as u64 * Self::SECONDS)
    }

    /// Returns the day so many days later, if there is one.
    pub const fn after(self, days: u16) -> Option<Self> {
        match self.0.checked_add(days) {
            Some(day) => Some(Self(day)),
            None => None,
        }
    }

    /// Returns the day so many days earlier, not before 1970-01-01.
    pub const fn before(self, days: u16) -> Self {
        Self(self.0.saturating_sub(days))
    }
}

/// A point in time on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CalendarTime {
    pub(crate) day: UtcDay,
    /// Seconds since the day began.
    pub(crate) second: u32,
    pub(crate) mono: Mono,
    /// Whether the days that are over may be dropped.
    pub(crate) is_trusted: bool,
}

/// Turns readings of the clocks into days.
#[derive(Debug, Default)]
pub(crate) struct Calendar {
    /// The day of the latest reading of a clock that is set.
    day: UtcDay,
    /// Midnights in order since the clock last jumped, or since the start.
    midnights: u8,
    now: Option<CalendarTime>,
}

impl Calendar {
    /// Reads the clocks.
    pub(crate) fn tick(&mut self, now: Now) {
        self.now = UtcDay::of(now.unix).map(|day| self.read(day, now));
    }

    fn read(&mut self, day: UtcDay, now: Now) -> CalendarTime {
        let latest = self.day.start().0;
        let is_backlash = now.unix.0 < latest && now.unix.0 + BACKLASH >= latest;
        let day = if is_backlash { self.day } else { day };
        if Some(day) == self.day.after(1) {
            self.midnights = self.midnights.saturating_add(1);
        } else if day != self.day {
            self.midnights = 0;
        }
        self.day = day;
        CalendarTime {
            day,
            second: now.unix.0.saturating_sub(day.start().0) as u32,
            mono: now.mono,
            is_trusted: self.midnights >= TRUSTED_AFTER,
        }
    }

    /// Returns the time of the latest reading; `None` while the clock is not set.
    pub(crate) fn now(&self) -> Option<CalendarTime> {
        self.now
    }
}
