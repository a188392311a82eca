//! The latest answers about one info-hash at one tracker.

use std::sync::Arc;
use std::time::Duration;

use super::intake::PeerIntake;
use super::peer_list::{ListUpdate, PeerLists, PeerSlices};
use super::tick::Tick;
use crate::LONGEST_TRACKER_INTERVAL;
use crate::snapshot::{AnnounceRow, Count, Rejection};
use seedwatch_clock::Mono;
use seedwatch_torrent::Family;
use seedwatch_tracker::{AnnounceResponse, Counts, FailureReason, Problem};

/// One info-hash at one tracker, by family. A family's state is created by its first answer: most
/// trackers have one family.
#[derive(Debug, Default)]
pub(super) struct AnnounceState {
    families: [Option<Box<FamilyState>>; 2],
}

impl AnnounceState {
    /// Returns the state of a family, and creates it if necessary.
    pub(super) fn family_mut(&mut self, family: Family) -> &mut FamilyState {
        self.families[family.index()].get_or_insert_default()
    }

    /// Returns the state of a family, if there was an answer.
    pub(super) fn family(&self, family: Family) -> Option<&FamilyState> {
        self.families[family.index()].as_deref()
    }

    /// Returns the families with their states.
    pub(super) fn families(&self) -> impl Iterator<Item = (Family, &FamilyState)> {
        let families = Family::ALL.into_iter().zip(&self.families);
        families.filter_map(|(family, state)| Some((family, state.as_deref()?)))
    }

    /// Returns the latest lists that name a peer, of both families.
    pub(super) fn lists_mut(&mut self) -> impl Iterator<Item = &mut PeerLists> {
        let families = self.families.iter_mut().flatten();
        families.filter_map(|state| state.lists_mut())
    }
}

/// The latest valid answers over one family, and the problem of the latest probe. Packed: every
/// torrent has one per tracker.
#[derive(Debug, Default)]
pub(super) struct FamilyState {
    /// When a probe was last answered with counts, or without counts and list.
    answered: Tick,
    /// When a list last came. A tracker may answer without a list.
    listed: Tick,
    /// When a scrape, or an announce with a `downloaded` count, was last answered.
    scraped: Tick,
    seeders: Count,
    leechers: Count,
    completed: Count,
    /// `None` if the latest list names no peer.
    peers: Option<Box<PeerLists>>,
    /// A warning comes with an answer, so a later failure replaces it.
    problem: Option<Box<TimedProblem>>,
}

/// A problem and when it came.
#[derive(Debug)]
struct TimedProblem {
    problem: Arc<Problem>,
    at: Tick,
    /// Refusals in a row, this one included.
    refusals: u8,
}

impl TimedProblem {
    fn is_failure(&self) -> bool {
        matches!(*self.problem, Problem::Failed(_))
    }
}

impl FamilyState {
    /// Stores the list of an answer. Returns `None` if the list is inconclusive: it names no peer
    /// that counts, and the answer does not state that the swarm is empty.
    pub(super) fn store_list(
        &mut self,
        answer: &AnnounceResponse,
        intake: &mut PeerIntake,
        now: Mono,
    ) -> Option<ListUpdate> {
        let PeerIntake { filter, scratch } = intake;
        let own_before = filter.rejected[Rejection::Own.index()];
        let own_entry = filter.own_entry(answer, now);
        scratch.fill(&answer.peers, own_entry, filter);
        let has_peers = !scratch.is_empty();
        let own = filter.rejected[Rejection::Own.index()] - own_before;
        if !has_peers && !states_empty(answer, own) {
            return None;
        }
        let replaced = match has_peers {
            true => self.peers.get_or_insert_default().replace(scratch),
            false => self.peers.take().map(|lists| *lists),
        };
        self.listed = Tick::at(now);
        Some(ListUpdate {
            has_peers,
            replaced,
        })
    }

