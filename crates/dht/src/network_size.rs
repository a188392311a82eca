//! The size of the DHT, estimated from the distances in lookups, and a test whether nodes are
//! closer to a target than that size allows.
//!
//! Ids are uniform, so the k-th closest of N nodes lies at k/(N + 1) of the key space on average.
//! The mean over many lookups gives N. A lookup that ended too early, or one of a target that is
//! surrounded, measures something else: samples far from the median do not count.

use super::id::Distance;

/// Latest lookups that the estimate is the mean of.
const MAX_SAMPLES: usize = 32;
/// Factor by which a sample may differ from the median. For eight honest nodes, a larger one has a
/// probability of 1e-9, and a smaller one of 1e-3.
const MAX_DEVIATION: f64 = 4.0;
/// Lookups that the estimate counts as evidence at most. Neighbouring targets meet the same nodes,
/// so their distances are not independent.
const MAX_INDEPENDENT: u32 = 8;
/// Smallest network that can be tested. In a test network, ids may be chosen by hand.
const MIN_NODES: f64 = 100.0;
/// Lookups that the estimate needs.
const MIN_SAMPLES: u32 = 4;
/// Lookups of random ids that may fail before the size stays unknown for now.
const MAX_ATTEMPTS: u8 = 2;

/// A running estimate of the network size.
#[derive(Debug, Clone, Default)]
pub(super) struct NetworkSize {
    /// Share of the key space per node in each of the latest lookups, in no order.
    samples: Vec<f64>,
    lookups: usize,
    /// Mean of the samples that count.
    share: f64,
    /// Number of samples that count.
    counted: usize,
    /// Number of nodes that the latest sample counted.
    rank: usize,
    /// Lookups of random ids that failed to measure.
    failed: u8,
    /// Whether a lookup needs a better estimate.
    needs_precision: bool,
}

impl NetworkSize {
    /// Records the distance of the `rank`-th closest node that answered in a complete lookup.
    pub(super) fn sample(&mut self, rank: usize, distance: Distance) {
        let share = distance.share() / rank as f64;
        match self.samples.get_mut(self.lookups % MAX_SAMPLES) {
            Some(oldest) => *oldest = share,
            None => self.samples.push(share),
        }
        self.lookups += 1;
        self.rank = rank;
        self.average();
    }

    /// Computes the mean of the samples near the median. Of two medians the smaller counts: a DHT
    /// that seems larger than it is makes fewer swarms look empty.
    fn average(&mut self) {
        let mut samples = self.samples.clone();
        let middle = (samples.len() - 1) / 2;
        let (_, median, _) = samples.select_nth_unstable_by(middle, f64::total_cmp);
        let near = (*median / MAX_DEVIATION)..=(*median * MAX_DEVIATION);
        let counted = self.samples.iter().filter(|share| near.contains(share));
        self.counted = counted.clone().count();
        self.share = counted.sum::<f64>() / self.counted as f64;
    }

    /// Records that a lookup of a random id failed to measure.
    pub(super) fn record_failed_sample(&mut self) {
        self.failed = self.failed.saturating_add(1);
    }

    /// Returns the number of nodes in the DHT; `None` before the first complete lookup.
    pub(super) fn estimate(&self) -> Option<u64> {
        (self.share > 0.0).then(|| (1.0 / self.share).round() as u64)
    }

    /// Returns the number of nodes as far as distances may be judged by it: `None` without an
    /// estimate, or if there are too few nodes.
    pub(super) fn measured(&self) -> Option<f64> {
        (self.share > 0.0 && !self.is_too_small()).then(|| 1.0 / self.share)
    }

    /// Returns whether the DHT was measured and has too few nodes to judge by distances.
    pub(super) fn is_small(&self) -> bool {
        self.share > 0.0 && self.is_too_small()
    }

    /// Returns how many leading bits the closest nodes share with a target on average; 0 while
    /// unknown.
    pub(super) fn typical_shared_bits(&self) -> u32 {
        self.estimate().map_or(0, |nodes| nodes.max(1).ilog2())
    }

    /// Returns whether no further measurement is useful: the size is known well enough, or so few
    /// nodes answer that it cannot be measured.
    pub(super) fn is_settled(&self) -> bool {
        self.samples_needed() == 0
    }

    /// Returns how many further lookups of random ids are needed.
    pub(super) fn samples_needed(&self) -> u32 {
        if self.failed >= MAX_ATTEMPTS {
            return 0;
        }
        let needed = if self.needs_precision && !self.is_too_small() {
            MAX_INDEPENDENT
        } else {
            MIN_SAMPLES
        };
        needed.saturating_sub(self.counted as u32)
    }

