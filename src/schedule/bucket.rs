//! A token bucket: how many requests a second one tracker host gets from us.

use std::time::Duration;

use crate::time::Mono;

/// Tokens of one host, shared by all its lanes.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: f64,
    tokens: f64,
    filled: Mono,
}

impl Bucket {
    /// A full bucket that gains `rate` tokens a second.
    pub(super) fn new(rate: f64) -> Self {
        Self {
            rate,
            tokens: Self::capacity(rate),
            filled: Mono::default(),
        }
    }

    /// Half a second's worth: short bursts pass, a thousand torrents at once do not.
    fn capacity(rate: f64) -> f64 {
        (rate / 2.0).max(2.0)
    }

    /// Changes the rate; what is in the bucket stays, up to the new capacity.
    pub(super) fn set_rate(&mut self, rate: f64) {
        self.rate = rate;
        self.tokens = self.tokens.min(Self::capacity(rate));
    }

    /// Takes `cost` tokens, or says when to come back.
    pub(super) fn take(&mut self, cost: f64, now: Mono) -> Result<(), Mono> {
        let gained = now.since(self.filled).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(Self::capacity(self.rate));
        self.filled = self.filled.max(now);
        if self.tokens >= cost {
            self.tokens -= cost;
            return Ok(());
        }
        let missing = (cost - self.tokens) / self.rate;
        // Never now: a wait that rounds to nothing would spin.
        Err(now.after(Duration::from_secs_f64(missing).max(Duration::from_millis(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_sees_more_than_rate_and_burst() {
        let mut bucket = Bucket::new(20.0);
        let mut taken = 0;
        let mut now = Mono(5_000);
        while now < Mono(15_000) {
            match bucket.take(1.0, now) {
                Ok(()) => taken += 1,
                Err(at) => {
                    assert!(at > now);
                    now = at;
                }
            }
        }
        assert!((209..=210).contains(&taken), "{taken} in ten seconds");
    }

    #[test]
    fn a_cost_above_the_burst_of_a_slow_bucket_still_passes() {
        let mut bucket = Bucket::new(0.1);
        assert_eq!(bucket.take(2.0, Mono(0)), Ok(()));
        let at = bucket.take(2.0, Mono(0)).unwrap_err();
        assert_eq!(at, Mono(20_000));
        assert_eq!(bucket.take(2.0, at), Ok(()));
    }
}
