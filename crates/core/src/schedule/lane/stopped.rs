//! What a tracker has shown of its answers to `stopped`.
//!
//! | Known | Strategy | After an empty list | Requests per round |
//! |---|---|---|---|
//! | nothing yet | [`StoppedFirst`]; now and then one [`Compare`] | [`StartThenStop`] | 1 to 3 |
//! | its list comes with `stopped` too | [`StoppedFirst`] | [`StoppedOnly`] | 1 |
//! | its list comes with `started` only | [`StartThenStop`] | [`StartThenStop`] | 2 |
//!
//! [`StoppedFirst`]: AnnounceStrategy::StoppedFirst
//! [`StoppedOnly`]: AnnounceStrategy::StoppedOnly
//! [`StartThenStop`]: AnnounceStrategy::StartThenStop
//! [`Compare`]: AnnounceStrategy::Compare
//!
//! A swarm that was not empty is never called so by `stopped` alone: `started` has to confirm it. So a
//! tracker that changes its habit makes no living swarm look empty.
//!
//! What is known is checked again once a week, and when a scrape or another source names members of
//! a swarm that `stopped` called empty. A swarm whose last question was refused is asked with `started` at
//! once: a refusal of `stopped` proves nothing, one of `started` registers nothing.

use std::time::Duration;

use crate::schedule::slot::Note;
use seedwatch_clock::Mono;
use seedwatch_tracker::{AnnounceStrategy, StoppedList};

/// What is known is checked again after this time.
pub(in crate::schedule) const CHECK_AGAIN: Duration = Duration::from_secs(7 * 24 * 3600);
/// A check that showed nothing is repeated after this time, where nothing is known yet.
const TRY_AGAIN: Duration = Duration::from_secs(300);
/// The same where something is known; also the least time between two doubts.
const DOUBT_AGAIN: Duration = Duration::from_secs(24 * 3600);

/// How a tracker answers `stopped`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::schedule) enum Habit {
    /// Not known.
    #[default]
    Unknown,
    /// Without the list that `started` brings.
    Withholds,
    /// With the same list.
    Lists,
}

/// What one (tracker, family) has shown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stopped {
    pub(super) habit: Habit,
    /// When the next check is due.
    pub(super) check_at: Mono,
    /// No doubt is heard before.
    doubt_at: Mono,
}

impl Stopped {
    /// How the next question is asked.
    pub(super) fn strategy(&mut self, note: Note, now: Mono) -> AnnounceStrategy {
        if note == Note::Refused {
            return AnnounceStrategy::StartThenStop;
        }
        // An empty swarm shows nothing, and must not use up the check of one with peers.
        let is_due = now >= self.check_at && note != Note::Empty;
        if is_due || note == Note::Doubted {
            let known = self.habit != Habit::Unknown;
            let again = if known { DOUBT_AGAIN } else { TRY_AGAIN };
            self.check_at = self.check_at.max(now.after(again));
            return AnnounceStrategy::Compare;
        }
        match (self.habit, note) {
            (Habit::Lists, Note::Empty) => AnnounceStrategy::StoppedOnly,
            (Habit::Withholds, _) | (Habit::Unknown, Note::Empty) => {
                AnnounceStrategy::StartThenStop
            }
            (Habit::Lists | Habit::Unknown, _) => AnnounceStrategy::StoppedFirst,
        }
    }

    /// Takes over what a probe has shown.
    pub(super) fn learn(&mut self, shown: StoppedList, now: Mono) {
        let habit = match shown {
            StoppedList::Unknown => return,
            StoppedList::Same => Habit::Lists,
            StoppedList::Missing => Habit::Withholds,
        };
        self.habit = habit;
        self.check_at = now.after(CHECK_AGAIN);
    }

    /// Notes that another source names members of a swarm that `stopped` called empty. Returns whether
    /// that is reason for a check.
    pub(super) fn doubt(&mut self, now: Mono) -> bool {
        let hears = self.habit == Habit::Lists && now >= self.doubt_at;
        if hears {
            self.doubt_at = now.after(DOUBT_AGAIN);
        }
        hears
    }
}
