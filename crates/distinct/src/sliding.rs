//! Counts that follow single sightings, and slide by some hours without a look at the entries.
//!
//! A fleet of 100,000 torrents has sixty million entries after a month, and all windows move at once when an
//! hour begins. So whoever looks at the entries anyway also counts how many of them the next hours leave
//! out. Only for exact counts: a sample has no use for its entries' single leaves.

use super::bottom::{Cutoffs, STREAMS, streams};
use super::entry::Entry;
use super::{Counts, SOURCES, Window};

/// Hours that can be slid after a look.
pub(super) const AHEAD: usize = 4;

const WINDOWS: usize = Window::ALL.len();

/// Distinct peers of all windows, and how many of them leave in each of the next hours.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sliding {
    counts: Counts,
    /// By hour, stream and window.
    leaving: [[[u8; WINDOWS]; STREAMS]; AHEAD],
    /// How many of these hours are known. One in which more leave than can be written is not.
    known: u8,
}

impl Sliding {
    /// After a look at all entries.
    pub(super) fn of<'a>(
        entries: impl Iterator<Item = &'a Entry>,
        counts: Counts,
        cutoffs: Cutoffs,
    ) -> Self {
        let mut sliding = Self {
            counts,
            leaving: Default::default(),
            known: AHEAD as u8,
        };
        for entry in entries {
            for (stream, slot) in streams(*entry).into_iter().enumerate() {
                for (window, cutoff) in cutoffs.into_iter().enumerate() {
                    sliding.leave(slot.wrapping_sub(cutoff), stream, window);
                }
            }
        }
        sliding
    }

    /// Of a sample: they hold for this hour.
    pub(super) fn estimated(counts: Counts) -> Self {
        Self {
            counts,
            ..Self::default()
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Hours that can still be slid.
    pub(super) fn known(&self) -> usize {
        usize::from(self.known)
    }

    /// All windows move on by so many hours; says whether their counts are known.
    pub(super) fn slide(&mut self, hours: usize) -> bool {
        if hours > self.known() {
            return false;
        }
        for leaving in &mut self.leaving[..hours] {
            for (stream, leaving) in std::mem::take(leaving).iter().enumerate() {
                let counts = of_stream(&mut self.counts, stream);
                for (count, leaving) in counts.iter_mut().zip(leaving) {
                    *count -= u32::from(*leaving);
                }
            }
        }
        self.leaving.rotate_left(hours);
        self.known -= hours as u8;
        true
    }

    /// One more leaves a window after so many hours.
    fn leave(&mut self, hours: u32, stream: usize, window: usize) {
        if hours >= u32::from(self.known) {
            return;
        }
        let leaving = &mut self.leaving[hours as usize][stream][window];
        match leaving.checked_add(1) {
            Some(more) => *leaving = more,
            None => self.known = hours as u8,
        }
    }

    /// An entry changes: `before` is blank if it is new.
    pub(super) fn change(&mut self, before: Entry, now: Entry, cutoffs: Cutoffs) {
        let both = streams(before).into_iter().zip(streams(now));
        for (stream, (before, now)) in both.enumerate() {
            if before == now {
                continue;
            }
            for (window, cutoff) in cutoffs.into_iter().enumerate() {
                let count = &mut of_stream(&mut self.counts, stream)[window];
                *count += u32::from(now >= cutoff);
                *count -= u32::from(before >= cutoff);
                self.leave(now.wrapping_sub(cutoff), stream, window);
                let known = &mut self.leaving[..usize::from(self.known)];
                if let Some(leaving) = known.get_mut(before.wrapping_sub(cutoff) as usize) {
                    leaving[stream][window] -= 1;
                }
            }
        }
    }
}

fn of_stream(counts: &mut Counts, stream: usize) -> &mut [u32; WINDOWS] {
    if stream < SOURCES {
        &mut counts.by_source[stream]
    } else {
        &mut counts.all
    }
}
