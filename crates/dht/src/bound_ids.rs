//! How many nodes have an id that BEP 42 binds to their address, and a test whether those around a
//! target are fewer than chance allows.
//!
//! An attacker chooses ids near an info-hash. BEP 42 binds one id in two million to a given
//! address, so the chosen ids are not bound, unless the attacker can pick from very many addresses.
//! Most common clients have bound ids. Eight closest nodes without a single bound id are therefore
//! suspicious, however far apart they lie.

use std::net::IpAddr;

use super::id::{self, NodeId};

/// Nodes that must be known before the test says anything.
const MIN_NODES: u32 = 32;
/// Nodes after which older ones lose half of their weight.
const MAX_NODES: u32 = 512;
/// Probability below which so few bound ids are suspicious. An honest neighbourhood falls below it
/// once in a thousand targets.
const UNLIKELY: f64 = 1e-3;

/// The share of bound ids among the nodes that lookups of random ids found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BoundIds {
    bound: u32,
    nodes: u32,
}

impl BoundIds {
    /// Counts the nodes that a lookup of a random id found.
    pub(super) fn record(&mut self, nodes: impl Iterator<Item = (NodeId, IpAddr)>) {
        for (id, ip) in nodes.filter(|(_, ip)| !id::is_exempt(*ip)) {
            self.nodes += 1;
            self.bound += u32::from(id::is_secure_id(&id, ip));
        }
        if self.nodes > MAX_NODES {
            self.nodes /= 2;
            self.bound /= 2;
        }
    }

    /// Returns whether so few of these nodes have bound ids that their ids were probably chosen.
    /// Addresses of private networks are exempt from BEP 42 and do not count.
    pub(super) fn are_too_few(&self, nodes: impl Iterator<Item = (NodeId, IpAddr)>) -> bool {
        if self.nodes < MIN_NODES {
            return false;
        }
        let mut near = Self::default();
        near.record(nodes);
        let share = f64::from(self.bound) / f64::from(self.nodes);
        probability_of_at_most(near.bound, near.nodes, share) < UNLIKELY
    }
}

/// Returns the probability of at most `k` successes in `n` trials, each of probability `p`.
fn probability_of_at_most(k: u32, n: u32, p: f64) -> f64 {
    let (mut choose, mut sum) = (1.0, 0.0);
    for at in 0..=k.min(n) {
        sum += choose * p.powi(at as i32) * (1.0 - p).powi((n - at) as i32);
        choose *= f64::from(n - at) / f64::from(at + 1);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes in distinct subnets, of which the first `bound` have bound ids.
    fn nodes(bound: u8, all: u8) -> impl Iterator<Item = (NodeId, IpAddr)> {
        (0..all).map(move |n| {
            let ip = IpAddr::from([9, 9, n, 1]);
            let id = if n < bound {
                id::secure_id(ip, [n; 20])
            } else {
                NodeId([n; 20])
            };
            (id, ip)
        })
    }

    fn measured(bound: u8, all: u8) -> BoundIds {
        let mut ids = BoundIds::default();
        ids.record(nodes(bound, all));
        ids
    }

    #[test]
    fn eight_unbound_ids_are_suspicious_where_most_ids_are_bound() {
        let ids = measured(80, 100);
        assert!(ids.are_too_few(nodes(0, 8)) && ids.are_too_few(nodes(1, 8)));
        assert!(!ids.are_too_few(nodes(3, 8)) && !ids.are_too_few(nodes(8, 8)));
        // Two nodes prove nothing.
        assert!(!ids.are_too_few(nodes(0, 2)));
    }

    #[test]
    fn nothing_is_suspicious_where_few_ids_are_bound_or_little_is_known() {
        assert!(!measured(0, 100).are_too_few(nodes(0, 8)));
        assert!(!measured(40, 100).are_too_few(nodes(0, 8)));
        assert!(!measured(20, 20).are_too_few(nodes(0, 8)));
        assert!(!BoundIds::default().are_too_few(nodes(0, 8)));
    }

    #[test]
    fn private_addresses_do_not_count() {
        let private = (0..8).map(|n| (NodeId([n; 20]), IpAddr::from([10, 0, n, 1])));
        assert!(!measured(100, 100).are_too_few(private));
    }

    #[test]
    fn old_nodes_lose_weight() {
        let mut ids = measured(250, 250);
        for _ in 0..20 {
            ids.record(nodes(0, 250));
        }
        assert!(ids.bound <= 2 && ids.nodes <= MAX_NODES);
    }

    #[test]
    fn the_binomial_sum_is_right() {
        let four = probability_of_at_most(1, 4, 0.5);
        assert!((four - 5.0 / 16.0).abs() < 1e-12, "{four}");
        let all = probability_of_at_most(8, 8, 0.3);
        assert!((all - 1.0).abs() < 1e-12, "{all}");
    }
}
