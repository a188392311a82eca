//! The peers of one swarm, or of many.

use std::cmp::Ordering;

use super::bottom::{self, Cutoffs, Limits, UNLIMITED};
use super::entries::Entries;
use super::entry::{Entry, LAST_SLOT};
use super::sliding::{AHEAD, Sliding};
use super::{Counts, K, MAX_ENTRIES, Moment, Peer, SOURCES, Window};

/// Hours between looks for what to forget, if all entries are looked at anyway.
const SWEEP: u32 = 8;
/// Hours between such looks at most.
const LATEST_SWEEP: u32 = 4 * SWEEP;

/// Who was seen by which source, and when last.
///
/// A swarm tells its [`SOURCES`] apart. What has no sources of its own (a collection, a country, the
/// fleet) is fed as source 0 or by [`Set::unite_all`], which costs a sketch half the memory.
#[derive(Debug, Clone)]
pub struct Set {
    entries: Entries,
    /// The hour of slot 0.
    base: u32,
    /// Of the latest call. No slot is later than its hour.
    now: Moment,
    /// Of the current hour.
    limits: Limits,
    /// Entries at which those that cannot matter any more are dropped.
    prune_at: u32,
    /// At `now`, unless stale.
    sliding: Sliding,
    stale: bool,
    /// All entries were looked at in this hour.
    looked: bool,
}

/// What a sighting is to a set. Who feeds several sets can spare some of them most of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    /// The source saw this peer in this hour before.
    Known,
    /// The first by this source in this hour.
    News,
    /// Not needed for the counts of this set, nor for those of a set that is fed with all of this
    /// one's: K peers of this hour have smaller hashes. A set of some of its peers may need it.
    Beyond,
}