    /// Returns whether there are too few nodes to draw conclusions from distances.
    fn is_too_small(&self) -> bool {
        self.share * MIN_NODES > 1.0
    }

    /// Requests a better estimate, because one lookup is weak evidence that a swarm is not hidden.
    pub(super) fn demand_precision(&mut self) {
        self.needs_precision = true;
        self.failed = 0;
    }

    /// Returns the natural logarithms of upper bounds of these probabilities: in an honest DHT, the
    /// first, second, third … node lies within these shares of the key space. Returns `None`
    /// without an estimate.
    ///
    /// N nodes with uniform ids are a Poisson process: the share of the space that holds k of them
    /// is Gamma(k)/N. The estimate rests on m nodes of other lookups, whose shares sum up to S =
    /// Gamma(m)/N. N is unknown, but the ratio of both does not depend on it: x/(x + S) follows
    /// Beta(k, m), so that with q = x/(x + S)
    ///
    /// P(k nodes within x) = P(Binomial(k + m - 1, q) ≥ k) ≤ C(k + m - 1, k) q^k
    ///
    /// by the union bound. This holds for every m, so an estimate from one lookup raises no more
    /// false alarms than an estimate from many; it only detects less.
    pub(super) fn ln_bounds(&self, shares: impl Iterator<Item = f64>) -> Option<Vec<f64>> {
        self.measured()?;
        let nodes = (self.rank * self.counted.min(MAX_INDEPENDENT as usize)) as f64;
        let sum = self.share * nodes;
        let mut ln_choose = 0.0;
        let bounds = shares.enumerate().map(|(at, x)| {
            let k = at as f64 + 1.0;
            ln_choose += ((k + nodes - 1.0) / k).ln();
            // A node at the target itself must not give a logarithm of zero.
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
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn nodes(n: usize, rng: &mut StdRng) -> Vec<NodeId> {
        (0..n).map(|_| NodeId::random(rng)).collect()
    }

    fn closest(nodes: &[NodeId], target: &NodeId, n: usize) -> Vec<Distance> {
        let mut distances: Vec<Distance> = nodes.iter().map(|id| target.distance(id)).collect();
        distances.select_nth_unstable(n - 1);
        distances.truncate(n);
        distances.sort_unstable();
        distances
    }

    #[test]
    fn the_number_of_nodes_is_estimated_from_distances() {
        let mut rng = StdRng::from_seed([1; 32]);
        let nodes = nodes(10_000, &mut rng);
        let mut size = NetworkSize::default();
        for _ in 0..100 {
            let target = NodeId::random(&mut rng);
            size.sample(8, closest(&nodes, &target, 8)[7]);
        }
        let estimate = size.estimate().unwrap();
        assert!((9_000..11_000).contains(&estimate), "{estimate}");
    }

    /// The bound holds however few lookups measured the size. Of 4,000 honest lookups, about 4 fall
    /// below a probability of 1/1000.
    #[test]
    fn the_bounds_hold_in_an_honest_dht() {
        let mut rng = StdRng::from_seed([5; 32]);
        for measured in [1, 3, 100] {
            let mut rare = 0;
            for _ in 0..4_000 {
                let nodes = nodes(300, &mut rng);
                let mut size = NetworkSize::default();
                for _ in 0..measured.min(8) {
                    let target = NodeId::random(&mut rng);
                    size.sample(8, closest(&nodes, &target, 8)[7]);
                }
                let target = NodeId::random(&mut rng);
                let shares = closest(&nodes, &target, 8).into_iter().map(Distance::share);
                let eighth = size.ln_bounds(shares).unwrap()[7];
                rare += u32::from(eighth < 1e-3f64.ln());
            }
            assert!(rare <= 10, "{measured}: {rare}");
        }
    }

    #[test]
    fn a_cluster_is_improbable_and_a_test_network_is_not_tested() {
        let mut rng = StdRng::from_seed([2; 32]);
        let mut size = NetworkSize::default();
        assert_eq!(size.ln_bounds([1e-6].into_iter()), None);
        let many = nodes(1_000, &mut rng);
        size.sample(8, closest(&many, &NodeId::random(&mut rng), 8)[7]);
        let cluster = size.ln_bounds([1e-9; 8].into_iter()).unwrap();
        assert!(cluster[7] < -80.0, "{cluster:?}");
        let mut lab = NetworkSize::default();
        let few = nodes(12, &mut rng);
        lab.sample(8, closest(&few, &NodeId::random(&mut rng), 8)[7]);
        assert_eq!(lab.ln_bounds([1e-9; 8].into_iter()), None);
    }
}