    /// Loads the memory that the next answer is compared with. The result only keeps the compiler
    /// from removing the loads.
    pub(super) fn prefetch(&self) -> u64 {
        self.peers.as_deref().map_or(0, PeerLists::prefetch)
    }

    /// Returns the latest list, if it names a peer.
    pub(super) fn lists_mut(&mut self) -> Option<&mut PeerLists> {
        self.peers.as_deref_mut()
    }

    /// Records that the latest probe was answered with counts, perhaps with a warning.
    pub(super) fn record_answer(&mut self, warning: Option<Arc<Problem>>, now: Mono) {
        self.answered = Tick::at(now);
        self.record_list(warning, now);
    }

    /// Records that the latest probe was answered, but says neither how many peers there are nor
    /// which. What was counted before is not known any more.
    pub(super) fn record_inconclusive(&mut self, warning: Option<Arc<Problem>>, now: Mono) {
        self.seeders = Count::UNKNOWN;
        self.leechers = Count::UNKNOWN;
        self.record_answer(warning, now);
    }

    /// Records that the latest probe was answered with a list only, perhaps with a warning. Counts
    /// that came before keep their age.
    pub(super) fn record_list(&mut self, warning: Option<Arc<Problem>>, now: Mono) {
        let at = Tick::at(now);
        self.problem = warning.map(|problem| {
            Box::new(TimedProblem {
                problem,
                at,
                refusals: 0,
            })
        });
    }

    /// Stores the counts of an answer. If it omits all, they keep their value.
    pub(super) fn store_counts(&mut self, counts: Counts, now: Mono) {
        let Counts {
            seeders,
            leechers,
            completed,
        } = counts;
        // A count of completed downloads would renew the age of the others.
        if seeders.is_some() || leechers.is_some() || completed.is_some() {
            self.seeders = seeders.into();
            self.leechers = leechers.into();
        }
        if completed.is_some() {
            self.completed = completed.into();
            self.scraped = Tick::at(now);
        }
    }

    /// Stores the counts of a scrape.
    pub(super) fn store_scrape(&mut self, counts: Counts, now: Mono) {
        self.seeders = Count::UNKNOWN;
        self.leechers = Count::UNKNOWN;
        self.store_counts(counts, now);
        self.scraped = Tick::at(now);
    }

    /// Records that the latest probe failed. Earlier answers keep their age.
    pub(super) fn record_failure(&mut self, failed: Arc<Problem>, now: Mono) {
        let is_refusal = matches!(
            &*failed,
            Problem::Failed(failed) if failed.reason == FailureReason::Rejected
        );
        let refusals = match is_refusal {
            true => self.refusals().saturating_add(1),
            false => 0,
        };
        self.problem = Some(Box::new(TimedProblem {
            problem: failed,
            at: Tick::at(now),
            refusals,
        }));
    }

    /// Returns how often in a row the tracker has refused the torrent, if the latest probe was
    /// refused.
    pub(super) fn refusals(&self) -> u8 {
        self.problem.as_ref().map_or(0, |timed| timed.refusals)
    }

    /// Returns why the latest probe failed, while that is fresh, and when it goes stale.
    pub(super) fn failure(
        &self,
        now: Mono,
        stale_after: Duration,
    ) -> Option<(&Arc<Problem>, Mono)> {
        let timed = self.problem.as_ref()?;
        let Problem::Failed(failed) = &*timed.problem else {
            return None;
        };
        // A tracker may state an interval beside a failure. The failure is fresh until the next
        // probe, which may then be later than the configured age.
        let interval = failed.interval().unwrap_or_default();
        let interval = interval.min(LONGEST_TRACKER_INTERVAL);
        let stale_after = stale_after.max(interval * 3 / 2);
        Some((&timed.problem, timed.at.fresh_until(now, stale_after)?))
    }

