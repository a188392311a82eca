//! The rules of politeness: how often a tracker may be asked.

use std::time::Duration;

use seedwatch_torrent::InfoHash;
use seedwatch_tracker::AnnounceStrategy;

/// Shortest time between two probes of one torrent at a tracker, whatever anybody asks for.
const FLOOR: Duration = Duration::from_secs(300);

/// Longest interval a tracker can ask for and be heard; some answer 2³¹ seconds.
pub(super) const CEILING: Duration = crate::LONGEST_TRACKER_INTERVAL;

/// A dead tracker is asked at least every other round, and its state is fresh for half a round more
/// (`swarm::tracker`).
const SLOWEST_BACK_OFF: u32 = 2;

/// After a first failure, the second try with fresh packets comes this much later.
const CONFIRM_AFTER: Duration = Duration::from_secs(5);

/// An operator who asks not to be contacted is looked up again after this time (BEP 34).
pub(super) const CLOSED_FOR: Duration = Duration::from_secs(24 * 3600);

/// A host without an address in a family is looked up again after this time.
const ABSENT_FOR: Duration = Duration::from_secs(3600);

/// Longest wait a tracker can impose on one torrent (`retry in`, BEP 31).
pub(super) const LONGEST_RETRY: Duration = Duration::from_secs(7 * 24 * 3600);

/// How often and how fast trackers are asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// Our own interval.
    pub interval: Duration,
    /// Deadline of one probe.
    pub timeout: Duration,
    /// Requests a second to one host.
    pub max_rate: f64,
    /// Never announce.
    pub scrape_only: bool,
    /// What a tracker needs until we know better.
    pub strategy: AnnounceStrategy,
}

impl Pace {
    /// Time to the next probe of a swarm: our interval, the tracker's or the floor, whichever is
    /// longest; a tracker cannot ask for more than three hours. On loopback, where a tracker is
    /// nobody's but ours, our interval alone counts.
    pub(super) fn period(&self, asked: Option<Duration>, loopback: bool) -> Duration {
        if loopback {
            return self.interval;
        }
        self.interval
            .max(asked.unwrap_or_default().clamp(FLOOR, CEILING))
    }

    /// A period stretched by up to a tenth, always by the same share for one torrent: swarms
    /// spread out and stay spread.
    pub(super) fn jittered(period: Duration, hash: Option<InfoHash>) -> Duration {
        let share = hash.map_or(0, |InfoHash(h)| u16::from_be_bytes([h[18], h[19]]));
        period + period.mul_f64(f64::from(share) / 655_350.0)
    }

    /// Wait between the first failure and the second try.
    pub(super) fn confirm_after(&self) -> Duration {
        CONFIRM_AFTER.min(self.interval)
    }

    /// How long a scrape waits for company: a sixth of the round, so that swarms which are spread
    /// over it still share requests.
    pub(super) fn scrape_wait(&self) -> Duration {
        self.interval / 6
    }

    /// Wait after `failures` failed rounds of a tracker that is down (at least 2).
    pub(super) fn back_off(period: Duration, failures: u32) -> Duration {
        period * failures.saturating_sub(1).clamp(1, SLOWEST_BACK_OFF)
    }

    /// Wait before an operator's `no` is looked up again.
    pub(super) fn closed_for() -> Duration {
        CLOSED_FOR
    }

    /// Wait before a missing address is looked up again.
    pub(super) fn absent_for(&self) -> Duration {
        ABSENT_FOR.max(self.interval)
    }

    /// Wait that a tracker may impose on one torrent: at least a period.
    pub(super) fn retry_after(period: Duration, asked: Duration) -> Duration {
        asked.min(LONGEST_RETRY).max(period)
    }

    /// Wait for a torrent whose tracker said `never` (BEP 31): until it is asked about next
    /// week, in case that was a mistake.
    pub(super) fn never() -> Duration {
        LONGEST_RETRY
    }
}
