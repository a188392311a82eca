//! Whether a torrent needs seeding, and since when.

use std::time::Duration;

use super::state::State;
use crate::snapshot::UnixOption32;
use seedwatch_clock::Unix;
use serde::{Deserialize, Serialize};

/// The copies that a torrent should have. One with fewer known seeders needs seeding.
pub const WANTED_COPIES: u32 = 3;

/// For how long a torrent must be well before it does not need seeding any more. Helpers come and
/// go, and a feed must not flap with them.
pub const RECOVERED_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// Returns whether a torrent needs seeding: it is dead or at risk, or has at most `max_copies`
/// known seeders. `None` if nothing decides it: unknown seeders are neither few nor enough.
pub fn needs_seeding(state: State, copies: Option<u32>, max_copies: u32) -> Option<bool> {
    match state {
        State::Dead | State::AtRisk => Some(true),
        State::Alive => copies.map(|copies| copies <= max_copies),
        State::Private => Some(false),
        State::Unobserved | State::Pending => None,
    }
}

/// What is remembered of the need of one torrent, in 8 bytes. Times are by the wall clock, which
/// goes on while seedwatch does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct NeedMemory {
    /// Since when the torrent has needed seeding. Stays until it has recovered.
    since: UnixOption32,
    /// Since when it has not, without interruption.
    well_since: UnixOption32,
}

impl NeedMemory {
    /// Returns since when the torrent has needed seeding. It may be well by now.
    pub(crate) const fn since(self) -> UnixOption32 {
        self.since
    }

    /// Adds what holds now. Returns after what time the torrent will have recovered if it stays
    /// well.
    pub(super) fn update(
        &mut self,
        needs: Option<bool>,
        now: Unix,
        recovered_after: Duration,
    ) -> Option<Duration> {
        self.since.clamp_to(now);
        self.well_since.clamp_to(now);
        if needs == Some(true) && self.since.get().is_none() {
            self.since = UnixOption32::plausible(now);
        }
        // What was not seen to be well all the time has to show it again.
        if needs != Some(false) {
            self.well_since = UnixOption32::default();
            return None;
        }
        self.since.get()?;
        if self.well_since.get().is_none() {
            self.well_since = UnixOption32::plausible(now);
        }
        let well = now.0.saturating_sub(self.well_since.get()?.0);
        let rest = recovered_after.saturating_sub(Duration::from_secs(well));
        if rest.is_zero() {
            *self = Self::default();
            return None;
        }
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_790_000_000;
    const DAY: u64 = 24 * 3600;

    /// Feeds days into a memory, and returns the day since when the torrent has needed seeding.
    fn since(memory: &mut NeedMemory, days: &[(u64, Option<bool>)]) -> Option<u64> {
        for (day, needs) in days {
            memory.update(*needs, Unix(START + day * DAY), RECOVERED_AFTER);
        }
        memory.since().get().map(|at| (at.0 - START) / DAY)
    }

    #[test]
    fn dead_and_endangered_torrents_and_those_with_few_copies_need_seeding() {
        for (state, copies, expected) in [
            (State::Dead, None, Some(true)),
            (State::AtRisk, Some(9), Some(true)),
            (State::Alive, Some(2), Some(true)),
            (State::Alive, Some(3), Some(false)),
            (State::Alive, None, None),
            (State::Unobserved, Some(0), None),
            (State::Pending, None, None),
            (State::Private, Some(0), Some(false)),
        ] {
            assert_eq!(needs_seeding(state, copies, WANTED_COPIES - 1), expected);
        }
    }

    #[test]
    fn a_need_ends_after_seven_days_in_which_the_torrent_was_well() {
        let mut memory = NeedMemory::default();
        assert_eq!(since(&mut memory, &[(0, Some(false))]), None);
        assert_eq!(
            since(&mut memory, &[(1, Some(true)), (3, Some(true))]),
            Some(1)
        );
        assert_eq!(
            since(&mut memory, &[(4, Some(false)), (10, Some(false))]),
            Some(1)
        );
        assert_eq!(since(&mut memory, &[(11, Some(false))]), None);
        assert_eq!(since(&mut memory, &[(12, Some(true))]), Some(12));
    }

    #[test]
    fn a_relapse_and_ignorance_start_the_seven_days_again() {
        for interruption in [Some(true), None] {
            let mut memory = NeedMemory::default();
            let days = [(0, Some(true)), (1, Some(false)), (5, interruption)];
            assert_eq!(since(&mut memory, &days), Some(0));
            assert_eq!(
                since(&mut memory, &[(6, Some(false)), (12, Some(false))]),
                Some(0)
            );
            assert_eq!(since(&mut memory, &[(13, Some(false))]), None);
        }
    }

    #[test]
    fn a_clock_that_was_ahead_does_not_end_or_prolong_a_need() {
        let mut memory = NeedMemory::default();
        memory.update(Some(true), Unix(START + 900 * DAY), RECOVERED_AFTER);
        assert_eq!(
            since(&mut memory, &[(0, Some(true)), (1, Some(false))]),
            Some(0)
        );
        // A clock that is not set says nothing.
        memory.update(Some(false), Unix(7), RECOVERED_AFTER);
        assert_eq!(since(&mut memory, &[(2, Some(false))]), Some(0));
    }
}
