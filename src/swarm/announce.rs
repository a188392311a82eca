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
    listed: Tick,
    counted: Tick,
    seeders: Count,
    leechers: Count,
    completed: Count,
    /// `None` = nobody there.
    peers: Option<Box<Lists>>,
    failure: Option<Arc<Failed>>,
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
    /// Takes over the answer to an announce; says whether it holds a peer that counts.
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
        self.count(answer.counts, now);
        self.peers.is_some()
    }

    /// Takes over counts. An announce that leaves `completed` out does not erase what a scrape
    /// said.
    pub(super) fn count(&mut self, counts: Counts, now: Mono) {
        self.seeders = counts.seeders.into();
        self.leechers = counts.leechers.into();
        if counts.completed.is_some() {
            self.completed = counts.completed.into();
        }
        self.counted = Tick::at(now);
        self.failure = None;
    }

    /// The latest probe failed; what was known before goes on ageing.
    pub(super) fn fail(&mut self, failed: Arc<Failed>) {
        self.failure = Some(failed);
    }

    /// Why the latest probe failed.
    pub(super) fn failure(&self) -> Option<&Arc<Failed>> {
        self.failure.as_ref()
    }

    /// Adds its counts to a row, while they are fresh; says when that ends.
    pub(super) fn add_counts(
        &self,
        row: &mut AnnounceRow,
        now: Mono,
        stale_after: Duration,
    ) -> Option<Mono> {
        let until = self.counted.fresh(now, stale_after)?;
        row.seeders = row.seeders.max(self.seeders);
        row.leechers = row.leechers.max(self.leechers);
        row.completed = row.completed.max(self.completed);
        Some(until)
    }

    /// The latest list, while it is fresh.
    pub(super) fn peers(&self, now: Mono, stale_after: Duration) -> Option<(&[u32], &[u64])> {
        self.listed.fresh(now, stale_after)?;
        Some(
            self.peers
                .as_deref()
                .map_or((&[], &[]), |lists| (&lists.v4, &lists.v6)),
        )
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
