//! The truth: every peer with the hour in which it was last seen.

use std::collections::HashMap;

use super::peers::Peer;

/// Hours of the windows.
const WINDOWS: [usize; 3] = [24, 7 * 24, 30 * 24];

/// The peers seen so far.
#[derive(Default)]
pub(crate) struct Seen {
    last: HashMap<Peer, usize>,
    /// The number of peers by the hour in which they were last seen.
    by_hour: Vec<u32>,
}

impl Seen {
    /// Adds a sighting.
    pub(crate) fn add(&mut self, peer: Peer, hour: usize) {
        if self.by_hour.len() <= hour {
            self.by_hour.resize(hour + 1, 0);
        }
        let before = self.last.insert(peer, hour);
        if let Some(before) = before {
            self.by_hour[before] -= 1;
        }
        self.by_hour[hour] += 1;
    }

    /// Returns the distinct peers of each window that ends with this hour.
    pub(crate) fn counts(&self, hour: usize) -> [u32; 3] {
        WINDOWS.map(|hours| {
            let first = (hour + 1).saturating_sub(hours);
            let end = self.by_hour.len().min(hour + 1);
            self.by_hour
                .get(first..end)
                .unwrap_or_default()
                .iter()
                .sum()
        })
    }
}

/// The relative errors of the estimated counts.
#[derive(Default)]
pub(crate) struct Errors {
    squares: f64,
    count: u32,
    worst: f64,
}

impl Errors {
    /// Compares counts with the truth. Counts below [`seedwatch_distinct::K`] must be exact.
    pub(crate) fn check(
        &mut self,
        what: &dyn Fn() -> String,
        shown: [Option<u32>; 3],
        truth: [u32; 3],
    ) {
        for (shown, truth) in shown.into_iter().zip(truth) {
            let shown = shown.unwrap_or_else(|| panic!("{} is unknown", what()));
            if truth < seedwatch_distinct::K as u32 {
                assert_eq!(shown, truth, "{}", what());
                continue;
            }
            let error = f64::from(shown) / f64::from(truth) - 1.0;
            self.squares += error * error;
            self.count += 1;
            self.worst = self.worst.max(error.abs());
        }
    }

    /// Returns the standard deviation, the largest error, and the number of estimates.
    pub(crate) fn summary(&self) -> (f64, f64, u32) {
        let sigma = (self.squares / f64::from(self.count.max(1))).sqrt();
        (sigma, self.worst, self.count)
    }
}
