//! `rate_limit` of the web configuration: a token bucket per client.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::client::ClientKey;

/// The most clients whose buckets are kept. Beyond them the fullest bucket is forgotten.
const MAX_CLIENTS: usize = 4096;

/// One bucket per client, so that one client cannot use up what another may ask.
#[derive(Debug)]
pub(super) struct RateLimit {
    interval: Duration,
    /// How far a bucket may run ahead of the clock.
    tolerance: Duration,
    /// When each bucket will be full again.
    full_at: Mutex<HashMap<ClientKey, Instant>>,
}

impl RateLimit {
    /// One request per `interval`, and up to `burst` at once. Both are positive.
    pub(super) fn new(interval: Duration, burst: u32) -> Self {
        Self {
            interval,
            tolerance: interval.saturating_mul(burst.saturating_sub(1)),
            full_at: Mutex::default(),
        }
    }

    /// Takes a token, or says how long the client has to wait for one.
    pub(super) fn take(&self, client: ClientKey, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let at = full_at.get(&client).copied().unwrap_or(now).max(now);
        let ahead = at - now;
        if ahead > self.tolerance {
            return Err(ahead - self.tolerance);
        }
        if full_at.len() >= MAX_CLIENTS && !full_at.contains_key(&client) {
            full_at.retain(|_, at| *at > now);
            let fullest = full_at.iter().min_by_key(|(_, at)| **at);
            if let Some((&fullest, _)) = fullest.filter(|_| full_at.len() >= MAX_CLIENTS) {
                full_at.remove(&fullest);
            }
        }
        // An interval of centuries cannot be added; such a client has had its burst.
        let next = at.checked_add(self.interval).unwrap_or(at);
        full_at.insert(client, next);
        Ok(())
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
    fn many_clients_take_bounded_memory() {
        let limit = RateLimit::new(Duration::from_secs(60), 1);
        let now = Instant::now();
        for n in 0..MAX_CLIENTS as u32 + 10 {
            assert_eq!(limit.take(client(n), now), Ok(()));
        }
        assert_eq!(limit.full_at.lock().unwrap().len(), MAX_CLIENTS);
    }
}
