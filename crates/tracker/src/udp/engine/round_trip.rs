//! The wait before a retransmission.

use std::time::Duration;

use seedwatch_clock::RoundTripEstimator;

/// The parts that a timeout is divided into. When the wait doubles, four packets fit: 1 + 2 + 4 + 8
/// parts. This is the 15·2ⁿ seconds of BEP 15, compressed into one probe.
const PARTS: u32 = 15;

/// Returns the wait after the first packet if no round trip is known.
pub(super) fn unit(timeout: Duration) -> Duration {
    timeout / PARTS
}

/// The smoothed round trip to one remote.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RoundTrip(RoundTripEstimator<8, 4>);

impl RoundTrip {
    /// Takes the round trip of a request that was sent once. Requests that were sent again give no
    /// sample: it is unknown which packet was answered (Karn's algorithm, RFC 6298, section 3).
    pub(super) fn sample(&mut self, sample: Duration) {
        self.0.sample(sample);
    }

    /// Returns the wait after packet number `sent` (from 1) of a request.
    ///
    /// The wait doubles with every packet. The first wait follows the round trip if it is known.
    /// While the remote is `alive`, that is, answered recently, silence means loss: the wait grows
    /// to a tenth of the timeout only.
    pub(super) fn wait(&self, sent: u32, timeout: Duration, alive: bool) -> Duration {
        let unit = unit(timeout);
        let first = self.0.wait(unit, unit / 2, unit * 4);
        let doubled = (first * (1 << sent.saturating_sub(1).min(10))).min(timeout);
        if alive {
            doubled.min(first.max(unit * 3 / 2))
        } else {
            doubled
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(15);

    fn sent_at(round_trip: RoundTrip, alive: bool) -> Vec<u64> {
        let mut at = Duration::ZERO;
        let mut out = Vec::new();
        while at < TIMEOUT {
            out.push(at.as_millis() as u64);
            at += round_trip.wait(out.len() as u32, TIMEOUT, alive);
        }
        out
    }

    #[test]
    fn four_packets_fit_into_the_deadline() {
        assert_eq!(sent_at(RoundTrip::default(), false), [0, 1000, 3000, 7000]);
    }

    #[test]
    fn a_known_round_trip_makes_the_first_wait_shorter() {
        let mut near = RoundTrip::default();
        near.sample(Duration::from_millis(1));
        assert_eq!(sent_at(near, false), [0, 500, 1500, 3500, 7500]);
        let mut far = RoundTrip::default();
        far.sample(Duration::from_millis(900));
        assert_eq!(
            sent_at(far, false),
            [0, 2700, 8100],
            "a long round trip makes the wait longer"
        );
    }

    #[test]
    fn a_responsive_remote_is_retried_more_often() {
        let mut near = RoundTrip::default();
        near.sample(Duration::from_millis(1));
        assert_eq!(
            sent_at(near, true),
            [
                0, 500, 1500, 3000, 4500, 6000, 7500, 9000, 10500, 12000, 13500
            ]
        );
    }
}
