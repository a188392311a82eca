//! Bottom-k sampling over sliding windows: which sightings may be dropped, and how many distinct
//! peers a window has.
//!
//! Entries are sorted by hash throughout. A *stream* is one source, or all sources together.

use super::entries::Entries;
use super::entry::{Entry, HASH_BITS, LAST_SLOT};
use super::{Counts, SOURCES, Window};

/// By source: [`prune`] would drop every sighting of the current hour with this hash or a larger
/// one.
pub(super) type Thresholds = [u64; SOURCES];
/// Thresholds above every hash.
pub(super) const UNLIMITED: Thresholds = [u64::MAX; SOURCES];

/// The earliest slot of each window.
pub(super) type Cutoffs = [u32; Window::ALL.len()];

/// Drops each sighting with at least `k` smaller hashes that the same source saw in the same hour
/// or later. No window that ends now or later can have it among its `k` smallest hashes.
pub(super) fn prune(entries: &mut Entries, k: usize, now: u32) -> Thresholds {
    let mut thresholds = UNLIMITED;
    let mut latest: [LatestSlots; SOURCES] = std::array::from_fn(|_| LatestSlots::new(k));
    entries.retain_mut(|entry| {
        for source in 0..SOURCES {
            let latest = &mut latest[source];
            if !latest.admit(entry.slot(source)) {
                entry.set_slot(source, 0);
            } else if latest.bar >= now && thresholds[source] == u64::MAX {
                thresholds[source] = entry.hash() + 1;
            }
        }
        !entry.is_blank()
    });
    thresholds
}

/// The `k` latest slots of one source among the hashes so far.
struct LatestSlots {
    k: usize,
    /// Slots up to this one are too early: `k` others are at least as late.
    bar: u32,
    /// Number of slots later than `bar`; below `k`.
    above: usize,
    by_slot: Vec<u32>,
}

impl LatestSlots {
    fn new(k: usize) -> Self {
        Self {
            k,
            bar: 0,
            above: 0,
            by_slot: vec![0; LAST_SLOT as usize + 1],
        }
    }

    /// Adds a slot; returns whether it is among the `k` latest.
    fn admit(&mut self, slot: u32) -> bool {
        if slot <= self.bar {
            return false;
        }
        self.by_slot[slot as usize] += 1;
        self.above += 1;
        while self.above >= self.k {
            self.bar += 1;
            self.above -= self.by_slot[self.bar as usize] as usize;
        }
        true
    }
}

/// Counts distinct peers since each cutoff: exactly below `k`, otherwise by the `k`-th smallest
/// hash.
pub(super) fn count<'a>(
    chunks: impl Iterator<Item = &'a [Entry]>,
    k: usize,
    cutoffs: Cutoffs,
) -> Counts {
    let mut totals = [[0; Window::ALL.len()]; STREAMS];
    let mut estimates = [[None; Window::ALL.len()]; STREAMS];
    for chunk in chunks {
        let before = totals;
        add_chunk(chunk, cutoffs, &mut totals);
        for stream in 0..STREAMS {
            for (window, cutoff) in cutoffs.into_iter().enumerate() {
                let estimate = &mut estimates[stream][window];
                if estimate.is_none() && totals[stream][window] as usize >= k {
                    let missing = k - before[stream][window] as usize;
                    let mut inside = chunk.iter().filter(|e| streams(**e)[stream] >= cutoff);
                    *estimate = inside.nth(missing - 1).map(|e| extrapolate(k, e.hash()));
                }
            }
        }
    }
    for (total, estimate) in totals.iter_mut().flatten().zip(estimates.iter().flatten()) {
        *total = estimate.unwrap_or(*total);
    }
    Counts {
        all: totals[SOURCES],
        by_source: std::array::from_fn(|source| totals[source]),
    }
}

/// Each source, then all together.
pub(super) const STREAMS: usize = SOURCES + 1;
type Totals = [[u32; Window::ALL.len()]; STREAMS];

/// Returns the latest slot of each stream.
pub(super) fn streams(entry: Entry) -> [u32; STREAMS] {
    let slots = entry.slots();
    let latest = slots.into_iter().fold(0, u32::max);
    std::array::from_fn(|stream| slots.get(stream).copied().unwrap_or(latest))
}

/// Adds the number of entries that each stream has since each cutoff. Every set runs this loop once
/// per hour, so it has no branches.
fn add_chunk(entries: &[Entry], cutoffs: Cutoffs, totals: &mut Totals) {
    let mut sums = *totals;
    for entry in entries {
        let slots = streams(*entry);
        for stream in 0..STREAMS {
            for window in 0..cutoffs.len() {
                sums[stream][window] += u32::from(slots[stream] >= cutoffs[window]);
            }
        }
    }
    *totals = sums;
}

/// Estimates the number of hashes whose `k`-th smallest is `hash`. Of n uniform hashes it lies near
/// the share k/n of the range; (k − 1) divided by the share has no bias.
fn extrapolate(k: usize, hash: u64) -> u32 {
    let share = (hash + 1) as f64 / (1_u64 << HASH_BITS) as f64;
    // At least k hashes were seen. The conversion saturates.
    (((k - 1) as f64 / share).round() as u32).max(k as u32)
}
