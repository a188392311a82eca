//! A smoothed round trip, and the wait that follows from it.

use std::time::Duration;

/// The mean of measured round trips and their mean deviation (RFC 6298, section 2).
///
/// Each sample moves the mean by one `MEAN`th, and the deviation by one `DEVIATION`th, of the
/// distance to it. RFC 6298 uses 8 and 4, for samples of one remote. Larger numbers suit samples of
/// many remotes, which differ more.
///
/// ```
/// use std::time::Duration;
///
/// use seedwatch_clock::RoundTripEstimator;
///
/// let millis = Duration::from_millis;
/// let mut round_trip = RoundTripEstimator::<8, 4>::default();
/// assert_eq!(round_trip.wait(millis(1_000), millis(50), millis(2_000)), millis(1_000));
/// round_trip.sample(millis(40));
/// assert_eq!(round_trip.mean(), Some(millis(40)));
/// // The mean, and four deviations of half of the first sample.
/// assert_eq!(round_trip.wait(millis(1_000), millis(50), millis(2_000)), millis(120));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct RoundTripEstimator<const MEAN: u64, const DEVIATION: u64>(Option<Smoothed>);

/// Both in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Smoothed {
    mean: u64,
    deviation: u64,
}

impl<const MEAN: u64, const DEVIATION: u64> RoundTripEstimator<MEAN, DEVIATION> {
    /// Records a round trip.
    pub fn sample(&mut self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0 = Some(match self.0 {
            None => Smoothed {
                mean: took,
                deviation: took / 2,
            },
            Some(Smoothed { mean, deviation }) => Smoothed {
                mean: approach(mean, took, MEAN),
                deviation: approach(deviation, mean.abs_diff(took), DEVIATION),
            },
        });
    }

    /// Returns the mean; `None` before the first sample.
    pub fn mean(&self) -> Option<Duration> {
        self.0.map(|smoothed| Duration::from_nanos(smoothed.mean))
    }

    /// Returns the mean plus four deviations, or `initial` before the first sample; at least
    /// `shortest` and at most `longest`.
    pub fn wait(&self, initial: Duration, shortest: Duration, longest: Duration) -> Duration {
        let wait = self.0.map_or(initial, |Smoothed { mean, deviation }| {
            Duration::from_nanos(mean.saturating_add(deviation.saturating_mul(4)))
        });
        wait.clamp(shortest, longest)
    }
}

/// Returns `value`, moved by one `part`th of the way to `target`.
fn approach(value: u64, target: u64, part: u64) -> u64 {
    let step = value.abs_diff(target) / part;
    if target > value {
        value + step
    } else {
        value - step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(3600);

    fn wait<const M: u64, const D: u64>(round_trip: &RoundTripEstimator<M, D>) -> Duration {
        round_trip.wait(Duration::ZERO, Duration::ZERO, LONGEST)
    }

    #[test]
    fn samples_move_mean_and_deviation_by_their_parts() {
        let mut near = RoundTripEstimator::<8, 4>::default();
        let mut many = RoundTripEstimator::<16, 16>::default();
        for millis in [80, 160] {
            near.sample(Duration::from_millis(millis));
            many.sample(Duration::from_millis(millis));
        }
        // Deviations: 40 + (80 - 40) / 4, and 40 + (80 - 40) / 16.
        assert_eq!(wait(&near), Duration::from_millis(80 + 10 + 4 * 50));
        assert_eq!(wait(&many), Duration::from_millis(80 + 5 + 4 * 40 + 10));
    }

    #[test]
    fn equal_samples_leave_no_deviation() {
        let mut round_trip = RoundTripEstimator::<8, 4>::default();
        (0..200).for_each(|_| round_trip.sample(Duration::from_millis(30)));
        assert_eq!(round_trip.mean(), Some(Duration::from_millis(30)));
        assert!(wait(&round_trip) < Duration::from_micros(30_001));
    }

    #[test]
    fn an_endless_sample_only_reaches_the_longest_wait() {
        let mut round_trip = RoundTripEstimator::<8, 4>::default();
        round_trip.sample(Duration::MAX);
        round_trip.sample(Duration::ZERO);
        round_trip.sample(Duration::MAX);
        assert_eq!(wait(&round_trip), LONGEST);
    }
}
