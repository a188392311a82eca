//! Hourly means of two days.

use std::ops::RangeInclusive;

/// Hours that are kept.
const HOURS: u32 = 48;
/// A mean that is not known.
const UNKNOWN: u16 = u16::MAX;

/// A point in running time, to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct RunningMinute {
    /// Hours of running time. The first is 1.
    pub hour: u32,
    /// Minutes of the hour, below 60.
    pub minute: u8,
}

impl RunningMinute {
    /// Returns the part of the hour that has passed.
    fn fraction(self) -> f32 {
        f32::from(self.minute) / 60.0
    }
}

/// Hourly means of one number over the last two days. The current hour is not among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hourly([u16; HOURS as usize]);

impl Default for Hourly {
    fn default() -> Self {
        Self([UNKNOWN; HOURS as usize])
    }
}

impl Hourly {
    /// Stores the mean of an hour.
    pub(super) fn store(&mut self, hour: u32, mean: Option<f32>) {
        self.0[(hour % HOURS) as usize] = mean.map_or(UNKNOWN, encode);
    }

    /// Returns the mean of an hour that is at most two days ago.
    fn at(&self, hour: Option<u32>) -> Option<f32> {
        let mean = self.0[(hour? % HOURS) as usize];
        (mean != UNKNOWN).then(|| decode(mean))
    }

    /// Returns the smaller mean of the two hours nearest to the point `ago` hours before a moment.
    /// A steep rise or fall may come half an hour earlier or later today. Of the hours before the
    /// oldest one nothing is known.
    pub(super) fn around(&self, now: RunningMinute, ago: u32) -> Option<f32> {
        let hour = now.hour.checked_sub(ago)?;
        let this = self.at(Some(hour))?;
        let neighbour = match now.minute < 30 {
            true if ago >= HOURS => return Some(this),
            true => hour.checked_sub(1),
            false => Some(hour + 1),
        };
        Some(this.min(self.at(neighbour)?))
    }

    /// Returns the mean of the hour that ended `ago` hours before a moment. `ago` is at least 1.
    pub(super) fn until(&self, now: RunningMinute, ago: u32) -> Option<f32> {
        let last = self.at(now.hour.checked_sub(ago))?;
        let fraction = now.fraction();
        let first = match fraction > 0.999 {
            true => last,
            false => self.at(now.hour.checked_sub(ago + 1))?,
        };
        Some(last * fraction + first * (1.0 - fraction))
    }

    /// Returns the largest mean of the last `hours` hours.
    pub(super) fn largest(&self, now: RunningMinute, hours: u32) -> Option<f32> {
        let known = (1..=hours.min(HOURS)).filter_map(|ago| self.at(now.hour.checked_sub(ago)));
        known.reduce(f32::max)
    }

    /// Returns whether the known means of these hours ago differ by at most `tolerance`. If none is
    /// known, they are not steady.
    pub(super) fn is_steady(
        &self,
        now: RunningMinute,
        hours: RangeInclusive<u32>,
        tolerance: f32,
    ) -> bool {
        let known = hours.filter_map(|ago| self.at(now.hour.checked_sub(ago)));
        let extremes = known.fold(None, |extremes: Option<(f32, f32)>, mean| {
            let (least, most) = extremes.unwrap_or((mean, mean));
            Some((least.min(mean), most.max(mean)))
        });
        extremes.is_some_and(|(least, most)| least > most - tolerance)
    }

    /// Returns the mean of the last 60 minutes: the current hour, and the share of the previous one
    /// that is still within them.
    pub(super) fn last_hour(&self, now: RunningMinute, current: Option<f32>) -> Option<f32> {
        let Some(current) = current else {
            return self.at(now.hour.checked_sub(1));
        };
        match self.at(now.hour.checked_sub(1)) {
            Some(before) => {
                let fraction = now.fraction();
                Some(current * fraction + before * (1.0 - fraction))
            }
            None => Some(current),
        }
    }
}

/// Steps of the logarithm by which a mean is stored: it is exact to 0.02 %.
const STEPS: f32 = 2900.0;

/// Returns a number in two bytes, on a logarithmic scale: the smallest and the largest swarm differ
/// by more than the range of linear steps.
fn encode(mean: f32) -> u16 {
    let steps = (mean.max(0.0).ln_1p() * STEPS).round();
    steps.min(f32::from(UNKNOWN - 1)) as u16
}

fn decode(steps: u16) -> f32 {
    (f32::from(steps) / STEPS).exp_m1()
}

/// The running mean of the current hour.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Running {
    sum: f32,
    samples: u16,
}

impl Running {
    pub(super) fn add(&mut self, value: u32) {
        self.sum += value as f32;
        self.samples = self.samples.saturating_add(1);
    }

    pub(super) fn mean(self) -> Option<f32> {
        (self.samples > 0).then(|| self.sum / f32::from(self.samples))
    }
}