    /// Returns when the latest probe ended, answered or not.
    pub(super) fn probed(&self) -> Tick {
        let failed = self.problem.as_ref().map_or(Tick::default(), |it| it.at);
        self.answered.max(self.listed).max(self.scraped).max(failed)
    }

    /// Returns the warning of the latest answer. It is as fresh as the answer.
    pub(super) fn warning(&self) -> Option<&Arc<Problem>> {
        let timed = self.problem.as_ref();
        let timed = timed.filter(|timed| !timed.is_failure())?;
        Some(&timed.problem)
    }

    /// Returns whether the latest probe was answered and the answer is fresh.
    pub(super) fn is_answered(&self, now: Mono, stale_after: Duration) -> bool {
        let answered = self.answered.max(self.listed);
        answered.fresh_until(now, stale_after).is_some()
            && self.problem.as_ref().is_none_or(|it| !it.is_failure())
    }

    /// Adds the fresh counts to a row. Returns when the first of them goes stale.
    pub(super) fn add_counts(
        &self,
        row: &mut AnnounceRow,
        now: Mono,
        stale_after: Duration,
    ) -> Option<Mono> {
        let answered = self.answered.fresh_until(now, stale_after);
        let scraped = self.scraped.fresh_until(now, stale_after);
        if answered.is_some() || scraped.is_some() {
            row.seeders = row.seeders.max(self.seeders);
            row.leechers = row.leechers.max(self.leechers);
        }
        if scraped.is_some() {
            row.completed = row.completed.max(self.completed);
        }
        answered.into_iter().chain(scraped).min()
    }

    /// Returns whether the latest list named a peer, however old it is.
    pub(super) fn named_peers(&self) -> bool {
        self.peers.is_some()
    }

    /// Returns whether the latest counts claim peers other than us. We are at most one leecher.
    pub(super) fn claims_others(&self) -> bool {
        let seeders = self.seeders.get().unwrap_or(0);
        seeders > 0 || self.leechers.get().is_some_and(|n| n > 1)
    }

    /// Returns whether the tracker has ever said over this family whether the swarm is empty.
    pub(super) fn was_conclusive(&self) -> bool {
        self.listed != Tick::default() || self.counts_are_zero()
    }

    /// Returns whether the latest answer claims 0 seeders and 0 leechers, and no failure came
    /// since. One count alone does not prove an empty swarm.
    pub(super) fn counts_are_zero(&self) -> bool {
        let has_failed = self.problem.as_ref().is_some_and(|it| it.is_failure());
        [self.seeders, self.leechers].map(Count::get) == [Some(0); 2] && !has_failed
    }

    /// Returns whether the latest valid answer brought a list that is conclusive.
    pub(super) fn has_latest_list(&self) -> bool {
        self.listed != Tick::default() && self.listed >= self.answered
    }

    /// Returns the latest list while it is fresh, and when it goes stale. An empty list is
    /// inconclusive if later counts claim peers, as those of a scrape or of an answer that
    /// withholds its list.
    pub(super) fn peers(&self, now: Mono, stale_after: Duration) -> Option<(PeerSlices<'_>, Mono)> {
        let until = self.listed.fresh_until(now, stale_after)?;
        let is_counted_later = self.answered.max(self.scraped) >= self.listed;
        if self.peers.is_none() && is_counted_later && self.claims_others() {
            return None;
        }
        Some((PeerLists::slices(self.peers.as_deref()), until))
    }
}

/// Returns whether an answer without a peer that counts states that the swarm is empty. `own` of
/// its entries are our own. Any other entry may stand for a peer, unless the counts are 0.
fn states_empty(answer: &AnnounceResponse, own: u64) -> bool {
    let (peers, counts) = (&answer.peers, &answer.counts);
    if peers.omitted > 0 || answer.has_absurd_counts || peers.malformed > 0 {
        return false;
    }
    let names_only_us = peers.len() as u64 == own;
    counts.is_empty() || names_only_us && !counts.claims_peers()
}
