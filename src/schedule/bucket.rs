//! A token bucket: how many requests a second one tracker host gets from us.

use std::collections::VecDeque;
use std::time::Duration;

use super::lane::LaneId;
use crate::time::Mono;

/// Tokens of one host, shared by all its lanes.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: f64,
    /// Negative after a probe that took more than was paid for.
    tokens: f64,
    filled: Mono,
    /// Lanes that found too few tokens, in the order they came: each gets its turn.
    waiting: VecDeque<LaneId>,
}

impl Bucket {
    /// A full bucket that gains `rate` tokens a second.
    pub(super) fn new(rate: f64) -> Self {
        let (tokens, filled) = (Self::capacity(rate), Mono::default());
        Self {
            rate,
            tokens,
            filled,
            waiting: VecDeque::new(),
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

    /// Takes `cost` tokens for a lane, or says when to come back: when there are too few, or when
    /// another lane came first.
    pub(super) fn take(&mut self, lane: LaneId, cost: f64, now: Mono) -> Result<(), Mono> {
        let gained = now.since(self.filled).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(Self::capacity(self.rate));
        self.filled = self.filled.max(now);
        let first = self.waiting.front().is_none_or(|first| *first == lane);
        if first && self.tokens >= cost {
            self.tokens -= cost;
            self.waiting.pop_front();
            return Ok(());
        }
        if !self.waiting.contains(&lane) {
            self.waiting.push_back(lane);
        }
        let missing = (cost - self.tokens).max(0.0) / self.rate;
        // Never now: a wait that rounds to nothing would spin.
        Err(now.after(Duration::from_secs_f64(missing).max(Duration::from_millis(1))))
    }

    /// A lane has nothing to send for the time being.
    pub(super) fn leave(&mut self, lane: LaneId) {
        self.waiting.retain(|waiting| *waiting != lane);
    }

    /// Pays for requests that a probe took beyond its cost: a connect, a fallback, packets sent
    /// again. At most two buckets full of debt.
    pub(super) fn charge(&mut self, requests: f64) {
        self.tokens = (self.tokens - requests).max(-2.0 * Self::capacity(self.rate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: LaneId = LaneId(0);

    #[test]
    fn no_second_sees_more_than_rate_and_burst() {
        let mut bucket = Bucket::new(20.0);
        let mut taken = 0;
        let mut now = Mono(5_000);
        while now < Mono(15_000) {
            match bucket.take(LANE, 1.0, now) {
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
        assert_eq!(bucket.take(LANE, 2.0, Mono(0)), Ok(()));
        let at = bucket.take(LANE, 2.0, Mono(0)).unwrap_err();
        assert_eq!(at, Mono(20_000));
        assert_eq!(bucket.take(LANE, 2.0, at), Ok(()));
    }

    #[test]
    fn a_dear_lane_gets_its_turn_beside_a_cheap_one() {
        let mut bucket = Bucket::new(4.0);
        let (mut cheap, mut dear) = (0, 0);
        for now in (0..10_000).map(Mono) {
            dear += u32::from(bucket.take(LaneId(1), 2.0, now).is_ok());
            cheap += u32::from(bucket.take(LaneId(0), 1.0, now).is_ok());
        }
        assert!(dear.abs_diff(cheap) <= 1, "{dear} and {cheap}");
    }

    #[test]
    fn debts_are_paid_before_anything_leaves() {
        let mut bucket = Bucket::new(10.0);
        bucket.charge(8.0);
        assert_eq!(bucket.take(LANE, 1.0, Mono(0)), Err(Mono(400)));
    }
}
