//! How fast packets may leave: all together, and to one node.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use super::keyed::Key;
use super::packed::Address;
use seedwatch_clock::Mono;

/// Time a node is owed for each packet it got.
const NODE_SPACING: Duration = Duration::from_secs(1);

/// Packets to one node at once, when it was left alone before. Common clients ban a source that
/// keeps up five a second, so a short burst is far from that.
const NODE_BURST: u64 = 3;

/// Nodes remembered before those that are owed nothing are forgotten.
const SWEEP_AT: usize = 1024;

/// The limit over everything.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    rate: f64,
    tokens: f64,
    filled: Mono,
}

impl Budget {
    /// A full budget that gains `rate` packets a second.
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
        self.is_open()
    }

    pub(super) fn is_open(&self) -> bool {
        self.tokens >= 1.0
    }

    /// One packet left.
    pub(super) fn spend(&mut self) {
        self.tokens -= 1.0;
    }

    /// When the next packet may leave; never now, so that waiting for it cannot spin.
    pub(super) fn opens(&self, now: Mono) -> Mono {
        let missing = (1.0 - self.tokens).max(0.0) / self.rate;
        now.after(Duration::from_secs_f64(missing).max(Duration::from_millis(1)))
    }
}

/// The limit for each node: one packet a second, and a burst of [`NODE_BURST`].
#[derive(Debug, Default)]
pub(super) struct Courtesy {
    /// Until when each node's packets are paid for.
    paid: HashMap<Address, Mono, Key>,
    sweep_at: usize,
    /// All nodes of an address are one. Off in labs.
    by_ip: bool,
}

impl Courtesy {
    /// Whether all nodes of an address are one: those who ban a source ban its address.
    pub(super) fn set_by_ip(&mut self, by_ip: bool) {
        self.by_ip = by_ip;
    }

    fn key(&self, to: &Address) -> Address {
        if self.by_ip { to.without_port() } else { *to }
    }

    /// Books a packet to this node if it may go there now; if not, says when.
    pub(super) fn take(&mut self, to: &Address, now: Mono) -> Result<(), Mono> {
        let spacing = NODE_SPACING.as_millis() as u64;
        match self.paid.entry(self.key(to)) {
            Entry::Occupied(mut entry) => {
                let paid = *entry.get();
                let free = Mono(paid.0.saturating_sub((NODE_BURST - 1) * spacing));
                if free > now {
                    return Err(free);
                }
                entry.insert(paid.max(now).after(NODE_SPACING));
            }
            Entry::Vacant(entry) => {
                entry.insert(now.after(NODE_SPACING));
            }
        }
        if self.paid.len() > self.sweep_at.max(SWEEP_AT) {
            self.paid.retain(|_, paid| *paid > now);
            self.sweep_at = self.paid.len() * 2;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_sees_more_than_the_rate_and_a_burst() {
        let mut budget = Budget::new(50.0, Mono(0));
        let mut left = 0;
        for ms in 0..10_000 {
            while budget.refill(Mono(ms)) {
                budget.spend();
                left += 1;
            }
        }
        assert!((500..=511).contains(&left), "{left}");
    }

    #[test]
    fn a_node_gets_a_burst_and_then_one_a_second() {
        let node = Address::from("127.0.0.2:6881".parse::<std::net::SocketAddr>().unwrap());
        let mut courtesy = Courtesy::default();
        let mut sent = Vec::new();
        for ms in 0..5_000 {
            if courtesy.take(&node, Mono(ms)).is_ok() {
                sent.push(ms);
            }
        }
        assert_eq!(sent, [0, 1, 2, 1000, 2000, 3000, 4000]);
    }
}
