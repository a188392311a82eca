//! Count scrapes: scrapes that are sent in addition to announces, to fetch counts.

use std::collections::VecDeque;
use std::time::Duration;

use crate::schedule::probe_state::ProbeState;
use crate::schedule::probe_states::ProbeStates;
use seedwatch_clock::Mono;
use seedwatch_torrent::{Family, Scheme};
use seedwatch_tracker::{AnnounceId, ProbeError, Report, Request, ScrapeResponse};

/// The first count scrape waits at most this long for its batch to fill, so that all counts show
/// soon after the start.
const FIRST_SCRAPE_WAIT: Duration = Duration::from_secs(5);

/// An HTTP tracker that answers only the first hash of this many scrapes in a row is taken to
/// answer one hash per scrape.
const FIRST_ONLY: u8 = 3;

/// A tracker that does not answer scrapes gets none for this long.
pub(super) const NO_SCRAPE_FOR: Duration = Duration::from_secs(24 * 3600);

/// Swarms whose counts are to be fetched from one tracker, collected into batches.
#[derive(Debug, Default)]
pub(super) struct CountScrapes {
    /// Oldest first; a swarm may be listed twice.
    pending: VecDeque<AnnounceId>,
    /// When the batch leaves, full or not.
    leaves_at: Mono,
    /// Whether a batch has left.
    has_begun: bool,
    /// The tracker does not answer scrapes: nothing is collected before.
    pub(super) not_before: Mono,
    /// Most hashes that the tracker answers in one scrape; 0 = as many as we ask for.
    pub(super) limit: usize,
    /// Scrapes in a row of which the tracker answered only the first hash.
    first_only: u8,
}

impl CountScrapes {
    /// Returns the most hashes of one request.
    pub(super) fn max_batch(&self) -> usize {
        match self.limit {
            0 => Request::MAX_SCRAPE,
            limit => limit.min(Request::MAX_SCRAPE),
        }
    }

    /// Returns when the next batch leaves; `None` if there is none.
    pub(super) fn next_at(&self) -> Option<Mono> {
        (!self.pending.is_empty()).then_some(self.leaves_at)
    }

    /// Returns the swarm that was collected first.
    pub(super) fn first(&self) -> Option<AnnounceId> {
        self.pending.front().copied()
    }

    /// Adds a swarm to the batch. A batch that is not full leaves after `wait`.
    pub(super) fn add(&mut self, id: AnnounceId, wait: Duration, now: Mono) {
        if self.pending.is_empty() {
            let longest = match self.has_begun {
                true => Duration::MAX,
                false => FIRST_SCRAPE_WAIT,
            };
            self.leaves_at = now.after(longest.min(wait));
        }
        self.pending.push_back(id);
        if self.pending.len() >= self.max_batch() {
            self.leaves_at = now;
        }
    }

    /// Takes out the next batch. A swarm with a probe under way waits for a later batch: while it
    /// is announced, the tracker may count us. A batch that is not full leaves after `wait`.
    pub(super) fn next_batch(
        &mut self,
        states: &mut ProbeStates,
        family: Family,
        wait: Duration,
        now: Mono,
    ) -> Vec<AnnounceId> {
        let limit = self.max_batch();
        let mut batch = Vec::with_capacity(limit.min(self.pending.len()));
        for _ in 0..self.pending.len() {
            if batch.len() >= limit {
                break;
            }
            let Some(id) = self.pending.pop_front() else {
                break;
            };
            let families = &mut states[id];
            if families.iter().any(ProbeState::is_probed) {
                self.pending.push_back(id);
            } else if !families[family.index()].is_in_count_scrape() {
                // A scrape under way, perhaps this one, must not name a swarm twice.
                families[family.index()].set_in_count_scrape(true);
                batch.push(id);
            }
        }
        self.has_begun = true;
        self.leaves_at = match self.pending.len() >= limit && !batch.is_empty() {
            true => now,
            false => now.after(wait),
        };
        batch
    }

    /// Learns from a scrape whether the tracker answers scrapes, and how many hashes at once.
    /// `period` is the time to the next probe of a swarm.
    pub(super) fn learn(
        &mut self,
        result: &Result<Vec<Option<ScrapeResponse>>, ProbeError>,
        scheme: Scheme,
        period: Duration,
        now: Mono,
    ) {
        let counts = match result {
            Ok(counts) => counts,
            // Silence may be chance. A refusal in words is an answer.
            Err(failed) if failed.reason.is_silence() => return self.stop_until(now.after(period)),
            Err(_) => return self.stop_until(now.after(NO_SCRAPE_FOR)),
        };
        if !Report::is_short(counts) {
            self.first_only = 0;
            return;
        }
        let answered = counts.iter().flatten().count();
        // Over UDP a short answer shows a limit. Over HTTP the tracker leaves out torrents that it
        // does not know, so a limit of one takes several such answers to believe.
        self.first_only = match answered {
            1 => self.first_only + 1,
            _ => 0,
        };
        if scheme == Scheme::Udp || self.first_only >= FIRST_ONLY {
            self.limit = answered;
            self.first_only = 0;
        }
        // One scrape per announce would double the requests.
        if self.limit == 1 {
            self.stop_until(now.after(NO_SCRAPE_FOR));
        }
    }

    fn stop_until(&mut self, until: Mono) {
        self.not_before = until;
        self.pending.clear();
    }

    /// Drops what is pending: the tracker is down.
    pub(super) fn clear(&mut self) {
        self.pending.clear();
    }

    /// Keeps the swarms for which `keep` returns true.
    pub(super) fn retain(&mut self, keep: impl Fn(AnnounceId) -> bool) {
        self.pending.retain(|id| keep(*id));
    }
}
