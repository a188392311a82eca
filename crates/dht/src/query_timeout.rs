//! How long a lookup waits for an answer before it queries another node.

use std::time::Duration;

use seedwatch_clock::RoundTripEstimator;

/// Timeout before the first measurement.
const INITIAL_TIMEOUT: Duration = Duration::from_millis(1000);
/// Bounds of the timeout.
const MIN_TIMEOUT: Duration = Duration::from_millis(50);
const MAX_TIMEOUT: Duration = Duration::from_millis(2000);

/// The smoothed round trip over all nodes. Late answers are samples too.
pub(super) type RoundTrip = RoundTripEstimator<16, 16>;

/// Returns how long a query may take. A later answer still counts.
pub(super) fn query_timeout(round_trip: &RoundTrip) -> Duration {
    round_trip.wait(INITIAL_TIMEOUT, MIN_TIMEOUT, MAX_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_follows_the_round_trip_time() {
        let mut round_trip = RoundTrip::default();
        assert_eq!(query_timeout(&round_trip), INITIAL_TIMEOUT);
        (0..200).for_each(|n| round_trip.sample(Duration::from_millis(50 + n * 37 % 100)));
        let wait = query_timeout(&round_trip).as_millis();
        assert!((170..260).contains(&wait), "{wait}");
        (0..200).for_each(|_| round_trip.sample(Duration::from_secs(30)));
        assert_eq!(query_timeout(&round_trip), MAX_TIMEOUT);
    }
}
