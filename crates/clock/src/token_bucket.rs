//! A rate limit with bursts.

use std::time::Duration;

use crate::Mono;

/// How far a bucket may be overdrawn, in bursts.
const MAX_DEBT: f64 = 2.0;

/// Tokens that rounding may cost: a wait that was computed from a deficit always ends it.
const ROUNDING: f64 = 1e-9;

/// A token bucket: it gains `rate` tokens per second and holds at most `burst` of them.
///
/// It reads no clock. Tokens accrue with the time that passed, so that the rate does not depend on
/// how often the bucket is asked.
///
/// ```
/// use seedwatch_clock::{Mono, TokenBucket};
///
/// let mut bucket = TokenBucket::new(10.0, 2.0, Mono(0));
/// assert!(bucket.try_take(2.0, Mono(0)).is_ok());
/// let wait = bucket.try_take(1.0, Mono(0)).unwrap_err();
/// assert_eq!(wait.as_millis(), 100);
/// assert!(bucket.try_take(1.0, Mono(0).after(wait)).is_ok());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TokenBucket {
    /// Tokens per second.
    rate: f64,
    /// Most tokens that accrue.
    burst: f64,
    /// Negative after [`TokenBucket::charge`] for more than the bucket held.
    tokens: f64,
    /// When `tokens` was last computed.
    refilled: Mono,
}

impl TokenBucket {
    /// Returns a full bucket. `rate` is in tokens per second; both figures are positive.
    pub fn new(rate: f64, burst: f64, now: Mono) -> Self {
        Self {
            rate,
            burst,
            tokens: burst,
            refilled: now,
        }
    }

    /// Changes the limits. Tokens stay, up to the new burst.
    pub fn set_rate(&mut self, rate: f64, burst: f64) {
        self.rate = rate;
        self.burst = burst;
        self.tokens = self.tokens.min(burst);
    }

    /// Adds the tokens that accrued until `now`. A time before the latest one adds none.
    pub fn refill(&mut self, now: Mono) {
        let gained = now.since(self.refilled).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(self.burst);
        self.refilled = self.refilled.max(now);
    }

    /// Refills the bucket and takes `cost` tokens.
    ///
    /// # Errors
    /// The time until there are enough. Nothing is taken then.
    pub fn try_take(&mut self, cost: f64, now: Mono) -> Result<(), Duration> {
        self.refill(now);
        self.wait_for(cost).map_or_else(
            || {
                self.charge(cost);
                Ok(())
            },
            Err,
        )
    }

    /// Returns how long after the latest refill there will be `cost` tokens; `None` if there are.
    /// Whole milliseconds, rounded up: a wait that rounds to nothing would spin. A bucket never
    /// holds more than its burst, so a greater cost must be charged as a debt.
    pub fn wait_for(&self, cost: f64) -> Option<Duration> {
        let missing = cost - self.tokens;
        if missing <= ROUNDING {
            return None;
        }
        let millis = (missing / self.rate * 1000.0).ceil().max(1.0);
        Some(Duration::from_millis(millis as u64))
    }

    /// Takes `cost` tokens, available or not; the debt is limited to two bursts. A negative cost
    /// gives tokens back.
    pub fn charge(&mut self, cost: f64) {
        self.tokens = (self.tokens - cost).max(-MAX_DEBT * self.burst);
    }

    /// Refills the bucket and returns whether it is full. A full bucket says nothing about its
    /// user, so it can be forgotten.
    pub fn is_full(&mut self, now: Mono) -> bool {
        self.refill(now);
        self.wait_for(self.burst).is_none()
    }

    /// Returns how long after the latest refill the bucket will be full.
    pub fn time_to_full(&self) -> Duration {
        self.wait_for(self.burst).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_interval_sees_more_than_the_rate_and_one_burst() {
        let mut bucket = TokenBucket::new(20.0, 10.0, Mono(5_000));
        let (mut taken, mut now) = (0, Mono(5_000));
        while now < Mono(15_000) {
            match bucket.try_take(1.0, now) {
                Ok(()) => taken += 1,
                Err(wait) => now = now.after(wait),
            }
        }
        assert!((209..=210).contains(&taken), "{taken} in ten seconds");
    }

    #[test]
    fn a_debt_is_limited_and_paid_first() {
        let mut bucket = TokenBucket::new(10.0, 5.0, Mono(0));
        bucket.charge(8.0);
        assert_eq!(bucket.wait_for(1.0), Some(Duration::from_millis(400)));
        bucket.charge(1e6);
        assert_eq!(bucket.time_to_full(), Duration::from_millis(1_500));
        assert!(!bucket.is_full(Mono(1_499)));
        assert!(bucket.is_full(Mono(1_500)));
    }

    #[test]
    fn a_wait_is_never_empty_and_always_long_enough() {
        for rate in [0.1, 0.3, 1.0, 7.0, 1_000.0, 1e9] {
            let mut bucket = TokenBucket::new(rate, 1.0, Mono(0));
            let mut now = Mono(0);
            for _ in 0..100 {
                assert_eq!(bucket.try_take(1.0, now), Ok(()), "{rate}");
                let wait = bucket.try_take(1.0, now).unwrap_err();
                assert!(wait >= Duration::from_millis(1), "{rate}");
                now = now.after(wait);
            }
        }
    }

    #[test]
    fn a_refund_does_not_exceed_the_burst_for_long() {
        let mut bucket = TokenBucket::new(1.0, 2.0, Mono(0));
        bucket.charge(-1.0);
        bucket.refill(Mono(0));
        assert_eq!(bucket.try_take(2.0, Mono(0)), Ok(()));
        assert!(bucket.try_take(1.0, Mono(0)).is_err());
    }

    #[test]
    fn a_clock_that_goes_back_adds_nothing() {
        let mut bucket = TokenBucket::new(1.0, 1.0, Mono(10_000));
        assert_eq!(bucket.try_take(1.0, Mono(10_000)), Ok(()));
        assert!(bucket.try_take(1.0, Mono(5_000)).is_err());
        assert!(bucket.try_take(1.0, Mono(10_999)).is_err());
        assert_eq!(bucket.try_take(1.0, Mono(11_000)), Ok(()));
    }
}
