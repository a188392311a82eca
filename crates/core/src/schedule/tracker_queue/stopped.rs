//! What a tracker has shown of its answers to `stopped`.
//!
//! | Known behavior | How its swarms are asked | Requests per round |
//! |---|---|---|
//! | none | one [`AnnounceStrategy::Compare`] at times; else [`AnnounceStrategy::StoppedFirst`], and [`AnnounceStrategy::StartThenStop`] for swarms that were empty | 1 to 3 |
//! | sends its list with `stopped` | [`AnnounceStrategy::StoppedFirst`], and [`AnnounceStrategy::StoppedOnly`] for swarms that were empty | 1 |
//! | sends its list with `started` only | [`AnnounceStrategy::StartThenStop`] | 2 |
//!
//! An empty answer to `stopped` alone never makes a swarm empty that had peers: an answer to
//! `started` has to confirm it. So a tracker that changes its behavior makes no swarm look empty.
//!
//! The behavior is checked again once per week, and when a scrape or another source names peers
//! of a swarm that `stopped` showed as empty. After a refusal, the swarm is asked with `started` at
//! once: a refused `stopped` proves nothing, and a refused `started` registers nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::schedule::probe_state::LastAnswer;
use seedwatch_clock::Mono;
use seedwatch_tracker::{AnnounceStrategy, StoppedList};

/// A known behavior is checked again after this time.
pub(in crate::schedule) const RECHECK_KNOWN_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// Time between two checks that show nothing, while the behavior is unknown.
const RECHECK_UNKNOWN_AFTER: Duration = Duration::from_secs(300);

/// The same for a known behavior; also the shortest time between two checks after contradictions.
const RECHECK_AFTER: Duration = Duration::from_secs(24 * 3600);

/// How a tracker answers `stopped`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::schedule) enum StoppedBehavior {
    /// Not known.
    #[default]
    Unknown,
    /// Without the peer list that `started` brings.
    OmitsList,
    /// With the same peer list.
    SendsList,
}

/// What one tracker has shown over one family.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stopped {
    pub(super) behavior: StoppedBehavior,
    /// When the next check is due.
    pub(super) check_at: Mono,
    /// Contradictions before this time cause no check.
    contradiction_at: Mono,
}

impl Stopped {
    /// Returns how the next announce of a swarm is made.
    pub(super) fn strategy(&mut self, last_answer: LastAnswer, now: Mono) -> AnnounceStrategy {
        if last_answer == LastAnswer::Refused {
            return AnnounceStrategy::StartThenStop;
        }
        // An empty swarm shows nothing, and must not use up the check of one with peers.
        let is_due = now >= self.check_at && last_answer != LastAnswer::Empty;
        if is_due || last_answer == LastAnswer::Contradicted {
            let wait = match self.behavior {
                StoppedBehavior::Unknown => RECHECK_UNKNOWN_AFTER,
                _ => RECHECK_AFTER,
            };
            self.check_at = self.check_at.max(now.after(wait));
            return AnnounceStrategy::Compare;
        }
        match (self.behavior, last_answer) {
            (StoppedBehavior::SendsList, LastAnswer::Empty) => AnnounceStrategy::StoppedOnly,
            (StoppedBehavior::OmitsList, _) | (StoppedBehavior::Unknown, LastAnswer::Empty) => {
                AnnounceStrategy::StartThenStop
            }
            (StoppedBehavior::SendsList | StoppedBehavior::Unknown, _) => {
                AnnounceStrategy::StoppedFirst
            }
        }
    }

    /// Learns from what a probe has shown.
    pub(super) fn learn(&mut self, shown: StoppedList, now: Mono) {
        let behavior = match shown {
            StoppedList::Unknown => return,
            StoppedList::Same => StoppedBehavior::SendsList,
            StoppedList::Missing => StoppedBehavior::OmitsList,
        };
        self.behavior = behavior;
        self.check_at = now.after(RECHECK_KNOWN_AFTER);
    }

    /// Notes that another source names peers of a swarm that `stopped` showed as empty. Returns
    /// whether the behavior is to be checked.
    pub(super) fn report_contradiction(&mut self, now: Mono) -> bool {
        let is_checked =
            self.behavior == StoppedBehavior::SendsList && now >= self.contradiction_at;
        if is_checked {
            self.contradiction_at = now.after(RECHECK_AFTER);
        }
        is_checked
    }
}
