//! What the end of a probe says about the tracker.

use std::time::Duration;

use seedwatch_clock::Mono;
use seedwatch_tracker::{FailureReason, Observation, Report, Retry};

/// What the end of a probe says about the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A valid answer.
    Answered,
    /// The tracker is up and refuses this torrent.
    Refused,
    /// The tracker is up and refuses this rate of requests.
    RateLimited,
    /// No valid answer.
    ProbeError,
    /// The tracker must not or cannot be contacted.
    Closed,
    /// This URL has no scrape (BEP 48); other URLs of the tracker may have one.
    NoScrape,
    /// The host has no address in this family.
    NoAddress,
}

impl Outcome {
    /// Returns the outcome that a report stands for.
    pub(super) fn of(report: &Report) -> Self {
        match report.failed().map(|failed| failed.reason) {
            None if matches!(report, Report::NoAddress { .. }) => Outcome::NoAddress,
            None => Outcome::Answered,
            Some(FailureReason::Rejected) => Outcome::Refused,
            Some(FailureReason::RateLimited) => Outcome::RateLimited,
            Some(FailureReason::Unsupported) if report.is_scrape() => Outcome::NoScrape,
            Some(reason) if reason.is_abstention() => Outcome::Closed,
            Some(_) => Outcome::ProbeError,
        }
    }
}

/// When a tracker that gave no answer asks to be contacted again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RetryRequest {
    /// The key `retry in` (BEP 31), or `Retry-After` of HTTP.
    pub(super) retry: Option<Retry>,
    /// The interval that stands beside the failure.
    pub(super) interval: Option<Duration>,
}

impl RetryRequest {
    /// Returns what a report asks for.
    pub(super) fn of(report: &Report) -> Self {
        report.failed().map_or(Self::default(), |failed| Self {
            retry: failed.retry,
            interval: failed.interval(),
        })
    }
}

/// The end of a probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProbeEnd {
    pub(super) outcome: Outcome,
    pub(super) request: RetryRequest,
    /// When the probe was sent.
    pub(super) began: Mono,
    /// When its result came in.
    pub(super) at: Mono,
}

impl ProbeEnd {
    /// Returns the end that an observation reports at `now`.
    pub(super) fn of(observation: &Observation, now: Mono) -> Self {
        Self {
            outcome: Outcome::of(&observation.report),
            request: RetryRequest::of(&observation.report),
            began: now.before(observation.stats.duration),
            at: now,
        }
    }

    /// Returns whether it says when this swarm may be probed again. If not, it speaks of the
    /// tracker as a whole.
    pub(super) fn sets_not_before(&self) -> bool {
        match (self.outcome, self.request.retry) {
            (Outcome::Refused, Some(_)) | (_, Some(Retry::Never)) => true,
            (Outcome::Refused, None) => self.request.interval.is_some(),
            (outcome, _) => outcome == Outcome::NoScrape,
        }
    }
}

/// Returns whether a scrape was answered, but without this swarm: the tracker answers fewer hashes
/// at once.
pub(super) fn is_cut_off(report: &Report, index: usize) -> bool {
    match report {
        Report::Scrape {
            result: Ok(counts), ..
        } => Report::is_short(counts) && counts[index].is_none(),
        _ => false,
    }
}
