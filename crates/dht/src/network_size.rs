//! How many nodes the DHT has, from the distances that ordinary lookups meet, and whether nodes
//! lie closer to a target than that number allows.
//!
//! Ids are spread evenly, so the k-th closest of N nodes lies at k/(N + 1) of the key space on
//! average. The mean over many lookups says N.

use super::id::Distance;

/// Weight of the latest lookup, once there were this many.
const MAX_WEIGHT: f64 = 64.0;
/// The estimate counts as evidence of so many lookups at most: neighbours meet the same nodes, so
/// that their distances are not independent.
const MAX_INDEPENDENT: u32 = 8;
/// Nodes below which there is nothing to judge: in a lab ids may be chosen by hand.
const MIN_NODES: f64 = 32.0;
/// Lookups that measured it before it is relied on.
const MIN_SAMPLES: u32 = 4;
/// Lookups of random ids that may fail to measure before the size stays unknown for now.
const MAX_ATTEMPTS: u8 = 2;

/// A running estimate.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NetworkSize {
    lookups: u32,
    /// Mean share of the key space that one node has to itself.
    share: f64,
    /// Number of nodes that the latest sample counted.
    rank: usize,
    /// Lookups of random ids that ended without a sample.
    failed: u8,
    /// A lookup needs a better estimate.
    needs_precision: bool,
}

impl NetworkSize {
    /// Takes in the distance of the `rank`-th closest node that answered in a whole lookup.
    pub(super) fn sample(&mut self, rank: usize, distance: Distance) {
        let share = distance.share() / rank as f64;
        self.lookups = self.lookups.saturating_add(1);
        let weight = 1.0 / f64::from(self.lookups).min(MAX_WEIGHT);
        self.share += (share - self.share) * weight;
        self.rank = rank;
    }

    /// A lookup of a random id did not come through.
    pub(super) fn record_failed_sample(&mut self) {
        self.failed = self.failed.saturating_add(1);
    }

    /// Nodes in the DHT; unknown before the first whole lookup.
    pub(super) fn estimate(&self) -> Option<u64> {
        (self.share > 0.0).then(|| (1.0 / self.share).round() as u64)
    }

    /// Leading bits that the closest nodes share with a target, on average; 0 while unknown.
    pub(super) fn typical_shared_bits(&self) -> u32 {
        self.estimate().map_or(0, |nodes| nodes.max(1).ilog2())
    }

    /// The size is known as well as is needed, or cannot be: so few nodes answer that there is
    /// nothing to measure.
    pub(super) fn is_settled(&self) -> bool {
        self.samples_needed() == 0
    }

    /// Further lookups of random ids that it takes to know.
    pub(super) fn samples_needed(&self) -> u32 {
        let is_too_small = self.lookups > 0 && self.is_too_small();
        if is_too_small || self.failed >= MAX_ATTEMPTS {
            return 0;
        }
        let needed = if self.needs_precision {
            MAX_INDEPENDENT
        } else {
            MIN_SAMPLES
        };
        needed.saturating_sub(self.lookups)
    }

    /// Too few nodes for anything to be told from distances.
    fn is_too_small(&self) -> bool {
        self.share * MIN_NODES > 1.0
    }

    /// One lookup says little: a swarm that may be hidden asks for more of them.
    pub(super) fn demand_precision(&mut self) {
        self.needs_precision = true;
        self.failed = 0;
    }

    /// Natural logarithms of bounds of the probability that, in an honest DHT, the first, second,
    /// third … node lies within these shares of the key space. `None` without a size to compare
    /// with.
    ///
    /// N nodes with even ids are a Poisson process: the share of the space that holds k of them is
    /// Gamma(k)/N. The estimate rests on m nodes of other lookups, whose shares sum up to
    /// S = Gamma(m)/N. N is unknown, but the ratio of both does not depend on it: x/(x + S) follows
    /// Beta(k, m), so that with q = x/(x + S)
    ///
    /// P(k nodes within x) = P(Binomial(k + m - 1, q) ≥ k) ≤ C(k + m - 1, k) q^k
    ///
    /// by the union bound. This holds for every m, so a size that one lookup measured raises no
    /// more false alarms than a size that many did; it only detects less.
    pub(super) fn ln_bounds(&self, shares: impl Iterator<Item = f64>) -> Option<Vec<f64>> {
        if self.share <= 0.0 || self.is_too_small() {
            return None;
        }
        let nodes = self.rank as f64 * f64::from(self.lookups.min(MAX_INDEPENDENT));
        let sum = self.share * nodes;
        let mut ln_choose = 0.0;
        let bounds = shares.enumerate().map(|(at, x)| {
            let k = at as f64 + 1.0;
            ln_choose += ((k + nodes - 1.0) / k).ln();
            // A node at the target itself: as close as can be told.
            let q = (x / (x + sum)).max(f64::MIN_POSITIVE);
            ln_choose + k * q.ln()
        });
        Some(bounds.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;
    use crate::random::Random;

    fn nodes(n: usize, random: &mut Random) -> Vec<NodeId> {
        (0..n).map(|_| NodeId(random.id())).collect()
    }

    fn closest(nodes: &[NodeId], target: &NodeId, n: usize) -> Vec<Distance> {
        let mut distances: Vec<Distance> = nodes.iter().map(|id| target.distance(id)).collect();
        distances.select_nth_unstable(n - 1);
        distances.truncate(n);
        distances.sort_unstable();
        distances
    }

    #[test]
    fn ten_thousand_nodes_are_told_from_distances() {
        let mut random = Random::new([1; 32]);
        let nodes = nodes(10_000, &mut random);
        let mut size = NetworkSize::default();
        for _ in 0..100 {
            let target = NodeId(random.id());
            size.sample(8, closest(&nodes, &target, 8)[7]);
        }
        let estimate = size.estimate().unwrap();
        assert!((9_000..11_000).contains(&estimate), "{estimate}");
    }

    /// The bound holds however little the size was measured: over 4,000 honest lookups, what has
    /// a probability below 1/1000 happens to no more than 4 of them, and some.
    #[test]
    fn honest_density_surprises_as_rarely_as_the_law_says() {
        let mut random = Random::new([5; 32]);
        for measured in [1, 3, 100] {
            let mut rare = 0;
            for _ in 0..4_000 {
                let nodes = nodes(300, &mut random);
                let mut size = NetworkSize::default();
                for _ in 0..measured.min(8) {
                    let target = NodeId(random.id());
                    size.sample(8, closest(&nodes, &target, 8)[7]);
                }
                let target = NodeId(random.id());
                let shares = closest(&nodes, &target, 8).into_iter().map(Distance::share);
                let eighth = size.ln_bounds(shares).unwrap()[7];
                rare += u32::from(eighth < 1e-3f64.ln());
            }
            assert!(rare <= 10, "{measured}: {rare}");
        }
    }

    #[test]
    fn a_cluster_surprises_and_a_lab_is_not_judged() {
        let mut random = Random::new([2; 32]);
        let mut size = NetworkSize::default();
        assert_eq!(size.ln_bounds([1e-6].into_iter()), None);
        let many = nodes(1_000, &mut random);
        size.sample(8, closest(&many, &NodeId(random.id()), 8)[7]);
        let cluster = size.ln_bounds([1e-9; 8].into_iter()).unwrap();
        assert!(cluster[7] < -80.0, "{cluster:?}");
        let mut lab = NetworkSize::default();
        let few = nodes(12, &mut random);
        lab.sample(8, closest(&few, &NodeId(random.id()), 8)[7]);
        assert_eq!(lab.ln_bounds([1e-9; 8].into_iter()), None);
    }
}
