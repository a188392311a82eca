//! The peer lists that a group is counted from: which of them are lost.
//!
//! A count falls when a list is lost, so it is compared only with counts from lists that are all
//! there now. What matters is which source gave a list, not how many did: a source that comes back
//! in the hour in which another is lost makes up for nothing.

use super::hourly::{HOURS, RunningMinute};

/// One list of one torrent, in the unit of [`SourceLists`].
pub const LIST: u16 = 1000;

/// Longest time in hours over which a source is remembered.
const LONGEST: u8 = 30;
/// The share of the last hour that a list must have been there. The mean of counts that lack it for
/// the rest of the hour stays above the limit of a fall, and a collection has been counted again.
const SHARE_OF_HOUR: f32 = 0.3;
/// Hours over which the lists of an hour are compared to find out whether one was lacking.
const HOURS_OF_LACK: u32 = 27;
/// By how much more than the tolerance the lists of an hour must be fewer. Half a list may be
/// missing: then expected peers are not so few that a fall is overlooked.
const LACK: u32 = 5;
/// Peaks that are kept for each source.
const PEAKS: usize = 3;

/// The lists that the current counts come from.
#[derive(Debug, Clone, Copy)]
pub struct SourceLists<'a> {
    /// The number that stands for each source, and its lists: one of a single torrent is [`LIST`].
    pub lists: &'a [(u32, u16)],
    /// The loss that changes no count noticeably.
    pub tolerance: u16,
}

/// The lists of all sources of a group over the last day.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources {
    /// Sorted by source.
    pub(super) sources: Vec<Source>,
    /// Samples in the current hour.
    pub(super) samples: u16,
    /// Bit n is set if a source changed n + 1 hours ago, or if that is not known.
    pub(super) changes: u32,
    /// Bit n is set if lists of the day before it were lacking in the last hour whose remainder by
    /// 48 is n.
    pub(super) lacking: u64,
    pub(super) tolerance: u16,
}

/// The lists of one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) source: u32,
    /// The sum of the samples of the current hour.
    pub(super) sum: u32,
    /// The last two samples.
    pub(super) last: [u16; 2],
    /// The mean of the previous hour.
    pub(super) before: u16,
    /// The largest hourly means since then, the oldest first: each is smaller than the one before.
    pub(super) peaks: [Peak; PEAKS],
}

/// An hourly mean that no later one has reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Peak {
    /// 0 = none.
    pub(super) lists: u16,
    /// Hours ago, 1 or more.
    pub(super) age: u8,
}

impl Sources {
    /// Takes a sample.
    pub(super) fn sample(&mut self, now: SourceLists<'_>) {
        self.tolerance = now.tolerance;
        self.samples = self.samples.saturating_add(1);
        for source in &mut self.sources {
            source.last = [source.last[1], 0];
        }
        for (id, lists) in now.lists {
            let at = self.sources.binary_search_by_key(id, |known| known.source);
            let at = at.unwrap_or_else(|at| {
                let new = Source {
                    source: *id,
                    ..Source::default()
                };
                self.sources.reserve_exact(1);
                self.sources.insert(at, new);
                at
            });
            let source = &mut self.sources[at];
            source.sum = source.sum.saturating_add((*lists).into());
            source.last[1] = source.last[1].saturating_add(*lists);
        }
    }

    /// Ends an hour, and skips some without a sample.
    pub(super) fn end_hour(&mut self, hour: u32, skipped: u32) {
        let samples = u32::from(std::mem::take(&mut self.samples));
        let (mut change, mut lost) = (0, 0);
        for source in &mut self.sources {
            let mean = source.sum.checked_div(samples).unwrap_or(0);
            let mean = u16::try_from(mean).unwrap_or(u16::MAX);
            change += u32::from(mean.abs_diff(source.before));
            lost += u32::from(source.peak(HOURS_OF_LACK).saturating_sub(mean));
            source.end_hour(mean, skipped);
        }
        let bit = 1 << (hour % HOURS);
        match lost > u32::from(self.tolerance) * LACK {
            true => self.lacking |= bit,
            false => self.lacking &= !bit,
        }
        // Half of it, because a source may change across the end of an hour.
        let is_changed = samples == 0 || change > u32::from(self.tolerance / 2);
        self.changes = self.changes << 1 | u32::from(is_changed);
        // What changed in hours without a sample is not known.
        let unknown = (1_u64 << skipped.min(32)) - 1;
        self.changes = (u64::from(self.changes) << skipped.min(32) | unknown) as u32;
        self.sources.retain(|source| !source.is_forgotten());
        self.sources.shrink_to_fit();
    }

    /// Returns whether lists were lacking in an hour of the last two days.
    pub(super) fn was_lacking(&self, hour: u32) -> bool {
        self.lacking >> (hour % HOURS) & 1 == 1
    }

    /// Moves all hours to earlier ones.
    pub(super) fn shift(&mut self, hours: i64) {
        let by = hours.rem_euclid(HOURS.into()) as u32;
        let all = (1 << HOURS) - 1;
        self.lacking = (self.lacking >> by | self.lacking << (HOURS - by)) & all;
    }

