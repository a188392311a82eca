//! `rate_limit` of the web configuration: a token bucket per client.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use seedwatch_clock::{Clock, Mono, TokenBucket};
use tokio::time::Instant;

use super::client::ClientKey;

/// The most clients whose buckets are kept. Beyond them the fullest bucket is forgotten.
const MAX_CLIENTS: usize = 4096;

/// One bucket per client, so that one client cannot use up what another may ask.
#[derive(Debug)]
pub(super) struct RateLimit {
    /// Requests per second.
    rate: f64,
    burst: f64,
    clock: Clock,
    /// The buckets that may not be full.
    buckets: Mutex<HashMap<ClientKey, TokenBucket>>,
}

impl RateLimit {
    /// One request per `interval`, and up to `burst` at once. Both are positive.
    pub(super) fn new(interval: Duration, burst: u32) -> Self {
        let rate = interval.as_secs_f64().recip();
        Self {
            rate,
            // The clock has milliseconds; a bucket holds what one of them brings.
            burst: f64::from(burst).max(rate / 1000.0),
            clock: Clock::start(),
            buckets: Mutex::default(),
        }
    }

    /// Takes a token, or says how long the client has to wait for one.
    pub(super) fn take(&self, client: ClientKey, now: Instant) -> Result<(), Duration> {
        let now = self.clock.mono(now.into_std());
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_CLIENTS && !buckets.contains_key(&client) {
            make_room(&mut buckets, now);
        }
        buckets
            .entry(client)
            .or_insert_with(|| TokenBucket::new(self.rate, self.burst, now))
            .try_take(1.0, now)
    }
}

/// Forgets all full buckets, or else the fullest.
fn make_room(buckets: &mut HashMap<ClientKey, TokenBucket>, now: Mono) {
    buckets.retain(|_, bucket| !bucket.is_full(now));
    let fullest = buckets
        .iter()
        .min_by_key(|(_, bucket)| bucket.time_to_full());
    if let Some((&fullest, _)) = fullest.filter(|_| buckets.len() >= MAX_CLIENTS) {
        buckets.remove(&fullest);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(n: u32) -> ClientKey {
        IpAddr::from(n.to_be_bytes()).into()
    }

    #[test]
    fn each_client_has_exactly_its_burst_and_then_its_rate() {
        let limit = RateLimit::new(Duration::from_secs(1), 3);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for client in [client(1), client(2)] {
            for _ in 0..3 {
                assert_eq!(limit.take(client, at(0)), Ok(()));
            }
            assert_eq!(limit.take(client, at(0)), Err(Duration::from_secs(1)));
            assert_eq!(limit.take(client, at(1)), Ok(()));
            assert!(limit.take(client, at(1)).is_err());
        }
        for _ in 0..3 {
            assert_eq!(limit.take(client(1), at(9)), Ok(()));
        }
        assert!(limit.take(client(1), at(9)).is_err());
    }

    #[test]
    fn intervals_below_a_millisecond_and_of_centuries_are_kept() {
        let quick = RateLimit::new(Duration::from_micros(100), 1);
        let start = Instant::now();
        let taken = |millis| {
            let now = start + Duration::from_millis(millis);
            (0..100)
                .filter(|_| quick.take(client(1), now).is_ok())
                .count()
        };
        assert_eq!((0..10).map(taken).sum::<usize>(), 100);
        let slow = RateLimit::new(Duration::MAX, 1);
        assert_eq!(slow.take(client(1), start), Ok(()));
        assert!(
            slow.take(client(1), start + Duration::from_secs(1 << 30))
                .is_err()
        );
    }

    #[test]
    fn many_clients_take_bounded_memory() {
        let limit = RateLimit::new(Duration::from_secs(60), 1);
        let now = Instant::now();
        for n in 0..MAX_CLIENTS as u32 + 10 {
            assert_eq!(limit.take(client(n), now), Ok(()));
        }
        assert_eq!(limit.buckets.lock().unwrap().len(), MAX_CLIENTS);
    }
}
