//! How fast packets may leave: all together, and to one node.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use super::keyed::KeyedBuildHasher;
use super::packed::PackedAddress;
use seedwatch_clock::Mono;

/// Time a node is owed for each packet it got.
const NODE_SPACING: Duration = Duration::from_secs(1);

/// Packets to one node at once, when it was left alone before. Common clients ban a source that
/// keeps up five a second, so a short burst is far from that.
const NODE_BURST: u64 = 3;

/// Nodes remembered before those that are owed nothing are forgotten.
const PURGE_AT: usize = 1024;

/// The limit over everything.
#[derive(Debug, Clone)]
pub(super) struct TokenBucket {
    rate: f64,
    tokens: f64,
    filled: Mono,
}

impl TokenBucket {
    /// A full bucket that gains `rate` packets a second.
    pub(super) fn new(rate: f64, now: Mono) -> Self {
        Self {
            rate,
            tokens: Self::burst(rate),
            filled: now,
        }
    }

    /// A lookup asks eight nodes at once, so that many may always leave together; above that a
    /// fifth of a second's worth.
    fn burst(rate: f64) -> f64 {
        (rate / 5.0).max(8.0)
    }

    pub(super) fn set_rate(&mut self, rate: f64) {
        self.rate = rate;
        self.tokens = self.tokens.min(Self::burst(rate));
    }

    /// Takes in what was gained since the last call; says whether a packet may leave.
    pub(super) fn refill(&mut self, now: Mono) -> bool {
        let gained = now.since(self.filled).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(Self::burst(self.rate));
        self.filled = self.filled.max(now);
        self.has_token()
    }

    pub(super) fn has_token(&self) -> bool {
        self.tokens >= 1.0
    }

    /// One packet left.
    pub(super) fn spend(&mut self) {
        self.tokens -= 1.0;
    }

    /// When the next packet may leave; never now, so that waiting for it cannot spin.
    pub(super) fn next_token(&self, now: Mono) -> Mono {
        let missing = (1.0 - self.tokens).max(0.0) / self.rate;
        now.after(Duration::from_secs_f64(missing).max(Duration::from_millis(1)))
    }
}

/// The limit for each node: one packet a second, and a burst of [`NODE_BURST`].
#[derive(Debug, Default)]
pub(super) struct PerNodeLimiter {
    /// Until when each node's packets are paid_until for.
    paid_until: HashMap<PackedAddress, Mono, KeyedBuildHasher>,
    purge_at: usize,
    /// All nodes of an address are one. Off in labs.
    per_ip: bool,
}

impl PerNodeLimiter {
    /// Whether all nodes of an address are one: those who ban a source ban its address.
    pub(super) fn set_per_ip(&mut self, per_ip: bool) {
        self.per_ip = per_ip;
    }

    fn key(&self, to: &PackedAddress) -> PackedAddress {
        if self.per_ip { to.without_port() } else { *to }
    }

    /// Books a packet to this node if it may go there now; if not, says when.
    pub(super) fn try_acquire(&mut self, to: &PackedAddress, now: Mono) -> Result<(), Mono> {
        let spacing = NODE_SPACING.as_millis() as u64;
        match self.paid_until.entry(self.key(to)) {
            Entry::Occupied(mut entry) => {
                let paid_until = *entry.get();
                let free = Mono(paid_until.0.saturating_sub((NODE_BURST - 1) * spacing));
                if free > now {
                    return Err(free);
                }
                entry.insert(paid_until.max(now).after(NODE_SPACING));
            }
            Entry::Vacant(entry) => {
                entry.insert(now.after(NODE_SPACING));
            }
        }
        if self.paid_until.len() > self.purge_at.max(PURGE_AT) {
            self.paid_until.retain(|_, paid_until| *paid_until > now);
            self.purge_at = self.paid_until.len() * 2;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_sees_more_than_the_rate_and_a_burst() {
        let mut bucket = TokenBucket::new(50.0, Mono(0));
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
    fn a_node_gets_a_burst_and_then_one_a_second() {
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
