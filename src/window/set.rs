//! The peers of one swarm, or of many.

use super::bottom::{self, Cutoffs, Limits, UNLIMITED};
use super::entry::{Entry, LAST_SLOT};
use super::sliding::{AHEAD, Sliding};
use super::{Counts, K, MAX_ENTRIES, Moment, Peer, SOURCES, Window};

/// Hours between looks for what to forget, if all entries are looked at anyway.
const SWEEP: u32 = 8;
/// Hours between such looks at most.
const LATEST_SWEEP: u32 = 4 * SWEEP;
/// Growing takes one part in so many more than is needed.
const SLACK: usize = 32;

/// Who was seen by which source, and when last.
///
/// A swarm tells its [`SOURCES`] apart. What has no sources of its own (a collection, a country, the
/// fleet) is fed as source 0 or by [`Set::unite_all`], which costs a sketch half the memory.
#[derive(Debug, Clone)]
pub struct Set {
    /// By hash, strictly ascending.
    entries: Vec<Entry>,
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
        Self::from_parts(0, 0, Vec::new())
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
        match self.place(peer) {
            Ok(place) => {
                let before = self.entries[place];
                if before.slot(source) >= slot {
                    return Sighting::Known;
                }
                self.entries[place].set(source, slot);
                self.changed(before, self.entries[place]);
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

    fn place(&self, peer: Peer) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&peer, |e| e.peer())
    }

    #[cold]
    fn insert(&mut self, place: usize, entry: Entry) {
        let len = self.entries.len();
        if len == self.entries.capacity() {
            // By little instead of doubling: most of the memory of a daemon is here.
            let more = (len / SLACK).max(4).min(self.prune_at as usize - len);
            self.entries.reserve_exact(more);
        }
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
        if self.stale || !first && self.is_exact() && self.sliding.known() < AHEAD / 2 {
            self.recount();
        }
        self.sliding.counts()
    }

    fn recount(&mut self) {
        if self.now.floor.saturating_sub(self.base) >= SWEEP {
            self.sweep(self.now);
        }
        let cutoffs = self.cutoffs();
        let counts = bottom::count(&self.entries, K, cutoffs);
        self.sliding = match self.is_exact() {
            true => Sliding::of(&self.entries, counts, cutoffs),
            false => Sliding::estimated(counts),
        };
        self.stale = false;
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
        let mut merged = Vec::with_capacity(self.entries.len() + other.entries.len());
        let mut ours = self.entries.iter().copied().peekable();
        for theirs in theirs {
            merged.extend(std::iter::from_fn(|| {
                ours.next_if(|ours| ours.hash() < theirs.hash())
            }));
            merged.push(match ours.next_if(|o| o.hash() == theirs.hash()) {
                None => theirs,
                Some(mut both) => {
                    both.unite(theirs);
                    both
                }
            });
        }
        merged.extend(ours);
        self.entries = merged;
        self.stale = true;
        if self.entries.len() >= self.prune_at as usize {
            self.prune();
        }
        self.entries.shrink_to_fit();
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
        self.shrink();
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

    fn shrink(&mut self) {
        let len = self.entries.len();
        if self.entries.capacity() > len + len / SLACK + 4 {
            self.entries.shrink_to_fit();
        }
    }

    /// Nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of memory outside of the set itself.
    pub fn heap(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    /// For the codec: the hour of slot 0, the latest hour, and all entries by hash.
    pub(super) fn parts(&self) -> (u32, u32, &[Entry]) {
        (self.base, self.now.hour, &self.entries)
    }

    /// The inverse of `parts`: entries strictly ascending, no slot after `hour`.
    pub(super) fn from_parts(base: u32, hour: u32, entries: Vec<Entry>) -> Self {
        let prune_at = entries.len().max(K + K / 4) as u32;
        // No calendar gives this moment, so that the first call advances.
        let now = Moment {
            hour,
            starts: [0; Window::ALL.len()],
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
        }
    }
}

impl Default for Set {
    fn default() -> Self {
        Self::new()
    }
}

/// A slot of a set with one base as a slot of a set with another, 0 if it is over.
fn translate(slot: u32, from: u32, now: u32, to: u32) -> u32 {
    match slot {
        0 => 0,
        slot => from.saturating_add(slot).min(now).saturating_sub(to),
    }
}
