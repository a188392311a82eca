//! What is known of one info-hash at one tracker.

use std::sync::Arc;
use std::time::Duration;

use super::filter::Filter;
use super::row::{AnnounceRow, Count};
use crate::observation::{Announced, Counts, Failed, Family, TrackerId};
use crate::time::Mono;

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

    /// The side of a family, if it was ever heard of.
    pub(super) fn known(&self, family: Family) -> Option<&Side> {
        self.sides[family.index()].as_deref()
    }
}

/// The latest valid answers over one family, and the latest failure if that came later. Packed:
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
    failure: Option<Box<Stamped>>,
}

/// A failure and when it came.
#[derive(Debug)]
struct Stamped {
    failed: Arc<Failed>,
    at: Tick,
}

/// Peers that count, by family: sorted, each once.
#[derive(Debug, Default)]
struct Lists {
    v4: Box<[u32]>,
    /// /64 prefixes.
    v6: Box<[u64]>,
    /// Of the lists before they were sorted; most rounds bring the same peers again.
    prints: [u64; 2],
}

/// Room for the peers of one answer, used again for the next.
#[derive(Debug, Default)]
pub(super) struct Room {
    v4: Vec<u32>,
    v6: Vec<u64>,
}

/// When something came, in tenths of a second of the monotonic clock; 0 = never.
#[derive(Debug, Clone, Copy, Default)]
struct Tick(u32);

impl Tick {
    fn at(now: Mono) -> Self {
        Self(u32::try_from(now.0 / 100 + 1).unwrap_or(u32::MAX))
    }

    /// When it goes stale, if it came and has not gone stale yet.
    fn fresh(self, now: Mono, stale_after: Duration) -> Option<Mono> {
        let came = Mono(u64::from(self.0.checked_sub(1)?) * 100);
        Some(came.after(stale_after)).filter(|until| *until > now)
    }
}

impl Side {
    /// Takes over the list of an answer; says whether it holds a peer that counts.
    pub(super) fn list(
        &mut self,
        answer: &Announced,
        tracker: TrackerId,
        filter: &mut Filter,
        room: &mut Room,
        now: Mono,
    ) -> bool {
        let from = (tracker, answer.manner);
        let Room { v4, v6 } = room;
        filter.keep4(&answer.peers.v4, from, v4);
        filter.keep6(&answer.peers.v6, from, v6);
        if v4.is_empty() && v6.is_empty() {
            self.peers = None;
        } else {
            let lists = self.peers.get_or_insert_default();
            replace(&mut lists.v4, &mut lists.prints[0], v4);
            replace(&mut lists.v6, &mut lists.prints[1], v6);
        }
        self.listed = Tick::at(now);
        self.peers.is_some()
    }

    /// The latest probe was answered.
    pub(super) fn answer(&mut self, now: Mono) {
        self.answered = Tick::at(now);
        self.failure = None;
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
    pub(super) fn fail(&mut self, failed: Arc<Failed>, now: Mono) {
        self.failure = Some(Box::new(Stamped {
            failed,
            at: Tick::at(now),
        }));
    }

    /// Why the latest probe failed, while that is fresh, and when that ends.
    pub(super) fn failure(&self, now: Mono, stale_after: Duration) -> Option<(&Arc<Failed>, Mono)> {
        let stamped = self.failure.as_ref()?;
        Some((&stamped.failed, stamped.at.fresh(now, stale_after)?))
    }

    /// Until when the answer to the latest probe is fresh.
    pub(super) fn answered(&self, now: Mono, stale_after: Duration) -> Option<Mono> {
        self.answered
            .fresh(now, stale_after)
            .filter(|_| self.failure.is_none())
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

    /// The latest list, while it is fresh, and when that ends.
    pub(super) fn peers(&self, now: Mono, stale_after: Duration) -> Option<(&[u32], &[u64], Mono)> {
        let until = self.listed.fresh(now, stale_after)?;
        let (v4, v6): (&[u32], &[u64]) = self
            .peers
            .as_deref()
            .map_or((&[], &[]), |lists| (&lists.v4, &lists.v6));
        Some((v4, v6, until))
    }
}

/// Takes over a list that is neither sorted nor free of repetitions. Most rounds bring the same
/// peers again in another order: a print that does not depend on order spares the sorting.
fn replace<T: Copy + Ord + Into<u64>>(kept: &mut Box<[T]>, print: &mut u64, new: &mut Vec<T>) {
    let new_print = new
        .iter()
        .map(|peer| mix((*peer).into()))
        .fold(0, u64::wrapping_add);
    if new_print == *print && kept.is_empty() == new.is_empty() {
        return;
    }
    *print = new_print;
    new.sort_unstable();
    new.dedup();
    *kept = new.as_slice().into();
}

/// Spreads a number over 64 bits (the finaliser of SplitMix64).
fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
