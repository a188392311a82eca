//! How long to wait for an answer.

use std::time::Duration;

/// Packets of one request that fit into a deadline when the wait doubles: 1, 2, 4 and 8 parts of
/// fifteen. This is BEP 15's 15·2ⁿ seconds, compressed into one probe.
const PARTS: u32 = 15;

/// The part of a probe's time that the first packet waits for when nothing is known.
pub(super) fn unit(timeout: Duration) -> Duration {
    timeout / PARTS
}

/// Round trips to one remote, smoothed as TCP does it (RFC 6298).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RoundTrip(Option<Smoothed>);

#[derive(Debug, Clone, Copy)]
struct Smoothed {
    mean: Duration,
    deviation: Duration,
}

impl RoundTrip {
    /// A request that was sent once was answered after `sample`. Requests that were sent again
    /// teach nothing: nobody knows which packet was answered (Karn).
    pub(super) fn sample(&mut self, sample: Duration) {
        self.0 = Some(match self.0 {
            None => Smoothed {
                mean: sample,
                deviation: sample / 2,
            },
            Some(Smoothed { mean, deviation }) => Smoothed {
                mean: (mean * 7 + sample) / 8,
                deviation: (deviation * 3 + mean.abs_diff(sample)) / 4,
            },
        });
    }

    /// How long the packet number `sent` (from 1) of a request waits for its answer.
    ///
    /// The wait doubles with every packet, from a first wait that is shorter where the round trip
    /// is known. It stops growing at one part of ten while the remote is `alive`, which is to
    /// say heard from lately: then silence means loss, not death.
    pub(super) fn wait(&self, sent: u32, timeout: Duration, alive: bool) -> Duration {
        let unit = unit(timeout);
        let first = match self.0 {
            None => unit,
            Some(Smoothed { mean, deviation }) => (mean + deviation * 4).clamp(unit / 2, unit * 4),
        };
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
            "and a long one longer"
        );
    }

    #[test]
    fn a_remote_that_talks_to_others_is_asked_more_often() {
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
