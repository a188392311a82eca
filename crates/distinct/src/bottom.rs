//! Bottom-k sampling over sliding windows: what may be forgotten, and how many there were.
//!
//! Entries are sorted by hash throughout.

use super::entries::Entries;
use super::entry::{Entry, HASH_BITS, LAST_SLOT};
use super::{Counts, SOURCES, Window};

/// Hashes from this on, if seen now, would be forgotten at once.
pub(super) type Limits = [u64; SOURCES];
/// Nothing would.
pub(super) const UNLIMITED: Limits = [u64::MAX; SOURCES];

/// The earliest slot of each window.
pub(super) type Cutoffs = [u32; Window::ALL.len()];

/// Forgets each sighting with at least `k` smaller hashes that the same source saw in the same hour or
/// later. Whatever is sighted afterwards, no window up to then has it among its `k` smallest.
pub(super) fn prune(entries: &mut Entries, k: usize, now: u32) -> Limits {
    let mut limits = UNLIMITED;
    let mut records: [Records; SOURCES] = std::array::from_fn(|_| Records::new(k));
    entries.retain_mut(|entry| {
        for source in 0..SOURCES {
            let records = &mut records[source];
            if !records.admit(entry.slot(source)) {
                entry.set(source, 0);
            } else if records.bar >= now && limits[source] == u64::MAX {
                limits[source] = entry.hash() + 1;
            }
        }
        !entry.is_blank()
    });
    limits
}

/// The `k` latest slots so far.
struct Records {
    k: usize,
    /// Slots up to this one come too late: `k` are at least as late.
    bar: u32,
    /// How many are later than `bar`; less than `k`.
    above: usize,
    by_slot: Vec<u32>,
}

impl Records {
    fn new(k: usize) -> Self {
        Self {
            k,
            bar: 0,
            above: 0,
            by_slot: vec![0; LAST_SLOT as usize + 1],
        }
    }

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

/// Distinct peers since each cutoff: exactly where fewer than `k`, else by the `k`-th smallest hash.
pub(super) fn count<'a>(
    chunks: impl Iterator<Item = &'a [Entry]>,
    k: usize,
    cutoffs: Cutoffs,
) -> Counts {
    let mut totals = [[0; Window::ALL.len()]; STREAMS];
    let mut estimates = [[None; Window::ALL.len()]; STREAMS];
    for chunk in chunks {
        let before = totals;
        tally(chunk, cutoffs, &mut totals);
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
    named(totals)
}

/// Each source, and all together.
pub(super) const STREAMS: usize = SOURCES + 1;
type Totals = [[u32; Window::ALL.len()]; STREAMS];

fn named([first, second, all]: Totals) -> Counts {
    Counts {
        all,
        by_source: [first, second],
    }
}

/// The latest slot of each.
pub(super) fn streams(entry: Entry) -> [u32; STREAMS] {
    let [first, second] = entry.slots();
    [first, second, first.max(second)]
}

/// Adds how many entries each stream has since each cutoff. The loop that every set goes through once
/// an hour: no branches.
fn tally(entries: &[Entry], [day, week, month]: Cutoffs, totals: &mut Totals) {
    let [mut first, mut second, mut all] = *totals;
    for entry in entries {
        let slots = streams(*entry);
        first[0] += u32::from(slots[0] >= day);
        first[1] += u32::from(slots[0] >= week);
        first[2] += u32::from(slots[0] >= month);
        second[0] += u32::from(slots[1] >= day);
        second[1] += u32::from(slots[1] >= week);
        second[2] += u32::from(slots[1] >= month);
        all[0] += u32::from(slots[2] >= day);
        all[1] += u32::from(slots[2] >= week);
        all[2] += u32::from(slots[2] >= month);
    }
    *totals = [first, second, all];
}

/// Of n uniform hashes the k-th smallest lies near k/n of the range; (k − 1)/it has no bias.
fn extrapolate(k: usize, hash: u64) -> u32 {
    let share = (hash + 1) as f64 / (1_u64 << HASH_BITS) as f64;
    // At least k were seen. The conversion saturates.
    (((k - 1) as f64 / share).round() as u32).max(k as u32)
}
