//! How many nodes the DHT has, from the distances that ordinary lookups meet.
//!
//! Ids are spread evenly, so the k-th closest of N nodes lies at k/(N + 1) of the key space on
//! average. The mean over many lookups says N.

use super::id::Distance;

/// Weight of the latest lookup, once there were this many.
const MEMORY: f64 = 64.0;

/// A running estimate.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    lookups: u32,
    /// Mean share of the key space that one node has to itself.
    share: f64,
}

impl Size {
    /// Takes in the distance of the `rank`-th closest node that answered in a whole lookup.
    pub(super) fn sample(&mut self, rank: usize, distance: Distance) {
        let share = distance.share() / rank as f64;
        self.lookups = self.lookups.saturating_add(1);
        let weight = 1.0 / f64::from(self.lookups).min(MEMORY);
        self.share += (share - self.share) * weight;
    }

    /// Nodes in the DHT; unknown before the first whole lookup.
    pub(super) fn estimate(&self) -> Option<u64> {
        (self.share > 0.0).then(|| (1.0 / self.share).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dht::NodeId;
    use crate::dht::random::Random;

    #[test]
    fn ten_thousand_nodes_are_told_from_distances() {
        let mut random = Random::new([1; 32]);
        let nodes: Vec<NodeId> = (0..10_000).map(|_| NodeId(random.id())).collect();
        let mut size = Size::default();
        for _ in 0..100 {
            let target = NodeId(random.id());
            let mut distances: Vec<Distance> = nodes.iter().map(|id| target.distance(id)).collect();
            distances.sort_unstable();
            size.sample(8, distances[7]);
        }
        let estimate = size.estimate().unwrap();
        assert!((9_000..11_000).contains(&estimate), "{estimate}");
    }
}
