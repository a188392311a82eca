//! A token bucket: how many requests a second one tracker host gets from us.

use std::collections::VecDeque;
use std::time::Duration;

use super::lane::LaneId;
use super::{MAX_TURN, TICK, TURN_PACKETS};
use seedwatch_clock::Mono;

/// Tokens of one host, shared by all its lanes.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: f64,
    turn: u64,
    /// Negative after a probe that took more than was paid for.
    tokens: f64,
    filled: Mono,
    /// Lanes that found too few tokens, in the order they came: each gets its turn.
    waiting: VecDeque<LaneId>,
}

/// Why a lane gets no tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// There are too few until then.
    Until(Mono),
    /// There are enough, but it is the turn of this lane.
    For(LaneId),
}

impl Bucket {
    /// A full bucket that gains `rate` tokens a second.
    pub(super) fn new(rate: f64) -> Self {
        let (tokens, filled) = (Self::capacity(rate), Mono::default());
        Self {
            rate,
            turn: turn(rate),
            tokens,
            filled,
            waiting: VecDeque::new(),
        }
    }

    /// Half a second's worth: short bursts pass, a thousand torrents at once do not.
    fn capacity(rate: f64) -> f64 {
        (rate / 2.0).max(2.0)
    }

    /// Ticks between two turns of UDP lanes.
    pub(super) fn turn(&self) -> u64 {
        self.turn
    }

    /// Changes the rate. The tokens stay, up to the new capacity. The line is dissolved, because its
    /// lanes were told to wait for as long as the old rate made them.
    pub(super) fn set_rate(&mut self, rate: f64) {
        self.rate = rate;
        self.turn = turn(rate);
        self.waiting.clear();
        self.tokens = self.tokens.min(Self::capacity(rate));
    }

    /// Takes `cost` tokens for a lane, or says what the lane must wait for. It is then in line.
    pub(super) fn take(&mut self, lane: LaneId, cost: f64, now: Mono) -> Result<(), Wait> {
        let gained = now.since(self.filled).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(Self::capacity(self.rate));
        self.filled = self.filled.max(now);
        let first = self.waiting.front().copied().unwrap_or(lane);
        if self.tokens < cost {
            self.queue(lane);
            let missing = (cost - self.tokens) / self.rate;
            // Rounded up, and never now: a wait that rounds to nothing would spin.
            let wait = Duration::from_millis((missing * 1000.0).ceil().max(1.0) as u64);
            return Err(Wait::Until(now.after(wait)));
        }
        if first != lane {
            self.queue(lane);
            return Err(Wait::For(first));
        }
        self.tokens -= cost;
        self.waiting.pop_front();
        Ok(())
    }

    /// Puts a lane at the end of the line, unless it stands in it.
    pub(super) fn queue(&mut self, lane: LaneId) {
        if !self.is_queued(lane) {
            self.waiting.push_back(lane);
        }
    }

    /// Whether a lane stands in line.
    pub(super) fn is_queued(&self, lane: LaneId) -> bool {
        self.waiting.contains(&lane)
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

/// Ticks in which a few packets gather.
fn turn(rate: f64) -> u64 {
    let gained = rate * TICK as f64 / 1000.0;
    ((TURN_PACKETS / gained) as u64).clamp(1, MAX_TURN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: LaneId = LaneId(0);

    fn until(wait: Wait) -> Mono {
        match wait {
            Wait::Until(at) => at,
            Wait::For(lane) => panic!("it is the turn of {lane:?}"),
        }
    }

    #[test]
    fn no_second_sees_more_than_rate_and_burst() {
        let mut bucket = Bucket::new(20.0);
        let mut taken = 0;
        let mut now = Mono(5_000);
        while now < Mono(15_000) {
            match bucket.take(LANE, 1.0, now) {
                Ok(()) => taken += 1,
                Err(wait) => {
                    let at = until(wait);
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
        let at = until(bucket.take(LANE, 2.0, Mono(0)).unwrap_err());
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
    fn with_tokens_left_a_lane_waits_for_the_one_before_it_only() {
        let mut bucket = Bucket::new(4.0);
        let [first, second] = [LaneId(0), LaneId(1)];
        bucket.queue(first);
        let now = Mono(0);
        assert_eq!(bucket.take(second, 1.0, now), Err(Wait::For(first)));
        assert_eq!(bucket.take(first, 1.0, now), Ok(()));
        assert_eq!(bucket.take(second, 1.0, now), Ok(()));
        assert!(!bucket.is_queued(first) && !bucket.is_queued(second));
    }

    #[test]
    fn debts_are_paid_before_anything_leaves() {
        let mut bucket = Bucket::new(10.0);
        bucket.charge(8.0);
        let wait = Err(Wait::Until(Mono(400)));
        assert_eq!(bucket.take(LANE, 1.0, Mono(0)), wait);
    }
}
