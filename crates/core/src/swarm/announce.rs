//! What is known of one info-hash at one tracker.

use std::sync::Arc;
use std::time::Duration;

use super::filter::Filter;
use super::kept::{Heard, Lists, Room, Tick};
use super::own::OwnEntry;
use super::row::{AnnounceRow, Count, Rejection};
use super::tracker::LONGEST_INTERVAL;
use seedwatch_clock::Mono;
use seedwatch_torrent::Family;
use seedwatch_tracker::{AnnounceResponse, Counts, Remark};

/// One info-hash at one tracker, a side a family. Sides are made when first heard of: most
/// trackers have one.
#[derive(Debug, Default)]
pub(super) struct Announce {
    sides: [Option<Box<Side>>; 2],
}

impl Announce {
    /// The side of a family, made if need be.
    pub(super) fn side(&mut self, family: Family) -> &mut Side {
        self.sides[family.index()].get_or_insert_default()
    }

    /// The latest lists of both families, if anybody is on them.
    pub(super) fn lists(&mut self) -> impl Iterator<Item = &mut Lists> {
        let sides = self.sides.iter_mut().flatten();
        sides.filter_map(|side| side.lists())
    }

    /// The side of a family, if it was ever heard of.
    pub(super) fn known(&self, family: Family) -> Option<&Side> {
        self.sides[family.index()].as_deref()
    }
}

/// The latest valid answers over one family, and the latest failure if that came later. A warning
/// comes with an answer, so that a failure replaces it. Packed:
/// every torrent has one a tracker.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// When a probe was last answered.
    answered: Tick,
    /// When a list last came: the tracker may withhold it.
    listed: Tick,
    /// When a scrape, or an announce that says how often it was completed, last came.
    scraped: Tick,
    seeders: Count,
    leechers: Count,
    completed: Count,
    /// `None` = nobody there.
    peers: Option<Box<Lists>>,
    remark: Option<Box<Stamped>>,
}

/// Returns whether an answer whose list has no peer says that the swarm is empty. `own` of its entries
/// are ourselves. Any other entry may stand for a peer, unless the counts are 0.
fn says_empty(answer: &AnnounceResponse, own: u64) -> bool {
    let (peers, counts) = (&answer.peers, &answer.counts);
    if peers.omitted > 0 || answer.has_absurd_counts {
        return false;
    }
    let names_only_us = peers.len() as u64 == own && peers.malformed == 0;
    counts.is_empty() && peers.malformed == 0 || names_only_us && !counts.claims_peers()
}

/// A remark and when it came.
#[derive(Debug)]
struct Stamped {
    remark: Arc<Remark>,
    at: Tick,
}

impl Stamped {
    fn is_failure(&self) -> bool {
        matches!(*self.remark, Remark::Failed(_))
    }
}

impl Side {
    /// Takes over the list of an answer. Returns `None` if the list says nothing about the swarm: it
    /// has entries, none of them counts as a peer, and the counts are not 0; or not all of it was
    /// read.
    pub(super) fn list(
        &mut self,
        answer: &AnnounceResponse,
        filter: &mut Filter,
        room: &mut Room,
        now: Mono,
    ) -> Option<Heard> {
        let own = filter.rejected[Rejection::Own.index()];
        let own_entry = OwnEntry::in_answer_to_started(answer, filter.ports);
        room.fill(&answer.peers, own_entry, filter);
        let anybody = !room.is_empty();
        let own = filter.rejected[Rejection::Own.index()] - own;
        if !anybody && !says_empty(answer, own) {
            return None;
        }
        let before = match anybody {
            true => self.peers.get_or_insert_default().replace(room),
            false => self.peers.take().map(|lists| *lists),
        };
        self.listed = Tick::at(now);
        Some(Heard { anybody, before })
    }

    /// Reads what the next answer is compared with; returns something of it.
    pub(super) fn prefetch(&self) -> u64 {
        self.peers.as_deref().map_or(0, Lists::prefetch)
    }

