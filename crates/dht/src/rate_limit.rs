//! Rate limits: a token bucket for all packets, and one per node.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::time::Duration;

use super::keyed::KeyedBuildHasher;
use super::packed::PackedAddress;
use seedwatch_clock::{Mono, TokenBucket};

/// Time in which the bucket of a node gains one token.
const NODE_INTERVAL: Duration = Duration::from_secs(1);

/// Packets in a burst to one node. Common clients ban a source that sends five per second for some
/// time; a burst of three stays far below that.
const NODE_BURST: u32 = 3;

/// Buckets above which full ones are removed.
const PURGE_AT: usize = 1024;

/// The token bucket for all packets: one token is one packet.
#[derive(Debug, Clone)]
pub(super) struct PacketBucket(TokenBucket);

impl PacketBucket {
    /// Creates a full bucket that gains `rate` tokens per second.
    pub(super) fn new(rate: f64, now: Mono) -> Self {
        Self(TokenBucket::new(rate, Self::burst(rate), now))
    }

    /// Returns the capacity: a fifth of a second's worth, and at least eight, since a lookup
    /// queries eight nodes in parallel.
    fn burst(rate: f64) -> f64 {
        (rate / 5.0).max(8.0)
    }

    pub(super) fn set_rate(&mut self, rate: f64) {
        self.0.set_rate(rate, Self::burst(rate));
    }

    /// Adds the tokens gained since the last call. Returns whether a packet may be sent.
    pub(super) fn refill(&mut self, now: Mono) -> bool {
        self.0.refill(now);
        self.has_token()
    }

    pub(super) fn has_token(&self) -> bool {
        self.0.wait_for(1.0).is_none()
    }

    /// Takes one token.
    pub(super) fn spend(&mut self) {
        self.0.charge(1.0);
    }

    /// Returns when the next packet may be sent. This is later than `now`, so that waiting for it
    /// cannot spin.
    pub(super) fn next_token(&self, now: Mono) -> Mono {
        let wait = self.0.wait_for(1.0).unwrap_or_default();
        now.after(wait.max(Duration::from_millis(1)))
    }
}

/// A token bucket per node, with one token per [`NODE_INTERVAL`] and [`NODE_BURST`].
///
/// Every packet needs its bucket, and at a high rate there are tens of thousands. A bucket is
/// therefore stored in 16 bytes: the keyed hash of the address, and the time at which the bucket
/// will be full. Two addresses with the same hash would share a bucket.
#[derive(Debug, Default)]
pub(super) struct PerNodeLimiter {
    /// The buckets that may not be full, by the hash of the address.
    full_at: HashMap<u64, Mono, KeyedBuildHasher>,
    purge_at: usize,
    /// Whether all nodes of one IP address share a limit. Off in test networks.
    per_ip: bool,
}

impl PerNodeLimiter {
    /// Sets whether all nodes of one IP address share a limit. Clients ban by IP address.
    pub(super) fn set_per_ip(&mut self, per_ip: bool) {
        self.per_ip = per_ip;
    }

    fn key(&self, to: &PackedAddress) -> u64 {
        let hasher = self.full_at.hasher();
        match self.per_ip {
            true => hasher.hash_one(to.without_port()),
            false => hasher.hash_one(to),
        }
    }

    /// Takes the right to send a packet to a node now. Otherwise returns the time at which it is
    /// possible.
    pub(super) fn try_acquire(&mut self, to: &PackedAddress, now: Mono) -> Result<(), Mono> {
        let full_at = self.full_at.entry(self.key(to)).or_insert(now);
        let has_token_at = full_at.before(NODE_INTERVAL * (NODE_BURST - 1));
        if has_token_at > now {
            return Err(has_token_at);
        }
        *full_at = now.max(*full_at).after(NODE_INTERVAL);
        if self.full_at.len() > self.purge_at.max(PURGE_AT) {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.purge_at = self.full_at.len() * 2;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_stay_within_the_rate_and_a_burst() {
        let mut bucket = PacketBucket::new(50.0, Mono(0));
        let mut left = 0;
        for ms in 0..10_000 {
            while bucket.refill(Mono(ms)) {
                bucket.spend();
                left += 1;
            }
        }
        assert!((500..=511).contains(&left), "{left}");
    }

    #[test]
    fn a_node_gets_a_burst_and_then_one_packet_per_second() {
        let node = PackedAddress::from("127.0.0.2:6881".parse::<std::net::SocketAddr>().unwrap());
        let mut per_node = PerNodeLimiter::default();
        let mut sent = Vec::new();
        for ms in 0..5_000 {
            if per_node.try_acquire(&node, Mono(ms)).is_ok() {
                sent.push(ms);
            }
        }
        assert_eq!(sent, [0, 1, 2, 1000, 2000, 3000, 4000]);
    }
}
