//! Scrapes beside announces.

use std::collections::VecDeque;
use std::time::Duration;

use super::Lane;
use crate::schedule::Pace;
use crate::schedule::pace::CEILING;
use seedwatch_clock::Mono;
use seedwatch_tracker::{AnnounceId, Ask};

/// Swarms whose counts are to be fetched, gathered into batches.
#[derive(Debug, Default)]
pub(super) struct Scrape {
    /// Oldest first; one may be named twice.
    pub(super) pending: VecDeque<AnnounceId>,
    /// When they leave, full batch or not.
    pub(super) at: Mono,
    /// One has left.
    pub(super) begun: bool,
    /// The tracker does not answer scrapes: gather nothing before.
    pub(super) not_before: Mono,
    /// Most hashes it answers in one scrape; 0 = as many as we ask for.
    pub(super) limit: usize,
    /// Scrapes in a row of which it answered the first hash only.
    pub(super) first_only: u8,
    /// Shortest time between two scrapes of one swarm, as the tracker asks (BEP 48).
    pub(super) interval: Option<Duration>,
}

impl Scrape {
    /// Hashes in one request.
    pub(super) fn batch(&self) -> usize {
        if self.limit == 0 {
            Ask::MAX_SCRAPE
        } else {
            self.limit.min(Ask::MAX_SCRAPE)
        }
    }
}

impl Lane {
    /// Announces of a swarm after a scrape that are followed by none, so that the next scrape is not
    /// too early for the tracker.
    pub(in crate::schedule) fn skipped_scrapes(&self, pace: &Pace) -> u8 {
        let asked = self.scrape.interval.filter(|_| !self.loopback);
        let Some(asked) = asked.map(|asked| asked.min(CEILING)) else {
            return 0;
        };
        // One scrape may have waited for company, and the next may not.
        let rounds = (asked + pace.scrape_wait()).as_secs_f64() / self.period(pace).as_secs_f64();
        (rounds.ceil() - 1.0) as u8
    }
}
