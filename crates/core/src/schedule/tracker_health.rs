//! The health of one tracker over one family, and when it may be contacted again.

use std::time::Duration;

use super::PolitenessPolicy;
use super::intervals::Intervals;
use super::outcome::{Outcome, ProbeEnd};
use super::politeness::{CLOSED_FOR, MAX_RETRY};
use super::saved::SavedTrackerState;
use crate::Health;
use seedwatch_clock::Mono;
use seedwatch_tracker::Retry;

/// The health of one tracker over one family, and when it may be contacted again.
#[derive(Debug)]
pub(super) struct TrackerHealth {
    state: Health,
    /// `state` comes from before a restart, and no probe has confirmed it since.
    health_restored: bool,
    /// Failures in a row. Each of these probes began after the failure before it was known.
    failures: u32,
    /// When the latest failure was known.
    failed_at: Mono,
    /// When the latest answer came.
    answered_at: Mono,
    /// Our own back-off: no request leaves before.
    backoff_until: Mono,
    /// The tracker's rate limit: no request leaves before.
    rate_limited_until: Mono,
}

impl Default for TrackerHealth {
    fn default() -> Self {
        Self {
            state: Health::Unknown,
            health_restored: false,
            failures: 0,
            failed_at: Mono::default(),
            answered_at: Mono::default(),
            backoff_until: Mono::default(),
            rate_limited_until: Mono::default(),
        }
    }
}

impl TrackerHealth {
    /// Returns the health, restored or observed.
    pub(super) fn state(&self) -> Health {
        self.state
    }

    /// Returns whether the tracker has ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.answered_at > Mono::default()
    }

    /// Returns the health as this process has observed it.
    pub(super) fn observed(&self) -> Health {
        match self.health_restored {
            true => Health::Unknown,
            false => self.state,
        }
    }

    /// Returns whether the latest result was an answer. Any other tracker gets one probe at a time.
    pub(super) fn is_up(&self) -> bool {
        self.state == Health::Up
    }

    /// Returns the time before which no request leaves.
    pub(super) fn blocked_until(&self) -> Mono {
        self.backoff_until.max(self.rate_limited_until)
    }

    /// Lets no request leave before `again`, unless the tracker is up. A tracker that is not up
    /// gets the next swarm of the queue, due or not, so that the queue alone would not delay it.
    pub(super) fn delay_until(&mut self, again: Mono) {
        if !self.is_up() {
            self.backoff_until = self.backoff_until.max(again);
        }
    }

    /// Records the end of a probe.
    pub(super) fn record_outcome(
        &mut self,
        end: ProbeEnd,
        intervals: &Intervals,
        policy: &PolitenessPolicy,
    ) {
        match end.outcome {
            Outcome::Answered | Outcome::Refused => self.record_answer(end.at),
            Outcome::RateLimited => {
                self.record_answer(end.at);
                let requested = match end.request.retry {
                    Some(Retry::After(wait)) => wait,
                    Some(Retry::Never) => MAX_RETRY,
                    None => Duration::ZERO,
                };
                let period = intervals.period_after(end.request, policy);
                let until = end
                    .at
                    .after(PolitenessPolicy::retry_after(period, requested));
                self.rate_limited_until = self.rate_limited_until.max(until);
            }
            // The tracker answered, or was known to have failed, while this probe was under way.
            Outcome::ProbeError if end.began < self.answered_at || end.began < self.failed_at => {}
            Outcome::ProbeError => self.record_failure(end.at, intervals, policy),
            Outcome::NoScrape => {}
            Outcome::Closed => self.stop(Health::Closed, end.at.after(CLOSED_FOR)),
            Outcome::NoAddress => {
                self.stop(Health::Absent, end.at.after(policy.no_address_for()));
            }
        }
    }

    fn record_answer(&mut self, now: Mono) {
        self.state = Health::Up;
        self.health_restored = false;
        self.failures = 0;
        self.answered_at = now;
        self.backoff_until = Mono::default();
    }

    fn record_failure(&mut self, now: Mono, intervals: &Intervals, policy: &PolitenessPolicy) {
        self.failures = self.failures.saturating_add(1);
        self.health_restored = false;
        self.failed_at = now;
        if self.failures >= 2 {
            self.state = Health::Down;
            let wait = PolitenessPolicy::back_off(intervals.period(policy), self.failures);
            self.backoff_until = now.after(wait);
        } else if !self.is_up() {
            self.backoff_until = now.after(policy.confirm_after());
        }
    }

    fn stop(&mut self, state: Health, until: Mono) {
        self.state = state;
        self.health_restored = false;
        self.backoff_until = until;
    }

    /// Restores what was known before a restart.
    pub(super) fn restore(&mut self, saved: &SavedTrackerState, now: Mono) {
        if saved.closed_until > now {
            self.state = Health::Closed;
            self.backoff_until = saved.closed_until;
        } else if saved.failures >= 2 {
            self.state = Health::Down;
            self.health_restored = true;
            self.failures = saved.failures;
        }
        self.rate_limited_until = saved.rate_limited_until;
    }

    /// Writes what must be known after a restart. `is_supported` is false for a scheme that this
    /// version does not speak: the next version may.
    pub(super) fn save(&self, is_supported: bool, saved: &mut SavedTrackerState) {
        if self.state == Health::Down {
            saved.failures = self.failures;
        }
        if self.state == Health::Closed && is_supported {
            saved.closed_until = self.backoff_until;
        }
        saved.rate_limited_until = self.rate_limited_until;
    }
}
