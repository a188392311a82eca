//! The rate limit of one tracker host, and the queues that wait for it.

use std::collections::VecDeque;

use super::tracker_queue::QueueId;
use super::{BATCH_PACKETS, MAX_BATCH_TICKS, TICK};
use seedwatch_clock::{Mono, TokenBucket};

/// The token bucket of one host, shared by all its queues. Each request costs one token.
#[derive(Debug, Clone)]
pub(super) struct HostBucket {
    tokens: TokenBucket,
    /// See [`HostBucket::batch_ticks`].
    batch_ticks: u64,
    /// Queues that found too few tokens, in the order of their attempts. They are served in turn.
    waiting: VecDeque<QueueId>,
}

/// Why a queue gets no tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocked {
    /// There are too few tokens before this time.
    UntilTokens(Mono),
    /// There are enough tokens, but this queue is served first.
    BehindQueue(QueueId),
}

impl HostBucket {
    /// Returns a full bucket that gains `rate` tokens per second.
    pub(super) fn new(rate: f64) -> Self {
        Self {
            tokens: TokenBucket::new(rate, burst(rate), Mono::default()),
            batch_ticks: batch_ticks(rate),
            waiting: VecDeque::new(),
        }
    }

    /// Returns the number of ticks between two batches of the host's UDP queues.
    pub(super) fn batch_ticks(&self) -> u64 {
        self.batch_ticks
    }

    /// Changes the rate and empties the waiting list: its queues were told to wait for as long as
    /// the old rate required.
    pub(super) fn set_rate(&mut self, rate: f64) {
        self.tokens.set_rate(rate, burst(rate));
        self.batch_ticks = batch_ticks(rate);
        self.waiting.clear();
    }

    /// Takes `cost` tokens for a queue.
    ///
    /// # Errors
    /// What the queue must wait for. It is then on the waiting list.
    pub(super) fn take(&mut self, queue: QueueId, cost: f64, now: Mono) -> Result<(), Blocked> {
        self.tokens.refill(now);
        if let Some(wait) = self.tokens.wait_for(cost) {
            self.enqueue(queue);
            return Err(Blocked::UntilTokens(now.after(wait)));
        }
        if let Some(first) = self
            .waiting
            .front()
            .copied()
            .filter(|first| *first != queue)
        {
            self.enqueue(queue);
            return Err(Blocked::BehindQueue(first));
        }
        self.tokens.charge(cost);
        self.waiting.pop_front();
        Ok(())
    }

    /// Puts a queue at the end of the waiting list, unless it is on it already.
    pub(super) fn enqueue(&mut self, queue: QueueId) {
        if !self.is_waiting(queue) {
            self.waiting.push_back(queue);
        }
    }

    /// Returns whether a queue is on the waiting list.
    pub(super) fn is_waiting(&self, queue: QueueId) -> bool {
        self.waiting.contains(&queue)
    }

    /// Removes a queue from the waiting list: it has nothing to send now.
    pub(super) fn leave(&mut self, queue: QueueId) {
        self.waiting.retain(|waiting| *waiting != queue);
    }

    /// Charges for requests that a probe sent beyond its first: a connect, a fallback, a
    /// retransmission. A negative number gives tokens back.
    pub(super) fn charge(&mut self, requests: f64) {
        self.tokens.charge(requests);
    }
}

/// Half a second's worth of tokens: short bursts pass, a thousand torrents at once do not.
fn burst(rate: f64) -> f64 {
    (rate / 2.0).max(2.0)
}

/// Returns the number of ticks in which a host gains [`BATCH_PACKETS`] tokens.
fn batch_ticks(rate: f64) -> u64 {
    let gained_per_tick = rate * TICK as f64 / 1000.0;
    ((BATCH_PACKETS / gained_per_tick) as u64).clamp(1, MAX_BATCH_TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: QueueId = QueueId(0);

    fn until(blocked: Blocked) -> Mono {
        match blocked {
            Blocked::UntilTokens(at) => at,
            Blocked::BehindQueue(queue) => panic!("{queue:?} is served first"),
        }
    }

    #[test]
    fn ten_seconds_see_no_more_than_rate_and_burst() {
        let mut bucket = HostBucket::new(20.0);
        let mut taken = 0;
        let mut now = Mono(5_000);
        while now < Mono(15_000) {
            match bucket.take(QUEUE, 1.0, now) {
                Ok(()) => taken += 1,
                Err(blocked) => {
                    let at = until(blocked);
                    assert!(at > now);
                    now = at;
                }
            }
        }
        assert!((209..=210).contains(&taken), "{taken} in ten seconds");
    }

    #[test]
    fn a_cost_equal_to_the_burst_of_a_slow_bucket_passes() {
        let mut bucket = HostBucket::new(0.1);
        assert_eq!(bucket.take(QUEUE, 2.0, Mono(0)), Ok(()));
        let at = until(bucket.take(QUEUE, 2.0, Mono(0)).unwrap_err());
        assert_eq!(at, Mono(20_000));
        assert_eq!(bucket.take(QUEUE, 2.0, at), Ok(()));
    }

    #[test]
    fn queues_of_different_cost_are_served_equally_often() {
        let mut bucket = HostBucket::new(4.0);
        let (mut cheap, mut expensive) = (0, 0);
        for now in (0..10_000).map(Mono) {
            expensive += u32::from(bucket.take(QueueId(1), 2.0, now).is_ok());
            cheap += u32::from(bucket.take(QueueId(0), 1.0, now).is_ok());
        }
        assert!(expensive.abs_diff(cheap) <= 1, "{expensive} and {cheap}");
    }

    #[test]
    fn with_tokens_left_a_queue_waits_only_for_those_before_it() {
        let mut bucket = HostBucket::new(4.0);
        let [first, second] = [QueueId(0), QueueId(1)];
        bucket.enqueue(first);
        let now = Mono(0);
        let blocked = Err(Blocked::BehindQueue(first));
        assert_eq!(bucket.take(second, 1.0, now), blocked);
        assert_eq!(bucket.take(first, 1.0, now), Ok(()));
        assert_eq!(bucket.take(second, 1.0, now), Ok(()));
        assert!(!bucket.is_waiting(first) && !bucket.is_waiting(second));
    }

    #[test]
    fn a_debt_is_paid_before_the_next_request() {
        let mut bucket = HostBucket::new(10.0);
        bucket.charge(8.0);
        let blocked = Err(Blocked::UntilTokens(Mono(400)));
        assert_eq!(bucket.take(QUEUE, 1.0, Mono(0)), blocked);
    }
}
