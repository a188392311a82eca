//! What a probe says of the tracker.

use std::time::Duration;

use super::slot::Note;
use seedwatch_tracker::{FailureReason, Report, Retry};

/// What a probe says of the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A valid answer.
    Answered,
    /// Up, and says no to this torrent.
    Refused,
    /// Up, and says no to this rate.
    Limited,
    /// No valid answer.
    Failed,
    /// Must not or cannot be asked.
    Closed,
    /// This URL has no scrape (BEP 48); others of the tracker may.
    NoScrape,
    /// No address in this family.
    Absent,
}

impl Outcome {
    pub(super) fn of(report: &Report) -> Self {
        match report.failed().map(|failed| failed.reason) {
            None if matches!(report, Report::NoAddress { .. }) => Outcome::Absent,
            None => Outcome::Answered,
            Some(FailureReason::Rejected) => Outcome::Refused,
            Some(FailureReason::RateLimited) => Outcome::Limited,
            Some(FailureReason::Unsupported) if report.is_scrape() => Outcome::NoScrape,
            Some(reason) if reason.is_abstention() => Outcome::Closed,
            Some(_) => Outcome::Failed,
        }
    }

    /// What the next question of the swarm must know of this one.
    pub(super) fn note(report: &Report) -> Note {
        match report {
            Report::Announce {
                result: Ok(answer), ..
            } if answer.peers.is_empty() && !answer.peer_list_withheld => Note::Empty,
            Report::Announce {
                result: Err(failed),
                ..
            } if !failed.reason.is_silence() => Note::Refused,
            _ => Note::None,
        }
    }

    /// Whether it says when this swarm may be asked about again, not the tracker as a whole.
    pub(super) fn is_promise(self, wish: Wish) -> bool {
        match (self, wish.retry) {
            (Outcome::Refused, Some(_)) | (_, Some(Retry::Never)) => true,
            (Outcome::Refused, None) => wish.interval.is_some(),
            (outcome, _) => outcome == Outcome::NoScrape,
        }
    }
}

/// When a tracker that gave no answer wants to be asked again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wish {
    pub(super) retry: Option<Retry>,
    pub(super) interval: Option<Duration>,
}

impl Wish {
    pub(super) fn of(report: &Report) -> Self {
        report.failed().map_or(Self::default(), |failed| Self {
            retry: failed.retry,
            interval: failed.interval(),
        })
    }
}
