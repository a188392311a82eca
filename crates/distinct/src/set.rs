//! A set of the distinct peers of one swarm, or of many swarms.

use std::cmp::Ordering;

use super::bottom_k::{self, Cutoffs, Thresholds, UNLIMITED};
use super::entries::Entries;
use super::entry::{Entry, LAST_SLOT};
use super::sliding_counts::{LOOKAHEAD, SlidingCounts};
use super::{Counts, K, MAX_ENTRIES, Moment, PeerHash, SOURCES, Window};

/// Hours between two removals of expired entries, where a recount reads all entries anyway.
const EXPIRY_INTERVAL: u32 = 8;
/// Longest time between two removals of expired entries, in hours.
const MAX_EXPIRY_INTERVAL: u32 = 4 * EXPIRY_INTERVAL;

/// The peers that each source saw, with the hour in which it last saw them.
///
/// A swarm distinguishes its [`SOURCES`]. Sets without sources (of a collection, a country, all
/// torrents) take every sighting as one of source 0, directly or by [`Set::unite_flattened`]; that
/// halves the memory of a sketch.
///
/// ```
/// use seedwatch_clock::Unix;
/// use seedwatch_distinct::{Key, RunningClock, Set, Window};
///
/// let key = Key::new([7; 16]);
/// let mut clock = RunningClock::start(Unix(1_700_000_000));
/// let mut set = Set::new();
/// set.add(key.peer("192.0.2.1".parse()?), 0, clock.moment());
///
/// // A day later the first peer has left the window of a day, but not that of a week.
/// let now = clock.tick(Unix(1_700_000_000 + 24 * 3600));
/// set.add(key.peer("192.0.2.2".parse()?), 1, now);
/// let counts = set.counts(now);
/// assert_eq!(counts.all[Window::Day.index()], 1);
/// assert_eq!(counts.all[Window::Week.index()], 2);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Set {
    entries: Entries,
    /// The hour of slot 0.
    base: u32,
    /// The moment of the latest call. No slot is later than its hour.
    now: Moment,
    /// The thresholds of the current hour.
    thresholds: Thresholds,
    /// Number of entries at which the set is pruned.
    prune_at: u32,
    /// The counts at `now`, unless outdated.
    counts: SlidingCounts,
    is_outdated: bool,
    /// Whether the entries were counted in this hour.
    is_recounted: bool,
}

/// The effect of a sighting on a set. A caller that feeds several sets can often skip some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insert {
    /// The source had already seen this peer in this hour.
    Unchanged,
    /// The first sighting of this peer by this source in this hour.
    New,
    /// The counts of this set do not need the sighting: K peers of this hour have smaller hashes.
    /// Nor does a set that receives all sightings of this one. A set that receives a part of them
    /// may.
    AboveThreshold,
}

impl Set {
    /// Returns an empty set.
    pub fn new() -> Self {
        Self::from_parts(0, 0, Entries::default())
    }

    /// Adds a sighting in the current hour. Ignores sources that are not below [`SOURCES`].
    #[inline]
    pub fn add(&mut self, peer: PeerHash, source: usize, at: Moment) -> Insert {
        self.add_late(peer, source, at.hour, at)
    }

    /// Adds a sighting in an earlier hour, or in the current one.
    #[inline]
    pub fn add_late(&mut self, peer: PeerHash, source: usize, hour: u32, at: Moment) -> Insert {
        if self.now != at {
            self.advance(at);
        }
        let threshold = self.thresholds.get(source);
        if threshold.is_none_or(|threshold| peer.0 >= *threshold) {
            return Insert::AboveThreshold;
        }
        let slot = hour.min(at.hour).saturating_sub(self.base);
        match self.entries.search(peer.0) {
            Ok(position) => {
                let entry = self.entries.at(position);
                let before = *entry;
                if before.slot(source) >= slot {
                    return Insert::Unchanged;
                }
                entry.set_slot(source, slot);
                let after = *entry;
                self.update_counts(before, after);
                Insert::New
            }
            // The hour has expired.
            Err(_) if slot == 0 => Insert::Unchanged,
            Err(_) if self.entries.len() >= self.prune_at as usize => {
                self.prune();
                self.add_late(peer, source, hour, at)
            }
            Err(position) => {
                let blank = Entry::new(peer.0, [0; SOURCES]);
                let mut entry = blank;
                entry.set_slot(source, slot);
                self.insert(position, entry);
                self.update_counts(blank, entry);
                Insert::New
            }
        }
    }

    /// Applies the change of one entry to the counts, or marks them outdated.
    #[inline]
    fn update_counts(&mut self, before: Entry, after: Entry) {
        if self.is_outdated {
            return;
        }
        if self.is_exact() {
            self.counts.update(before, after, self.cutoffs());
        } else {
            // A peer of the shortest window is one of all windows. Slot 0 lies before each of them.
            let day = self.cutoffs()[Window::Day.index()];
            let is_same = |source: usize| after.slot(source) == before.slot(source);
            let was_in = |source: usize| before.slot(source) >= day;
            self.is_outdated |= !(0..SOURCES).all(|source| is_same(source) || was_in(source));
        }
    }

    #[cold]
    fn insert(&mut self, position: usize, entry: Entry) {
        self.entries.insert(position, entry);
        // This entry may have turned exact counts into estimates.
        self.is_outdated |= !self.is_exact();
    }

    /// Counts the distinct peers of all windows. Quick if called in each of the last hours, and
    /// more than once in some of them: a second call in an hour also counts the expiries of the
    /// next hours.
    #[inline]
    pub fn counts(&mut self, at: Moment) -> Counts {
        let first = self.now != at;
        if first {
            self.advance(at);
        }
        let can_slide =
            || self.is_recounted || !self.is_exact() || self.counts.known() >= LOOKAHEAD / 2;
        if self.is_outdated || !first && !can_slide() {
            self.recount();
        }
        self.counts.counts()
    }

