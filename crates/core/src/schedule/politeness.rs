//! The rules of politeness: how often a tracker may be asked.

use std::time::Duration;

use seedwatch_torrent::InfoHash;
use seedwatch_tracker::{AnnounceStrategy, Retry, SHORTEST_INTERVAL};

use crate::LONGEST_TRACKER_INTERVAL;
use crate::health::MAX_BACK_OFF;

/// Time from a first failure to the second attempt, which uses new packets.
const CONFIRM_AFTER: Duration = Duration::from_secs(5);

/// Time after which an operator's request not to be contacted is read again (BEP 34).
pub(super) const CLOSED_FOR: Duration = Duration::from_secs(24 * 3600);

/// Time after which a host without an address in a family is resolved again.
const NO_ADDRESS_FOR: Duration = Duration::from_secs(3600);

/// Longest wait that a tracker can impose on one torrent (`retry in`, BEP 31).
pub(super) const MAX_RETRY: Duration = Retry::LONGEST;

/// How often and how fast trackers are asked.
#[derive(Debug, Clone, PartialEq)]
pub struct PolitenessPolicy {
    /// The configured interval.
    pub interval: Duration,
    /// Deadline of one probe.
    pub timeout: Duration,
    /// Requests per second to one host.
    pub max_rate: f64,
    /// Whether announces are never sent.
    pub scrape_only: bool,
    /// How an announce is made as long as the tracker's behavior is unknown.
    pub strategy: AnnounceStrategy,
}

impl PolitenessPolicy {
    /// Returns the time between two probes of a swarm: the longest of our interval, the tracker's
    /// and [`SHORTEST_INTERVAL`]. A tracker cannot ask for more than [`LONGEST_TRACKER_INTERVAL`].
    /// A tracker on this machine is our own: there our interval alone applies.
    pub(super) fn period(&self, requested: Option<Duration>, is_loopback: bool) -> Duration {
        if is_loopback {
            return self.interval;
        }
        let requested = requested.unwrap_or_default();
        self.interval
            .max(requested.clamp(SHORTEST_INTERVAL, LONGEST_TRACKER_INTERVAL))
    }

    /// Returns a period stretched by up to a tenth. The share is fixed per torrent, so that swarms
    /// spread out and stay spread.
    pub(super) fn jittered(period: Duration, hash: Option<InfoHash>) -> Duration {
        let share = hash.map_or(0, |InfoHash(h)| u16::from_be_bytes([h[18], h[19]]));
        period + period.mul_f64(f64::from(share) / 655_350.0)
    }

    /// Returns the time from a first failure to the second attempt.
    pub(super) fn confirm_after(&self) -> Duration {
        CONFIRM_AFTER.min(self.interval)
    }

    /// Returns how long a count scrape waits for its batch to fill: a sixth of the interval, so
    /// that swarms spread over the interval still share requests.
    pub(super) fn scrape_wait(&self) -> Duration {
        self.interval / 6
    }

    /// Returns the back-off after `failures` failures in a row, at least 2.
    pub(super) fn back_off(period: Duration, failures: u32) -> Duration {
        period * failures.saturating_sub(1).clamp(1, MAX_BACK_OFF)
    }

    /// Returns the time after which a host without an address is resolved again.
    pub(super) fn no_address_for(&self) -> Duration {
        NO_ADDRESS_FOR.max(self.interval)
    }

    /// Returns the wait after which a tracker may be asked about a torrent, if it asked for one:
    /// at least a period, at most [`MAX_RETRY`].
    pub(super) fn retry_after(period: Duration, requested: Duration) -> Duration {
        requested.min(MAX_RETRY).max(period)
    }
}
