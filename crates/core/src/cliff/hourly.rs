//! Hourly means of two days.

/// Hours that are kept.
pub(super) const HOURS: u32 = 48;
/// Hours of a day.
pub(super) const DAY: u32 = 24;
/// A mean that is not known.
const UNKNOWN: u16 = 0xfff;
/// Bytes of all means, in 12 bits each.
pub(super) const BYTES: usize = HOURS as usize * 3 / 2;

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
    pub(super) fn fraction(self) -> f32 {
        f32::from(self.minute) / 60.0
    }
}

/// Hourly means of one number over two days, in 12 bits each. They end before an hour that the
/// caller knows, usually the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hourly([u8; BYTES]);

impl Default for Hourly {
    fn default() -> Self {
        Self([0xff; BYTES])
    }
}

impl Hourly {
    /// Stores the mean of an hour.
    pub(super) fn store(&mut self, hour: u32, mean: Option<f32>) {
        self.set((hour % HOURS) as usize, mean.map_or(UNKNOWN, encode));
    }

    /// Returns the mean of an hour that is at most two days ago.
    pub(super) fn at(&self, hour: Option<u32>) -> Option<f32> {
        let mean = self.get((hour? % HOURS) as usize);
        (mean != UNKNOWN).then(|| decode(mean))
    }

    fn get(&self, slot: usize) -> u16 {
        let [a, b, c] = [0, 1, 2].map(|byte| u16::from(self.0[slot / 2 * 3 + byte]));
        match slot % 2 {
            0 => a << 4 | b >> 4,
            _ => (b & 0xf) << 8 | c,
        }
    }

    fn set(&mut self, slot: usize, value: u16) {
        let [high, low] = value.to_be_bytes();
        let at = slot / 2 * 3;
        match slot % 2 {
            0 => {
                self.0[at] = high << 4 | low >> 4;
                self.0[at + 1] = low << 4 | self.0[at + 1] & 0xf;
            }
            _ => {
                self.0[at + 1] = self.0[at + 1] & 0xf0 | high;
                self.0[at + 2] = low;
            }
        }
    }

    /// Returns one of the means of the two hours nearest to the point `ago` hours before a moment:
    /// a steep rise or fall may come half an hour earlier or later today. `end` is the first hour
    /// that is not stored.
    pub(super) fn around(
        &self,
        now: RunningMinute,
        ago: u32,
        end: u32,
        choose: fn(f32, f32) -> f32,
    ) -> Option<f32> {
        let hour = now.hour.checked_sub(ago)?;
        let this = self.at(Some(hour))?;
        let neighbour = match now.minute < 30 {
            true => hour.checked_sub(1),
            false => Some(hour + 1),
        };
        let is_stored = |hour: &u32| (end.saturating_sub(HOURS)..end).contains(hour);
        match neighbour.filter(is_stored) {
            Some(neighbour) => Some(choose(this, self.at(Some(neighbour))?)),
            None => Some(this),
        }
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

    /// Returns the largest mean.
    pub(super) fn largest(&self) -> Option<f32> {
        let known = (0..HOURS).filter_map(|hour| self.at(Some(hour)));
        known.reduce(f32::max)
    }

    /// Returns the mean of the known hours of the day before `end`; 0 if none is known.
    pub(super) fn mean_of_day(&self, end: u32) -> f32 {
        let hours = (1..=DAY).filter_map(|ago| self.at(end.checked_sub(ago)));
        let (sum, known) = hours.fold((0.0, 0), |(sum, known), mean| (sum + mean, known + 1));
        sum / (known as f32).max(1.0)
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

    /// Stores the same hours of the last day before `since` as the hours from `since` to `end`.
    pub(super) fn repeat_day(&mut self, since: u32, end: u32) {
        let before = self.clone();
        for hour in since.max(end.saturating_sub(HOURS))..end {
            self.store(hour, before.at(same_hour_before(hour, since)));
        }
    }

    /// Moves all means to hours that are `hours` earlier.
    pub(super) fn shift(&mut self, hours: i64) {
        let before = self.clone();
        for slot in 0..i64::from(HOURS) {
            let to = (slot - hours).rem_euclid(HOURS.into());
            self.set(to as usize, before.get(slot as usize));
        }
    }

    /// Returns the means as bytes.
    pub(super) fn to_bytes(&self) -> [u8; BYTES] {
        self.0
    }

    /// Returns the means that [`Hourly::to_bytes`] returned.
    pub(super) fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }
}

/// Returns the last hour before `since` that is the same hour of the day as `hour`.
pub(super) fn same_hour_before(hour: u32, since: u32) -> Option<u32> {
    let days = hour.saturating_sub(since) / DAY + 1;
    hour.checked_sub(days * DAY)
}

/// Steps of the logarithm by which a mean is stored: it is exact to 0.2 %.
const STEPS: f32 = 250.0;

/// Returns a number in 12 bits, on a logarithmic scale up to 12 million: the smallest and the
/// largest swarm differ by more than the range of linear steps.
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
    pub(super) sum: f32,
    pub(super) samples: u16,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hour_has_a_mean_of_its_own() {
        let mut hours = Hourly::default();
        for hour in 0..HOURS {
            assert_eq!(hours.at(Some(hour)), None);
            hours.store(hour, Some(10f32.powi(hour as i32 % 8)));
        }
        for hour in 0..HOURS {
            let expected = 10f32.powi(hour as i32 % 8);
            let found = hours.at(Some(hour)).unwrap();
            assert!(
                (found / expected - 1.0).abs() < 0.0041,
                "{found} {expected}"
            );
        }
        hours.store(7, None);
        assert_eq!(hours.at(Some(7)), None);
        assert!(hours.at(Some(6)).is_some() && hours.at(Some(8)).is_some());
        assert_eq!(hours.at(Some(0)), hours.at(Some(HOURS)));
    }

    #[test]
    fn a_day_is_repeated_and_shifted() {
        let mut hours = Hourly::default();
        (100..148).for_each(|hour| hours.store(hour, Some(hour as f32)));
        let is = |hours: &Hourly, hour: u32, expected: u32| {
            let found = hours.at(Some(hour)).unwrap();
            assert!(
                (found / expected as f32 - 1.0).abs() < 0.003,
                "{hour}: {found}"
            );
        };
        let mut later = hours.clone();
        later.repeat_day(148, 400);
        for hour in 352..400 {
            is(&later, hour, 124 + (hour - 124) % 24);
        }
        hours.shift(5);
        (95..143).for_each(|hour| is(&hours, hour, hour + 5));
        hours.shift(-9);
        (104..152).for_each(|hour| is(&hours, hour, hour - 4));
    }
}
