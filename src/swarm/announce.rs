//! What is known of one info-hash at one tracker.

use std::sync::Arc;
use std::time::Duration;

use super::filter::Filter;
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

/// The latest valid answers over one family, and the latest failure if that came later.
#[derive(Debug, Default)]
pub(super) struct Side {
    listed_at: Option<Mono>,
    counted_at: Option<Mono>,
    counts: Counts,
    /// Sorted, each once.
    v4: Box<[u32]>,
    /// /64 prefixes, sorted, each once.
    v6: Box<[u64]>,
    failure: Option<Arc<Failed>>,
}

impl Side {
    /// Takes over the answer to an announce; says whether it holds a peer that counts.
    pub(super) fn list(
        &mut self,
        answer: &Announced,
        tracker: TrackerId,
        filter: &mut Filter,
        now: Mono,
    ) -> bool {
        let from = (tracker, answer.manner);
        replace(&mut self.v4, filter.keep4(&answer.peers.v4, from));
        replace(&mut self.v6, filter.keep6(&answer.peers.v6, from));
        self.listed_at = Some(now);
        self.count(answer.counts, now);
        !(self.v4.is_empty() && self.v6.is_empty())
    }

    /// Takes over counts. An announce that leaves `completed` out does not erase what a scrape
    /// said.
    pub(super) fn count(&mut self, counts: Counts, now: Mono) {
        self.counts = Counts {
            completed: counts.completed.or(self.counts.completed),
            ..counts
        };
        self.counted_at = Some(now);
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

    /// The latest counts, while they are fresh, and when that ends.
    pub(super) fn counts(&self, now: Mono, stale_after: Duration) -> Option<(Counts, Mono)> {
        fresh(self.counted_at, now, stale_after).map(|until| (self.counts, until))
    }

    /// The latest list, while it is fresh.
    pub(super) fn peers(&self, now: Mono, stale_after: Duration) -> Option<(&[u32], &[u64])> {
        fresh(self.listed_at, now, stale_after).map(|_| (&*self.v4, &*self.v6))
    }
}

/// When something that came at `at` goes stale, if it has not.
fn fresh(at: Option<Mono>, now: Mono, stale_after: Duration) -> Option<Mono> {
    at.map(|at| at.after(stale_after))
        .filter(|until| *until > now)
}

/// Takes over a list; most rounds bring the same one again.
fn replace<T: Copy + PartialEq>(kept: &mut Box<[T]>, new: &[T]) {
    if **kept != *new {
        *kept = new.into();
    }
}
