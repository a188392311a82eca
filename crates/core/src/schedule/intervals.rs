//! The intervals that one tracker asks for.

use std::time::Duration;

use super::PolitenessPolicy;
use super::outcome::RetryRequest;
use crate::LONGEST_TRACKER_INTERVAL;

/// The intervals that one tracker asks for, over one family.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Intervals {
    /// Time between two announces of one swarm (BEP 3).
    pub(super) announce: Option<Duration>,
    /// Shortest time between two scrapes of one swarm (`min_request_interval`, BEP 48).
    pub(super) scrape: Option<Duration>,
    /// The tracker runs on this machine: our own interval applies.
    pub(super) is_loopback: bool,
}

impl Intervals {
    /// Returns the time between two probes of one swarm.
    pub(super) fn period(&self, policy: &PolitenessPolicy) -> Duration {
        self.period_after(RetryRequest::default(), policy)
    }

    /// Returns the time to the next probe of a swarm after a failure that may name an interval.
    pub(super) fn period_after(
        &self,
        request: RetryRequest,
        policy: &PolitenessPolicy,
    ) -> Duration {
        let scrape = self.scrape.filter(|_| policy.scrape_only);
        let requested = self.announce.max(request.interval).max(scrape);
        policy.period(requested, self.is_loopback)
    }

    /// Returns how many announces after a count scrape must not be followed by another one, so that
    /// scrapes keep the interval that the tracker asks for.
    pub(super) fn announces_without_scrape(&self, policy: &PolitenessPolicy) -> u8 {
        let requested = self.scrape.filter(|_| !self.is_loopback);
        let Some(requested) = requested.map(|wait| wait.min(LONGEST_TRACKER_INTERVAL)) else {
            return 0;
        };
        // The earlier scrape may have waited to fill its batch, and the next may not.
        let earliest = (requested + policy.scrape_wait()).as_secs_f64();
        let rounds = earliest / self.period(policy).as_secs_f64();
        (rounds.ceil() - 1.0) as u8
    }
}