    /// The latest list, if anybody is on it.
    pub(super) fn lists(&mut self) -> Option<&mut Lists> {
        self.peers.as_deref_mut()
    }

    /// The latest probe was answered, perhaps with a warning.
    pub(super) fn answer(&mut self, warning: Option<Arc<Remark>>, now: Mono) {
        let at = Tick::at(now);
        self.answered = at;
        self.remark = warning.map(|remark| Box::new(Stamped { remark, at }));
    }

    /// Takes over the counts that are there; those that an answer leaves out go on ageing.
    pub(super) fn count(&mut self, counts: Counts, now: Mono) {
        let Counts {
            seeders,
            leechers,
            completed,
        } = counts;
        if seeders.is_some() || leechers.is_some() {
            self.seeders = seeders.into();
            self.leechers = leechers.into();
        }
        if completed.is_some() {
            self.completed = completed.into();
            self.scraped = Tick::at(now);
        }
    }

    /// The latest probe failed; what was known before goes on ageing.
    pub(super) fn fail(&mut self, failed: Arc<Remark>, now: Mono) {
        self.remark = Some(Box::new(Stamped {
            remark: failed,
            at: Tick::at(now),
        }));
    }

    /// Why the latest probe failed, while that is fresh, and when that ends.
    pub(super) fn failure(&self, now: Mono, stale_after: Duration) -> Option<(&Arc<Remark>, Mono)> {
        let stamped = self.remark.as_ref()?;
        let Remark::Failed(failed) = &*stamped.remark else {
            return None;
        };
        // A tracker may ask beside a failure to be asked less often than that.
        let asked = failed.interval().unwrap_or_default().min(LONGEST_INTERVAL);
        let stale_after = stale_after.max(asked * 3 / 2);
        Some((&stamped.remark, stamped.at.fresh(now, stale_after)?))
    }

    /// The warning that came with the answer to the latest probe. It is as fresh as the answer.
    pub(super) fn warning(&self) -> Option<&Arc<Remark>> {
        let stamped = self
            .remark
            .as_ref()
            .filter(|stamped| !stamped.is_failure())?;
        Some(&stamped.remark)
    }

    /// Until when the answer to the latest probe is fresh.
    pub(super) fn answered(&self, now: Mono, stale_after: Duration) -> Option<Mono> {
        self.answered
            .fresh(now, stale_after)
            .filter(|_| self.remark.as_ref().is_none_or(|it| !it.is_failure()))
    }

    /// Adds its counts to a row, while they are fresh; says when the first of them is not.
    pub(super) fn add_counts(
        &self,
        row: &mut AnnounceRow,
        now: Mono,
        stale_after: Duration,
    ) -> Option<Mono> {
        let answered = self.answered.fresh(now, stale_after);
        let scraped = self.scraped.fresh(now, stale_after);
        if answered.is_some() || scraped.is_some() {
            row.seeders = row.seeders.max(self.seeders);
            row.leechers = row.leechers.max(self.leechers);
        }
        if scraped.is_some() {
            row.completed = row.completed.max(self.completed);
        }
        answered.into_iter().chain(scraped).min()
    }

    /// The latest counts name members other than us: we are at most one leecher.
    fn claims_others(&self) -> bool {
        let seeders = self.seeders.get().unwrap_or(0);
        seeders > 0 || self.leechers.get().is_some_and(|n| n > 1)
    }

    /// The latest list, while it is fresh, and when that ends. An empty one says nothing beside
    /// later counts of members, as of a scrape or of an answer that withholds its list.
    pub(super) fn peers(&self, now: Mono, stale_after: Duration) -> Option<(&[u32], &[u64], Mono)> {
        let until = self.listed.fresh(now, stale_after)?;
        if self.peers.is_none() && self.claims_others() {
            return None;
        }
        let (v4, v6) = Lists::slices(self.peers.as_deref());
        Some((v4, v6, until))
    }
}