impl Set {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::from_parts(0, 0, Entries::default())
    }

    /// A sighting now. Those by a source that is not below [`SOURCES`] are ignored.
    #[inline]
    pub fn add(&mut self, peer: Peer, source: usize, at: Moment) -> Sighting {
        self.add_late(peer, source, at.hour, at)
    }

    /// A sighting in an hour up to now that is told only now.
    #[inline]
    pub fn add_late(&mut self, peer: Peer, source: usize, hour: u32, at: Moment) -> Sighting {
        if self.now != at {
            self.advance(at);
        }
        if self.limits.get(source).is_none_or(|limit| peer.0 >= *limit) {
            return Sighting::Beyond;
        }
        let slot = hour.min(at.hour).saturating_sub(self.base);
        match self.entries.search(peer.0) {
            Ok(place) => {
                let entry = self.entries.at(place);
                let before = *entry;
                if before.slot(source) >= slot {
                    return Sighting::Known;
                }
                entry.set(source, slot);
                let now = *entry;
                self.changed(before, now);
                Sighting::News
            }
            // Over before it was told.
            Err(_) if slot == 0 => Sighting::Known,
            Err(_) if self.entries.len() >= self.prune_at as usize => {
                self.prune();
                self.add_late(peer, source, hour, at)
            }
            Err(place) => {
                let blank = Entry::new(peer.0, [0; SOURCES]);
                let mut entry = blank;
                entry.set(source, slot);
                self.insert(place, entry);
                self.changed(blank, entry);
                Sighting::News
            }
        }
    }

    /// Keeps up counts.
    #[inline]
    fn changed(&mut self, before: Entry, now: Entry) {
        if self.stale {
            return;
        }
        if self.is_exact() {
            self.sliding.change(before, now, self.cutoffs());
        } else {
            // Who was in the shortest window was in all. Slot 0 lies before each.
            let seen = |source: usize| now.slot(source) == before.slot(source);
            let was_in = |source: usize| before.slot(source) >= self.cutoffs()[Window::Day.index()];
            self.stale |= !(0..SOURCES).all(|source| seen(source) || was_in(source));
        }
    }

    #[cold]
    fn insert(&mut self, place: usize, entry: Entry) {
        self.entries.insert(place, entry);
        // The switch-over.
        self.stale |= !self.is_exact();
    }

    /// Distinct peers of all windows. Quick if they were asked for in each of the last hours, and more
    /// than once in some: a later look of an hour also looks ahead.
    #[inline]
    pub fn counts(&mut self, at: Moment) -> Counts {
        let first = self.now != at;
        if first {
            self.advance(at);
        }
        let foresees = || self.looked || !self.is_exact() || self.sliding.known() >= AHEAD / 2;
        if self.stale || !first && !foresees() {
            self.recount();
        }
        self.sliding.counts()
    }

    fn recount(&mut self) {
        if self.now.floor.saturating_sub(self.base) >= SWEEP {
            self.sweep(self.now);
        }
        let cutoffs = self.cutoffs();
        let counts = bottom::count(self.entries.chunks(), K, cutoffs);
        self.sliding = match self.is_exact() {
            true => Sliding::of(self.entries.iter(), counts, cutoffs),
            false => Sliding::estimated(counts),
        };
        self.stale = false;
        self.looked = true;
    }

    /// All windows are.
    fn is_exact(&self) -> bool {
        self.entries.len() < K
    }

    /// Slot 0 is never.
    fn cutoffs(&self) -> Cutoffs {
        let cutoff = |start: u32| start.saturating_sub(self.base).max(1);
        self.now.starts.map(cutoff)
    }

    /// Adds all that `other` has seen, source by source.
    pub fn unite(&mut self, other: &Self, at: Moment) {
        self.merge(other, at, |slots| slots);
    }

    /// Adds all that `other` has seen from any source, as source 0.
    pub fn unite_all(&mut self, other: &Self, at: Moment) {
        self.merge(other, at, |slots| {
            let mut folded = [0; SOURCES];
            folded[0] = slots.into_iter().max().unwrap_or(0);
            folded
        });
    }

    fn merge(&mut self, other: &Self, at: Moment, fold: fn([u32; SOURCES]) -> [u32; SOURCES]) {
        if self.now != at {
            self.advance(at);
        }
        let (from, to) = (other.base, self.base);
        let theirs = other.entries.iter().filter_map(|entry| {
            let slots = fold(entry.slots().map(|slot| translate(slot, from, at.hour, to)));
            Some(Entry::new(entry.hash(), slots)).filter(|entry| !entry.is_blank())
        });
        self.entries = united(self.entries.iter().copied(), theirs).collect();
        self.stale = true;
        if self.entries.len() >= self.prune_at as usize {
            self.prune();
        }
    }

    /// To another moment. Now and then drops what is over.
    #[cold]
    fn advance(&mut self, at: Moment) {
        let Moment { hour, floor, .. } = at;
        let was_exact = self.is_exact();
        let fits = hour > self.base && hour - self.base <= LAST_SLOT;
        let goes_on = fits && hour >= self.now.hour;
        // Hours only go back if sets outlive the calendar: what is later than now was seen now.
        if !goes_on || floor.saturating_sub(self.base) >= LATEST_SWEEP {
            self.sweep(at);
        }
        if hour != self.now.hour {
            self.limits = UNLIMITED;
        }
        let moved = at.moved_since(self.now).filter(|_| goes_on && was_exact);
        self.stale |= !moved.is_some_and(|hours| self.sliding.slide(hours));
        self.looked = false;
        self.now = at;
    }

    /// Forgets what no window will ever have again.
    fn sweep(&mut self, at: Moment) {
        let Moment { hour, floor, .. } = at;
        let base = self.base;
        self.entries.retain_mut(|entry| {
            let slots = entry.slots().map(|slot| translate(slot, base, hour, floor));
            *entry = Entry::new(entry.hash(), slots);
            !entry.is_blank()
        });
        self.base = floor;
        self.prune_at = self.prune_at.min(self.planned());
    }

    fn prune(&mut self) {
        self.limits = bottom::prune(&mut self.entries, K, self.now.hour - self.base);
        // Only to bound what chance never does: short windows would lose accuracy.
        self.entries.truncate(MAX_ENTRIES - MAX_ENTRIES / 5);
        self.prune_at = self.planned();
    }

    /// When to tidy up again: after growth by a quarter.
    fn planned(&self) -> u32 {
        let len = self.entries.len().max(K);
        (len + len / 4).min(MAX_ENTRIES) as u32
    }

    /// Nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of memory outside of the set itself.
    pub fn heap(&self) -> usize {
        self.entries.heap()
    }

    /// For the codec: the hour of slot 0, the latest hour, and all entries by hash.
    pub(super) fn parts(&self) -> (u32, u32, &Entries) {
        (self.base, self.now.hour, &self.entries)
    }

    /// The inverse of `parts`: entries strictly ascending, no slot after `hour`.
    pub(super) fn from_parts(base: u32, hour: u32, entries: Entries) -> Self {
        let prune_at = entries.len().max(K + K / 4) as u32;
        // No calendar gives this moment, so that the first call advances.
        let now = Moment {
            hour,
            starts: [0; Window::ALL.len()],
            lately: 0,
            floor: 0,
        };
        Self {
            entries,
            base,
            now,
            limits: UNLIMITED,
            prune_at,
            sliding: Sliding::default(),
            stale: true,
            looked: false,
        }
    }
}

impl Default for Set {
    fn default() -> Self {
        Self::new()
    }
}

/// Both in one order; what both have is one.
fn united(
    ours: impl Iterator<Item = Entry>,
    theirs: impl Iterator<Item = Entry>,
) -> impl Iterator<Item = Entry> {
    let (mut ours, mut theirs) = (ours.peekable(), theirs.peekable());
    std::iter::from_fn(move || {
        let (Some(our), Some(their)) = (ours.peek(), theirs.peek()) else {
            return ours.next().or_else(|| theirs.next());
        };
        match our.hash().cmp(&their.hash()) {
            Ordering::Less => ours.next(),
            Ordering::Greater => theirs.next(),
            Ordering::Equal => {
                let mut both = ours.next()?;
                both.unite(theirs.next()?);
                Some(both)
            }
        }
    })
}

/// A slot of a set with one base as a slot of a set with another, 0 if it is over.
fn translate(slot: u32, from: u32, now: u32, to: u32) -> u32 {
    match slot {
        0 => 0,
        slot => from.saturating_add(slot).min(now).saturating_sub(to),
    }
}