    fn recount(&mut self) {
        if self.now.expired.saturating_sub(self.base) >= EXPIRY_INTERVAL {
            self.remove_expired(self.now);
        }
        let cutoffs = self.cutoffs();
        let counts = bottom_k::count(self.entries.chunks(), K, cutoffs);
        self.counts = match self.is_exact() {
            true => SlidingCounts::exact(self.entries.iter(), counts, cutoffs),
            false => SlidingCounts::estimated(counts),
        };
        self.is_outdated = false;
        self.is_recounted = true;
    }

    /// Returns whether the counts of all windows are exact.
    fn is_exact(&self) -> bool {
        self.entries.len() < K
    }

    /// Returns the first slot of each window, at least 1: slot 0 means never.
    fn cutoffs(&self) -> Cutoffs {
        let cutoff = |start: u32| start.saturating_sub(self.base).max(1);
        self.now.starts.map(cutoff)
    }

    /// Adds all sightings of `other`, source by source.
    pub fn unite(&mut self, other: &Self, at: Moment) {
        self.unite_with(other, at, |slots| slots);
    }

    /// Adds all sightings of `other` as sightings of source 0.
    pub fn unite_flattened(&mut self, other: &Self, at: Moment) {
        self.unite_with(other, at, |slots| {
            let mut folded = [0; SOURCES];
            folded[0] = slots.into_iter().max().unwrap_or(0);
            folded
        });
    }

    fn unite_with(
        &mut self,
        other: &Self,
        at: Moment,
        convert: fn([u32; SOURCES]) -> [u32; SOURCES],
    ) {
        if self.now != at {
            self.advance(at);
        }
        let (from, to) = (other.base, self.base);
        let theirs = other.entries.iter().filter_map(|entry| {
            let slots = convert(entry.slots().map(|slot| translate(slot, from, at.hour, to)));
            Some(Entry::new(entry.hash(), slots)).filter(|entry| !entry.is_blank())
        });
        self.entries = united(self.entries.iter().copied(), theirs).collect();
        self.is_outdated = true;
        if self.entries.len() >= self.prune_at as usize {
            self.prune();
        }
    }

    /// Advances to another moment, and removes expired entries at intervals.
    #[cold]
    fn advance(&mut self, at: Moment) {
        let Moment { hour, expired, .. } = at;
        let was_exact = self.is_exact();
        let fits = hour > self.base && hour - self.base <= LAST_SLOT;
        let continues = fits && hour >= self.now.hour;
        // Hours go back only if the running clock was lost and the set was not. `remove_expired`
        // then moves later sightings to the current hour.
        if !continues || expired.saturating_sub(self.base) >= MAX_EXPIRY_INTERVAL {
            self.remove_expired(at);
        }
        if hour != self.now.hour {
            self.thresholds = UNLIMITED;
        }
        let moved = at.moved_since(self.now).filter(|_| continues && was_exact);
        self.is_outdated |= !moved.is_some_and(|hours| self.counts.slide(hours));
        self.is_recounted = false;
        self.now = at;
    }

    /// Removes the entries that no window can contain any more, and moves the base.
    fn remove_expired(&mut self, at: Moment) {
        let Moment { hour, expired, .. } = at;
        let base = self.base;
        self.entries.retain_mut(|entry| {
            let slots = entry
                .slots()
                .map(|slot| translate(slot, base, hour, expired));
            *entry = Entry::new(entry.hash(), slots);
            !entry.is_blank()
        });
        self.base = expired;
        self.prune_at = self.prune_at.min(self.next_prune());
    }

    fn prune(&mut self) {
        self.thresholds = bottom_k::prune(&mut self.entries, K, self.now.hour - self.base);
        // Random hashes never get here. The bound costs short windows some accuracy.
        self.entries.truncate(MAX_ENTRIES - MAX_ENTRIES / 5);
        self.prune_at = self.next_prune();
    }

    /// Returns the number of entries at which to prune next: a quarter more than now.
    fn next_prune(&self) -> u32 {
        let len = self.entries.len().max(K);
        (len + len / 4).min(MAX_ENTRIES) as u32
    }

    /// Returns whether the set holds no peers.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the bytes that the set holds on the heap.
    pub fn heap(&self) -> usize {
        self.entries.heap()
    }

    /// Returns what the codec writes: the hour of slot 0, the latest hour, and the entries by hash.
    pub(super) fn parts(&self) -> (u32, u32, &Entries) {
        (self.base, self.now.hour, &self.entries)
    }

    /// Builds a set from its [`Self::parts`]: strictly ascending entries, no slot after `hour`.
    pub(super) fn from_parts(base: u32, hour: u32, entries: Entries) -> Self {
        let prune_at = entries.len().max(K + K / 4) as u32;
        // No running clock returns this moment, so the first call advances.
        let now = Moment {
            hour,
            starts: [0; Window::ALL.len()],
            recent: 0,
            expired: 0,
        };
        Self {
            entries,
            base,
            now,
            thresholds: UNLIMITED,
            prune_at,
            counts: SlidingCounts::default(),
            is_outdated: true,
            is_recounted: false,
        }
    }
}

impl Default for Set {
    fn default() -> Self {
        Self::new()
    }
}

/// Merges two sequences by hash; entries of one peer become one.
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

/// Converts a slot from one base to another; returns 0 if the sighting has expired.
fn translate(slot: u32, from: u32, now: u32, to: u32) -> u32 {
    match slot {
        0 => 0,
        slot => from.saturating_add(slot).min(now).saturating_sub(to),
    }
}
