//! The samples of the days before the current one. Consecutive days with equal samples are one run.

use super::HISTORY_DAYS;
use super::calendar::{CalendarTime, UtcDay};
use super::sample::DaySample;

/// Consecutive days with the same sample, in 11 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first day, in bytes, so that a run needs no padding.
    first: [u8; 2],
    /// At least 1.
    days: u8,
    sample: DaySample,
}

// So a day of a torrent takes 11 bytes at most.
const _: () = assert!(size_of::<Run>() == 11);

impl Run {
    /// Returns a run of one day.
    pub(super) fn of(day: UtcDay, sample: DaySample) -> Self {
        Self {
            first: day.0.to_ne_bytes(),
            days: 1,
            sample,
        }
    }

    /// Returns a run of several days; `None` without a day, or beyond the last one.
    pub(super) fn lasting(first: UtcDay, days: u8, sample: DaySample) -> Option<Self> {
        first.after(days.into())?;
        (days > 0).then_some(Self {
            days,
            ..Self::of(first, sample)
        })
    }

    pub(super) fn first(self) -> UtcDay {
        UtcDay(u16::from_ne_bytes(self.first))
    }

    pub(super) const fn days(self) -> u8 {
        self.days
    }

    pub(super) const fn sample(self) -> DaySample {
        self.sample
    }

    /// Returns the day after the last one.
    pub(super) fn end(self) -> UtcDay {
        UtcDay(self.first().0.saturating_add(self.days.into()))
    }

    /// Returns the days with their samples.
    fn dated(self) -> impl DoubleEndedIterator<Item = (UtcDay, DaySample)> + Clone {
        let days = self.first().0..self.end().0;
        days.map(move |day| (UtcDay(day), self.sample))
    }

    /// Returns the part of the run from one day until before another.
    fn within(self, from: UtcDay, end: UtcDay) -> Option<Self> {
        let (first, end) = (self.first().max(from), self.end().min(end));
        let days = end.0.checked_sub(first.0)?;
        Self::lasting(first, days as u8, self.sample)
    }
}

/// Returns the days of some runs with their samples.
pub(super) fn dated(
    runs: &[Run],
) -> impl DoubleEndedIterator<Item = (UtcDay, DaySample)> + Clone + '_ {
    runs.iter().flat_map(|run| run.dated())
}

/// The runs of one torrent: in order, without a common day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Runs(pub(super) Vec<Run>);

impl Runs {
    /// Most runs of one torrent: the days before the current one, and as many that were recorded
    /// while the clock was ahead.
    pub(super) const MOST: usize = 2 * HISTORY_DAYS;

    /// Returns runs that are in order and have no day in common.
    pub(crate) fn of(runs: &[Run]) -> Self {
        Self(runs.to_vec())
    }

    /// Replaces all runs by others, without an allocation where it can.
    pub(crate) fn copy_from(&mut self, runs: &[Run]) {
        self.0.clear();
        self.0.extend_from_slice(runs);
    }

    /// Returns the runs.
    pub(crate) fn as_slice(&self) -> &[Run] {
        &self.0
    }

    /// Adds the sample of a day, which may have one already.
    pub(crate) fn insert(&mut self, day: UtcDay, sample: DaySample) {
        if sample.is_gap() {
            return;
        }
        if self.0.last().is_none_or(|last| last.end() <= day) {
            return self.push(day, sample);
        }
        let before = std::mem::take(&mut self.0);
        let mut new = Some(sample);
        for (date, known) in dated(&before) {
            if let Some(sample) = new.take_if(|_| day <= date) {
                match day == date {
                    true => {
                        self.push(date, known.united(sample));
                        continue;
                    }
                    false => self.push(day, sample),
                }
            }
            self.push(date, known);
        }
    }

    /// Appends a day that is later than all others.
    fn push(&mut self, day: UtcDay, sample: DaySample) {
        match self.0.last_mut() {
            Some(last) if last.end() == day && last.sample == sample && last.days < u8::MAX => {
                last.days += 1;
            }
            _ => self.0.push(Run::of(day, sample)),
        }
    }

    /// Unites these runs with others: the latest days of both, as many as are ever kept.
    pub(crate) fn unite(&mut self, others: &[Run]) {
        for (day, sample) in dated(others) {
            self.insert(day, sample);
        }
        let first = dated(&self.0).rev().nth(Self::MOST - 1);
        if let Some((first, _)) = first {
            self.keep_within(first, UtcDay(u16::MAX));
        }
    }

    /// Removes the sample of a day and returns it, if there is one.
    pub(super) fn take(&mut self, day: UtcDay) -> Option<DaySample> {
        if self.0.last().is_none_or(|last| last.end() <= day) {
            return None;
        }
        let (_, sample) = dated(&self.0).find(|(date, _)| *date == day)?;
        let before = std::mem::take(&mut self.0);
        for (date, sample) in dated(&before).filter(|(date, _)| *date != day) {
            self.push(date, sample);
        }
        Some(sample)
    }

    /// Drops days that are not shown. If the clock is in doubt, it drops only what exceeds the
    /// largest number of days, before the current one and after it.
    pub(crate) fn trim(&mut self, now: CalendarTime) {
        let today = now.day;
        if now.is_trusted {
            self.keep_within(today.before(HISTORY_DAYS as u16 - 1), today);
        }
        let is_over = |day: &UtcDay| *day < today;
        let days = || dated(&self.0).map(|(day, _)| day);
        let past = days().rev().filter(is_over).nth(HISTORY_DAYS - 1);
        let future = days().filter(|day| !is_over(day)).nth(HISTORY_DAYS);
        if past.is_some() || future.is_some() {
            self.keep_within(past.unwrap_or_default(), future.unwrap_or(UtcDay(u16::MAX)));
        }
    }

    fn keep_within(&mut self, from: UtcDay, end: UtcDay) {
        let is_inside = |run: &Run| run.first() >= from && run.end() <= end;
        if !self.0.iter().all(is_inside) {
            let kept = self.0.iter().filter_map(|run| run.within(from, end));
            self.0 = kept.collect();
        }
    }
}