    /// Returns whether all lists of the last hours are there now, and were for enough of the last
    /// hour.
    pub(super) fn are_complete(&self, now: RunningMinute, hours: u32) -> bool {
        let (mut lost, mut lost_in_hour) = (0, 0.0);
        for source in &self.sources {
            let peak = source.peak(hours);
            lost += u32::from(peak.saturating_sub(source.last[0].min(source.last[1])));
            let current = source.sum as f32 / f32::from(self.samples.max(1));
            let fraction = now.fraction();
            let hour = current * fraction + f32::from(source.before) * (1.0 - fraction);
            lost_in_hour += (f32::from(peak) - hour / SHARE_OF_HOUR).max(0.0);
        }
        lost <= self.tolerance.into() && lost_in_hour <= self.tolerance.into()
    }

    /// Returns whether no source changed in these hours, which are at most 32 hours ago.
    pub(super) fn is_steady(&self, hours: std::ops::RangeInclusive<u32>) -> bool {
        hours
            .into_iter()
            .all(|ago| self.changes >> (ago - 1) & 1 == 0)
    }
}

impl Source {
    fn end_hour(&mut self, mean: u16, skipped: u32) {
        let aged = u8::try_from(skipped).unwrap_or(u8::MAX);
        let mut peaks: Vec<Peak> = self
            .peaks
            .into_iter()
            .filter(|it| it.lists > mean)
            .collect();
        if peaks.len() == PEAKS && mean > 0 {
            // The larger of two, at the age of the later one: no loss is forgotten too early.
            peaks[PEAKS - 2].age = peaks[PEAKS - 1].age;
            peaks.pop();
        }
        peaks.push(Peak {
            lists: mean,
            age: 0,
        });
        let aged = peaks.into_iter().map(|peak| Peak {
            age: peak.age.saturating_add(1).saturating_add(aged),
            ..peak
        });
        let mut kept = aged.filter(|peak| peak.age <= LONGEST && peak.lists > 0);
        self.peaks = [0; PEAKS].map(|_| kept.next().unwrap_or_default());
        self.sum = 0;
        self.before = if skipped == 0 { mean } else { 0 };
    }

    /// Returns the largest hourly mean of the last hours.
    fn peak(&self, hours: u32) -> u16 {
        let recent = self.peaks.iter().find(|peak| u32::from(peak.age) <= hours);
        recent.map_or(0, |peak| peak.lists)
    }

    /// Returns whether it gave no list for so long that nothing is compared with it.
    fn is_forgotten(&self) -> bool {
        self.last == [0; 2] && self.peaks.iter().all(|peak| peak.lists == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: RunningMinute = RunningMinute { hour: 9, minute: 0 };

    /// Samples an hour of these numbers of lists, and ends it.
    fn hour(sources: &mut Sources, lists: &[(u32, u16)]) {
        for _ in 0..12 {
            sources.sample(SourceLists {
                lists,
                tolerance: 100,
            });
        }
        sources.end_hour(1, 0);
    }

    fn is_complete(sources: &Sources, hours: u32) -> bool {
        sources.are_complete(NOW, hours)
    }

    #[test]
    fn a_source_that_comes_back_does_not_make_up_for_one_that_is_lost() {
        let mut sources = Sources::default();
        hour(&mut sources, &[(1, LIST), (3, LIST)]);
        hour(&mut sources, &[(1, LIST), (2, LIST)]);
        assert!(!is_complete(&sources, 2), "3 is lost");
        assert!(is_complete(&sources, 1));
        for _ in 0..26 {
            hour(&mut sources, &[(1, LIST), (2, LIST)]);
        }
        assert!(!is_complete(&sources, 28) && is_complete(&sources, 27));
        hour(&mut sources, &[(1, LIST), (2, LIST), (3, LIST)]);
        assert!(is_complete(&sources, 30));
    }

    #[test]
    fn slow_losses_of_many_lists_are_never_forgotten_too_early() {
        let mut sources = Sources::default();
        let level = |hour: u16| 60_000 - hour * 500;
        for now in 0..60 {
            hour(&mut sources, &[(1, level(now))]);
            for hours in [1, 6, 27] {
                let largest = level((now + 1).saturating_sub(hours));
                let peak = sources.sources[0].peak(hours.into());
                assert!(peak >= largest, "{now} {hours}: {peak}");
            }
        }
        (0..30).for_each(|_| hour(&mut sources, &[]));
        assert_eq!(sources.sources, []);
    }

    #[test]
    fn hours_without_samples_are_not_steady() {
        let mut sources = Sources::default();
        (0..9).for_each(|_| hour(&mut sources, &[(1, LIST)]));
        assert!(sources.is_steady(1..=8));
        sources.end_hour(1, 3);
        assert!(!sources.is_steady(1..=1) && !sources.is_steady(4..=4));
        assert!(sources.is_steady(5..=12));
        assert_eq!(
            (sources.sources[0].peak(4), sources.sources[0].peak(5)),
            (0, LIST)
        );
    }
}
