//! The round-trip estimator: how long a lookup waits for an answer before it queries another node.

use std::time::Duration;

/// Timeout before the first measurement.
const INITIAL_TIMEOUT: Duration = Duration::from_millis(1000);
/// Bounds of the timeout.
const MIN_TIMEOUT: Duration = Duration::from_millis(50);
const MAX_TIMEOUT: Duration = Duration::from_millis(2000);

/// Smoothed round-trip time and its deviation over all nodes (RFC 6298).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RttEstimator {
    /// Mean and mean deviation, in milliseconds.
    smoothed: Option<(f64, f64)>,
}

impl RttEstimator {
    /// Records a round trip, also one of a late answer.
    pub(super) fn sample(&mut self, took: Duration) {
        let took = took.as_secs_f64() * 1e3;
        self.smoothed = Some(match self.smoothed {
            None => (took, took / 2.0),
            Some((mean, deviation)) => (
                mean + (took - mean) / 16.0,
                deviation + ((took - mean).abs() - deviation) / 16.0,
            ),
        });
    }

    /// Returns the mean plus four deviations. A later answer still counts.
    pub(super) fn query_timeout(&self) -> Duration {
        let wait = self.smoothed.map_or(INITIAL_TIMEOUT, |(mean, deviation)| {
            Duration::from_secs_f64((mean + 4.0 * deviation) / 1e3)
        });
        wait.clamp(MIN_TIMEOUT, MAX_TIMEOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_follows_the_round_trip_time() {
        let mut rtt = RttEstimator::default();
        assert_eq!(rtt.query_timeout(), INITIAL_TIMEOUT);
        (0..200).for_each(|n| rtt.sample(Duration::from_millis(50 + n * 37 % 100)));
        let wait = rtt.query_timeout().as_millis();
        assert!((170..260).contains(&wait), "{wait}");
        (0..200).for_each(|_| rtt.sample(Duration::from_secs(30)));
        assert_eq!(rtt.query_timeout(), MAX_TIMEOUT);
    }
}
