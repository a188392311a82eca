//! Counts that follow single sightings and slide by some hours without reading the entries.
//!
//! 100,000 torrents have sixty million entries after a month, and all windows move at once when an
//! hour begins. A recount therefore also counts the entries that leave each window in each of the
//! next hours. Only exact counts can slide: an estimate depends on which hash is the k-th.

use super::bottom_k::{Cutoffs, STREAMS, streams};
use super::entry::Entry;
use super::{Counts, SOURCES, Window};

/// Hours that counts can slide after a recount.
pub(super) const LOOKAHEAD: usize = 4;

const WINDOWS: usize = Window::ALL.len();

/// Distinct peers of all windows, and the number of them that expires in each of the next hours.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SlidingCounts {
    counts: Counts,
    /// By hour, stream and window.
    expiring: [[[u8; WINDOWS]; STREAMS]; LOOKAHEAD],
    /// Number of hours in `expiring` that are known. The first hour whose number exceeds a byte,
    /// and all after it, are not.
    known: u8,
}

impl SlidingCounts {
    /// Combines fresh counts with the expiries of all entries.
    pub(super) fn exact<'a>(
        entries: impl Iterator<Item = &'a Entry>,
        counts: Counts,
        cutoffs: Cutoffs,
    ) -> Self {
        let mut sliding = Self {
            counts,
            expiring: Default::default(),
            known: LOOKAHEAD as u8,
        };
        for entry in entries {
            for (stream, slot) in streams(*entry).into_iter().enumerate() {
                for (window, cutoff) in cutoffs.into_iter().enumerate() {
                    sliding.add_expiry(slot.wrapping_sub(cutoff), stream, window);
                }
            }
        }
        sliding
    }

    /// Wraps counts of a sample, which hold for this hour only.
    pub(super) fn estimated(counts: Counts) -> Self {
        Self {
            counts,
            ..Self::default()
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns the number of hours that the counts can still slide.
    pub(super) fn known(&self) -> usize {
        usize::from(self.known)
    }

    /// Moves all windows on by `hours`; returns whether the counts are still known.
    pub(super) fn slide(&mut self, hours: usize) -> bool {
        if hours > self.known() {
            return false;
        }
        for expiring in &mut self.expiring[..hours] {
            for (stream, expiring) in std::mem::take(expiring).iter().enumerate() {
                let counts = stream_counts(&mut self.counts, stream);
                for (count, expiring) in counts.iter_mut().zip(expiring) {
                    *count -= u32::from(*expiring);
                }
            }
        }
        self.expiring.rotate_left(hours);
        self.known -= hours as u8;
        true
    }

    /// Notes that one more peer leaves a window after `hours`.
    fn add_expiry(&mut self, hours: u32, stream: usize, window: usize) {
        if hours >= u32::from(self.known) {
            return;
        }
        let expiring = &mut self.expiring[hours as usize][stream][window];
        match expiring.checked_add(1) {
            Some(more) => *expiring = more,
            None => self.known = hours as u8,
        }
    }

    /// Follows the change of one entry. `before` is blank if the entry is new.
    pub(super) fn update(&mut self, before: Entry, after: Entry, cutoffs: Cutoffs) {
        let slots = streams(before).into_iter().zip(streams(after));
        for (stream, (before, after)) in slots.enumerate() {
            if before == after {
                continue;
            }
            for (window, cutoff) in cutoffs.into_iter().enumerate() {
                let count = &mut stream_counts(&mut self.counts, stream)[window];
                *count += u32::from(after >= cutoff);
                *count -= u32::from(before >= cutoff);
                self.add_expiry(after.wrapping_sub(cutoff), stream, window);
                let known = &mut self.expiring[..usize::from(self.known)];
                if let Some(expiring) = known.get_mut(before.wrapping_sub(cutoff) as usize) {
                    expiring[stream][window] -= 1;
                }
            }
        }
    }
}

fn stream_counts(counts: &mut Counts, stream: usize) -> &mut [u32; WINDOWS] {
    if stream < SOURCES {
        &mut counts.by_source[stream]
    } else {
        &mut counts.all
    }
}
